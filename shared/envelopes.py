"""What travels on the streams between edge and workers: bytes in small versioned envelopes.

An **uplink** entry is one `Uplink`, packed as a msgpack array in the stream field `e`. A **downlink** entry is a list
of items (`Answer`, `Command`, `Close`, `Reply`, `Pong`, `Adjust`), packed the same way, one entry per node and batch.

Arrays may only grow at their end: a reader tolerates fields that it does not know, a writer never reorders.
No payload is decoded here; `frame` is the station's text as it came, or a msgpack body for the other kinds.
"""

from __future__ import annotations

import enum
from typing import Final

import msgspec

VERSION: Final = 1
FIELD: Final = b"e"
"""The one field of an uplink or downlink stream entry."""


class Kind(enum.IntEnum):
    """What an uplink entry reports."""

    CALL = 1
    """A station's CALL; `frame` is the text, `call_seq` counts the session's CALLs from 1."""
    ANSWER = 2
    """A station's CALLRESULT or CALLERROR to one of our CALLs; `frame` is the text."""
    OPENED = 3
    """A session was registered; body `SessionOpened`."""
    CLOSED = 4
    """A session's socket is gone; body `SessionClosed`."""
    EXPIRED = 5
    """A presence deadline passed; body `Expired`, or none; `epoch` says whose."""
    NOT_WRITTEN = 6
    """The edge did not write a command it was handed; body `NotWritten`."""
    WAKEUP = 7
    """A timer is due; body `Wakeup`."""
    REQUEST = 8
    """An operator wants a change; body `shared.records.requests.Request`."""
    CANARY = 9
    """An edge asks whether the partition is served; body `Canary`; answered with a `Pong`."""
    UNREADABLE = 10
    """A text that is no frame, for quarantine; `frame` is the text, `note` the reason."""
    NOTED = 11
    """The edge saw how a station behaves on its socket; `note` is the flag: `flood`, `no_pong`."""


class Uplink(msgspec.Struct, array_like=True, frozen=True):
    """One entry on an uplink stream; its stream id is the time of receipt (Redis ms)."""

    version: int
    kind: int
    station: str
    node: str
    epoch: int
    call_seq: int
    frame: bytes
    note: str = ""
    trace: str = ""
    """W3C traceparent of the span that this belongs to; empty where the frame is not followed (`shared.tracing`)."""


class SessionOpened(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a station dialled in."""

    subprotocol: str
    address: str = ""
    security_profile: int = 0
    notes: tuple[str, ...] = ()
    """Quirks seen at the door: `subprotocol` (none offered, the default was taken), `path`, `upgrade`."""
    proof: str = ""
    """Which stored key opened (`shared.credentials.mark`)."""
    certificate: str = ""
    """The id of the certificate that opened (`<serial>/<issuer>`)."""
    certificate_ends_at: int = 0


class SessionClosed(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why a socket is gone; `ours`: Ampstream closed it with 1001 or 1012, and the station is to come back."""

    reason: str
    code: int = 0
    ours: bool = False


class Expired(msgspec.Struct, frozen=True, omit_defaults=True):
    """A presence deadline that passed; noticed by `expiry` (its key's event), `sweep`, or `node` (the node is dead)."""

    cause: str = "sweep"
    deadline_ms: int = 0
    """When it was, by Redis's clock; 0: not told."""


class NotWritten(msgspec.Struct, frozen=True):
    """A command item that never reached the socket: it is queued again."""

    command_id: str
    reason: str


class Wakeup(msgspec.Struct, frozen=True):
    """A timer: `name` says which service is woken, `subject` about what, `due_ms` when it was to be."""

    name: str
    subject: str
    due_ms: int


class Canary(msgspec.Struct, frozen=True):
    """One probe of a partition; the `Pong` carries the same number."""

    partition: int
    number: int


class Answer(msgspec.Struct, array_like=True, frozen=True, tag=0):
    """The answer to the CALL `(epoch, call_seq)`, to be written as it is."""

    station: str
    epoch: int
    call_seq: int
    frame: bytes
    trace: str = ""


class Command(msgspec.Struct, array_like=True, frozen=True, tag=1):
    """A CALL to the station: written once, before `deadline_ms` (Redis time), on the session `epoch`, or reported."""

    station: str
    epoch: int
    command_id: str
    frame: bytes
    deadline_ms: int
    trace: str = ""


class Close(msgspec.Struct, array_like=True, frozen=True, tag=2):
    """Close the session `epoch` of the station if it is still here."""

    station: str
    epoch: int
    code: int
    reason: str


class Reply(msgspec.Struct, array_like=True, frozen=True, tag=3):
    """The outcome of an operator's request: an HTTP status and a JSON body."""

    request_id: str
    status: int
    body: bytes


class Pong(msgspec.Struct, array_like=True, frozen=True, tag=4):
    """The answer to a canary."""

    partition: int
    number: int


class Adjust(msgspec.Struct, array_like=True, frozen=True, tag=5):
    """What the session should know of its station from now on: the heartbeat interval that its presence TTL follows."""

    station: str
    epoch: int
    heartbeat_interval_s: int


Item = Answer | Command | Close | Reply | Pong | Adjust

_encoder = msgspec.msgpack.Encoder()
_uplink_decoder = msgspec.msgpack.Decoder(Uplink)
_downlink_decoder = msgspec.msgpack.Decoder(list[Item])

encode = _encoder.encode
"""Pack an `Uplink`, a list of items or a body."""
decode_uplink = _uplink_decoder.decode
"""Unpack one uplink entry; raises `msgspec.MsgspecError` on anything else."""
decode_downlink = _downlink_decoder.decode
"""Unpack one downlink entry into its items; raises `msgspec.MsgspecError` on anything else."""
