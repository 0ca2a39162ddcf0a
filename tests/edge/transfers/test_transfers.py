"""Stations fetch and leave files: links, ranges, limits, and what goes wrong on the way."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import io
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import aiohttp
import msgspec
import pytest
import structlog

from edge.transfers import handlers, receiving
from edge.transfers.storage import PART_KEPT_S, Directory, NoSpace, _FileWriter
from edge.transfers.sweeping import Sweeper
from shared import logs
from shared.bus import firmware_keys
from shared.bus.lane import LaneLost
from shared.records.files import FileRecord
from shared.records.queries import files
from shared.settings import Settings
from tests.edge.transfers.site import Site, is_used, site
from tests.support import wait_until

CONTENT = bytes(range(256)) * 2000


async def test_a_file_is_fetched_once(settings: Settings, tmp_path: Path) -> None:
    """GET gives the content with its digest; once all of it has arrived the link is used up."""
    async with site(settings, tmp_path) as place:
        record = await place.file(CONTENT)
        link = await place.link("get", record)
        async with place.http.head(link) as answer:
            assert (answer.status, answer.headers["Content-Length"]) == (200, str(len(CONTENT)))
        status, body, headers = await place.get(link)
        assert (status, body) == (200, CONTENT)
        assert headers["Repr-Digest"].startswith("sha-256=:")
        assert headers["Connection"] == "close"
        await wait_until(lambda: is_used(place, link))
        assert (await place.get(link))[0] == 410
        fetched = [one for one in await place.events() if one["type"] == "file.fetched"]
        assert [(one["station_id"], one["size"]) for one in fetched] == [("CP1", len(CONTENT))]


async def test_a_download_is_resumed(settings: Settings, tmp_path: Path) -> None:
    """What broke off goes on by ranges, in any order, until all parts were delivered."""
    async with site(settings, tmp_path) as place:
        record = await place.file(CONTENT)
        link, size = await place.link("get", record), len(CONTENT)
        status, tail, headers = await place.get(link, Range="bytes=-1000")
        assert (status, tail) == (206, CONTENT[-1000:])
        assert headers["Content-Range"] == f"bytes {size - 1000}-{size - 1}/{size}"
        etag = headers["ETag"]
        assert (await place.get(link, Range=f"bytes={size}-"))[0] == 416
        assert (await place.get(link, Range="bytes=0-99999"))[1] == CONTENT[:100000]
        assert (await place.get(link, Range="bytes=100000-", **{"If-Range": etag}))[1] == CONTENT[100000:]
        await wait_until(lambda: is_used(place, link))
        assert (await place.get(link, Range="bytes=0-1"))[0] == 410


async def test_a_station_that_leaves_may_come_again(settings: Settings, tmp_path: Path) -> None:
    """A connection that is dropped in the middle delivers nothing: the link goes on being good."""
    async with site(settings, tmp_path) as place:
        record = await place.file(CONTENT * 20, limit=100_000_000)
        link = await place.link("get", record)
        path = link.removeprefix(place.url)
        reader, writer = await place.raw(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert len(await reader.readexactly(5000)) == 5000
        writer.transport.abort()
        assert (await place.get(link))[1] == CONTENT * 20


async def test_a_link_gives_no_more_than_some_copies(settings: Settings, tmp_path: Path) -> None:
    """Whoever asks for the same part over and over gets it ten times at most."""
    async with site(settings, tmp_path) as place:
        record = await place.file(CONTENT[:1000])
        link = await place.link("get", record)

        async def closed() -> bool:
            return (await place.get(link, Range="bytes=0-998"))[0] == 410

        await wait_until(closed)
        assert not [one for one in await place.events() if one["type"] == "file.fetched"]


@pytest.mark.parametrize("kind", ["forged", "changed", "expired", "purpose", "gone"])
async def test_links_that_are_not_good(settings: Settings, tmp_path: Path, kind: str) -> None:
    """Made up, changed, expired, for the other direction, or to a file that was deleted: refused, each in words."""
    async with site(settings, tmp_path) as place:
        record = await place.file(CONTENT)
        link = await place.link("get", record, lasts_ms=-1000 if kind == "expired" else 60_000)
        head, token = link.split("/transfer/")
        if kind == "forged":
            link = f"{head}/transfer/abc.def/x"
        elif kind == "changed":
            link = f"{head}/transfer/{'B' if token[5] != 'B' else 'C'}".join(("", token[1:]))
        elif kind == "gone":
            await files.forget(place.lane, record.file_id)
        if kind == "purpose":
            async with place.http.put(link, data=b"x") as answer:
                status = answer.status
        else:
            status = (await place.get(link))[0]
        assert status == {"forged": 403, "changed": 403, "expired": 410, "purpose": 405, "gone": 404}[kind]


async def test_a_file_is_left_once(settings: Settings, tmp_path: Path) -> None:
    """PUT stores the whole under an id of ours, whatever the station calls it; a second one is refused."""
    async with site(settings, tmp_path) as place:
        record = await place.file()
        link = await place.link("put", record, name="x")
        base = link.rpartition("/")[0]
        async with place.http.put(f"{base}/..%2f..%2fetc%2fpasswd", data=CONTENT) as answer:
            assert answer.status == 201
        shown = await place.shown(record)
        assert (shown.state, shown.size, shown.name) == ("stored", len(CONTENT), "passwd")
        assert shown.sha256 == hashlib.sha256(CONTENT).hexdigest()
        assert [path.name.partition(".")[0] for path in place.contents()] == [record.file_id]
        async with place.http.put(base + "/again", data=b"other") as answer:
            assert answer.status == 410
        assert place.contents()[0].read_bytes() == CONTENT


async def test_a_form_is_taken_too(settings: Settings, tmp_path: Path) -> None:
    """POST of a multipart form stores its file, not the form."""
    async with site(settings, tmp_path) as place:
        record = await place.file()
        form = aiohttp.FormData()
        form.add_field("description", "logs of today")
        form.add_field("file", CONTENT, filename="d.zip")
        async with place.http.post(await place.link("put", record), data=form) as answer:
            assert answer.status == 201
        assert place.contents()[0].read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"x" * 101, {}, 413),
        (b"", {}, 400),
        (b"good", {"Content-Digest": "sha-256=:AAAA:"}, 422),
    ],
)
async def test_bodies_that_are_not_taken(
    settings: Settings, tmp_path: Path, body: bytes, headers: dict[str, str], status: int
) -> None:
    """Too large, nothing, another checksum: nothing is stored, the reason is told, and the station may try again."""
    async with site(settings, tmp_path) as place:
        record = await place.file(limit=100)
        assert await place.put(record, body, headers=headers) == status
        shown = await place.shown(record)
        assert (shown.state, bool(shown.error), place.contents()) == ("expected", True, [])
        assert [one["type"] for one in await place.events()] == ["file.failed"]
        assert await place.put(record, b"good") == 201


async def test_a_body_without_length_is_bounded(settings: Settings, tmp_path: Path) -> None:
    """A chunked body that goes on and on is cut at the limit."""
    async with site(settings, tmp_path) as place:
        record = await place.file(limit=1000)

        async def forever() -> AsyncIterator[bytes]:
            for _ in range(10_000):
                yield b"x" * 1000

        try:
            status = await place.put(record, forever())
        except aiohttp.ClientError:  # Closed while it was still writing.
            status = 413
        assert status == 413
        assert not place.contents()


async def test_an_upload_that_breaks_off(settings: Settings, tmp_path: Path) -> None:
    """Half a body and an end of the connection: nothing is stored, and the link is good for another try."""
    async with site(settings, tmp_path) as place:
        record = await place.file()
        path = (await place.link("put", record)).removeprefix(place.url)
        _, writer = await place.raw(f"PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf".encode())

        await wait_until(lambda: state(place, record, "receiving"))
        assert await place.put(record, b"meanwhile") == 409
        writer.transport.abort()
        await wait_until(lambda: state(place, record, "expected"))
        assert not place.contents()
        assert await place.put(record, b"whole") == 201


async def test_a_slow_body(settings: Settings, tmp_path: Path) -> None:
    """A body of which nothing comes, or too little over all, is ended."""
    async with site(settings, tmp_path, transfer_idle_s=0.2, transfer_rate_bytes=1000) as place:
        record = await place.file()
        path = (await place.link("put", record)).removeprefix(place.url)
        head = f"PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n".encode()
        reader, _ = await place.raw(head)
        assert b"408" in await reader.readline()
        with patch.object(receiving, "GRACE_S", 0.2):
            reader, writer = await place.raw(head)
            drip = asyncio.create_task(dripping(writer))
            assert b"408" in await reader.readline()
            drip.cancel()
        assert not place.contents()


async def dripping(writer: asyncio.StreamWriter) -> None:
    """Send a byte now and then."""
    while True:
        writer.write(b"x")
        await asyncio.sleep(0.05)


async def test_a_full_disk(settings: Settings, tmp_path: Path) -> None:
    """Out of space: 507, no rest in the directory, and the station may try again later."""
    async with site(settings, tmp_path) as place:
        record = await place.file()
        full = OSError(errno.ENOSPC, "No space left on device")
        with patch("os.fsync", side_effect=full):
            assert await place.put(record, CONTENT) == 507
        assert not place.contents()
        assert (await place.shown(record)).error == "the disk is full"
        assert await place.put(record, CONTENT) == 201
    reserved = Directory(tmp_path, 2**60)
    with pytest.raises(NoSpace, match="nearly full"):
        await reserved.create(record.file_id)


async def test_tokens_are_logged_nowhere(settings: Settings, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Whatever a link comes to, and whatever is wrong with it, its token is in no log line and no answer."""
    stream = io.StringIO()
    logs.configure(stream=stream, level="debug")
    request.addfinalizer(structlog.reset_defaults)
    async with site(settings, tmp_path) as place:
        record = await place.file(CONTENT)
        links = [await place.link("get", record), await place.link("get", record, -1), await place.link("put", record)]
        for link in links:
            _, body, headers = await place.get(link)
            token = link.split("/transfer/")[1].split("/")[0]
            assert token.encode() not in body
            assert token not in str(headers)
            with patch.object(files, "file", side_effect=RuntimeError(link)):
                await place.get(link)
        told = str(await place.events())
        out = stream.getvalue()
        assert "RuntimeError" in out
        for link in links:
            token = link.split("/transfer/")[1].split("/")[0]
            assert token not in out
            assert token not in told


