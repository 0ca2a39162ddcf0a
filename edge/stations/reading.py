"""What a station's text means: a CALL takes its turn, an answer passes beside, anything else is kept for people.

Only the envelope is decoded, never the payload. A broken CALL whose message id can be read takes its turn like any
other: the worker knows what to answer, for transaction messages never get a CALLERROR.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from edge.stations import forwarding
from shared import envelopes
from shared.envelopes import Kind, Uplink
from shared.ocpp import frames
from shared.ocpp.errors import FrameError, UnknownMessageType
from shared.ocpp.frames import Call, CallError, CallResult
from shared.series import OTHER

if TYPE_CHECKING:
    from edge.stations.session import Session

MAX_STRIKES: Final = 50
"""Bad frames and unasked answers, less the good CALLs since, after which a station is closed (quirk 11)."""
POLICY: Final = 1008
HEARTBEAT: Final = "Heartbeat"
_REASONS: Final = {"unknown_message_type": "unknown_type"}


def read(session: Session, data: bytes, *, binary: bool) -> None:
    """Take one message from the socket."""
    hub = session.hub
    now = session.seen_at = hub.monotonic()
    if binary:
        hub.meters.invalid("binary")
    hub.meters.bytes_in.observe(len(data))
    try:
        frame = frames.decode(data, hub.max_json_depth)
    except FrameError as error:
        _bad(session, data, error, now)
        return
    if type(frame) is Call:
        meters = hub.meters.of(frame.action)
        meters.calls.inc()
        if frame.action == HEARTBEAT:
            session.beats = True
        forwarding.offer(session, data, meters, now)
    elif isinstance(frame, (CallResult, CallError)):
        _answer(session, data, frame)
    else:
        # SEND and CALLRESULTERROR are types of versions that are not served yet.
        _bad(session, data, UnknownMessageType("the session's version has no such type"), now)


def _answer(session: Session, data: bytes, frame: CallResult | CallError) -> None:
    """Forward the answer to one of our CALLs, or to none: the worker knows late ones by their id."""
    if frame.message_id == session.command_id:
        session.command_id = ""
    else:
        session.hub.meters.invalid("unsolicited_answer")
        if _strike(session):
            return
    session.hub.meters.answer_in(is_error=isinstance(frame, CallError))
    _report(session, Kind.ANSWER, data, "")


def _bad(session: Session, data: bytes, error: FrameError, now: float) -> None:
    reason = _REASONS.get(error.reason, error.reason)
    session.hub.meters.invalid(reason)
    if _strike(session):
        return
    if error.message_type == frames.CALL and error.message_id is not None:
        forwarding.offer(session, data, session.hub.meters.of(error.action or OTHER), now)
    else:
        _report(session, Kind.UNREADABLE, data, f"{error.reason}: {error.description}")


def _strike(session: Session) -> bool:
    """Count what should not have come; True where that was once too often."""
    session.strikes += 1
    if session.strikes > MAX_STRIKES:
        session.close(POLICY, "too many bad frames", "protocol_error")
    return session.ended


def _report(session: Session, kind: Kind, data: bytes, note: str) -> None:
    hub = session.hub
    entry = Uplink(envelopes.VERSION, kind, session.station_id, hub.node.name, session.epoch, 0, data, note)
    hub.append(session.stream, envelopes.encode(entry), session)
