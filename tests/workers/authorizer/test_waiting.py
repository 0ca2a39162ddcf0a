"""Entries that wait for the external authorizer hold up nobody, and are lost with nobody (ADR 6)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from shared.bus import keys
from shared.bus.lane import Lane
from shared.policy import Policy
from shared.settings import Settings
from tests.support import PATIENCE_S, wait_until
from tests.workers.authorizer.stand_in import StandIn, stand_in
from tests.workers.jobs.stage import System, make_downlink
from workers.authorizer import Client
from workers.consumer.partition import PartitionConsumer

POLICY = Policy(unknown_stations="accept", authorizer=True, authorizer_fallback="refuse")
START = {"connectorId": 1, "idTag": "card", "meterStart": 0, "timestamp": "2026-01-01T00:00:00Z"}


@pytest.fixture
async def service() -> AsyncIterator[StandIn]:
    """A service that says who may charge."""
    async with stand_in() as made:
        yield made


@asynccontextmanager
async def worker(settings: Settings, lane: Lane, name: str, url: str) -> AsyncIterator[PartitionConsumer]:
    """One worker's consumer of the only partition; it waits for an answer as long as a test holds it back."""
    settings = msgspec.structs.replace(settings, authorizer_url=url, authorizer_timeout_s=PATIENCE_S, partitions=1)
    asks, own = Client(settings), Lane(settings.redis_url, name=name)
    consumer = PartitionConsumer(settings, POLICY, 0, name, own, None, asks)
    await make_downlink(lane)
    task = asyncio.create_task(consumer.run())
    try:
        yield consumer
    finally:
        consumer.stop()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await consumer.close()
        await asks.close()
        await own.close()


async def status(call: asyncio.Task[Any]) -> str:
    """Return what an answer says of the tag."""
    found = await call
    return str(found[2]["idTagInfo"]["status"])


async def test_others_go_on_while_one_waits(settings: Settings, lane: Lane, service: StandIn) -> None:
    """A station whose tag is being asked about waits; others of its partition are answered; then it is too, once."""
    async with worker(settings, lane, "w1", service.url):
        system = System(lane, 1)
        one, other = await system.dial("CP1"), await system.dial("CP2")
        service.gate.clear()
        waiting = asyncio.create_task(one.call("StartTransaction", START))
        await wait_until(lambda: service.waiting == 1)
        for _ in range(3):
            await other.call("Heartbeat", {})
        assert not waiting.done()
        service.gate.set()
        assert await status(waiting) == "Accepted"
        assert len(service.asked) == 1
        assert await status(asyncio.create_task(one.call("Authorize", {"idTag": "card"}))) == "Accepted"
        assert len(service.asked) == 1, "its word of a moment ago counts"
        await system.settle()
        assert (await lane.one("XPENDING", keys.uplink(0), keys.GROUP))[0] == 0


async def test_what_a_dead_worker_was_waiting_for_is_asked_again(
    settings: Settings, lane: Lane, service: StandIn
) -> None:
    """A worker that dies while an entry waits: another one claims it, asks, and answers."""
    quick = msgspec.structs.replace(settings, claim_idle_s=0.3)
    async with worker(quick, lane, "w1", service.url) as first:
        system = System(lane, 1)
        station = await system.dial("CP1")
        service.gate.clear()
        waiting = asyncio.create_task(station.call("StartTransaction", START))
        await wait_until(lambda: service.waiting == 1)
        assert first._waiting is not None
        first._waiting.cancel()
        first.stop()
        service.gate.set()
        async with worker(quick, lane, "w2", service.url):
            assert await status(waiting) == "Accepted"
    assert len(service.asked) == 2


async def test_a_dead_authorizer_is_answered_by_the_fall_back(settings: Settings, lane: Lane, service: StandIn) -> None:
    """The policy decides where nobody answers, and the start still gets a transaction."""
    service.status = 500
    async with worker(settings, lane, "w1", service.url):
        system = System(lane, 1)
        station = await system.dial("CP1")
        _, _, found = await station.call("StartTransaction", START)
        assert found["idTagInfo"]["status"] == "Invalid"
        assert found["transactionId"] > 0
