"""What a station's text means: a CALL takes its turn, an answer passes beside, anything else is kept for people.

The rules are `shared.ocpp.connection`'s; this is what an edge does about each of its events. Only the envelope is
decoded, never the payload.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from edge.stations import delivering, forwarding
from shared import envelopes
from shared.envelopes import Kind, Uplink
from shared.ocpp import events
from shared.ocpp.frames import CallError

if TYPE_CHECKING:
    from edge.stations.session import Session

TRY_AGAIN: Final = 1012
UNKNOWN_TYPE: Final = "unknown_type"
_REASONS: Final = {"unknown_message_type": UNKNOWN_TYPE}


def read(session: Session, data: bytes, *, binary: bool) -> None:
    """Take one message from the socket."""
    hub = session.hub
    now = session.seen_at = hub.monotonic()
    if binary:
        hub.meters.invalid("binary")
    hub.meters.bytes_in.observe(len(data))
    for event in session.rpc.receive(data, now):
        if type(event) is events.InboundCall:
            forwarding.forward(session, event, now)
        else:
            _take(session, event, data)


def _take(session: Session, event: events.Event, data: bytes) -> None:
    """Act on what is no CALL to forward; `data` is the text that it came of."""
    match event:
        case events.OutboundAnswered(action=action):
            _answer(session, data, action, is_error=False)
        case events.OutboundFailed(action=action, reason=reason):
            # A broken answer ends our CALL too, but is reported as the bad frame that it is.
            if reason is events.FailReason.ERROR:
                _answer(session, data, action, is_error=True)
        case events.LateAnswer(action=action, answer=answer):
            session.hub.meters.invalid("late_answer")
            _answer(session, data, action, is_error=isinstance(answer, CallError))
        case events.UnsolicitedAnswer(answer=answer):
            if session.may_go_on_after("unsolicited_answer"):
                _answer(session, data, "", is_error=isinstance(answer, CallError))
        case events.Backpressure():
            session.pause_reading()
        case events.Overflow():
            session.close(TRY_AGAIN, "too many calls at once", "queue_full")
        case _:
            _take_useless(session, event, data)


def _take_useless(session: Session, event: events.Event, data: bytes) -> None:
    """Count a frame that nothing can be done with, keep it for people, and answer it where the version says so."""
    match event:
        case events.Ignored(reason=events.IgnoreReason.REPEATED_CALL):
            session.hub.meters.invalid("second_call")
        case events.BadFrame(error=error, reply=reply):
            if session.may_go_on_after(_REASONS.get(error.reason, error.reason)):
                _report(session, Kind.UNREADABLE, data, f"{error.reason}: {error.description}")
                if reply is not None:
                    delivering.send(session, reply)
        case _:
            # A type that the version ignores, or one of 2.1, which is not served yet.
            if session.may_go_on_after(UNKNOWN_TYPE):
                _report(session, Kind.UNREADABLE, data, "unknown_message_type: nothing to do in this version")


def _answer(session: Session, data: bytes, action: str, *, is_error: bool) -> None:
    """Forward the answer to one of our CALLs, or to none: the worker knows late ones by their id."""
    session.hub.meters.answer_in(action, is_error=is_error)
    traces = session.hub.traces
    _report(session, Kind.ANSWER, data, "", "" if traces is None else traces.command_answered(data))


def _report(session: Session, kind: Kind, data: bytes, note: str, trace: str = "") -> None:
    hub = session.hub
    entry = Uplink(envelopes.VERSION, kind, session.station_id, hub.node.name, session.epoch, 0, data, note, trace)
    hub.append(session.stream, envelopes.encode(entry), session)
