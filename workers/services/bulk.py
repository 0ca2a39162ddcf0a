"""A station's part in jobs over many stations: its command is queued, and how it ended is left for the job.

What jobs of other kinds ask is begun where that belongs: `configuration.asked`, `tuning.asking`.

Each result goes out with the decision that made it, so it is as durable as the command's own end; the runner
(`workers.jobs.bulk`) counts it. The command's id follows from job and station: it is queued once, however often asked.
"""

from __future__ import annotations

from typing import Final, cast

from shared.bus import keys
from shared.records.commands import CommandRecord
from shared.records.jobs import DETAIL_CHARACTERS, ORIGIN, JobResult, Outcome, job_of
from shared.records.packing import pack
from shared.records.requests import ApplyTemplates, LeaveJob, ReadConfiguration, Request, SendCommand, SyncLocalList
from workers.store.draft import Draft

from . import commands, duplicates, watching

KEPT_MS: Final = 40 * 24 * 3600 * 1000
"""A result that nobody counts is forgotten after so long: its job is gone."""


def begin(draft: Draft, request: SendCommand) -> bool:
    """Queue a job's command; False where it was queued before, or is refused, which is the job's result then."""
    if draft.station is None:
        report(draft, request.job, "refused", detail="no such station")
        return False
    if commands.record_of(draft, request.command_id) is not None:
        return False
    if len(draft.commands.queue) >= commands.MAX_QUEUE:
        detail = f"{commands.MAX_QUEUE} commands wait for this station already"
        report(draft, request.job, "refused", request.command_id, detail)
        return False
    commands.enqueue(
        draft,
        request.action,
        request.payload,
        f"{ORIGIN}:{request.job}",
        expires_at=draft.now + request.expires_in_ms,
        command_id=request.command_id,
    )
    return True


def is_new(draft: Draft, request: ReadConfiguration | ApplyTemplates | SyncLocalList) -> bool:
    """Tell whether a job's request is to be begun, and remember it; a station that is no more has its result then."""
    if draft.station is None:
        report(draft, request.job, "refused", detail="no such station")
        return False
    name = duplicates.request_digest(request.request_id)
    if duplicates.kept(draft, name) is not None:
        return False
    duplicates.keep_reply(draft, name, b"")
    return True


def given_up(draft: Draft, request: Request) -> None:
    """Tell a job that its request to this station could not be decided."""
    job_id = wanted_by(request)
    if job_id and not isinstance(request, LeaveJob):
        command = request.command_id if isinstance(request, SendCommand) else ""
        report(draft, job_id, "error", command, "the request could not be decided")


def wanted_by(request: Request) -> str:
    """Return the job that a request is for; empty where an operator waits for its reply."""
    found: str = getattr(request, "job", "")
    return found


@commands.when_ended(ORIGIN)
def ended(draft: Draft, command: CommandRecord) -> None:
    """Tell a job what became of its command; what was accepted is watched like any operator's."""
    result = result_of(command)
    report(draft, job_of(command.origin), result.outcome, command.command_id, result.detail)
    watching.begin(draft, command)


def result_of(command: CommandRecord) -> JobResult:
    """Return what a command that has ended means for its job."""
    assert command.state not in ("queued", "sent"), "it has ended"
    status = command.response.get("status") if isinstance(command.response, dict) else None
    detail = command.error or str(status or "")
    return JobResult(
        outcome=cast("Outcome", command.state),
        at=command.ended_at,
        command_id=command.command_id,
        detail=detail[:DETAIL_CHARACTERS],
    )


def report(draft: Draft, job_id: str, outcome: Outcome, command_id: str = "", detail: str = "") -> None:
    """Leave this station's result for the job; the first one counts."""
    result = JobResult(outcome=outcome, at=draft.now, command_id=command_id, detail=detail[:DETAIL_CHARACTERS])
    draft.effect("HSET", keys.job_ended(job_id), draft.station_id, pack(result))
    draft.effect("PEXPIRE", keys.job_ended(job_id), KEPT_MS)
