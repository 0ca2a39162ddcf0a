"""Who dials in and is no station: raw connections that a test plays by the thousand, at next to no cost."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

AT_ONCE: Final = 10
PAUSE_S: Final = 0.01
UPGRADE: Final = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: ocpp1.6\r\n"
)


def request(station_id: str, password: bytes | None = None, more: str = "") -> bytes:
    """Return the upgrade that asks to be a station."""
    login = ""
    if password is not None:
        told = base64.b64encode(station_id.encode() + b":" + password).decode()
        login = f"Authorization: Basic {told}\r\n"
    return f"GET /ocpp/{station_id} HTTP/1.1\r\nHost: x\r\n{UPGRADE}{login}{more}\r\n".encode()


def frame(payload: bytes, *, first: int = 0x81, claimed: int | None = None) -> bytes:
    """Return a WebSocket frame with a zero mask; `first` is its first byte, `claimed` what it says of its length."""
    size = len(payload) if claimed is None else claimed
    if size < 126:
        head = bytes((first, 0x80 | size))
    elif size < 1 << 16:
        head = bytes((first, 0x80 | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((first, 0x80 | 127)) + size.to_bytes(8, "big")
    return head + bytes(4) + payload


class Stranger:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def dial(cls, url: str) -> Stranger:
        """Connect to where stations dial."""
        parts = urlsplit(url)
        return cls(*await asyncio.open_connection(parts.hostname, parts.port))

    def say(self, data: bytes) -> None:
        """Write bytes."""
        self._writer.write(data)

    async def status(self) -> int:
        """Return the HTTP status of the answer; 0: none came."""
        with contextlib.suppress(OSError):
            line = await self._reader.readline()
            return int(line.split()[1]) if line.startswith(b"HTTP/") else 0
        return 0

    async def pour(self, data: bytes, most: int) -> int:
        """Write `data` over and over until the other end is gone, or `most` bytes are out; return how many."""
        sent = 0
        with contextlib.suppress(OSError):
            while sent < most and not self._reader.at_eof():
                self._writer.write(data)
                await self._writer.drain()
                sent += len(data)
                await asyncio.sleep(PAUSE_S)
        return sent

    async def gone(self) -> bool:
        """Read to the end of the connection; True where it is closed."""
        with contextlib.suppress(OSError):
            while await self._reader.read(65536):
                pass
        return True

    def leave(self) -> None:
        """Drop it."""
        self._writer.transport.abort()


async def crowd(urls: Sequence[str], count: int, said: bytes = b"") -> list[Stranger]:
    """Return so many connections, spread over the URLs; a few at a time, for the test measures on the same loop.

    Each says `said` at once.
    """
    made: list[Stranger] = []
    for begin in range(0, count, AT_ONCE):
        some = range(begin, min(begin + AT_ONCE, count))
        fresh = await asyncio.gather(*(Stranger.dial(urls[n % len(urls)]) for n in some))
        for stranger in fresh:
            stranger.say(said)
        made += fresh
        await asyncio.sleep(PAUSE_S)
    return made
