"""A file, or a range of it, to whoever asked: streamed, bounded in time, and what of it has truly arrived."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from typing import Final

import msgspec
from aiohttp import web

from edge.transfers.guard import Guard
from edge.transfers.storage import Reader

BLOCK: Final = 128 * 1024
LAST_S: Final = 10.0
"""How long the other side may take to acknowledge the end."""
LOOK_S: Final = 0.02


class Range(msgspec.Struct, frozen=True):
    """The part that is asked for: first byte, and the one behind the last; `whole` where no part was named."""

    begin: int
    end: int
    whole: bool = False


def wanted(request: web.BaseRequest, size: int, etag: str) -> Range | None:
    """Return the range that a request asks for; None where it lies outside (416). RFC 9110 §14.

    What is no range that we know, or more than one, asks for everything; so does one whose If-Range does not fit.
    """
    whole = Range(0, size, whole=True)
    if "Range" not in request.headers or request.headers.get("If-Range", etag) != etag:
        return whole
    try:
        part = request.http_range
    except ValueError:
        return whole
    if part.start is None and part.stop is None:
        return whole
    begin = part.start or 0
    if begin < 0:  # The last bytes.
        return Range(max(size + begin, 0), size) if size else None
    end = size if part.stop is None else min(part.stop, size)
    return Range(begin, end) if begin < end else None


def headers(name: str, etag: str, sha256: str, part: Range, size: int) -> dict[str, str]:
    """Return the headers of an answer with (a part of) a file."""
    found = {
        "Content-Type": "application/octet-stream",
        "Content-Disposition": f'attachment; filename="{name}"',
        "Content-Length": str(part.end - part.begin),
        "Accept-Ranges": "bytes",
        "Cache-Control": "no-store",
        "ETag": etag,
        "X-Content-Type-Options": "nosniff",
    }
    if sha256:
        found["Repr-Digest"] = f"sha-256=:{base64.b64encode(bytes.fromhex(sha256)).decode()}:"
    if not part.whole:
        found["Content-Range"] = f"bytes {part.begin}-{part.end - 1}/{size}"
    return found


async def send(response: web.StreamResponse, reader: Reader, part: Range, idle_s: float, rate: int) -> int:
    """Write a part of a content; returns how many bytes were handed on before the other side left, or was too slow."""
    clock = asyncio.get_running_loop().time
    at, begun = part.begin, clock()
    with contextlib.suppress(ConnectionError, TimeoutError):
        while at < part.end:
            data = await reader.read(at, min(BLOCK, part.end - at))
            if not data:
                break  # Shorter than its record says: somebody cut it.
            await asyncio.wait_for(response.write(data), idle_s)
            at += len(data)
            lasted = clock() - begun
            if lasted > idle_s and at - part.begin < rate * lasted:
                break
        if at == part.end:
            await asyncio.wait_for(response.write_eof(), idle_s)
    return at - part.begin


async def arrived(connection: Guard | None) -> bool:
    """Wait until the other side has acknowledged all that was written; False where it has not, in time.

    What is handed to the system has not arrived: a station that lost the connection then must be able to go on. Of one
    that closed it, the guard saw at that moment what it had not acknowledged.
    """
    if connection is None:
        return False
    clock = asyncio.get_running_loop().time
    until = clock() + LAST_S
    while clock() < until:
        left = connection.unacknowledged()
        if left is None:
            return connection.left_at_end == 0
        if not left:
            return True
        await asyncio.sleep(LOOK_S)
    return False
