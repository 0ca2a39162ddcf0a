"""What operators ask: a read now, a drift acknowledged."""

from __future__ import annotations

from typing import Any

from shared.records.drifts import Drift
from shared.records.requests import AcknowledgeDrift, ReadConfiguration
from workers.services.refusals import Refused
from workers.store.draft import Draft
from workers.store.wants import WantDrifts

from . import drifts, reading


def read(draft: Draft, _request: ReadConfiguration) -> dict[str, Any]:
    """Begin to read; one that is under way is joined."""
    if draft.station is None:
        raise Refused(404, "no such station")
    if why := reading.begin(draft, reading.OPERATOR):
        raise Refused(409, why)
    return {"command_id": draft.configured.reads[reading.WHOLE].command_id}


def acknowledge(draft: Draft, request: AcknowledgeDrift) -> Drift:
    """Acknowledge a drift; a second time changes nothing."""
    kept: tuple[Drift, ...] = draft.get(WantDrifts())
    found = next((one for one in kept if one.drift_id == request.drift_id), None)
    if draft.station is None or found is None:
        raise Refused(404, "no such drift")
    return drifts.acknowledge(draft, found, request.by, request.note)
