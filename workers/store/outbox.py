"""The whole outcome of a decision, packed into one field of the station's hash and emitted after the commit.

Whatever stands here is repeated after a crash, so each part must be idempotent: events carry their ids, effects are
commands that may run twice, timers are members of a set, answers are matched by `(epoch, call_seq)`.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Delivery(msgspec.Struct, array_like=True, frozen=True):
    """A downlink item for a node, packed."""

    node: str
    item: msgspec.Raw


class Timer(msgspec.Struct, array_like=True, frozen=True):
    """A wakeup to be: a member of `wakeups:{partition}`."""

    due_ms: int
    name: str
    subject: str


class Outbox(msgspec.Struct, array_like=True):
    """What a commit owes the world."""

    events: list[msgspec.Raw] = []
    effects: list[list[Any]] = []
    """Idempotent Redis commands on fleet-wide keys: ZADD, ZREM, SADD, SREM, HSET, HDEL, SET, DEL."""
    deliveries: list[Delivery] = []
    timers: list[Timer] = []
    releases: list[tuple[str, str]] = []
    """(id tag, holder): places under concurrent limits that are free again."""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Outbox)
encode = _encoder.encode
decode = _decoder.decode
