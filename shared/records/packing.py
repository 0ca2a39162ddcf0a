"""How records become bytes: one msgpack encoder, one cached decoder a type."""

from __future__ import annotations

from collections.abc import Hashable
from functools import cache
from typing import Any, TypeVar, cast

import msgspec

T = TypeVar("T")

_encoder = msgspec.msgpack.Encoder()
pack = _encoder.encode


def storable(value: Any) -> Any:
    """Return decoded JSON as a record can hold it: an integer beyond 64 bits, which msgpack has not, becomes text."""
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**64 else str(value)
    if isinstance(value, list):
        return [storable(item) for item in value]
    if isinstance(value, dict):
        return {key: storable(item) for key, item in value.items()}
    return value


@cache
def _decoder(kind: Any) -> msgspec.msgpack.Decoder[Any]:
    return msgspec.msgpack.Decoder(kind)


def unpack(data: bytes, kind: type[T]) -> T:
    """Decode `data` as `kind`; raises `msgspec.MsgspecError` where it is something else."""
    value: T = _decoder(cast("Hashable", kind)).decode(data)
    return value
