"""What operators ask, of one station or as a job over many: a read now, a drift acknowledged."""

from __future__ import annotations

from typing import Any

import msgspec

from shared.records.drifts import Drift
from shared.records.jobs import JobKind
from shared.records.requests import AcknowledgeDrift, ApplyTemplates, LeaveJob, ReadConfiguration
from workers.services import bulk
from workers.services.refusals import Refused
from workers.store.draft import Draft
from workers.store.wants import WantDrifts

from . import drifts, reading, waiting


def read(draft: Draft, _request: ReadConfiguration) -> dict[str, Any]:
    """Begin to read; one that is under way is joined."""
    if draft.station is None:
        raise Refused(404, "no such station")
    if why := reading.begin(draft, reading.OPERATOR):
        raise Refused(409, why)
    return {"command_id": draft.configured.reads[reading.WHOLE].command_id}


def join(draft: Draft, request: ReadConfiguration | ApplyTemplates, kind: JobKind = "read_configuration") -> bool:
    """Begin to read for a job; False where that was asked before, or is refused, which is the job's result then.

    `Configured.jobs` has who waits for what: for the end of the whole read, or for what templates set after it. Every
    way out of both ends in `waiting.tell`.
    """
    if not bulk.is_new(draft, request):
        return False
    expires_at = draft.now + request.expires_in_ms if request.expires_in_ms else 0
    if why := reading.begin(draft, reading.JOB, expires_at):
        bulk.report(draft, request.job, "refused", detail=why)
        return False
    configured = draft.configured
    draft.put(msgspec.structs.replace(configured, jobs={**configured.jobs, request.job: kind}))
    return True


def leave(draft: Draft, request: LeaveJob) -> bool:
    """Let a job go that was cancelled; what was sent to the station for it ends as it ends.

    A read that only this job wanted is taken back. What templates set goes on: they want it, with or without the job.
    """
    if request.job not in draft.configured.jobs or _is_on_its_way(draft):
        return False
    waiting.tell(draft, "cancelled", job=request.job)
    if not draft.configured.jobs:
        reading.take_back(draft)
    return True


def _is_on_its_way(draft: Draft) -> bool:
    outstanding, run = draft.commands.outstanding, draft.tuned.run
    ours = {read.command_id for read in draft.configured.reads.values()}
    if run is not None:
        ours.add(run.command_id)
    return outstanding is not None and outstanding.command_id in ours


def acknowledge(draft: Draft, request: AcknowledgeDrift) -> Drift:
    """Acknowledge a drift; a second time changes nothing."""
    kept: tuple[Drift, ...] = draft.get(WantDrifts())
    found = next((one for one in kept if one.drift_id == request.drift_id), None)
    if draft.station is None or found is None:
        raise Refused(404, "no such drift")
    return drifts.acknowledge(draft, found, request.by, request.note)
