"""Simulated stations at the real port: downloads in pieces, broken off and resumed, checked; uploads."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from unittest.mock import patch

import msgspec
import pytest

from ampstream.simulate.transfers import HttpMover, Order
from edge.stations.tls import Tls
from edge.transfers import sending
from edge.transfers.storage import Reader
from shared.settings import Settings
from tests.edge.stations import certs
from tests.edge.transfers.signing import signed
from tests.edge.transfers.site import is_used, site
from tests.support import PATIENCE_S, wait_until

CONTENT = bytes(range(256)) * 1000


@pytest.fixture
async def mover() -> AsyncIterator[HttpMover]:
    """One that asks for pieces of 50,000 bytes."""
    found = HttpMover(piece=50_000)
    yield found
    await found.close()


async def fetched(mover: HttpMover, url: str, order: Order | None = None) -> str:
    """Fetch, and return what is wrong with it."""
    done: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    mover.fetch(url, order or Order(), done.set_result)
    return await asyncio.wait_for(done, PATIENCE_S)


async def test_a_download_in_pieces(settings: Settings, tmp_path: Path, mover: HttpMover) -> None:
    """All of it comes and is checked; the link is used up then."""
    async with site(settings, tmp_path) as place:
        record = await place.file(CONTENT)
        link = await place.link("get", record)
        assert await fetched(mover, link) == ""
        await wait_until(lambda: is_used(place, link))  # The edge hears of the end after the station.
        assert await fetched(mover, link) == "download"


async def test_over_tls(settings: Settings, tmp_path: Path) -> None:
    """A fleet moves files over TLS where it trusts who signed for the port, as it does for its sockets."""
    certificates = tmp_path / "certificates"
    certificates.mkdir()
    ca = Path(certs.write(certificates / "ca.pem", certs.authority().pem))
    settings = msgspec.structs.replace(settings, tls_certificates=certs.servers(certificates, "ecdsa"))
    async with site(settings, tmp_path / "files", Tls(settings)) as place:
        record = await place.file()
        link = (await place.link("put", record)).replace("http://127.0.0.1", "https://localhost")
        mover, done = HttpMover(ca=ca), asyncio.get_running_loop().create_future()
        mover.leave(link, CONTENT, done.set_result)
        assert await asyncio.wait_for(done, PATIENCE_S)
        await mover.close()
        assert (await place.shown(record)).size == len(CONTENT)


async def test_a_download_that_breaks_off(settings: Settings, tmp_path: Path, mover: HttpMover) -> None:
    """It goes on where it was, as often as that takes."""
    real, breaks = sending.send, iter([True, False, True, True])

    async def breaking(response, reader: Reader, part: sending.Range, idle_s: float, rate: int) -> int:  # type: ignore[no-untyped-def]
        if not next(breaks, False):
            return await real(response, reader, part, idle_s, rate)
        await response.write(await reader.read(part.begin, 10_000))
        response._req.transport.abort()
        return 10_000

    async with site(settings, tmp_path) as place:
        record = await place.file(CONTENT)
        link = await place.link("get", record)
        with patch.object(sending, "send", breaking):
            assert await fetched(mover, link) == ""
        assert next(breaks, None) is None


async def test_what_is_wrong_with_a_file(settings: Settings, tmp_path: Path, mover: HttpMover) -> None:
    """Another content than announced; half of it; a signature that does not fit, and one that does."""
    async with site(settings, tmp_path) as place:
        record = await place.file(CONTENT)
        assert await fetched(mover, await place.link("get", record), Order(stops_at=0.5)) == "stopped"
        pem, signature = signed(CONTENT)
        good, bad = Order(signature, pem), Order(base64.b64encode(b"no").decode(), pem)
        assert await fetched(mover, await place.link("get", record), good) == ""
        assert await fetched(mover, await place.link("get", record), bad) == "signature"
        (path,) = place.contents()
        path.write_bytes(CONTENT[:-1] + b"!")
        assert await fetched(mover, await place.link("get", record)) == "checksum"


async def test_an_upload(settings: Settings, tmp_path: Path, mover: HttpMover) -> None:
    """It is stored with the checksum that it announced; a second one is refused."""
    async with site(settings, tmp_path) as place:
        record = await place.file()
        link = (await place.link("put", record)).rpartition("/")[0] + "/log.txt"
        for wanted in (True, False):
            done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
            mover.leave(link, CONTENT, done.set_result)
            assert await asyncio.wait_for(done, PATIENCE_S) is wanted
        shown = await place.shown(record)
        assert (shown.name, shown.sha256) == ("log.txt", hashlib.sha256(CONTENT).hexdigest())
