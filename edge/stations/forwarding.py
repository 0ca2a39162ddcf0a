"""CALLs on their way to the uplink: one per session is in the system at a time, in the order in which they came.

More wait here (OCPP-J allows none to wait, real stations send them). Where `inbound_queue` is full the socket is not
read until half of it is gone; what one read had brought already is taken up to `OVERFLOW`, then the session is closed.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from edge.stations.meters import ActionMeters
from shared import envelopes
from shared.envelopes import Kind, Uplink

if TYPE_CHECKING:
    from edge.stations.session import Session

OVERFLOW: Final = 1024
"""CALLs beyond the queue that one read of the socket may bring."""
TRY_AGAIN: Final = 1012


class Waiting(NamedTuple):
    """A CALL that waits for the ones before it."""

    frame: bytes
    meters: ActionMeters
    received_at: float


def offer(session: Session, frame: bytes, meters: ActionMeters, now: float) -> None:
    """Forward a CALL, or let it wait its turn; the same one again while it waits or is handled is dropped."""
    if not session.in_flight:
        _forward(session, frame, meters, now, now)
        return
    waiting = session.waiting
    if waiting is None:
        waiting = session.waiting = deque()
    if frame == session.current or any(frame == other.frame for other in waiting):
        session.hub.meters.invalid("second_call")
        return
    limit = session.hub.inbound_queue
    if len(waiting) >= limit + OVERFLOW:
        session.close(TRY_AGAIN, "too many calls at once", "queue_full")
        return
    waiting.append(Waiting(frame, meters, now))
    if len(waiting) >= limit and not session.held_back:
        session.held_back = True
        session.pause_reading()


def answered(session: Session, now: float) -> None:
    """Let the next CALL go: the one in flight has its answer."""
    session.in_flight = False
    session.current = b""
    if session.strikes:
        session.strikes -= 1
    waiting = session.waiting
    if waiting:
        following = waiting.popleft()
        _forward(session, following.frame, following.meters, following.received_at, now)
        if session.held_back and len(waiting) <= session.hub.inbound_queue // 2:
            session.held_back = False
            session.resume_reading()
    elif session.finishing:
        session.close(TRY_AGAIN, "restarting", "drain")


def unanswered(session: Session) -> list[tuple[ActionMeters, float]]:
    """Give up the CALLs that will not be answered any more: the meters and time of receipt of each."""
    found = [(waiting.meters, waiting.received_at) for waiting in session.waiting or ()]
    if session.in_flight and session.meters is not None:
        found.append((session.meters, session.received_at))
    session.waiting = None
    return found


def _forward(session: Session, frame: bytes, meters: ActionMeters, received_at: float, now: float) -> None:
    hub = session.hub
    session.call_seq += 1
    session.in_flight = True
    session.current = frame
    session.meters = meters
    session.received_at = received_at
    session.forwarded_at = now
    session.look_at(now + hub.call_timeout_s)
    entry = Uplink(
        envelopes.VERSION, Kind.CALL, session.station_id, hub.node.name, session.epoch, session.call_seq, frame
    )
    hub.gate.asked(now)
    hub.append(session.stream, envelopes.encode(entry), session)
