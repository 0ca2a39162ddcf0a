"""The OCPP-J envelope: JSON arrays tagged by a message type number, with the payload left as raw JSON.

    [2, message_id, action, payload]                        CALL             OCPP-J 1.6 §4.2.1
    [3, message_id, payload]                                CALLRESULT       §4.2.2
    [4, message_id, code, description, details]             CALLERROR        §4.2.3
    [5, message_id, code, description, details]             CALLRESULTERROR  OCPP-J 2.1 §4.2.3
    [6, message_id, action, payload]                        SEND             OCPP-J 2.1 §4.2.4

`decode` reads all five whatever the version of the connection: whether a type is allowed is the connection's concern.
It reads the envelope only. A payload may therefore still hold an invalid string or number; its parse tells.
A `null` payload passes (it is legal in 1.6 and means no payload); any other payload but an object is a bad envelope.
Errors: `NotJson`, `TooBig`, `TooDeep`, `BadEnvelope`, `UnknownMessageType`, drawn in `shared.ocpp.errors`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from shared.ocpp.errors import BadEnvelope, FrameError, NotJson, TooBig, TooDeep, UnknownMessageType

CALL: Final = 2
CALLRESULT: Final = 3
CALLERROR: Final = 4
CALLRESULTERROR: Final = 5
SEND: Final = 6

MAX_SIZE: Final = 256 * 1024
"""The longest frame that is decoded, in bytes."""
MAX_DEPTH: Final = 64
"""The deepest nesting that is decoded; the deepest message of any version needs 9."""
MAX_MESSAGE_ID: Final = 128
"""The longest message id that is accepted, in characters: the standard's 36 with room for strays."""
MAX_DESCRIPTION: Final = 255

_ABSENT = msgspec.Raw(b"")
_NO_DETAILS = msgspec.Raw(b"{}")
_OBJECT = ord("{")


class Call(msgspec.Struct, array_like=True, tag=CALL, frozen=True, gc=False):
    """A request that expects an answer."""

    message_id: str
    action: str
    payload: msgspec.Raw
    # msgspec passes over-long arrays silently; a fifth element lands here and is refused.
    excess: msgspec.Raw = _ABSENT


class CallResult(msgspec.Struct, array_like=True, tag=CALLRESULT, frozen=True, gc=False):
    """The answer to a CALL that was handled."""

    message_id: str
    payload: msgspec.Raw
    excess: msgspec.Raw = _ABSENT


class CallError(msgspec.Struct, array_like=True, tag=CALLERROR, frozen=True, gc=False):
    """The answer to a CALL that was not handled; any code is accepted, description and details may lack."""

    message_id: str
    code: str
    description: str | None = ""
    details: msgspec.Raw = _NO_DETAILS
    excess: msgspec.Raw = _ABSENT


class CallResultError(msgspec.Struct, array_like=True, tag=CALLRESULTERROR, frozen=True, gc=False):
    """The report that a CALLRESULT could not be used (2.1)."""

    message_id: str
    code: str
    description: str | None = ""
    details: msgspec.Raw = _NO_DETAILS
    excess: msgspec.Raw = _ABSENT


class Send(msgspec.Struct, array_like=True, tag=SEND, frozen=True, gc=False):
    """A message that is never answered (2.1)."""

    message_id: str
    action: str
    payload: msgspec.Raw
    excess: msgspec.Raw = _ABSENT


Frame: TypeAlias = Call | CallResult | CallError | CallResultError | Send
Payload: TypeAlias = bytes | msgspec.Raw | msgspec.Struct | Mapping[str, Any]
"""What the encoders take: JSON bytes as they are, or something that msgspec encodes to an object."""

_WITH_PAYLOAD: Final = (Call, CallResult, Send)
_TYPES: Final = frozenset((CALL, CALLRESULT, CALLERROR, CALLRESULTERROR, SEND))
_decode = msgspec.json.Decoder(Frame).decode
_decode_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_string = msgspec.json.Decoder(str).decode
_encode = msgspec.json.Encoder().encode
# What msgspec may raise on any input; RecursionError only where a caller's stack is already deep.
_DECODE_ERRORS = (msgspec.MsgspecError, UnicodeError, RecursionError)


