"""Workers say that they live and which schema they know."""

import pytest

from shared.bus import keys
from shared.bus.lane import Lane
from shared.bus.server import Unfit
from workers.heartbeat import Heartbeat, forget_dead

TTL_S = 10.0


@pytest.fixture
async def lane(lane: Lane) -> Lane:
    """A lane to a system of schema 1."""
    await lane.one("SET", keys.META_SCHEMA, 1)
    return lane


async def schema_of(lane: Lane) -> int:
    """Return the system's schema."""
    return int(await lane.one("GET", keys.META_SCHEMA))


async def test_schema_rises_when_the_last_worker_announces_it(lane: Lane) -> None:
    """While one worker of the old release lives the schema stays; once it has left it rises."""
    old, new = Heartbeat(lane, "old", TTL_S, 1), Heartbeat(lane, "new", TTL_S, 2)
    await old.beat()
    await new.beat()
    assert await schema_of(lane) == 1
    await old.leave()
    await new.beat()
    assert await schema_of(lane) == 2


async def test_dead_worker_holds_nothing_back(lane: Lane) -> None:
    """A worker that was not heard of for the TTL does not count."""
    new = Heartbeat(lane, "new", TTL_S, 2)
    now_ms = await Heartbeat(lane, "old", TTL_S, 1).beat()
    await lane.one("ZADD", keys.WORKERS, now_ms - TTL_S * 1000 - 1, "old")
    await new.beat()
    assert await schema_of(lane) == 2


async def test_old_worker_that_comes_back_does_not_serve(lane: Lane) -> None:
    """A worker that slept through the rise finds out at its next beat."""
    await lane.one("SET", keys.META_SCHEMA, 2)
    with pytest.raises(Unfit, match="meta:schema is 2"):
        await Heartbeat(lane, "old", TTL_S, 1).beat()


async def test_dead_workers_are_forgotten(lane: Lane) -> None:
    """The names of the dead go, with what they announced; those of the living stay."""
    now_ms = await Heartbeat(lane, "dead", TTL_S).beat()
    await lane.one("ZADD", keys.WORKERS, now_ms - TTL_S * 1000 - 1, "dead")
    await Heartbeat(lane, "alive", TTL_S).beat()
    assert await forget_dead(lane, TTL_S) == {"alive"}
    assert await lane.one("HKEYS", keys.WORKER_SCHEMAS) == [b"alive"]
