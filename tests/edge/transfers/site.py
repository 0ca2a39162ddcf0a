"""A transfer port on a real Valkey and a real directory, and whoever speaks to it."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from edge.ports import bind, port_of
from edge.security import SecurityLog
from edge.stations.tls import Tls
from edge.transfers.listener import TransferListener
from shared.bus import keys
from shared.bus.lane import Lane
from shared.records import files_links
from shared.records.files import FileRecord, make_file_id
from shared.records.files_links import Purpose
from shared.records.queries import files
from shared.settings import Settings


class Site:
    """The port: links to it, requests, and what is stored."""

    def __init__(self, lane: Lane, root: Path, url: str, key: bytes, http: aiohttp.ClientSession) -> None:
        self.lane = lane
        self.root = root
        self.url = url
        self.http = http
        self.key = key
        self.raws: list[asyncio.StreamWriter] = []

    async def time(self) -> int:
        """Return Redis's time."""
        seconds, micros = await self.lane.one("TIME")
        return int(seconds) * 1000 + int(micros) // 1000

    async def file(self, content: bytes | None = None, **fields: Any) -> FileRecord:
        """Make a file: stored with this content, or expected from CP1."""
        now = await self.time()
        record = FileRecord(
            file_id=make_file_id(now, f"{now}{content!r}{fields}"),
            **{"kind": "log", "station_id": "CP1", "limit": 1_000_000, "created_at": now, **fields},
        )
        await files.create(self.lane, record)
        if content is not None:
            token = await self.put(record, content)
            assert token == 201
        return record

    async def put(self, record: FileRecord, content: Any, **more: Any) -> int:
        """Leave a file by a fresh link; returns the status."""
        body = io.BytesIO(content) if isinstance(content, bytes) else content
        async with self.http.put(await self.link("put", record), data=body, **more) as answer:
            return answer.status

    async def link(self, purpose: Purpose, record: FileRecord, lasts_ms: int = 60_000, name: str = "") -> str:
        """Return a fresh link."""
        link = files_links.make(purpose, record.file_id, "CP1", await self.time() + lasts_ms)
        token = files_links.sign(self.key, link)
        return files_links.url(self.url, token, name or record.name)

    async def shown(self, record: FileRecord) -> FileRecord:
        """Return a file as it stands."""
        found = await files.file(self.lane, record.file_id)
        assert found is not None
        return found

    async def get(self, url: str, **headers: str) -> tuple[int, bytes, Mapping[str, str]]:
        """Fetch; returns status, body and headers."""
        async with self.http.get(url, headers=headers) as answer:
            return answer.status, await answer.read(), answer.headers

    def contents(self) -> list[Path]:
        """Return every file in the directory, temporary ones too."""
        return [path for path in self.root.rglob("*") if path.is_file()]

    async def events(self) -> list[dict[str, Any]]:
        """Return all events."""
        entries = await self.lane.one("XRANGE", keys.EVENTS, "-", "+")
        return [event for _, fields in entries for event in msgspec.msgpack.decode(fields[1])]

    async def raw(self, data: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection and send bytes as they are."""
        host, _, port = self.url.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        self.raws.append(writer)
        writer.write(data)
        return reader, writer


async def is_used(place: Site, link: str) -> bool:
    """Tell whether all of the file was fetched by a link."""
    token = link.split("/transfer/")[1].split("/")[0]
    return (await files.used(place.lane, files_links.link_id(files_links.read(place.key, token)))).done


@asynccontextmanager
async def site(settings: Settings, root: Path, tls: Tls | None = None, **changed: Any) -> AsyncIterator[Site]:
    """Serve for the length of the block."""
    settings = msgspec.structs.replace(
        settings, transfer_dir=str(root), transfer_port=0, transfer_reserve_bytes=0, **changed
    )
    lane = await Lane.open(settings.redis_url.reveal(), name="test")
    sockets = await bind(settings.transfer_host, 0)
    security = SecurityLog(lane)
    listener = TransferListener(lane, settings, "edge-1", security)
    await listener.start(sockets, tls)
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as http:
            key = await files_links.load_key(lane)
            place = Site(lane, root, f"http://127.0.0.1:{port_of(sockets)}", key, http)
            yield place
            for writer in place.raws:
                writer.transport.abort()
                with contextlib.suppress(ConnectionError):
                    await writer.wait_closed()
    finally:
        await listener.stop()
        await security.stop()
        await lane.close()
