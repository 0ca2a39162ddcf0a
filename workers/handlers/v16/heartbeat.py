"""Heartbeat (OCPP 1.6 §4.6): answered with the time; changes no state, for the edge keeps presence."""

from __future__ import annotations

from shared.ocpp.v16.messages import HeartbeatRequest, HeartbeatResponse
from workers.handlers.registry import handles
from workers.services import times
from workers.store.draft import Draft


@handles(HeartbeatRequest, late="drop")
def heartbeat(draft: Draft, _request: HeartbeatRequest) -> HeartbeatResponse:
    """Answer with the time."""
    return HeartbeatResponse(current_time=times.now_text(draft))