def decode(data: bytes | str, max_depth: int = MAX_DEPTH) -> Frame:
    """Decode one text frame's envelope; `payload` is raw JSON bytes, not validated beyond its nesting.

    Raises a `FrameError` for anything else, never another exception. Costs about 1 µs.
    """
    if isinstance(data, str):
        try:
            data = data.encode()
        except UnicodeError:
            raise NotJson("the frame holds lone surrogates") from None
    if len(data) > MAX_SIZE:
        raise TooBig(f"the frame has {len(data)} bytes, {MAX_SIZE} are allowed", *_read_head(data))
    # A frame with few brackets cannot be deep; counting them costs two memchr passes.
    if data.count(b"[") + data.count(b"{") > max_depth and _is_too_deep(data, max_depth):
        raise TooDeep(f"the frame nests deeper than {max_depth}", *_read_head(data))
    try:
        frame: Frame = _decode(data)
    except _DECODE_ERRORS:
        raise _diagnose(data) from None
    if frame.excess is not _ABSENT:
        raise BadEnvelope("the frame has too many elements", *_read_head(data))
    if len(frame.message_id) > MAX_MESSAGE_ID:
        raise BadEnvelope(f"the message id is longer than {MAX_MESSAGE_ID}", *_read_head(data))
    if isinstance(frame, _WITH_PAYLOAD) and memoryview(frame.payload)[0] != _OBJECT and bytes(frame.payload) != b"null":
        raise BadEnvelope("the payload is not an object", *_read_head(data))
    return frame


_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_ALL_BUT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def _is_too_deep(data: bytes, max_depth: int) -> bool:
    """Peel the innermost pairs of brackets off, `max_depth` times: what is left over is deeper (or unbalanced)."""
    brackets = _STRINGS.sub(b"", data).translate(None, _ALL_BUT_BRACKETS).translate(bytes.maketrans(b"{}", b"[]"))
    for _ in range(max_depth):
        if not brackets:
            return False
        brackets = brackets.replace(b"[]", b"")
    # Unbalanced brackets are never used up; only nested openers count.
    return brackets.count(b"[") > max_depth or b"[]" in brackets


_STRING = rb'"(?:[^"\\\x00-\x1f]|\\.)*+"'
_HEAD = re.compile(rb"\s*\[\s*(-?\d{1,9})\s*(?:,\s*(" + _STRING + rb")\s*(?:,\s*(" + _STRING + rb")\s*)?)?[,\]]")
_HEAD_SIZE = 1024


class _Head(NamedTuple):
    """What the first elements of a bad frame tell."""

    message_type: int | None = None
    message_id: str | None = None
    action: str | None = None


def _read_head(data: bytes) -> _Head:
    """Read the first elements of a frame that need not be whole, so that even a truncated CALL can be answered."""
    match = _HEAD.match(data[:_HEAD_SIZE])
    if match is None:
        return _Head()
    kind = int(match[1])
    message_id = _read_string(match[2])
    if message_id is None or len(message_id) > MAX_MESSAGE_ID:
        return _Head(kind)
    return _Head(kind, message_id, _read_string(match[3]) if kind in (CALL, SEND) else None)


def _read_string(data: bytes | None) -> str | None:
    try:
        return None if data is None else _decode_string(data)
    except _DECODE_ERRORS:
        return None


def _diagnose(data: bytes) -> FrameError:
    """Find out why a frame was refused, and what of it can still be read."""
    if not data.strip():
        return NotJson("the frame is empty")
    head = _read_head(data)
    try:
        _decode_items(data)
    except msgspec.ValidationError:
        return BadEnvelope("the frame is not a JSON array")
    except _DECODE_ERRORS as error:
        return NotJson(f"the frame is not JSON: {error}"[:MAX_DESCRIPTION], *head)
    if head.message_type is None:
        return BadEnvelope("the message type is not a number")
    if head.message_type not in _TYPES:
        return UnknownMessageType(f"message type {head.message_type} is not known", *head)
    if head.message_id is None:
        return BadEnvelope("the message id is not a string", *head)
    return BadEnvelope(f"a frame of type {head.message_type} has other elements", *head)


def _raw(payload: Payload) -> Any:
    return msgspec.Raw(payload) if isinstance(payload, bytes) else payload


def encode_call(message_id: str, action: str, payload: Payload = b"{}") -> bytes:
    """Encode a CALL frame as UTF-8 JSON."""
    return _encode((CALL, message_id, action, _raw(payload)))


def encode_result(message_id: str, payload: Payload = b"{}") -> bytes:
    """Encode a CALLRESULT frame as UTF-8 JSON."""
    return _encode((CALLRESULT, message_id, _raw(payload)))


def encode_error(message_id: str, code: str, description: str = "", details: Payload = b"{}") -> bytes:
    """Encode a CALLERROR frame; `code` is the wire spelling, the description is cut to 255 characters."""
    return _encode((CALLERROR, message_id, code, description[:MAX_DESCRIPTION], _raw(details)))


def encode_result_error(message_id: str, code: str, description: str = "", details: Payload = b"{}") -> bytes:
    """Encode a CALLRESULTERROR frame (2.1)."""
    return _encode((CALLRESULTERROR, message_id, code, description[:MAX_DESCRIPTION], _raw(details)))


def encode_send(message_id: str, action: str, payload: Payload = b"{}") -> bytes:
    """Encode a SEND frame (2.1)."""
    return _encode((SEND, message_id, action, _raw(payload)))
