"""Connections that never say what they want are closed: aiohttp would wait for the head of a request for ever.

Each connection carries one request, so one timer from its beginning is enough: `heard` stops it.
"""

from __future__ import annotations

import asyncio
import fcntl
import struct
import termios
from typing import cast

from aiohttp import web


class Guard(asyncio.Protocol):
    """Stands before aiohttp's protocol and hands everything on."""

    def __init__(self, inner: asyncio.Protocol, limit_s: float) -> None:
        self._inner = inner
        self._limit_s = limit_s
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None
        self.left_at_end: int | None = None
        """How much the other side had not acknowledged when it closed; None: it did not close in order."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait."""
        self._transport = made = cast("asyncio.Transport", transport)
        self._timer = asyncio.get_running_loop().call_later(self._limit_s, made.abort)
        self._inner.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self.heard()
        self._inner.connection_lost(exc)

    def heard(self) -> None:
        """The head of the request has come."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def data_received(self, data: bytes) -> None:
        """Hand on."""
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """Look what has arrived: the connection closes with this."""
        self.left_at_end = self.unacknowledged()
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        """Hand on."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Hand on."""
        self._inner.resume_writing()

    def unacknowledged(self) -> int | None:
        """Return how many bytes that were written the other side has not; None where the connection is gone."""
        sock = self._transport.get_extra_info("socket") if self._transport is not None else None
        if self._transport is None or sock is None or sock.fileno() < 0:
            return None
        try:
            (queued,) = struct.unpack("i", fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, b"\0\0\0\0"))
        except OSError:
            return None
        return int(self._transport.get_write_buffer_size() + queued)


def heard(request: web.BaseRequest) -> Guard | None:
    """Tell the guard of a request's connection that its head has come, and return it; None where there is none."""
    protocol = request.transport.get_protocol() if request.transport is not None else None
    if not isinstance(protocol, Guard):
        return None
    protocol.heard()
    return protocol
