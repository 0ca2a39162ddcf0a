"""Where a list goes on, as an opaque text: the last record shown, never an offset, so that inserts shift nothing."""

from __future__ import annotations

import base64
import binascii
import zlib

import msgspec


class CursorError(ValueError):
    """A text that is no cursor, or one of another list."""


class Position(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """The last record that was looked at: by name (`member`), or by score and member."""

    member: str
    score: int = 0


class _Cursor(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    query: int
    position: Position


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Cursor)


def fingerprint(*query: object) -> int:
    """Return a number for a list and its filters: a cursor is good for the same ones only."""
    return zlib.crc32(repr(query).encode())


def encode(query: int, position: Position) -> str:
    """Return the cursor for what follows `position` in the list with the fingerprint `query`."""
    packed = _encoder.encode(_Cursor(query, position))
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def decode(query: int, text: str) -> Position:
    """Return the position that `text` holds; raises `CursorError` that says what is wrong with it."""
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        cursor = _decoder.decode(packed)
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        raise CursorError("is no cursor; take it from `next` as it is") from None
    if cursor.query != query:
        raise CursorError("belongs to a list with other filters; begin again without it")
    return cursor.position
