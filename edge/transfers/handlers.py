"""What a link allows: GET (with ranges) until all of the file was fetched or the link expires, PUT or POST once."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Mapping
from typing import Final

import msgspec
from aiohttp import web

from edge.transfers import guard, sending
from edge.transfers.guard import Guard
from edge.transfers.receiving import Limits, Outrun, Received, ReceiveError, receive
from edge.transfers.storage import NoSpace, NotThere, Storage
from shared import metrics
from shared.bus import keys
from shared.bus.clock import now_ms
from shared.bus.lane import Lane
from shared.logs import get_logger
from shared.records import files_links
from shared.records.events import Event, FileFailed, FileFetched, FileStored
from shared.records.files import FileRecord, content_id, plain_name
from shared.records.files_links import BadLink, Link, Purpose
from shared.records.packing import pack
from shared.records.queries import files
from shared.settings import Settings

CLAIM_MS: Final = 60_000
"""An upload whose edge says nothing for so long is given up."""
TELL_MS: Final = 2_000
"""How often an upload tells how far it is."""
_OUTRUN: Final = "somebody else has left the file meanwhile, or it is not wanted any more"
log = get_logger("transfers")


class Refused(Exception):
    """A request that is answered with `status` and a line of text."""

    def __init__(self, status: int, text: str, result: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.result = result
        self.headers = dict(headers or {})


class Transfers:
    """One edge's; `key` is what links are signed with."""

    def __init__(self, lane: Lane, storage: Storage, key: bytes, settings: Settings) -> None:
        self._lane = lane
        self._storage = storage
        self._key = key
        self._settings = settings
        self._active = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one request under `/transfer/`."""
        connection = guard.heard(request)
        direction = "in" if request.method in {"PUT", "POST"} else "out"
        try:
            self._enter()
            try:
                answer = await (self._leave(request) if direction == "in" else self._fetch(request, connection))
            finally:
                self._active -= 1
        except Refused as refused:
            metrics.TRANSFERS.labels(direction, refused.result).inc()
            log.info("file refused", direction=direction, status=refused.status, reason=str(refused))
            answer = web.Response(status=refused.status, text=f"{refused}\n", headers=refused.headers)
            answer.force_close()
        return answer

    def _enter(self) -> None:
        if self._active >= self._settings.transfer_connections:
            raise Refused(503, "too many files are under way; try again", "busy", {"Retry-After": "30"})
        self._active += 1

    async def _link(self, request: web.Request, purpose: Purpose) -> tuple[Link, FileRecord, int]:
        """Return what the request's token allows, its file, and the time (ms)."""
        try:
            link = files_links.read(self._key, request.match_info["token"])
        except BadLink as error:
            raise Refused(403, str(error), "forged") from None
        if link.purpose != purpose:
            raise Refused(405, "the link is for " + ("fetching" if link.purpose == "get" else "leaving") + " a file",
                          "forged", {"Allow": "GET, HEAD" if link.purpose == "get" else "PUT, POST"})  # fmt: skip
        now = await now_ms(self._lane)
        if now >= link.expires_at * 1000:
            raise Refused(410, "the link has expired", "expired")
        record = await files.file(self._lane, link.file_id)
        if record is None:
            raise Refused(404, "the file is not there any more", "missing")
        return link, record, now

    # ── GET ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _fetch(self, request: web.Request, connection: Guard | None) -> web.StreamResponse:
        link, record, now = await self._link(request, "get")
        name = files_links.link_id(link)
        if record.state != "stored":
            raise Refused(404, "the file is not there yet", "missing")
        if (await files.used(self._lane, name)).done:
            raise Refused(410, "the link was used: the whole file was fetched by it", "used")
        etag = f'"{record.sha256[:32]}"'
        try:
            reader = await self._storage.open(record.content_id)
        except NotThere:
            log.warning("a file's content is gone", file_id=record.file_id)
            raise Refused(404, "the file's content is gone", "missing") from None
        try:
            part = sending.wanted(request, record.size, etag)
            if part is None:
                raise Refused(416, "the range lies outside of the file", "range",
                              {"Content-Range": f"bytes */{record.size}"})  # fmt: skip
            head = sending.headers(record.name, etag, record.sha256, part, record.size)
            response = web.StreamResponse(status=200 if part.whole else 206, headers=head)
            response.force_close()
            await response.prepare(request)
            if request.method == "HEAD":
                return response
            limits = self._settings
            sent = await sending.send(response, reader, part, limits.transfer_idle_s, limits.transfer_rate_bytes)
            whole = sent == part.end - part.begin and await sending.arrived(connection)
            await self._fetched(link, record, part.begin, sent, now, arrived=whole)
        finally:
            await reader.close()
        metrics.TRANSFER_BYTES.labels("out").inc(sent)
        metrics.TRANSFERS.labels("out", "done" if whole else "broken_off").inc()
        return response

    async def _fetched(self, link: Link, record: FileRecord, begin: int, sent: int, now: int, *, arrived: bool) -> None:
        """Note what has arrived: what broke off is fetched again, and counts only against what a link may send."""
        name = files_links.link_id(link)
        left = link.expires_at * 1000 - now + files.USE_KEPT_MS
        before = (await files.used(self._lane, name)).done
        end = begin + sent if arrived else begin
        use = await files.delivered(self._lane, name, begin, end, sent=sent, size=record.size, ttl_ms=left)
        whole = use.got == ((0, record.size),)
        log.info("file fetched" if whole else "part of a file fetched", file_id=record.file_id,
                 station_id=link.station_id, begin=begin, bytes=sent, size=record.size)  # fmt: skip
        if whole and not before:
            event = FileFetched(
                station_id=link.station_id, at=now, id=f"link:{name}:fetched",
                file_id=record.file_id, kind=record.kind, name=record.name, size=record.size,
            )  # fmt: skip
            await self._tell(event)

    # ── PUT, POST ────────────────────────────────────────────────────────────────────────────────────────────────

    async def _leave(self, request: web.Request) -> web.StreamResponse:
        _, record, now = await self._link(request, "put")
        claim = secrets.token_hex(8)
        await self._claim(record, claim, now)
        name = plain_name(request.match_info.get("tail", "")) if request.match_info.get("tail") else record.name
        limits = Limits(record.limit, self._settings.transfer_idle_s, self._settings.transfer_rate_bytes)
        told = now

        async def progress(size: int) -> None:
            nonlocal told
            at = await now_ms(self._lane)
            if at - told >= TELL_MS:
                told = at
                if await self._put(record, claim, size=size, claimed_until=at + CLAIM_MS) is None:
                    raise Outrun(_OUTRUN)

        try:
            found = await receive(self._storage, content_id(record.file_id, claim), request, limits, progress=progress)
        except ReceiveError as error:
            await self._failed(record, claim, str(error), now)
            raise Refused(error.status, str(error), error.reason) from None
        except NoSpace as error:
            await self._failed(record, claim, str(error), now)
            raise Refused(507, str(error), "no_space", {"Retry-After": "600"}) from None
        except BaseException:
            with contextlib.suppress(Exception):
                await self._failed(record, claim, "the edge ended the upload", now)
            raise
        await self._stored(record, claim, name, found)
        response = web.Response(status=201, text="stored\n")
        response.force_close()
        return response

    async def _claim(self, record: FileRecord, claim: str, now: int) -> None:
        def claimed(one: FileRecord) -> FileRecord | None:
            if one.state == "stored" or (one.state == "receiving" and one.claimed_until > now):
                return None
            return msgspec.structs.replace(
                one, state="receiving", claim=claim, claimed_until=now + CLAIM_MS, size=0, error=""
            )

        found, done = await files.change(self._lane, record.file_id, claimed)
        if done:
            return
        if found is not None and found.state == "receiving":
            raise Refused(409, "the file is being left at this moment", "used", {"Retry-After": "60"})
        raise Refused(410, "the link was used: the file was left by it", "used")

    async def _put(self, record: FileRecord, holder: str, /, **fields: object) -> FileRecord | None:
        """Change what is known of an upload that is still ours; None where it is not."""
        found, done = await files.change(
            self._lane,
            record.file_id,
            lambda one: msgspec.structs.replace(one, **fields) if one.claim == holder else None,
        )
        return found if done else None

    async def _failed(self, record: FileRecord, claim: str, why: str, now: int) -> None:
        """Let the station try again."""
        if await self._put(record, claim, state="expected", claim="", claimed_until=0, size=0, error=why):
            event = FileFailed(
                station_id=record.station_id, at=now, id=f"file:{record.file_id}:{claim}",
                file_id=record.file_id, kind=record.kind, reason=why,
            )  # fmt: skip
            await self._tell(event)

    async def _stored(self, record: FileRecord, claim: str, name: str, found: Received) -> None:
        seconds, _ = await self._lane.one("TIME")
        now = int(seconds) * 1000
        done = await self._put(
            record, claim, state="stored", claim="", claimed_until=0, name=name, size=found.size, sha256=found.sha256,
            stored_at=now, content=claim,
        )  # fmt: skip
        if done is None:
            # Nobody else would find it: the record names another's, or is gone.
            await self._storage.delete(content_id(record.file_id, claim))
            raise Refused(409, _OUTRUN, "used")
        metrics.TRANSFERS.labels("in", "done").inc()
        metrics.TRANSFER_BYTES.labels("in").inc(found.size)
        log.info("file stored", file_id=record.file_id, station_id=record.station_id, bytes=found.size)
        event = FileStored(
            station_id=record.station_id, at=now, id=f"file:{record.file_id}:stored",
            file_id=record.file_id, kind=record.kind, name=name, size=found.size, sha256=found.sha256,
        )  # fmt: skip
        await self._tell(event)

    async def _tell(self, event: Event) -> None:
        await self._lane.one("XADD", keys.EVENTS, "*", "v", pack([event]))
