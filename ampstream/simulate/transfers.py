"""Files that simulated stations truly move over HTTP: firmware in ranges, resumed where it breaks off; uploads.

    mover = HttpMover()                                   one for a whole fleet
    mover.fetch(url, order, done)                         done("") once it is whole and right, else what went wrong
    mover.leave(url, content, done)                       done(True) once the other side has said 2xx

No file is kept in memory: a download is hashed as it comes. A world without a mover only plays transfers. The HTTP
client is imported when a station first needs it: most fleets move nothing.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from shared.certificates.signatures import is_signed

if TYPE_CHECKING:
    import aiohttp

PIECE: Final = 1 << 20
"""A download asks for so many bytes at a time."""
TRIES: Final = 4
"""Times that it goes on after a break without any progress."""
RETRY_S: Final = 0.3
CONNECT_S: Final = 5.0
SILENCE_S: Final = 15.0
_DIGEST: Final = "sha-256=:"


class Order(msgspec.Struct, frozen=True):
    """What a download must satisfy, and what becomes of it."""

    signature: str = ""
    """Base64; empty: it is not signed."""
    certificate: str = ""
    """PEM."""
    stops_at: float = 1.0
    """It is given up at this share of the file: the station vanishes then."""


Fetched = Callable[[str], None]
"""("" where the file is whole and right; `download`, `checksum`, `signature` or `stopped`)."""


class Mover(Protocol):
    """Moves files; what is under way can be cancelled by calling what is returned."""

    def fetch(self, url: str, order: Order, done: Fetched) -> Callable[[], None]:
        """Download."""
        ...

    def leave(self, url: str, content: bytes, done: Callable[[bool], None]) -> Callable[[], None]:
        """Upload."""
        ...


def _trusting(ca: Path) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.load_verify_locations(ca)
    return context


class HttpMover:
    """Moves files over HTTP, for as many stations as there are; must be closed.

    Over TLS it trusts whom the system does, and whoever signed for `ca`.
    """

    def __init__(self, piece: int = PIECE, ca: Path | None = None) -> None:
        self._piece = piece
        self._ca = ca
        self._http: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def http(self) -> aiohttp.ClientSession:
        """The connections of all stations, made when one first needs them."""
        if self._http is None:
            import aiohttp

            timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=SILENCE_S)
            connector = aiohttp.TCPConnector(ssl=_trusting(self._ca) if self._ca is not None else True)
            self._http = aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False)
        return self._http

    async def close(self) -> None:
        """End what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._http is not None:
            await self._http.close()

    def fetch(self, url: str, order: Order, done: Fetched) -> Callable[[], None]:
        """See `Mover`."""

        async def run() -> None:
            done(await self._fetch(url, order))

        return self._begin(run())

    def leave(self, url: str, content: bytes, done: Callable[[bool], None]) -> Callable[[], None]:
        """See `Mover`."""

        async def run() -> None:
            digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
            try:
                headers = {"Content-Digest": f"sha-256=:{digest}:"}
                async with self.http.put(url, data=content, headers=headers) as answer:
                    good = answer.status in range(200, 300)
            except _broken():
                good = False
            done(good)

        return self._begin(run())

    def _begin(self, work: Any) -> Callable[[], None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

        def stop() -> None:
            task.cancel()

        return stop

    async def _fetch(self, url: str, order: Order) -> str:
        download, breaks = _Download(), 0
        while download.size < 0 or download.at < download.size:
            before = download.at
            try:
                await self._piece_of(url, download)
            except _broken():
                breaks = breaks + 1 if download.at == before else 0
                if breaks > TRIES or download.gone:
                    return "download"
                await asyncio.sleep(RETRY_S)
            if order.stops_at < 1 and download.size > 0 and download.at >= download.size * order.stops_at:
                return "stopped"
        return download.judged(order)

    async def _piece_of(self, url: str, download: _Download) -> None:
        """Fetch one piece; raises what aiohttp does, and ValueError for an answer that is none."""
        headers = {"Range": f"bytes={download.at}-{download.at + self._piece - 1}"}
        if download.etag:
            headers["If-Range"] = download.etag
        async with self.http.get(url, headers=headers) as answer:
            download.begin(answer)
            async for data in answer.content.iter_any():
                download.take(data)


def _broken() -> tuple[type[Exception], ...]:
    """Return what a transfer that breaks off raises."""
    import aiohttp

    return (aiohttp.ClientError, OSError, TimeoutError, ValueError, KeyError)


class _Download:
    """What has come of a file."""

    def __init__(self) -> None:
        self.at = 0
        self.size = -1
        self.etag = ""
        self.gone = False
        """The other side says that there is nothing to be had."""
        self._announced = ""
        self._hash = hashlib.sha256()

    def begin(self, answer: aiohttp.ClientResponse) -> None:
        """Look at the head of an answer; raises ValueError where it holds no piece of the file."""
        if answer.status == 206:
            self.size = int(answer.headers["Content-Range"].rpartition("/")[2])
        elif answer.status == 200:
            # It knows no ranges, or the file is another one now: from the beginning.
            self.at, self._hash = 0, hashlib.sha256()
            self.size = int(answer.headers["Content-Length"])
        else:
            self.gone = answer.status in range(400, 500)
            raise ValueError(answer.status)
        self.etag = answer.headers.get("ETag", "")
        self._announced = answer.headers.get("Repr-Digest", "")

    def take(self, data: bytes) -> None:
        """Take what has come."""
        self.at += len(data)
        self._hash.update(data)

    def judged(self, order: Order) -> str:
        """Return what is wrong with the whole; empty for nothing."""
        digest = self._hash.digest()
        if self._announced.startswith(_DIGEST):
            wanted = base64.b64decode(self._announced.removeprefix(_DIGEST).rstrip(":"))
            if wanted != digest:
                return "checksum"
        if order.signature and not is_signed(digest, order.signature, order.certificate):
            return "signature"
        return ""
