"""CALLs on their way to the uplink, each when `shared.ocpp.connection` releases it: one per session is in the system.

A broken CALL whose message id can be read goes up like any other: the worker knows what to answer, for transaction
messages never get a CALLERROR.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from edge.stations.meters import ActionMeters
from shared import envelopes
from shared.envelopes import Kind, Uplink
from shared.ocpp.events import InboundCall

if TYPE_CHECKING:
    from edge.stations.session import Session

OVERFLOW: Final = 1024
"""CALLs beyond the queue that one read of the socket may bring."""
HEARTBEAT: Final = "Heartbeat"
REPEATED: Final = frozenset({HEARTBEAT, "StatusNotification"})
"""What a station has no reason to send all the time; transaction messages it may replay by the hundred."""
FLOOD: Final = 30
FLOOD_S: Final = 10.0
"""So many of them in so short a time are a flood (quirk 27): flagged, and answered all the same."""


def forward(session: Session, call: InboundCall, now: float) -> None:
    """Put a CALL on the uplink, and see to it that its answer is waited for in time."""
    hub = session.hub
    if call.error is None:
        hub.meters.of(call.action).calls.inc()
        if call.action in REPEATED:
            _count(session, call.action, now)
    elif not session.may_go_on_after(call.error.reason):
        return
    session.look_at(now + hub.call_timeout_s)
    frame = call.frame
    assert isinstance(frame, bytes), "it came from the wire"
    trace = "" if hub.traces is None else hub.traces.begin(session, call, now)
    entry = Uplink(
        envelopes.VERSION, Kind.CALL, session.station_id, hub.node.name, session.epoch, call.seq, frame, "", trace
    )
    hub.gate.asked(now)
    hub.append(session.stream, envelopes.encode(entry), session)


def _count(session: Session, action: str, now: float) -> None:
    if action == HEARTBEAT:
        session.beats = True
    session.repeats += 1
    if session.repeats == FLOOD:
        if now - session.repeats_since < FLOOD_S:
            session.note("flood")
        session.repeats, session.repeats_since = 0, now


def unanswered(session: Session) -> list[tuple[ActionMeters, float]]:
    """Give up the CALLs that will not be answered any more: the meters and time of receipt of each."""
    found = [(session.hub.meters.of(call.action), call.received_at) for call in session.rpc.unanswered]
    session.rpc.close()
    return found
