"""How records become bytes: one msgpack encoder, one cached decoder a type."""

from __future__ import annotations

from collections.abc import Hashable
from functools import cache
from typing import Any, TypeVar, cast

import msgspec

T = TypeVar("T")

_encoder = msgspec.msgpack.Encoder()
pack = _encoder.encode


@cache
def _decoder(kind: Any) -> msgspec.msgpack.Decoder[Any]:
    return msgspec.msgpack.Decoder(kind)


def unpack(data: bytes, kind: type[T]) -> T:
    """Decode `data` as `kind`; raises `msgspec.MsgspecError` where it is something else."""
    value: T = _decoder(cast("Hashable", kind)).decode(data)
    return value
