"""From a sign of life to offline: scripts of the edge, the sweep of a real worker, and the decision."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import msgspec

from edge.stations.presence import Presence
from shared import metrics
from shared.bus import keys
from shared.bus.clock import now_ms
from shared.bus.lane import Lane
from shared.bus.scripts import BEAT_NODE
from shared.records.packing import unpack
from shared.records.stations import SessionRecord
from shared.settings import Settings
from tests.support import ValkeyServer, wait_until
from tests.workers.jobs.stage import NODE, System, make_downlink
from workers.main import Worker

TTL_MS = 700
PROMISED_S = TTL_MS / 1000 + 2 + 2
"""Offline within its TTL and two seconds; and what a machine with more to do than to do it with may add."""
BEAT_S = 0.3
QUICK = {"unknown_stations": "accept", "heartbeat_interval_s": 1, "presence_grace_s": 0, "presence_min_s": 0.5}
"""With these the TTL of a held station is twice its interval."""


@asynccontextmanager
async def running(
    settings: Settings, lane: Lane, *, swept: bool = True, beats: bool = True, **changes: Any
) -> AsyncIterator[System]:
    """A whole worker, on a system that was swept until it was ready, and a node that goes on beating or has just."""
    settings = msgspec.structs.replace(settings, **{**QUICK, **changes})
    await make_downlink(lane)
    await seen_alive(lane, swept=swept)
    worker, stopped = Worker(settings, "w"), asyncio.Event()
    serving = asyncio.create_task(worker.serve(stopped))
    beating = asyncio.create_task(keep_beating(lane)) if beats else None
    system = System(lane, settings.partitions)
    try:
        await wait_until(lambda: worker._consumers and not worker._reasons())
        await seen_alive(lane, swept=swept)
        yield system
    finally:
        if beating is not None:
            beating.cancel()
        stopped.set()
        await serving


async def seen_alive(lane: Lane, *, swept: bool = True) -> None:
    """The node beats once; where `swept`, somebody has just swept: a slow start of the worker is then no pause."""
    now = int(await lane.one(*BEAT_NODE.command([keys.NODES], [NODE])))
    if swept:
        await lane.one("HSET", keys.SWEPT, "last", now, "since", 0)


async def keep_beating(lane: Lane) -> None:
    """Beat as an edge does, until cancelled."""
    while True:
        await lane.one(*BEAT_NODE.command([keys.NODES], [NODE]))
        await asyncio.sleep(BEAT_S)


async def session_of(lane: Lane, station: str = "CP1") -> SessionRecord:
    """Return who holds a station's socket."""
    return unpack(await lane.one("HGET", keys.state(station), "se"), SessionRecord)


async def gone_after(lane: Lane, timeout_s: float) -> float:
    """Wait until the station is offline in its record and in the index; returns how long that took, in seconds."""
    begun = asyncio.get_running_loop().time()

    async def offline() -> bool:
        indexed = await lane.one("HEXISTS", keys.ONLINE, "CP1")
        gone = not indexed and (await session_of(lane)).connection == "closed"
        return gone and any(map(transitions, ("expiry", "sweep", "node")))  # Counted a moment after Redis has it.

    await wait_until(offline, timeout_s)
    return asyncio.get_running_loop().time() - begun


def transitions(cause: str) -> float:
    """How many stations went offline for this cause."""
    return metrics.PRESENCE_TRANSITIONS.labels("offline", cause).value


async def test_expiry_of_the_key_wakes_the_sweep(settings: Settings, lane: Lane, valkey_server: ValkeyServer) -> None:
    """The event of the presence key brings a sweep forward that had no round due; over a Unix socket too."""
    settings = msgspec.structs.replace(settings, redis_url=type(settings.redis_url)(valkey_server.unix_url))
    async with running(settings, lane, sweep_interval_s=600.0) as system:
        await wait_until(partial(listened_to, lane))
        station = await system.dial("CP1")
        await seen_alive(lane)
        begun = asyncio.get_running_loop().time()
        await station.touch(TTL_MS)  # Key and deadline at one moment.
        await gone_after(lane, 20)
        seen_s = asyncio.get_running_loop().time() - begun
        assert transitions("expiry") == 1
        delay = metrics.PRESENCE_DELAY_SECONDS.labels()
        assert delay.count == 1
        # From the deadline on, and no later than an own watch that began before it; Redis tells milliseconds.
        assert 0 <= delay.total <= seen_s - TTL_MS / 1000 + 0.002


async def listened_to(lane: Lane) -> bool:
    """Tell whether the worker hears of keys that expire."""
    channels = await lane.one("PUBSUB", "CHANNELS", "__keyevent@*:expired")
    return bool(channels)