async def test_redis_is_lost(settings: Settings, tmp_path: Path) -> None:
    """Without Redis nothing is served or taken: 503, and a body that was on its way leaves nothing behind."""
    async with site(settings, tmp_path) as place:
        record, expected = await place.file(CONTENT), await place.file(kind="diagnostics")
        link = await place.link("get", record)
        with patch.object(files, "file", side_effect=LaneLost("gone")):
            assert (await place.get(link))[0] == 503
        lost = patch.object(files, "change", side_effect=flaky(files.change))
        with patch.object(receiving, "BLOCK", 1000), patch.object(handlers, "TELL_MS", 0), lost:
            assert await place.put(expected, CONTENT) == 503
        assert len(place.contents()) == 1
        assert (await place.get(link))[1] == CONTENT


def flaky(real: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Return it as it is for its first call, and lost for all others."""
    calls = itertools.count()

    async def once(*args: Any) -> Any:
        if next(calls):
            raise LaneLost("gone")
        return await real(*args)

    return once


async def test_files_expire(settings: Settings, tmp_path: Path) -> None:
    """What is over its time is deleted with its content; what an edge began long ago and left is tidied up."""
    async with site(settings, tmp_path) as place:
        now = await place.time()
        old = await place.file(CONTENT)
        await place.lane.one("ZADD", firmware_keys.FILES_EXPIRY, now - 1, old.file_id)
        new = await place.file(CONTENT + b"2", expires_at=now + 60_000)
        storage = Directory(tmp_path, 0)
        begun = await storage.create(new.file_id)
        assert isinstance(begun, _FileWriter)
        begun._file.close()
        assert await Sweeper(place.lane, storage, "edge-1").sweep() == 1
        assert await files.file(place.lane, old.file_id) is None
        assert await storage.tidy() == 0
        assert len(place.contents()) == 2
        with patch("edge.transfers.storage.PART_KEPT_S", -1):
            assert await storage.tidy() == 1
        assert [path.name for path in place.contents()] == [(await place.shown(new)).content_id]
        assert PART_KEPT_S > 3600


async def test_a_claim_runs_out(settings: Settings, tmp_path: Path) -> None:
    """An edge that died in the middle of an upload keeps no station from another try."""
    async with site(settings, tmp_path) as place:
        record = await place.file(state="receiving", claim="dead", claimed_until=await place.time() - 1)
        assert await place.put(record, b"whole") == 201
        shown = await place.shown(record)
        assert msgspec.structs.asdict(shown)["claim"] == ""


@pytest.mark.parametrize("stalls", ["in its body", "before its end"])
async def test_an_edge_that_stood_still_changes_nothing(settings: Settings, tmp_path: Path, stalls: str) -> None:
    """Its claim ran out and another upload was first: that one's bytes and digest stay, and the late one is told."""
    async with site(settings, tmp_path) as place:
        record = await place.file()

        async def outrun() -> None:
            await wait_until(lambda: state(place, record, "receiving"))
            await files.change(place.lane, record.file_id, lambda one: msgspec.structs.replace(one, claimed_until=1))
            assert await place.put(record, b"the other's") == 201

        async def body() -> AsyncIterator[bytes]:
            yield b"late" * 1000
            if stalls == "in its body":
                await outrun()
            yield b"late" * 1000

        finish = _FileWriter.finish

        async def stalled(writer: _FileWriter) -> None:
            with patch.object(_FileWriter, "finish", finish):
                await outrun()
            await finish(writer)

        sleepy = (
            patch.object(_FileWriter, "finish", stalled) if stalls == "before its end" else contextlib.nullcontext()
        )
        with patch.object(receiving, "BLOCK", 1000), patch.object(handlers, "TELL_MS", 0), sleepy:
            assert await place.put(record, body()) == 409
        shown = await place.shown(record)
        assert (shown.state, shown.sha256) == ("stored", hashlib.sha256(b"the other's").hexdigest())
        assert [path.read_bytes() for path in place.contents()] == [b"the other's"]
        assert (await place.get(await place.link("get", record)))[1] == b"the other's"
        assert [one["type"] for one in await place.events()] == ["file.stored"]


async def state(place: Site, record: FileRecord, wanted: str) -> bool:
    """Tell whether a file is in a state."""
    return (await place.shown(record)).state == wanted


async def test_a_file_that_is_deleted_while_it_is_left(settings: Settings, tmp_path: Path) -> None:
    """Its content does not stay behind: nobody would ever look for it."""
    async with site(settings, tmp_path) as place:
        record = await place.file()

        async def body() -> AsyncIterator[bytes]:
            yield b"half"
            await wait_until(lambda: bool(place.contents()))
            await files.forget(place.lane, record.file_id)
            yield b"whole"

        assert await place.put(record, body()) == 409
        assert not place.contents()
