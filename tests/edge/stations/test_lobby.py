"""Before Redis may be trusted: the ports are held, health is told, stations are sent away, and nobody is refused."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec
import pytest

from edge.lobby import Lobby
from edge.ports import bind, close, port_of
from shared import metrics
from shared.observe import Health
from tests.edge.stations.rig import Socket, settings_for
from tests.support import PATIENCE_S, free_port, running_valkey, wait_until

Place = tuple[int, int]
"""The stations' and the operators' port."""


async def health(http: aiohttp.ClientSession, port: int, path: str) -> tuple[int, list[str]]:
    """What a probe is told."""
    async with http.get(f"http://127.0.0.1:{port}/{path}") as response:
        return response.status, list(msgspec.json.decode(await response.read(), type=Health).reasons)


async def dial(http: aiohttp.ClientSession, port: int) -> Socket:
    """Dial in as a station."""
    socket: Socket = await http.ws_connect(f"ws://127.0.0.1:{port}/ocpp/CP1", protocols=("ocpp1.6",))
    return socket


async def sent_away(http: aiohttp.ClientSession, port: int) -> bool:
    """Whether a station that dials in is told to come back later."""
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await dial(http, port)
    headers = caught.value.headers
    return caught.value.status == 503 and headers is not None and int(headers["Retry-After"]) >= 1


async def test_a_lobby_answers_for_both_listeners() -> None:
    """Alive, not ready, and why; a station is told to come back, and counted. Then the sockets are free to serve on."""
    for_stations, for_operators = await bind("127.0.0.1", 0), await bind("127.0.0.1", 0)
    lobby = Lobby(settings_for("redis://127.0.0.1:1/0"))
    await lobby.open(for_stations, for_operators)
    async with aiohttp.ClientSession() as http:
        assert await health(http, port_of(for_operators), "healthz") == (200, [])
        lobby.reason = "waiting for Redis: it sleeps"
        assert await health(http, port_of(for_operators), "readyz") == (503, ["waiting for Redis: it sleeps"])
        assert await sent_away(http, port_of(for_stations))
        assert metrics.EDGE_CONNECTS.labels("none", "failed_closed").value == 1
        await lobby.close()
        # The port is held still, and listens: who dials in now is answered by whoever follows.
        late = asyncio.create_task(health(http, port_of(for_operators), "healthz"))
        following = Lobby(settings_for("redis://127.0.0.1:1/0"))
        await following.open(for_stations, for_operators)
        assert await late == (200, [])
        await following.close()
    close((*for_stations, *for_operators))


async def test_a_taken_port_is_told_at_once() -> None:
    """Binding fails, whether Redis is there or not."""
    sockets = await bind("127.0.0.1", 0)
    for each in sockets:
        each.listen()
    with pytest.raises(OSError, match="in use"):
        await bind("127.0.0.1", port_of(sockets))
    close(sockets)


@contextlib.asynccontextmanager
async def edge_process(redis_url: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, Place]]:
    """`ampstream edge` in a process of its own; killed where it has not ended."""
    station_port, http_port = free_port(), free_port()
    environment = os.environ | {
        "AMPSTREAM_REDIS_URL": redis_url,
        "AMPSTREAM_STATION_PORT": str(station_port),
        "AMPSTREAM_HTTP_PORT": str(http_port),
        "AMPSTREAM_UNKNOWN_STATIONS": "accept",
        "AMPSTREAM_DRAIN_S": "0",
        # No worker is here to answer: without this, stations are let in for two seconds only.
        "AMPSTREAM_SILENCE_CLOSE_S": "60",
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ampstream", "edge"), env=environment, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield process, (station_port, http_port)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_an_edge_that_waits_for_redis_serves_once_it_is_there(tmp_path: Path) -> None:
    """From the start it lives, says why it is not ready, and sends stations away; then it lets them in."""
    with running_valkey(tmp_path) as valkey:
        valkey.kill()
        async with aiohttp.ClientSession() as http, edge_process(valkey.url) as (process, (station_port, http_port)):

            async def probe(path: str) -> tuple[int, list[str]] | None:
                with contextlib.suppress(aiohttp.ClientConnectorError):
                    return await health(http, http_port, path)
                return None

            assert await wait_until(lambda: probe("healthz")) == (200, [])
            status, (reason,) = await health(http, http_port, "readyz")
            assert (status, reason.startswith("waiting for Redis")) == (503, True)
            assert await sent_away(http, station_port)
            valkey.start()

            async def let_in() -> Socket | None:
                try:
                    return await dial(http, station_port)
                except aiohttp.ClientConnectorError:
                    raise
                except aiohttp.ClientError:  # Sent away, or cut off where the lobby had just let it in and closed.
                    return None

            socket: Socket | None = await wait_until(let_in)
            assert socket is not None
            await socket.close()
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(PATIENCE_S):
                assert await process.wait() == 0
