"""Connections that never say what they want are closed: aiohttp would wait for the head of a request for ever.

Each connection carries one request, so one timer from its beginning is enough: `heard` stops it. There are as many as
`Room` has place for; where it is full, the one that has been silent longest makes place: who wants something says so at
once, so nobody keeps others out by saying nothing.
"""

from __future__ import annotations

import asyncio
import fcntl
import struct
import termios
from typing import Final, cast

from aiohttp import web

from shared import metrics

LEAST: Final = 16
"""Connections that there is place for in any case."""
_FULL: Final = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 30\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Room:
    """How many connections there are, and which of them have not said what they want, the oldest first."""

    def __init__(self, transfers: int) -> None:
        self.most: Final = max(2 * transfers, LEAST)
        """Twice the transfers: each of them, and as many who are about to ask or are being refused."""
        self.inside: dict[Guard, None] = {}
        self.silent: dict[Guard, None] = {}

    def enter(self, guard: Guard) -> bool:
        """Take a connection in; False where there is no place."""
        if len(self.inside) >= self.most:
            if not self.silent:
                metrics.TRANSFER_CONNECTIONS.labels("full").inc()
                return False
            next(iter(self.silent)).drop("displaced")
        self.inside[guard] = self.silent[guard] = None
        metrics.TRANSFER_CONNECTIONS.labels("accepted").inc()
        return True

    def leave(self, guard: Guard) -> None:
        """Let a connection go; harmless where it went."""
        self.inside.pop(guard, None)
        self.silent.pop(guard, None)


class Guard(asyncio.Protocol):
    """Stands before aiohttp's protocol and hands everything on."""

    def __init__(self, inner: asyncio.Protocol, limit_s: float, room: Room) -> None:
        self._inner = inner
        self._limit_s = limit_s
        self._room = room
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None
        self.left_at_end: int | None = None
        """How much the other side had not acknowledged when it closed; None: it did not close in order."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait, where there is room."""
        self._transport = cast("asyncio.Transport", transport)
        if not self._room.enter(self):
            self._inner = asyncio.Protocol()
            self._transport.write(_FULL)
            self._transport.close()
            return
        self._timer = asyncio.get_running_loop().call_later(self._limit_s, self.drop, "silent")
        self._inner.connection_made(transport)

    def drop(self, why: str) -> None:
        """Cut the connection off; `why` is the metric's word."""
        metrics.TRANSFER_CONNECTIONS.labels(why).inc()
        self._room.leave(self)
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self.heard()
        self._room.leave(self)
        self._inner.connection_lost(exc)

    def heard(self) -> None:
        """The head of the request has come."""
        self._room.silent.pop(self, None)
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