async def test_sweep_alone_is_enough(settings: Settings, lane: Lane) -> None:
    """With events off a station that vanishes is offline within its TTL and two seconds."""
    before = (await lane.one("CONFIG", "GET", "notify-keyspace-events"))[1]
    await lane.one("CONFIG", "SET", "notify-keyspace-events", "")
    try:
        async with running(settings, lane) as system:
            await (await system.dial("CP1")).touch(TTL_MS)
            await gone_after(lane, PROMISED_S)
            assert transitions("sweep") == 1
    finally:
        await lane.one("CONFIG", "SET", "notify-keyspace-events", before)


async def test_station_that_is_heard_stays(settings: Settings, lane: Lane) -> None:
    """Touches move the deadline; once they end the station is offline."""
    async with running(settings, lane) as system:
        station = await system.dial("CP1")
        await station.touch(TTL_MS, 60_000)  # At one moment: a test that stands still in between would be silent.
        passed = await now_ms(lane) + TTL_MS

        async def swept() -> bool:
            return int(await lane.one("HGET", keys.SWEPT, "last")) > passed

        await wait_until(swept)
        await system.settle()
        assert (await session_of(lane)).connection == "open"
        await station.touch(TTL_MS)
        await gone_after(lane, PROMISED_S)


async def test_station_that_was_sent_away_is_awaited_for_its_ttl(settings: Settings, lane: Lane) -> None:
    """A station that an edge sent away is reconnecting, and offline when its TTL has passed."""
    async with running(settings, lane) as system:
        station = await system.dial("CP1")
        await station.close(ours=True)

        async def reconnecting() -> bool:
            return (await session_of(lane)).connection == "reconnecting"

        await wait_until(reconnecting)
        assert await lane.one("HEXISTS", keys.ONLINE, "CP1")
        await station.touch(TTL_MS)  # No sooner: nobody knows how long it takes to see it awaited.
        await gone_after(lane, PROMISED_S)


async def test_stations_of_a_dead_node_go_one_ttl_after_they_were_seen(settings: Settings, lane: Lane) -> None:
    """A node that is no longer heard of: its stations go when their own deadline passed, then the node is forgotten."""
    # Until its station is there, another one that is long awaited keeps the node from being forgotten.
    await lane.one("ZADD", keys.deadlines(NODE), 2**50, "CP2/1")
    async with running(settings, lane, beats=False, node_ttl_s=0.3) as system:
        station = await system.dial("CP1")
        begun = asyncio.get_running_loop().time()
        await station.touch(1500)
        await gone_after(lane, 1.5 + 2 + 2)
        assert asyncio.get_running_loop().time() - begun > 1.4
        assert transitions("node") == 1
        await lane.one("ZREM", keys.deadlines(NODE), "CP2/1")

        async def forgotten() -> bool:
            return not await lane.one("ZCARD", keys.NODES) and not await lane.one("EXISTS", keys.downlink(NODE))

        await wait_until(forgotten)


async def test_pause_of_all_sweepers_holds_stations(settings: Settings, lane: Lane) -> None:
    """Stations whose deadline passed while nobody swept get one TTL more; a touch keeps them, silence does not."""
    hold: dict[str, Any] = {"heartbeat_interval_s": 30}  # The TTL is a minute: it can't pass before it is looked at.
    async with running(settings, lane, **hold) as system:
        await system.dial("CP1", 60_000)
    now = int(await lane.one(*BEAT_NODE.command([keys.NODES], [NODE])))
    (member,) = await lane.one("ZRANGE", keys.deadlines(NODE), 0, -1)
    await lane.one("ZADD", keys.deadlines(NODE), now - 1, member)
    await lane.one("DEL", keys.presence("CP1"))
    await lane.one("HSET", keys.SWEPT, "last", now - 6000)
    async with running(settings, lane, swept=False, **hold):

        async def held() -> bool:
            return int(await lane.one("ZSCORE", keys.deadlines(NODE), member) or 0) > now + 55_000

        await wait_until(held)
        assert (await session_of(lane)).connection == "open"
        await lane.one("ZADD", keys.deadlines(NODE), now, member)  # As if that TTL had passed as well.
        await gone_after(lane, PROMISED_S)


async def test_edge_and_sweep_speak_of_the_same_member(settings: Settings, lane: Lane) -> None:
    """What an edge's touch leaves is what the sweep reads and the decision looks up."""
    async with running(settings, lane) as system:
        station = await system.dial("CP1", 60_000)
        node = cast("Any", SimpleNamespace(name=NODE, lane=lane))
        stale: list[tuple[str, int]] = []
        presence = Presence(node, lambda name, epoch: stale.append((name, epoch)))
        presence.touch("CP1", station.epoch, TTL_MS)
        presence.touch("CP1", station.epoch - 1, TTL_MS)
        presence.flush()
        await gone_after(lane, PROMISED_S)
        assert stale == [("CP1", station.epoch - 1)]
    assert not await lane.one("ZCARD", keys.deadlines(NODE))
