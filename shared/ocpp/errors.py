"""The errors of OCPP-J, in two families: the peer broke the rules, or we did.

    Exception
    ├── PeerError                  what the peer sent cannot be used
    │   ├── FrameError             the frame itself is bad (`shared.ocpp.frames.decode`)
    │   │   ├── NotJson            nothing could be read from it
    │   │   ├── TooBig, TooDeep    beyond the limits, not decoded
    │   │   ├── BadEnvelope        JSON, but not a frame; what could be read of it is kept
    │   │   └── UnknownMessageType a frame of a type that no version knows
    │   └── OcppError              a good frame that gets a CALLERROR
    │       └── NotImplementedAction, NotSupported, InternalError, ProtocolError, SecurityError, FormationViolation,
    │           PropertyConstraintViolation, OccurrenceConstraintViolation, TypeConstraintViolation, GenericError,
    │           MessageTypeNotSupported, RpcFrameworkError; PayloadError (`shared.ocpp.payloads`)
    └── LocalError                 the owner of a connection asked for what the protocol forbids

`OcppError.code` is version-neutral; `shared.ocpp.versions.Version.spell` gives the spelling on the wire.
"""

# The names are the standard's codes and say what happened; "Error" behind each would say it twice.
from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar


class ErrorCode(StrEnum):
    """The CALLERROR codes in their 2.x spelling (OCPP-J 1.6 §4.2.3 table 7, OCPP-J 2.1 §4.3 table 9)."""

    FORMAT_VIOLATION = "FormatViolation"
    GENERIC_ERROR = "GenericError"
    INTERNAL_ERROR = "InternalError"
    MESSAGE_TYPE_NOT_SUPPORTED = "MessageTypeNotSupported"
    NOT_IMPLEMENTED = "NotImplemented"
    NOT_SUPPORTED = "NotSupported"
    OCCURRENCE_CONSTRAINT_VIOLATION = "OccurrenceConstraintViolation"
    PROPERTY_CONSTRAINT_VIOLATION = "PropertyConstraintViolation"
    PROTOCOL_ERROR = "ProtocolError"
    RPC_FRAMEWORK_ERROR = "RpcFrameworkError"
    SECURITY_ERROR = "SecurityError"
    TYPE_CONSTRAINT_VIOLATION = "TypeConstraintViolation"


# OCPP-J 1.6 misspells two codes, and its errata (5.1, 5.2) keep them so; both are accepted from anybody.
_ALSO_SPELLED = {
    "FormationViolation": ErrorCode.FORMAT_VIOLATION,
    "OccurenceConstraintViolation": ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION,
}
_BY_SPELLING: dict[str, ErrorCode] = {code.value: code for code in ErrorCode} | _ALSO_SPELLED


def read_code(spelling: str) -> ErrorCode | None:
    """Return the code that a CALLERROR's spelling means, None for a stray one (any stray code is accepted)."""
    return _BY_SPELLING.get(spelling)


class PeerError(Exception):
    """The peer sent something that breaks the rules."""


class FrameError(PeerError):
    """A frame that cannot be used; message type, message id and action are kept where they could be read.

    `reason` is a member of a closed set per class, fit for a metric label.
    """

    reason: ClassVar[str] = "bad_frame"

    def __init__(
        self,
        description: str,
        message_type: int | None = None,
        message_id: str | None = None,
        action: str | None = None,
    ) -> None:
        super().__init__(description)
        self.description = description
        self.message_type = message_type
        self.message_id = message_id
        self.action = action


class NotJson(FrameError):
    """The frame is empty, not UTF-8 or not JSON."""

    reason = "not_json"


class TooBig(FrameError):
    """The frame is longer than the limit and was not decoded."""

    reason = "too_big"


class TooDeep(FrameError):
    """The frame nests deeper than the limit."""

    reason = "too_deep"


class BadEnvelope(FrameError):
    """The frame is JSON, but not an array of the right elements for its message type."""

    reason = "bad_envelope"


class UnknownMessageType(FrameError):
    """The frame's message type number is none of 2 to 6."""

    reason = "unknown_message_type"


class OcppError(PeerError):
    """What is answered with a CALLERROR: a code, a description (≤ 255 characters) and details.

    Descriptions reach the station and the logs: they name fields, never values.
    """

    code: ErrorCode = ErrorCode.GENERIC_ERROR

    def __init__(
        self, description: str = "", details: dict[str, Any] | None = None, code: ErrorCode | None = None
    ) -> None:
        super().__init__(description)
        self.description = description[:255]
        self.details: dict[str, Any] = details or {}
        if code is not None:
            self.code = code


class NotImplementedAction(OcppError):
    """The requested action is not known."""

    code = ErrorCode.NOT_IMPLEMENTED


class NotSupported(OcppError):
    """The requested action is known but not supported."""

    code = ErrorCode.NOT_SUPPORTED


class InternalError(OcppError):
    """We failed to process a good request."""

    code = ErrorCode.INTERNAL_ERROR


class ProtocolError(OcppError):
    """The payload is incomplete (1.6) or not conform the PDU structure (2.x)."""

    code = ErrorCode.PROTOCOL_ERROR


class SecurityError(OcppError):
    """A security rule forbids the request."""

    code = ErrorCode.SECURITY_ERROR


class FormationViolation(OcppError):
    """The payload is syntactically incorrect."""

    code = ErrorCode.FORMAT_VIOLATION


class PropertyConstraintViolation(OcppError):
    """A field holds a value that its definition does not allow."""

    code = ErrorCode.PROPERTY_CONSTRAINT_VIOLATION


class OccurrenceConstraintViolation(OcppError):
    """A field is missing, or occurs too often or too seldom."""

    code = ErrorCode.OCCURRENCE_CONSTRAINT_VIOLATION


class TypeConstraintViolation(OcppError):
    """A field holds a value of another type."""

    code = ErrorCode.TYPE_CONSTRAINT_VIOLATION


class GenericError(OcppError):
    """Any other error."""


class MessageTypeNotSupported(OcppError):
    """The message type number is not supported (OCPP-J 2.0.1 §4.4)."""

    code = ErrorCode.MESSAGE_TYPE_NOT_SUPPORTED


class RpcFrameworkError(OcppError):
    """The content of the call is not a valid RPC request (2.x)."""

    code = ErrorCode.RPC_FRAMEWORK_ERROR


class LocalError(Exception):
    """The owner asked a connection for what the protocol forbids: a defect on our side."""
