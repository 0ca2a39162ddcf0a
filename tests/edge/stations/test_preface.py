"""A PROXY header at the stations' listener: from a trusted balancer it must come, from others it is no HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from edge.lobby import Lobby
from edge.ports import bind, close, port_of
from shared import metrics
from shared.envelopes import Kind, SessionOpened
from tests.edge.stations.rig import Rig, basic, running_edge, settings_for
from tests.edge.stations.test_door import UPGRADE
from tests.edge.stations.test_proxy import SSL, binary, line
from tests.support import PATIENCE_S


@pytest.fixture
async def behind(redis_url: str) -> AsyncIterator[Rig]:
    """A node that trusts whoever dials from this machine, and waits for a PROXY header."""
    async with running_edge(redis_url, trusted_proxies="127.0.0.0/8", proxy_protocol="trusted") as rig:
        yield rig


def request(station: str = "CP1", headers: dict[str, str] | None = None) -> bytes:
    """Return the handshake of a station."""
    lines = {"Host": "csms", "Sec-WebSocket-Protocol": "ocpp1.6"} | UPGRADE | (headers or {})
    head = "".join(f"{name}: {text}\r\n" for name, text in lines.items())
    return f"GET /ocpp/{station} HTTP/1.1\r\n{head}\r\n".encode()


async def say(port: int, *parts: bytes) -> bytes:
    """Send parts, each in a turn of its own, and return the first line that comes back, or what came before the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(PATIENCE_S):
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0)
            return await reader.readline()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def opened(rig: Rig, station: str = "CP1") -> SessionOpened:
    """Return what the workers were told of a session."""
    (entry, *_) = await rig.worker.wait_for(Kind.OPENED, station)
    return msgspec.msgpack.decode(entry.frame, type=SessionOpened)


@pytest.mark.parametrize("head", [line("203.0.113.9", 5), binary("203.0.113.9", 5)], ids=["version 1", "version 2"])
async def test_the_header_names_the_station(behind: Rig, head: bytes) -> None:
    """Both versions name the station's address; what the station says of itself in HTTP is not believed."""
    lies = {"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "https"}
    assert b"101" in await say(behind.port, head + request(headers=lies))
    assert (await opened(behind)).address == "203.0.113.9"


async def test_tls_at_the_balancer_raises_the_profile(behind: Rig) -> None:
    """A value of type SSL says that the balancer took the station over TLS: with a key that is profile 2."""
    key = await behind.key_for("CP1", minimum_profile="2")
    plain, secure = binary("203.0.113.9", 5), binary("203.0.113.9", 5, SSL)
    assert b"403" in await say(behind.port, plain + request(headers=basic("CP1", key)))
    assert b"101" in await say(behind.port, secure + request(headers=basic("CP1", key)))
    assert (await opened(behind)).security_profile == 2


async def test_a_header_may_come_in_pieces(behind: Rig) -> None:
    """However the bytes arrive, nothing of the header or of the request is lost."""
    data = line("203.0.113.9", 5) + request()
    assert b"101" in await say(behind.port, *(data[at : at + 7] for at in range(0, len(data), 7)))
    assert (await opened(behind)).address == "203.0.113.9"


BAD = [
    pytest.param(request(), id="no header"),
    pytest.param(b"PROXY TCP4 1.1.1.1\r\n" + request(), id="malformed"),
    pytest.param(b"PROXY " + b"x" * 4000, id="a line without end"),
    pytest.param(binary("203.0.113.9", 5, b"\x04\x0f\xff" + bytes(4095)) + request(), id="too long"),
]


@pytest.mark.parametrize("data", BAD)
async def test_without_a_header_nothing_is_served(behind: Rig, data: bytes) -> None:
    """A trusted proxy that begins otherwise is dropped without a word, and counted."""
    assert await say(behind.port, data) == b""
    assert not behind.worker.of(Kind.OPENED)
    assert metrics.EDGE_CONNECTS.labels("none", "other").value == 1


@pytest.mark.parametrize("part", [b"", line("203.0.113.9", 5)[:-1], binary("203.0.113.9", 5)[:20]])
async def test_a_slow_header_is_not_waited_for(redis_url: str, part: bytes) -> None:
    """A header that does not come, or not to its end, within the time for a handshake ends the connection."""
    settings: dict[str, Any] = {
        "trusted_proxies": "127.0.0.0/8",
        "proxy_protocol": "trusted",
        "handshake_timeout_s": "0.5",
    }
    async with running_edge(redis_url, **settings) as rig:
        begun = asyncio.get_running_loop().time()
        assert await say(rig.port, part) == b""
        assert asyncio.get_running_loop().time() - begun > 0.4


async def test_a_proxy_that_leaves_early_is_forgotten(behind: Rig) -> None:
    """A connection that ends inside of its header, as a balancer's check does, leaves nothing and counts as nothing."""
    for part in (b"", b"PROXY "):
        _, writer = await asyncio.open_connection("127.0.0.1", behind.port)
        writer.write(part)
        writer.close()
        await writer.wait_closed()
    assert b"101" in await say(behind.port, line("203.0.113.9", 5) + request())
    assert metrics.EDGE_CONNECTS.labels("none", "other").value == 0


@pytest.mark.parametrize(
    "head", [line("203.0.113.9", 5), binary("203.0.113.9", 5, SSL)], ids=["version 1", "version 2"]
)
async def test_a_strangers_header_is_no_http(redis_url: str, head: bytes) -> None:
    """Whoever is no trusted proxy is answered 400 for a PROXY header, and is heard without one."""
    async with running_edge(redis_url, trusted_proxies="192.0.2.1", proxy_protocol="trusted") as rig:
        assert b"400" in await say(rig.port, head + request())
        assert not rig.worker.of(Kind.OPENED)
        assert b"101" in await say(rig.port, request(headers={"X-Forwarded-For": "6.6.6.6"}))
        assert (await opened(rig)).address == "127.0.0.1"


async def test_off_means_that_no_header_is_read(redis_url: str) -> None:
    """Without the setting a PROXY header is no HTTP, from a trusted proxy too."""
    async with running_edge(redis_url, trusted_proxies="127.0.0.0/8") as rig:
        assert b"400" in await say(rig.port, line("203.0.113.9", 5) + request())


async def test_before_redis_is_there_the_header_is_read_too() -> None:
    """While the edge waits for Redis, a station behind a balancer is told to come back, not that it speaks no HTTP."""
    settings = settings_for("redis://127.0.0.1:1/0", trusted_proxies="127.0.0.0/8", proxy_protocol="trusted")
    for_stations, for_operators = await bind("127.0.0.1", 0), await bind("127.0.0.1", 0)
    lobby = Lobby(settings)
    await lobby.open(for_stations, for_operators)
    assert b"503" in await say(port_of(for_stations), line("203.0.113.9", 5) + request())
    await lobby.close()
    close((*for_stations, *for_operators))
