"""What goes to the socket: answers to the CALL in flight, and CALLs of ours, each written once or reported.

A station that does not read fills its transport's buffer, then a bounded queue here, then is closed.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from edge.stations import forwarding
from edge.stations.wire import TEXT
from shared.envelopes import Command
from shared.ocpp import frames
from shared.ocpp.errors import FrameError
from shared.ocpp.events import Backpressure, InboundCall, SendFrame

if TYPE_CHECKING:
    from edge.stations.session import Session

TRY_AGAIN: Final = 1012


class Outgoing(NamedTuple):
    """A frame that waits for room in the transport; `command` where it is a CALL of ours."""

    frame: bytes
    command: Command | None


def answer(session: Session, call_seq: int, frame: bytes, now: float) -> None:
    """Write the answer to the CALL `call_seq` and let the next one go, unless that is not the one in flight."""
    call, meters = session.rpc.in_flight, session.hub.meters
    for event in session.rpc.answer_encoded(call_seq, frame, now):
        if session.ended:
            return
        if isinstance(event, SendFrame):
            assert call is not None, "what is answered was in flight"
            send(session, event.data)
            meters.answered(meters.of(call.action), event.data, now - call.received_at)
        elif isinstance(event, InboundCall):
            forwarding.forward(session, event, now)
        elif isinstance(event, Backpressure):
            session.resume_reading()
        else:
            meters.invalid("late_answer")
            return
    session.answered()


def send(session: Session, frame: bytes) -> None:
    """Write a frame that is no CALL of ours."""
    _send(session, frame, None)


def command(session: Session, item: Command) -> None:
    """Write a CALL of ours; the hub has checked epoch and deadline."""
    _send(session, item.frame, item)


def resume(session: Session) -> None:
    """Write what waited, as long as the transport takes it; a command whose time passed is reported instead."""
    out, hub = session.out, session.hub
    while out and not session.stalled and not session.ended:
        waiting = out.popleft()
        hub.meters.queued.dec()
        if waiting.command is not None and hub.is_late(waiting.command):
            hub.not_written(waiting.command, "deadline")
            continue
        _write(session, waiting.frame, waiting.command)


def abandon(session: Session) -> None:
    """Report the commands that never reached the socket; the answers among what waited are gone with it."""
    out, hub = session.out, session.hub
    if out:
        hub.meters.queued.dec(len(out))
        for waiting in out:
            if waiting.command is not None:
                hub.not_written(waiting.command, "closed")
        out.clear()


def _send(session: Session, frame: bytes, item: Command | None) -> None:
    if not session.stalled:
        _write(session, frame, item)
        return
    out = session.out
    if out is None:
        out = session.out = deque()
    out.append(Outgoing(frame, item))
    session.hub.meters.queued.inc()
    if len(out) > session.hub.outbound_queue:
        session.close(TRY_AGAIN, "the station does not read", "queue_full")


def _action_of(frame: bytes) -> str:
    """Return the action of a CALL that a worker encoded; empty where that is a newer release's frame."""
    try:
        call = frames.decode(frame)
    except FrameError:
        return ""
    return call.action if isinstance(call, frames.Call) else ""


def _write(session: Session, frame: bytes, item: Command | None) -> None:
    if item is not None:
        # The worker times it: one that is still outstanding has failed there.
        action = _action_of(item.frame)
        session.rpc.call_encoded(item.command_id, session.hub.monotonic(), action=action)
        session.hub.meters.command_out(item.frame, action)
    session.write(TEXT, frame)
