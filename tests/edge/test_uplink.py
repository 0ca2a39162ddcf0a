"""What goes to the uplinks in one pipeline, and when; and what becomes of each entry."""

import asyncio
from collections.abc import Sequence
from typing import Any

import hiredis
import pytest

from edge import uplink
from edge.stations.failclosed import FailClosed
from edge.uplink import BUSY_ENTRIES, MAX_BATCH_ENTRIES, MAX_BATCHES, Appender
from shared.bus.lane import Command, Lane, LaneLost
from shared.clock import SystemClock
from tests.support import wait_until

STREAM = "uplink:{0}"


class SlowRedis(Lane):
    """Keeps every pipeline waiting until the test answers it."""

    def __init__(self) -> None:
        super().__init__("redis://127.0.0.1:1/0", name="test")
        self.asked: list[list[bytes]] = []
        self.replies: list[asyncio.Future[list[Any]]] = []

    async def execute(self, commands: Sequence[Command], timeout_s: float | None = None) -> list[Any]:
        self.asked.append([command[-1] for command in commands])
        self.replies.append(asyncio.get_running_loop().create_future())
        return await self.replies[-1]

    def answer(self, number: int) -> None:
        """Answer a pipeline: every entry is appended."""
        self.replies[number].set_result([b"1-1"] * len(self.asked[number]))


class Owner:
    """Counts what may not have been appended."""

    def __init__(self) -> None:
        self.failures = 0

    def append_failed(self) -> None:
        self.failures += 1


@pytest.fixture
async def redis() -> SlowRedis:
    """A Redis that answers when the test says so."""
    return SlowRedis()


@pytest.fixture
async def appender(redis: SlowRedis) -> Appender:
    """An appender on it."""
    gate = FailClosed(partitions=1, silence_s=10, append_s=5, reopen=2)
    return Appender(redis, gate, SystemClock())


def append(appender: Appender, *entries: bytes) -> None:
    for entry in entries:
        appender.append(STREAM, entry, None)


async def turns() -> None:
    """Let the event loop turn a few times, without a moment passing."""
    for _ in range(5):
        await asyncio.sleep(0)


def many(count: int = BUSY_ENTRIES) -> list[bytes]:
    return [b"%d" % n for n in range(count)]


async def test_one_turn_is_one_pipeline(redis: SlowRedis, appender: Appender) -> None:
    """What one turn of the event loop brings goes together, in order, and at once."""
    append(appender, b"a", b"b")
    await turns()
    append(appender, b"c")
    await turns()
    assert redis.asked == [[b"a", b"b"], [b"c"]]


async def test_what_comes_meanwhile_gathers(redis: SlowRedis, appender: Appender) -> None:
    """So many pipelines are under way and no more; the next goes with the first answer, whole."""
    for n in range(MAX_BATCHES + 3):
        append(appender, b"%d" % n)
        await turns()
    assert len(redis.asked) == MAX_BATCHES
    redis.answer(0)
    await turns()
    assert redis.asked[MAX_BATCHES:] == [[b"%d" % n for n in range(MAX_BATCHES, MAX_BATCHES + 3)]]


async def test_a_busy_node_gathers(redis: SlowRedis, appender: Appender, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a large pipeline the next waits for more, even where the first one's answer comes meanwhile."""
    monkeypatch.setattr(uplink, "LINGER_S", 3600.0)
    append(appender, *many())
    await turns()
    append(appender, b"first")
    await turns()
    redis.answer(0)
    await turns()
    append(appender, b"second")
    await turns()
    assert len(redis.asked) == 1


async def test_a_busy_node_gathers_for_a_moment_only(redis: SlowRedis, appender: Appender) -> None:
    """Then it sends what it has, in order."""
    append(appender, *many())
    await turns()
    append(appender, b"first", b"second")
    await wait_until(lambda: len(redis.asked) > 1)
    assert redis.asked[1] == [b"first", b"second"]


async def test_a_node_that_is_no_longer_busy_appends_at_once(
    redis: SlowRedis, appender: Appender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a small pipeline nothing is waited for."""
    monkeypatch.setattr(uplink, "LINGER_S", 3600.0)
    append(appender, *many(BUSY_ENTRIES - 1))
    await turns()
    append(appender, b"next")
    await turns()
    assert len(redis.asked) == 2


async def test_a_flush_waits_for_nothing_but_outcomes(
    redis: SlowRedis, appender: Appender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node that leaves sends what it gathered, busy or not, and returns once all have their outcome."""
    monkeypatch.setattr(uplink, "LINGER_S", 3600.0)
    append(appender, *many())
    await turns()
    append(appender, b"last")
    flushing = asyncio.create_task(appender.flush(60))
    await turns()
    assert redis.asked[1] == [b"last"]
    assert not flushing.done()
    redis.answer(0)
    redis.answer(1)
    await flushing


async def test_large_batches_are_cut(redis: SlowRedis, appender: Appender) -> None:
    """No pipeline has more entries than Redis should take at a time; the rest follows its answer."""
    append(appender, *many(MAX_BATCH_ENTRIES + 1))
    await turns()
    assert [len(some) for some in redis.asked] == [MAX_BATCH_ENTRIES]
    redis.answer(0)
    await wait_until(lambda: len(redis.asked) > 1)
    assert redis.asked[1] == [b"%d" % MAX_BATCH_ENTRIES]


async def test_outcomes_reach_their_owners(redis: SlowRedis, appender: Appender) -> None:
    """A refused entry is its owner's alone, a lost connection everybody's; what follows does so once Redis has it."""
    owners, followed = [Owner() for _ in range(3)], list[int]()
    for n, owner in enumerate(owners):
        appender.append(STREAM, b"%d" % n, owner, lambda n=n: followed.append(n))  # type: ignore[misc]
    await turns()
    redis.replies[0].set_result([b"1-1", hiredis.ReplyError("OOM no room"), b"1-2"])
    await turns()
    assert [owner.failures for owner in owners] == [0, 1, 0]
    assert followed == [0, 2]
    for owner in owners:
        appender.append(STREAM, b"x", owner)
    await turns()
    redis.replies[1].set_exception(LaneLost("gone"))
    await turns()
    assert [owner.failures for owner in owners] == [1, 2, 1]
