"""A worker's sign of life: that it is there, and which schema it knows; together they raise the system's."""

from __future__ import annotations

from typing import Final

from shared.bus import keys, schema
from shared.bus.clock import now_ms
from shared.bus.lane import Lane
from shared.bus.scripts import BEAT_NODE
from shared.bus.server import Unfit
from shared.logs import get_logger
from shared.records.queries.reading import replies

log = get_logger(__name__)


class Heartbeat:
    """`known` is the schema of this code; tests give another."""

    def __init__(self, lane: Lane, name: str, ttl_s: float, known: int = schema.SCHEMA) -> None:
        self._lane = lane
        self._name = name
        self._ttl_ms = round(ttl_s * 1000)
        self._known: Final = known

    async def beat(self) -> int:
        """Announce this worker and return Redis's time in ms.

        Raises `Unfit` where the system has moved on to a schema that this code can't read, `LaneLost` and ReplyError.
        """
        beat = BEAT_NODE.command([keys.WORKERS], [self._name])
        announce = ("HSET", keys.WORKER_SCHEMAS, self._name, self._known)
        now_ms, _, stored = await replies(self._lane, [beat, announce, ("GET", keys.META_SCHEMA)])
        if problem := schema.too_new(int(stored or 0), self._known):
            raise Unfit([problem])
        if int(stored or 0) < self._known:
            await self._raise(int(stored or 0), int(now_ms))
        return int(now_ms)

    async def _raise(self, stored: int, now_ms: int) -> None:
        alive, pairs = await replies(
            self._lane,
            [
                ("ZRANGE", keys.WORKERS, now_ms - self._ttl_ms, "+inf", "BYSCORE"),
                ("HGETALL", keys.WORKER_SCHEMAS),
            ],
        )
        announced = {name.decode(): int(value) for name, value in zip(pairs[::2], pairs[1::2], strict=True)}
        wanted = schema.risen(stored, [name.decode() for name in alive], announced)
        if wanted > stored:
            await self._lane.one("SET", keys.META_SCHEMA, wanted)
            log.info("schema raised: every live worker knows it", before=stored, now=wanted)

    async def leave(self) -> None:
        """Take the name out, so that nobody waits for it; raises `LaneLost` and ReplyError."""
        await replies(self._lane, [("ZREM", keys.WORKERS, self._name), ("HDEL", keys.WORKER_SCHEMAS, self._name)])


async def forget_dead(lane: Lane, ttl_s: float) -> set[str]:
    """Take out the names of workers that were not heard of for `ttl_s`; returns those that live."""
    dead_since = await now_ms(lane) - round(ttl_s * 1000)
    _, alive, announced = await replies(
        lane,
        [
            ("ZREMRANGEBYSCORE", keys.WORKERS, "-inf", dead_since),
            ("ZRANGE", keys.WORKERS, 0, -1),
            ("HKEYS", keys.WORKER_SCHEMAS),
        ],
    )
    gone = set(announced) - set(alive)
    if gone:
        await lane.one("HDEL", keys.WORKER_SCHEMAS, *gone)
    return {name.decode() for name in alive}
