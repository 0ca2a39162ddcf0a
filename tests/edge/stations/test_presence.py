"""Signs of life: what counts as one, how Redis is told, and when a station is given up."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from shared import metrics
from shared.bus import keys
from shared.envelopes import Adjust, Kind, SessionClosed
from tests.edge.stations.rig import HEARTBEAT, Rig, ask, closed, running_edge
from tests.support import lasting, wait_until

QUICK: dict[str, Any] = {"presence_min_s": 0.6, "presence_grace_s": 0, "presence_max_s": 900, "heartbeat_interval_s": 1}


async def deadline(rig: Rig, station: str = "CP1") -> int:
    """When the station's presence runs out, from now, in ms by the sweep's set."""
    session = rig.hub.sessions[station]
    score = await rig.worker.lane.one("ZSCORE", keys.deadlines(rig.node.name), f"{station}/{session.epoch}")
    return int(score or 0) - rig.node.pulse.redis_ms()


async def test_a_new_session_has_presence_and_a_deadline(rig: Rig) -> None:
    """TTL = 2 × 60 s + 10 s before anything is known of the station's interval."""
    await rig.dial()
    assert rig.hub.sessions["CP1"].ttl_s == 130
    ttl = await rig.worker.lane.one("PTTL", keys.presence("CP1"))
    assert 100_000 < ttl <= 130_000  # However long the way to here took.

    async def set_too() -> bool:
        return 100_000 < await deadline(rig) <= 131_000

    await wait_until(set_too)


async def test_the_interval_given_at_boot_sets_the_ttl(rig: Rig) -> None:
    """An Adjust item takes effect at once, in both directions, within 30 s and 15 min."""
    await rig.dial()
    (opened,) = await rig.worker.wait_for(Kind.OPENED)
    for interval, low, high in ((300, 605_000, 610_000), (3600, 890_000, 900_000), (5, 25_000, 30_000)):
        await rig.worker.send(rig.node.name, Adjust("CP1", opened.epoch, interval))

        async def adjusted(low: int = low, high: int = high) -> bool:
            ttl = await rig.worker.lane.one("PTTL", keys.presence("CP1"))
            return low < ttl <= high and low < await deadline(rig) <= high + 1000

        await wait_until(adjusted)


async def test_the_door_remembers_the_interval_of_a_station_that_does_not_boot(rig: Rig) -> None:
    """A reconnect without BootNotification keeps the interval that was given once (quirk 1)."""
    await rig.provision("CP1", interval="300")
    await rig.dial()
    assert 605_000 < await rig.worker.lane.one("PTTL", keys.presence("CP1")) <= 610_000


async def test_an_answered_ping_makes_the_ping_interval_count(redis_url: str) -> None:
    """From the first pong on, the smaller of ping and heartbeat interval sets the TTL; the round trip is observed."""
    async with running_edge(redis_url, ping_interval_s=0.5, presence_min_s=1, presence_grace_s=30) as rig:
        socket = await rig.dial()
        assert await rig.worker.lane.one("PTTL", keys.presence("CP1")) > 100_000

        reading = asyncio.create_task(socket.receive())
        await wait_until(lambda: metrics.EDGE_PING_SECONDS.labels().count)

        async def shorter() -> bool:
            return bool(await rig.worker.lane.one("PTTL", keys.presence("CP1")) <= 31_000)

        await wait_until(shorter)
        reading.cancel()


async def test_a_station_that_showed_life_and_is_silent_is_closed(redis_url: str) -> None:
    """After a TTL without a frame or pong its socket goes, and presence is left to run out by then."""
    async with running_edge(redis_url, ping_interval_s=0, **QUICK) as rig:
        socket = await rig.dial()
        await socket.send_str(HEARTBEAT % "a")
        assert await closed(socket) == 1001
        (gone,) = await rig.worker.wait_for(Kind.CLOSED)
        assert msgspec.msgpack.decode(gone.frame, type=SessionClosed) == SessionClosed("ping_timeout", 1001, True)


async def test_touches_carry_the_time_since_the_sign_of_life(redis_url: str) -> None:
    """Presence runs out one TTL after the last sign, not after the touch that told of it."""
    async with running_edge(redis_url, ping_interval_s=0) as rig:
        socket = await rig.dial()
        await ask(socket, HEARTBEAT % "a")
        session = rig.hub.sessions["CP1"]
        seen = rig.node.clock.monotonic()
        await lasting(1.0, "the station says nothing more")
        session.set_interval(300)  # Redis is told at the next look: 2 x 300 s + 10 s.

        async def told() -> bool:
            return await deadline(rig) > 300_000

        await wait_until(told)
        passed = (session.touched_at - seen) * 1000
        assert passed > 900
        assert await deadline(rig) <= 610_000 - passed + 150


async def test_a_station_that_neither_beats_nor_pongs_lives_as_its_socket_does(redis_url: str) -> None:
    """Its presence is refreshed as long as TCP holds (ping off per station, quirk 20)."""
    async with running_edge(redis_url, ping_interval_s=0.2, **QUICK) as rig:
        await rig.provision("CP1", ping="0", interval="1")
        await rig.dial()
        session = rig.hub.sessions["CP1"]
        assert not session.pings
        first = session.touched_at
        await wait_until(lambda: session.touched_at > first + 3.0)
        # A refresh is on its way where this process stood still; without any there is nothing after the TTL of 2 s.
        await wait_until(lambda: rig.worker.lane.one("EXISTS", keys.presence("CP1")))
        assert not session.ended


async def test_a_close_of_ours_leaves_presence_until_it_runs_out(rig: Rig) -> None:
    """A station that was sent away is expected back."""
    socket = await rig.dial()
    rig.hub.sessions["CP1"].close(1012, "try again", "operator")
    await closed(socket)
    await rig.worker.wait_for(Kind.CLOSED)
    await wait_until(lambda: rig.hub.everywhere == 0)
    assert await rig.worker.lane.one("EXISTS", keys.presence("CP1")) == 1
    assert await rig.worker.lane.one("ZCARD", keys.deadlines(rig.node.name)) == 1

    async def let_go() -> bool:
        return bool(await rig.worker.lane.one("HGET", keys.session("CP1"), "node") == b"")

    await wait_until(let_go)
    await rig.dial()
    assert metrics.EDGE_SUPERSEDED.labels("true").value == 0
