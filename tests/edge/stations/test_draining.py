"""An orderly end: answers finish, sockets close in waves, the workers are told, nothing stays behind."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from edge.stations import draining
from shared import metrics
from shared.bus import keys
from shared.envelopes import Command, Kind, NotWritten, SessionClosed
from shared.ocpp import frames
from tests.edge.stations.rig import HEARTBEAT, Steps, ask, closed, running_edge
from tests.support import PATIENCE_S, wait_until


async def test_a_drain_finishes_answers_then_closes_and_leaves_nothing(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 and not ready at once; a CALL in flight is answered before its socket closes; every end is reported."""
    # The sockets close within a second, and an answer has half a minute.
    monkeypatch.setattr(draining, "WAVES_SHARE", 0.03)
    async with running_edge(redis_url, drain_s=30) as rig:
        sockets = [await rig.dial(f"CP{n}") for n in range(10)]
        rig.worker.holding = True
        await sockets[0].send_str(HEARTBEAT % "last")
        await rig.worker.wait_for(Kind.CALL)
        leaving = asyncio.create_task(rig.edge.leave(asyncio.Event()))
        await wait_until(lambda: rig.node.not_ready() == ["draining"])
        assert (await rig.refused("CP99")).status == 503
        assert [await closed(socket) for socket in sockets[1:]] == [1012] * 9
        assert not sockets[0].closed
        # What comes for a session that is about to close is not written.
        await wait_until(lambda: rig.hub.sessions["CP0"].finishing)
        (call,) = rig.worker.of(Kind.CALL)
        frame = frames.encode_call("c", "ClearCache")
        await rig.worker.send(rig.node.name, Command("CP0", call.epoch, "c", frame, rig.node.pulse.redis_ms() + 9999))
        await rig.worker.wait_for(Kind.NOT_WRITTEN)
        await rig.worker.release()
        assert msgspec.json.decode(await sockets[0].receive_str(timeout=PATIENCE_S)) == [3, "last", {}]
        assert await closed(sockets[0]) == 1012
        await leaving
        gone = await rig.worker.wait_for(Kind.CLOSED, count=10)
        bodies = {msgspec.msgpack.decode(each.frame, type=SessionClosed) for each in gone}
        assert bodies == {SessionClosed("drain", 1012, True)}
        assert await rig.worker.lane.one("EXISTS", keys.downlink(rig.node.name)) == 0
        (report,) = rig.worker.of(Kind.NOT_WRITTEN)
        assert msgspec.msgpack.decode(report.frame, type=NotWritten) == NotWritten("c", "draining")


async def test_a_drain_ends_in_time_without_answers(redis_url: str) -> None:
    """A CALL that nobody answers does not hold the node."""
    async with running_edge(redis_url, drain_s=0.5) as rig:
        socket = await rig.dial()
        rig.worker.holding = True
        await socket.send_str(HEARTBEAT % "a")
        await rig.worker.wait_for(Kind.CALL)
        async with asyncio.timeout(PATIENCE_S):
            reading = asyncio.create_task(closed(socket))
            await rig.edge.leave(asyncio.Event())
            assert await reading == 1012


async def test_the_waves_are_spread(redis_url: str) -> None:
    """Sockets do not all close at once."""
    async with running_edge(redis_url, drain_s=3, clock=Steps()) as rig:
        for n in range(30):
            await rig.dial(f"CP{n}")
        counts: list[int] = []

        async def watch() -> None:
            while rig.hub.sessions:
                counts.append(len(rig.hub.sessions))
                await asyncio.sleep(0.02)

        watching = asyncio.create_task(watch())
        reading = [asyncio.create_task(closed(socket)) for socket in rig.sockets]
        await rig.edge.leave(asyncio.Event())
        await watching
        await asyncio.gather(*reading)
        assert len(set(counts)) >= 5
        assert metrics.EDGE_DISCONNECTS.labels("drain").value == 30


async def test_a_second_signal_cuts_it_short(redis_url: str) -> None:
    """With `hurry` set the node leaves at once, and the stations see a close."""
    async with running_edge(redis_url, drain_s=60) as rig:
        socket = await rig.dial()
        assert await ask(socket, HEARTBEAT % "a") == [3, "a", {}]
        hurry = asyncio.Event()
        hurry.set()
        async with asyncio.timeout(PATIENCE_S):
            reading = asyncio.create_task(closed(socket))
            await rig.edge.leave(hurry)
            await reading
        assert len(await rig.worker.wait_for(Kind.CLOSED)) == 1
