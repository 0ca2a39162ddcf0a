"""The RPC state machine of one WebSocket, for either role, CSMS or station.

Frames go in (`receive`), events come out (`shared.ocpp.events`); the owner writes the bytes of `SendFrame` and of what
`send_call` and `send_unconfirmed` return. `now` is any clock in seconds that only rises. The rules:

- One inbound CALL is with the owner at a time; more wait in a bounded queue and are released by the answer before them
  (OCPP-J 1.6 §4.1.1 allows none to wait, real stations send them). Answers and SENDs never wait.
- A full queue asks the owner to stop reading. What it had read by then is taken too, up to `overflow` CALLs.
- One outbound CALL is outstanding at a time; the queue before it is the owner's. It ends by its answer, a timeout, or
  the close. An answer after the timeout is late, one to nothing is unsolicited; neither is an error.
- A CALL that somebody else encodes and times (`call_encoded`: an edge, for a worker) ends by the next one too.
- An unknown message type is ignored in 1.6 and 2.1 and answered in 2.0.1. A SEND is never answered, nor is an answer.
- A broken CALL whose message id could be read takes its turn like any other, with `error` set: the owner may have a
  better answer than `reply_to` makes, for transaction messages never get a CALLERROR.

The same CALL again, byte for byte, while the first waits or is handled, is dropped: the first one's answer is its too.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Any, Final

import msgspec

from shared.ocpp import frames
from shared.ocpp.errors import ErrorCode, FrameError, LocalError, OcppError, UnknownMessageType
from shared.ocpp.events import (
    Backpressure,
    BadFrame,
    Event,
    FailReason,
    Ignored,
    IgnoreReason,
    InboundCall,
    InboundSend,
    InboundStuck,
    LateAnswer,
    OutboundAnswered,
    OutboundFailed,
    Overflow,
    ResultRejected,
    SendFrame,
    UnsolicitedAnswer,
)
from shared.ocpp.versions import UNREADABLE_ID, Version

_NOTHING: Final = msgspec.Raw(b"")
_LATE_REMEMBERED: Final = 64
_ANSWERS: Final = frozenset((frames.CALLRESULT, frames.CALLERROR))
_NEVER_ANSWERED: Final = _ANSWERS | {frames.CALLRESULTERROR, frames.SEND}


class _Outstanding(msgspec.Struct, gc=False):
    """Our CALL that waits for its answer; without a deadline somebody else knows when it has failed."""

    message_id: str
    action: str
    sent_at: float
    deadline: float | None


class Connection:
    """One connection's state; all methods are synchronous, do no IO and raise nothing but `LocalError`.

    `max_queued` bounds the CALLs that wait behind the one in flight, `overflow` those that come in spite of
    `Backpressure`; `inbound_timeout` (seconds) is how long the owner may take to answer before `tick` tells;
    `max_depth` bounds a frame's nesting.
    """

    __slots__ = (
        "_closed",
        "_deadline",
        "_flight",
        "_inbound_timeout",
        "_late",
        "_max_depth",
        "_max_queued",
        "_outstanding",
        "_overflow",
        "_paused",
        "_released_at",
        "_seq",
        "_waiting",
        "version",
    )

    def __init__(
        self,
        version: Version,
        *,
        max_queued: int = 16,
        overflow: int = 0,
        inbound_timeout: float = 20.0,
        max_depth: int = frames.MAX_DEPTH,
    ) -> None:
        self.version = version
        self._max_queued = max_queued
        self._overflow = overflow
        self._inbound_timeout = inbound_timeout
        self._max_depth = max_depth
        self._seq = 0
        self._flight: InboundCall | None = None
        self._released_at = 0.0
        # When `tick` has to tell that the owner is late; None once told, or with nothing in flight.
        self._deadline: float | None = None
        # Made on first use: most connections of a large fleet never queue and never time out.
        self._waiting: deque[InboundCall] | None = None
        self._late: OrderedDict[str, str] | None = None
        self._outstanding: _Outstanding | None = None
        self._paused = False
        self._closed = False

    # -- what the owner asks -------------------------------------------------------------------------------------------

    @property
    def in_flight(self) -> InboundCall | None:
        """The CALL that the owner has to answer."""
        return self._flight

    @property
    def queued(self) -> int:
        """How many CALLs wait behind the one in flight."""
        return len(self._waiting) if self._waiting else 0

    @property
    def unanswered(self) -> tuple[InboundCall, ...]:
        """The CALL in flight and those that wait behind it; theirs have no `seq` yet that counts."""
        return () if self._flight is None else (self._flight, *(self._waiting or ()))

    @property
    def paused(self) -> bool:
        """Whether the owner was asked to stop reading, and not yet to read on."""
        return self._paused

    @property
    def can_call(self) -> bool:
        """Whether `send_call` may be used now."""
        return self._outstanding is None and not self._closed

    @property
    def outstanding(self) -> str | None:
        """The message id of our CALL that waits for its answer."""
        return None if self._outstanding is None else self._outstanding.message_id

    @property
    def next_deadline(self) -> float | None:
        """When `tick` has something to do, None for never as things are."""
        ours = None if self._outstanding is None else self._outstanding.deadline
        if ours is None or self._deadline is None:
            return ours if self._deadline is None else self._deadline
        return min(ours, self._deadline)

    @property
    def _foreign(self) -> frozenset[int]:
        """The message types that exist, but not in this version."""
        sends = () if self.version.send_frame else (frames.SEND,)
        return frozenset(sends if self.version.result_error else (*sends, frames.CALLRESULTERROR))

    # -- frames in -----------------------------------------------------------------------------------------------------

    def receive(self, data: bytes | str, now: float) -> list[Event]:
        """Take one text frame and return what it means."""
        if self._closed:
            return [Ignored(IgnoreReason.CLOSED)]
        try:
            frame = frames.decode(data, self._max_depth)
        except FrameError as error:
            return self._receive_bad(error.with_traceback(None), data, now)
        if isinstance(frame, frames.Call):
            call = InboundCall(self._seq + 1, frame.message_id, frame.action, frame.payload, data, now)
            return self._receive_call(call, now)
        if isinstance(frame, (frames.CallResult, frames.CallError)):
            return self._receive_answer(frame, now)
        if isinstance(frame, frames.Send) and self.version.send_frame:
            self._seq += 1
            return [InboundSend(self._seq, frame.message_id, frame.action, frame.payload, data)]
        if isinstance(frame, frames.CallResultError) and self.version.result_error:
            return [ResultRejected(frame.message_id, frame.code, frame.description or "")]
        kind = frames.SEND if isinstance(frame, frames.Send) else frames.CALLRESULTERROR
        return self._receive_bad(self._unknown_type(kind, frame.message_id), data, now)

    def _unknown_type(self, kind: int, message_id: str | None) -> UnknownMessageType:
        return UnknownMessageType(f"message type {kind} is not known in {self.version.name}", kind, message_id)

    def _receive_call(self, call: InboundCall, now: float) -> list[Event]:
        """Release a CALL to the owner or let it wait."""
        flight = self._flight
        if flight is None:
            return [self._release(call, now)]
        waiting = self._waiting
        if waiting is None:
            waiting = self._waiting = deque()
        frame = call.frame
        if frame == flight.frame or any(frame == other.frame for other in waiting):
            return [Ignored(IgnoreReason.REPEATED_CALL, call.message_id)]
        if len(waiting) >= self._max_queued + self._overflow:
            return [Overflow(call.message_id, call.action)]
        waiting.append(call)
        if len(waiting) >= self._max_queued and not self._paused:
            self._paused = True
            return [Backpressure(on=True)]
        return []

    def _receive_answer(self, frame: frames.CallResult | frames.CallError, now: float) -> list[Event]:
        """Match an answer with our CALL by message id."""
        ours = self._outstanding
        if ours is not None and ours.message_id == frame.message_id:
            self._outstanding = None
            if isinstance(frame, frames.CallResult):
                return [OutboundAnswered(ours.message_id, ours.action, frame.payload, now - ours.sent_at)]
            failed = OutboundFailed(
                ours.message_id, ours.action, FailReason.ERROR, frame.code, frame.description or "", frame.details
            )
            return [failed]
        if self._late is not None and (action := self._late.pop(frame.message_id, None)) is not None:
            return [LateAnswer(frame.message_id, action, frame)]
        return [UnsolicitedAnswer(frame.message_id, frame)]

    def _receive_bad(self, error: FrameError, data: bytes | str, now: float) -> list[Event]:
        """Take a frame that could not be decoded, or that this version does not know."""
        kind = error.message_type
        if kind in self._foreign:
            error = self._unknown_type(kind, error.message_id)
        if isinstance(error, UnknownMessageType):
            if not self.version.answers_unknown_type:
                return [Ignored(IgnoreReason.UNKNOWN_MESSAGE_TYPE, error.message_id)]
            return [BadFrame(error, self.reply_to(error), data)]
        if kind in _ANSWERS:
            return [BadFrame(error, None, data), *self._fail_by(error)]
        if kind == frames.CALL and error.message_id is not None:
            call = InboundCall(self._seq + 1, error.message_id, error.action or "", _NOTHING, data, now, error)
            return self._receive_call(call, now)
        return [BadFrame(error, self.reply_to(error), data)]

    def _fail_by(self, error: FrameError) -> list[Event]:
        """End our CALL whose answer came broken: no other will come."""
        ours = self._outstanding
        if ours is None or ours.message_id != error.message_id:
            return []
        self._outstanding = None
        failed = OutboundFailed(ours.message_id, ours.action, FailReason.BAD_ANSWER, description=error.description)
        return [failed]

    def reply_to(self, error: FrameError) -> bytes | None:
        """Return the CALLERROR that a bad frame gets, None where the version has no answer for it.

        Corrupt frames without a readable id get the id "-1" in 2.x (OCPP-J 2.0.1 §4.2.3) and nothing in 1.6. Answers
        and SENDs are never answered.
        """
        if error.message_type in _NEVER_ANSWERED and not isinstance(error, UnknownMessageType):
            return None
        message_id = error.message_id
        if message_id is None:
            if not self.version.answers_unreadable:
                return None
            message_id = UNREADABLE_ID
        code = self.version.bad_envelope
        if isinstance(error, UnknownMessageType):
            code = ErrorCode.MESSAGE_TYPE_NOT_SUPPORTED
        return frames.encode_error(message_id, self.version.spell(code), error.description)

    # -- answers out ---------------------------------------------------------------------------------------------------

    def answer(self, seq: int, payload: frames.Payload, now: float) -> list[Event]:
        """Answer the CALL in flight with a result; return the frame to send and the CALL that is next."""
        flight = self._flight
        if flight is None or flight.seq != seq:
            return [Ignored(IgnoreReason.STALE_ANSWER)]
        return self._answered(frames.encode_result(flight.message_id, payload), now)

    def answer_error(self, seq: int, error: OcppError | FrameError, now: float) -> list[Event]:
        """Answer the CALL in flight with a CALLERROR in this version's spelling."""
        flight = self._flight
        if flight is None or flight.seq != seq:
            return [Ignored(IgnoreReason.STALE_ANSWER)]
        code = self.version.bad_envelope
        details: dict[str, Any] = {}
        if isinstance(error, OcppError):
            code, details = error.code, error.details
        data = frames.encode_error(flight.message_id, self.version.spell(code), error.description, details)
        return self._answered(data, now)

    def answer_encoded(self, seq: int, frame: bytes, now: float) -> list[Event]:
        """Answer the CALL in flight with a frame that was encoded elsewhere (the worker's, by way of the downlink)."""
        if self._flight is None or self._flight.seq != seq:
            return [Ignored(IgnoreReason.STALE_ANSWER)]
        return self._answered(frame, now)

    def _answered(self, data: bytes, now: float) -> list[Event]:
        self._flight = self._deadline = None
        if not self._waiting:
            return [SendFrame(data)]
        events: list[Event] = [SendFrame(data), self._release(self._waiting.popleft(), now)]
        if self._paused and len(self._waiting) <= self._max_queued // 2:
            self._paused = False
            events.append(Backpressure(on=False))
        return events

    def _release(self, call: InboundCall, now: float) -> InboundCall:
        # Numbers follow the order of release: a SEND may have passed while the CALL waited, or others were dropped.
        self._seq += 1
        if call.seq != self._seq:
            call = msgspec.structs.replace(call, seq=self._seq)
        self._flight = call
        self._released_at = now
        self._deadline = now + self._inbound_timeout
        return call

    # -- calls out -----------------------------------------------------------------------------------------------------

    def send_call(self, message_id: str, action: str, payload: frames.Payload, now: float, timeout: float) -> bytes:
        """Return the frame of a CALL and wait for its answer `timeout` seconds from now.

        Raises LocalError while another CALL is outstanding (OCPP-J 1.6 §4.1.1) or after the close.
        """
        if self._closed or self._outstanding is not None:
            raise LocalError("the connection is closed" if self._closed else "a CALL is outstanding already")
        data = frames.encode_call(message_id, action, payload)
        self._outstanding = _Outstanding(message_id, action, now, now + timeout)
        return data

    def call_encoded(self, message_id: str, now: float, *, action: str = "", timeout: float | None = None) -> None:
        """Note a CALL that was encoded elsewhere, when its frame is written.

        Without `timeout` whoever encoded it times it too, so another one says that the one before has failed: an answer
        to that is late from now on. Raises LocalError after the close.
        """
        if self._closed:
            raise LocalError("the connection is closed")
        if self._outstanding is not None:
            self._remember_late(self._outstanding)
        if self._late is not None:
            self._late.pop(message_id, None)
        self._outstanding = _Outstanding(message_id, action, now, None if timeout is None else now + timeout)

    def send_unconfirmed(self, message_id: str, action: str, payload: frames.Payload) -> bytes:
        """Return the frame of a SEND; raises LocalError where the version has none, or after the close."""
        if self._closed or not self.version.send_frame:
            raise LocalError("the connection is closed" if self._closed else f"{self.version.name} has no SEND")
        return frames.encode_send(message_id, action, payload)

    # -- time and end --------------------------------------------------------------------------------------------------

    def tick(self, now: float) -> list[Event]:
        """Return what the passing of time brought; cheap to call often, needed from `next_deadline` on."""
        events: list[Event] = []
        ours = self._outstanding
        if ours is not None and ours.deadline is not None and now >= ours.deadline:
            self._outstanding = None
            self._remember_late(ours)
            events.append(OutboundFailed(ours.message_id, ours.action, FailReason.TIMEOUT))
        if self._flight is not None and self._deadline is not None and now >= self._deadline:
            self._deadline = None
            flight = self._flight
            events.append(InboundStuck(flight.seq, flight.message_id, flight.action, now - self._released_at))
        return events

    def _remember_late(self, ours: _Outstanding) -> None:
        if self._late is None:
            self._late = OrderedDict()
        self._late[ours.message_id] = ours.action
        if len(self._late) > _LATE_REMEMBERED:
            self._late.popitem(last=False)

    def close(self) -> list[Event]:
        """End the connection: our CALL fails, what waits is dropped, and nothing is taken any more."""
        ours, self._outstanding = self._outstanding, None
        self._closed = True
        self._flight = self._waiting = self._deadline = None
        return [] if ours is None else [OutboundFailed(ours.message_id, ours.action, FailReason.CLOSED)]
