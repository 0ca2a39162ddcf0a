"""What a `shared.ocpp.connection.Connection` tells its owner, in the order in which it must be acted on.

InboundCall        a CALL to handle, one at a time; answer it by its `seq`
InboundSend        a SEND to handle; never answered (2.1)
OutboundAnswered   our CALL got its CALLRESULT
OutboundFailed     our CALL got a CALLERROR or none at all
LateAnswer         an answer to a CALL of ours that had timed out
UnsolicitedAnswer  an answer to nothing that this connection sent
ResultRejected     the peer could not use a CALLRESULT of ours (2.1)
BadFrame           a frame that nothing can be done with but to send its `reply`, where there is one
Ignored            a frame, or an answer of ours, that rightly has no effect
Backpressure       the inbound queue is full (stop reading the socket), or has room again
Overflow           a CALL came in spite of that and is lost: close
InboundStuck       the owner has not answered the CALL in flight in time
SendFrame          bytes to write to the socket
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

import msgspec

from shared.ocpp.errors import FrameError
from shared.ocpp.frames import CallError, CallResult


class FailReason(StrEnum):
    """Why a CALL of ours has no result."""

    ERROR = "error"
    TIMEOUT = "timeout"
    BAD_ANSWER = "bad_answer"
    CLOSED = "closed"


class IgnoreReason(StrEnum):
    """Why something has no effect."""

    UNKNOWN_MESSAGE_TYPE = "unknown_message_type"
    REPEATED_CALL = "repeated_call"
    STALE_ANSWER = "stale_answer"
    CLOSED = "closed"


class InboundCall(msgspec.Struct, frozen=True, gc=False):
    """A CALL to handle: `seq` counts calls and sends of this connection from 1, in the order of these events.

    `frame` is what came, as it came, at `received_at` by the owner's clock. `error` is set where it is broken but its
    message id could be read, so that it can be answered: `action` is then empty if it could not be read, and `payload`
    is empty. `answer_error(seq, error)` gives the plain CALLERROR.
    """

    seq: int
    message_id: str
    action: str
    payload: msgspec.Raw
    frame: bytes | str
    received_at: float
    error: FrameError | None = None


class InboundSend(msgspec.Struct, frozen=True, gc=False):
    """A SEND to handle."""

    seq: int
    message_id: str
    action: str
    payload: msgspec.Raw
    frame: bytes | str


class OutboundAnswered(msgspec.Struct, frozen=True, gc=False):
    """The result of our CALL; `seconds` from sending it."""

    message_id: str
    action: str
    payload: msgspec.Raw
    seconds: float


class OutboundFailed(msgspec.Struct, frozen=True, gc=False):
    """Our CALL failed; `code` (as spelt on the wire, any), `description` and `details` are the CALLERROR's."""

    message_id: str
    action: str
    reason: FailReason
    code: str = ""
    description: str = ""
    details: msgspec.Raw = msgspec.Raw(b"{}")


class LateAnswer(msgspec.Struct, frozen=True, gc=False):
    """An answer to a CALL of ours that had timed out."""

    message_id: str
    action: str
    answer: CallResult | CallError


class UnsolicitedAnswer(msgspec.Struct, frozen=True, gc=False):
    """An answer whose message id this connection does not remember."""

    message_id: str
    answer: CallResult | CallError


class ResultRejected(msgspec.Struct, frozen=True, gc=False):
    """The peer's report that it could not use our CALLRESULT."""

    message_id: str
    code: str
    description: str


class BadFrame(msgspec.Struct, frozen=True, gc=False):
    """A frame that is no use; the owner sends `reply`, where the version has one, and may keep `frame`."""

    error: FrameError
    reply: bytes | None
    frame: bytes | str

    @property
    def reason(self) -> str:
        """The kind of error, one of a closed set."""
        return self.error.reason


class Ignored(msgspec.Struct, frozen=True, gc=False):
    """Something without effect, for the counters."""

    reason: IgnoreReason
    message_id: str | None = None


class Backpressure(msgspec.Struct, frozen=True, gc=False):
    """Whether to stop reading."""

    on: bool


class Overflow(msgspec.Struct, frozen=True, gc=False):
    """The CALL beyond the queue's bound, which was not kept."""

    message_id: str
    action: str


class InboundStuck(msgspec.Struct, frozen=True, gc=False):
    """The CALL in flight has waited `seconds` for its answer; told once."""

    seq: int
    message_id: str
    action: str
    seconds: float


class SendFrame(msgspec.Struct, frozen=True, gc=False):
    """One text frame to write."""

    data: bytes


Event: TypeAlias = (
    InboundCall
    | InboundSend
    | OutboundAnswered
    | OutboundFailed
    | LateAnswer
    | UnsolicitedAnswer
    | ResultRejected
    | BadFrame
    | Ignored
    | Backpressure
    | Overflow
    | InboundStuck
    | SendFrame
)
