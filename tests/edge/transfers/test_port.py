"""The port for files: how many connections there may be, handshakes, and whoever says nothing."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from pathlib import Path
from unittest.mock import Mock, patch

import msgspec

from edge.stations.tls import Tls
from edge.transfers.guard import LEAST, Guard, Room
from shared import metrics
from shared.records.queries import security_events
from shared.records.queries.security_events import SecurityFilter
from shared.settings import Settings
from tests.edge.stations import certs
from tests.edge.transfers.site import is_used, site
from tests.support import PATIENCE_S, wait_until

CONTENT = bytes(range(256)) * 2000


async def test_a_connection_that_says_nothing(settings: Settings, tmp_path: Path) -> None:
    """A request whose head never ends is cut off."""
    async with site(settings, tmp_path, handshake_timeout_s=0.2) as place:
        for begun in (b"", b"GET /transfer/x HTTP/1.1\r\nHost:"):
            reader, _ = await place.raw(begun)
            async with asyncio.timeout(PATIENCE_S):
                with contextlib.suppress(ConnectionError):
                    assert await reader.read() == b""


async def test_who_says_nothing_keeps_nobody_out(settings: Settings, tmp_path: Path) -> None:
    """Connections are bounded; one that asks for something takes the place of the one that was silent longest."""
    async with site(settings, tmp_path, transfer_connections=LEAST // 2) as place:
        record = await place.file(CONTENT)
        silent = [(await place.raw(b""))[0] for _ in range(LEAST)]
        accepted = metrics.TRANSFER_CONNECTIONS.labels("accepted")
        await wait_until(lambda: accepted.value == LEAST + 1)
        assert (await place.get(await place.link("get", record)))[1] == CONTENT
        assert metrics.TRANSFER_CONNECTIONS.labels("displaced").value >= 1
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(silent[0].read(), 30) == b""
        assert not silent[-1].at_eof()


def test_no_room_where_everybody_is_busy() -> None:
    """Where every connection has said what it wants, one more is told to come back; whoever leaves makes place."""
    loop = asyncio.new_event_loop()
    with patch("asyncio.get_running_loop", lambda: loop):
        room = Room(1)
        guards = [Guard(Mock(), 60, room) for _ in range(room.most + 1)]
        for one in guards[:-1]:
            one.connection_made(Mock())
            one.heard()
        refused = Mock()
        guards[-1].connection_made(refused)
        assert b" 503 " in refused.write.call_args[0][0]
        refused.close.assert_called_once()
        guards[-1].data_received(b"GET / HTTP/1.1")
        guards[-1].connection_lost(None)
        assert len(room.inside) == room.most
        guards[0].connection_lost(None)
        assert len(room.inside) == room.most - 1
    loop.close()


async def test_too_many_at_a_time(settings: Settings, tmp_path: Path) -> None:
    """Beyond the limit of transfers under way: 503 with Retry-After."""
    async with site(settings, tmp_path, transfer_connections=1) as place:
        record, other = await place.file(), await place.file(kind="diagnostics")
        path = (await place.link("put", record)).removeprefix(place.url)
        _, writer = await place.raw(f"PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf".encode())

        async def busy() -> bool:
            return await place.put(other, b"x" * 2_000_000) == 503

        await wait_until(busy)
        writer.transport.abort()


async def test_handshakes_are_those_of_the_stations_port(settings: Settings, tmp_path: Path) -> None:
    """Counted by how they end, told where they fail, and admitted at the same rate."""
    made = tmp_path / "certificates"
    made.mkdir()
    changed = {"tls_certificates": certs.servers(made, "ecdsa"), "connect_rate": 0.01, "connect_burst": 2}
    settings = msgspec.structs.replace(settings, **changed)
    trusted = ssl.create_default_context(cadata=certs.authority().pem)
    async with site(settings, tmp_path / "files", Tls(settings)) as place:
        record = await place.file()
        link = (await place.link("put", record)).replace("http://127.0.0.1", "https://localhost")
        async with place.http.put(link, data=b"secret", ssl=trusted) as answer:
            assert answer.status == 201
        for _ in range(2):
            reader, _ = await place.raw(b"GET / HTTP/1.1\r\n\r\n")
            with contextlib.suppress(ConnectionError):
                await asyncio.wait_for(reader.read(), 30)
        counted = {word: metrics.EDGE_TLS_HANDSHAKES.labels(word).value for word in ("ok", "not_tls", "too_many")}
        assert counted == {"ok": 1, "not_tls": 1, "too_many": 1}

        async def told() -> bool:
            found = await security_events.page(place.lane, SecurityFilter(), None, 10)
            return [one.kind for one in found[0]] == ["TlsHandshakeFailed"]

        await wait_until(told)


async def test_over_tls(settings: Settings, tmp_path: Path) -> None:
    """The port takes the certificates of the stations' listener, and those that come after them."""
    made = tmp_path / "certificates"
    made.mkdir()
    first = certs.servers(made, "ecdsa")
    settings = msgspec.structs.replace(settings, tls_certificates=first)
    tls = Tls(settings)
    trusted = ssl.create_default_context(cadata=certs.authority().pem)
    async with site(settings, tmp_path / "files", tls, handshake_timeout_s=3.0) as place:
        silent, _ = await place.raw(b"")
        record = await place.file()
        link = await place.link("put", record)
        link = link.replace("http://127.0.0.1", "https://localhost")
        async with place.http.put(link, data=b"secret", ssl=trusted) as answer:
            assert answer.status == 201
        get = (await place.link("get", record)).replace("http://127.0.0.1", "https://localhost")
        serials = []
        for _ in range(2):
            async with place.http.get(get, ssl=trusted, headers={"Range": "bytes=0-1"}) as answer:
                transport = answer.connection.transport if answer.connection is not None else None
                assert transport is not None
                serials.append(transport.get_extra_info("peercert")["serialNumber"])
                assert await answer.read() == b"se"
            certs.servers(made, "ecdsa")
            assert tls.refresh(anyway=True)
        assert len(set(serials)) == 2
        async with place.http.get(get, ssl=trusted) as answer:
            assert await answer.read() == b"secret"
        await wait_until(lambda: is_used(place, get))
        async with asyncio.timeout(PATIENCE_S):  # Whoever begins no handshake is cut off, too.
            with contextlib.suppress(ConnectionError):
                assert await silent.read() == b""
