"""A node: operators' requests, readiness, its place in Redis, and the whole process."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys

import aiohttp
import msgspec
import pytest

from edge.node import Node
from shared.bus import keys
from shared.bus.lane import Lane, LaneLost
from shared.envelopes import Kind
from shared.records.requests import AnyRequest, Disconnect
from tests.edge.stations.rig import HEARTBEAT, FakeWorker, Rig, closed, settings_for
from tests.support import PATIENCE_S, free_port, wait_until


async def test_a_request_is_replied_over_the_downlink(rig: Rig) -> None:
    """It goes on the station's own uplink, and the worker's reply comes back to who asked."""
    replies = await asyncio.gather(
        *(rig.node.request(f"CP{n}", Disconnect(request_id=f"r{n}", by="t"), PATIENCE_S) for n in range(20))
    )
    assert [reply.request_id for reply in replies] == [f"r{n}" for n in range(20)]
    assert {reply.status for reply in replies} == {202}
    entry = rig.worker.of(Kind.REQUEST, "CP7")[0]
    assert msgspec.msgpack.decode(entry.frame, type=AnyRequest) == Disconnect(request_id="r7", by="t")


async def test_a_request_without_a_reply_times_out_and_leaves_nothing(rig: Rig) -> None:
    """A worker that is silent costs the caller its timeout, and the node no memory."""
    rig.worker.mute = True
    with pytest.raises(TimeoutError):
        await rig.node.request("CP1", Disconnect(request_id="r"), 0.1)
    assert not rig.node._replies


async def test_a_request_without_redis_says_so(redis_url: str) -> None:
    """A lost connection is the caller's to judge."""
    settings = settings_for(redis_url)
    node = await Node.start(settings)
    await node.stop()
    with pytest.raises(LaneLost):
        await node.request("CP1", Disconnect(request_id="r"), 1.0)


async def test_a_node_beats_by_redis_time_and_trims_what_it_read(rig: Rig) -> None:
    """Its score in the set of nodes follows Redis's clock; its downlink does not grow."""
    lane = rig.worker.lane

    async def beaten(after: float) -> float:
        score = float(await lane.one("ZSCORE", keys.NODES, rig.node.name))
        return score if score > after else 0.0

    first = await wait_until(lambda: beaten(0))
    second = await wait_until(lambda: beaten(first))
    seconds, _ = await lane.one("TIME")
    assert abs(second / 1000 - int(seconds)) < 30
    assert abs(rig.node.pulse.redis_ms() / 1000 - int(seconds)) < 30
    await rig.worker.wait_for(Kind.CANARY, count=8)

    async def trimmed() -> bool:
        return bool(await lane.one("XLEN", keys.downlink(rig.node.name)) <= rig.node.partitions)

    await wait_until(trimmed)


async def test_a_redis_that_is_not_durable_any_more_closes_the_gate(rig: Rig) -> None:
    """A changed run id or role is looked at again; until it may be trusted nothing is served."""
    await rig.worker.lane.one("CONFIG", "SET", "appendfsync", "everysec")
    try:
        rig.node.pulse._server = ("another", "master")
        await wait_until(lambda: rig.node.pulse.problems)
        await wait_until(lambda: not rig.node.gate.open)
        assert "appendfsync" in "".join(rig.node.not_ready())
        assert (await rig.refused()).status == 503
    finally:
        await rig.worker.lane.one("CONFIG", "SET", "appendfsync", "always")
    await wait_until(lambda: not rig.node.not_ready())


@pytest.mark.parametrize("redis_late", [False, True])
async def test_the_process_serves_and_ends_in_order(redis_url: str, redis_late: bool) -> None:
    """`ampstream edge` waits for Redis, serves both listeners, and drains on SIGTERM, whoever is silent on a socket."""
    station_port, http_port, dead_port = free_port(), free_port(), free_port()
    environment = os.environ | {
        "AMPSTREAM_REDIS_URL": f"redis://127.0.0.1:{dead_port}/0" if redis_late else redis_url,
        "AMPSTREAM_STATION_PORT": str(station_port),
        "AMPSTREAM_HTTP_PORT": str(http_port),
        "AMPSTREAM_UNKNOWN_STATIONS": "accept",
        "AMPSTREAM_DRAIN_S": "1",
        # The worker comes later than the first question.
        "AMPSTREAM_SILENCE_CLOSE_S": "60",
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ampstream", "edge"), env=environment, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    silent: list[socket.socket] = []
    try:
        wanted = b"waiting for Redis" if redis_late else b"edge serves"
        async with asyncio.timeout(PATIENCE_S):
            while wanted not in await process.stderr.readline():
                assert process.returncode is None
        silent += [socket.create_connection(("127.0.0.1", port)) for port in (station_port, http_port)]
        if not redis_late:
            await _serve(redis_url, station_port, http_port, process)
        else:
            process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_S):
            rest = await process.stderr.read()
            assert await process.wait() == 0, rest
        assert b"Traceback" not in rest
    finally:
        for each in silent:
            each.close()
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _serve(redis_url: str, station_port: int, http_port: int, process: asyncio.subprocess.Process) -> None:
    lane = Lane(redis_url, name="test")
    worker = FakeWorker(redis_url, int(await lane.one("GET", keys.META_PARTITIONS)))
    async with aiohttp.ClientSession() as http:
        url = f"ws://127.0.0.1:{station_port}/ocpp/CP1"
        async with http.ws_connect(url, protocols=("ocpp1.6",)) as socket:
            await socket.send_str(HEARTBEAT % "a")
            assert await socket.receive_str(timeout=PATIENCE_S) == '[3,"a",{}]'
            async with http.get(f"http://127.0.0.1:{http_port}/readyz") as response:
                assert response.status == 200
            async with http.get(f"http://127.0.0.1:{http_port}/metrics") as response:
                text = await response.text()
            assert 'ampstream_edge_connections{protocol="ocpp1.6",security_profile="0"} 1' in text
            assert 'ampstream_edge_ack_duration_seconds_count{action="Heartbeat"} 1' in text
            process.send_signal(signal.SIGTERM)
            assert await closed(socket) == 1012
    await worker.wait_for(Kind.CLOSED)
    await worker.close()
    await lane.close()
