"""A body into the storage: bounded, hashed, neither too slow nor cut short, and there only once it is whole."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import aiohttp
import msgspec
from aiohttp import web

from edge.transfers.storage import Storage, Writer

BLOCK: Final = 256 * 1024
"""Written at once; what is in memory of a transfer is little more."""
FLUSH_S: Final = 10.0
"""A block that fills slowly is written all the same: so who looks sees that the upload lives."""
FORM_FIELDS: Final = 8
FIELD: Final = 4096
"""Bytes of a form's field that is no file: a station's description of it."""
GRACE_S: Final = 20.0
"""The least rate is asked of a transfer once it has lasted so long."""
_DIGEST: Final = re.compile(r"(?:^|,)\s*sha-256=:?([A-Za-z0-9+/=]+?):?\s*(?:,|$)", re.IGNORECASE)


class ReceiveError(Exception):
    """A body was not taken; `status` is HTTP's, `reason` a word for metrics.

    TooLarge, TooSlow, CutShort, WrongChecksum, Outrun
    """

    status = 400
    reason = "failed"


class TooLarge(ReceiveError):
    """There is more of it than is taken."""

    status = 413
    reason = "too_large"


class TooSlow(ReceiveError):
    """Nothing came for too long, or too little over all."""

    status = 408
    reason = "too_slow"


class CutShort(ReceiveError):
    """The connection ended, or less came than was announced."""

    reason = "cut_short"


class WrongChecksum(ReceiveError):
    """What came is not what was announced."""

    status = 422
    reason = "wrong_checksum"


class Outrun(ReceiveError):
    """Another upload of the file began meanwhile: this one stood still for so long that it was given up."""

    status = 409
    reason = "used"


class Limits(msgspec.Struct, frozen=True):
    """What a body must keep to: bytes, seconds between two of its parts, bytes per second on average."""

    bytes: int
    idle_s: float
    rate: int


class Received(msgspec.Struct, frozen=True):
    """A body that is in the storage."""

    size: int
    sha256: str


Progress = Callable[[int], Awaitable[None]]
"""(bytes so far): called after each block; raises `ReceiveError` where the body is not wanted any more."""


async def receive(
    storage: Storage,
    content_id: str,
    request: web.Request,
    limits: Limits,
    *,
    sha256: str = "",
    progress: Progress | None = None,
) -> Received:
    """Store a request's body under `content_id`; raises `ReceiveError`, `StorageError`.

    `sha256` (hex) is what it must be, beside what its own headers announce.
    """
    announced = request.content_length
    if announced is not None and announced > limits.bytes and not _is_form(request):
        raise TooLarge(f"{announced} bytes are more than the {limits.bytes} that are taken")
    writer = await storage.create(content_id, announced or 0)
    try:
        found = await _store(writer, _parts(request, limits), limits, progress)
        if announced is not None and not _is_form(request) and not _is_coded(request) and found.size != announced:
            raise CutShort(f"{found.size} of {announced} bytes came")
        if not found.size:
            raise CutShort("nothing came")
        for wanted in filter(None, (sha256.lower(), _announced_digest(request))):
            if not hmac.compare_digest(wanted, found.sha256):
                raise WrongChecksum(f"its SHA-256 is {found.sha256}, not {wanted}")
        await writer.finish()
    finally:
        await writer.drop()
    return found


async def _store(writer: Writer, parts: AsyncIterator[bytes], limits: Limits, progress: Progress | None) -> Received:
    clock = asyncio.get_running_loop().time
    digest, size, begun = hashlib.sha256(), 0, clock()
    flushed = begun
    block = bytearray()

    async def flush() -> None:
        data = bytes(block)
        block.clear()
        await asyncio.to_thread(digest.update, data)
        await writer.write(data)
        if progress is not None:
            await progress(size)

    async for part in parts:
        size += len(part)
        if size > limits.bytes:
            raise TooLarge(f"more than the {limits.bytes} bytes that are taken came")
        lasted = clock() - begun
        if lasted > GRACE_S and size < limits.rate * lasted:
            raise TooSlow(f"{size} bytes in {lasted:.0f} s are fewer than {limits.rate} a second")
        block += part
        if len(block) >= BLOCK or clock() - flushed >= FLUSH_S:
            await flush()
            flushed = clock()
    if block:
        await flush()
    return Received(size, digest.hexdigest())


async def _parts(request: web.Request, limits: Limits) -> AsyncIterator[bytes]:
    """Yield the body, or the first file of a form, as it comes."""
    try:
        if _is_form(request):
            async with asyncio.timeout(limits.idle_s):
                part = await _file_of(await request.multipart())
            while data := await asyncio.wait_for(part.read_chunk(65536), limits.idle_s):
                yield bytes(data)
            if not part.at_eof():
                raise CutShort("the form ended before its file did")
            return
        while data := await asyncio.wait_for(request.content.readany(), limits.idle_s):
            yield data
    except TimeoutError:
        raise TooSlow(f"nothing came for {limits.idle_s:g} s") from None
    except (aiohttp.ClientError, aiohttp.http.HttpProcessingError, ConnectionError, ValueError) as error:
        raise CutShort(f"the connection ended before the body did ({type(error).__name__})") from None


async def _file_of(form: aiohttp.MultipartReader) -> aiohttp.BodyPartReader:
    """Return the first file of a form; small fields may stand before it."""
    for _ in range(FORM_FIELDS):
        part = await form.next()
        if not isinstance(part, aiohttp.BodyPartReader):
            break
        if part.filename or not part.headers.get("Content-Type", "text/plain").startswith("text/plain"):
            return part
        if len(await part.read_chunk(FIELD)) == FIELD:
            break
        await part.release()
    raise CutShort("the form holds no file")


def _is_form(request: web.Request) -> bool:
    return request.content_type.startswith("multipart/")


def _is_coded(request: web.Request) -> bool:
    return request.headers.get("Content-Encoding", "identity").lower() != "identity"


def _announced_digest(request: web.Request) -> str:
    """Return the SHA-256 (hex) of a digest header (RFC 9530; RFC 3230); empty for none."""
    for name in ("Repr-Digest", "Content-Digest", "Digest"):
        if found := _DIGEST.search(request.headers.get(name, "")):
            try:
                return base64.b64decode(found[1] + "=" * (-len(found[1]) % 4)).hex()
            except binascii.Error:
                raise WrongChecksum(f"the header {name} holds no SHA-256") from None
    return ""
