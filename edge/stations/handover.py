"""Takes a socket out of aiohttp's hands once its handshake is done.

aiohttp's request handler, its task, the request and its parser all end here; the transport goes on with a protocol of
ours. `RequestHandler` has no public way for that: this is the only module that knows how it is built.
"""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from edge.stations.wire import Wire


class Detached(web.StreamResponse):
    """What the handler returns when the socket is no longer aiohttp's: writes nothing."""

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Leave the socket alone."""
        return None

    async def write_eof(self, data: Any = b"") -> None:
        """Leave the socket alone."""


def transport_of(request: web.BaseRequest) -> asyncio.Transport | None:
    """Return the request's transport; None where the connection is gone."""
    transport = request.transport
    if transport is None or transport.is_closing():
        return None
    return transport


def detach(request: web.BaseRequest, transport: asyncio.Transport, wire: Wire, response: bytes) -> None:
    """Answer the handshake with `response` and let `wire` have the socket, with what came behind the request."""
    handler = request.protocol
    early = handler._message_tail  # noqa: SLF001
    handler._message_tail = b""  # noqa: SLF001
    # Without a transport the handler can't close it; told that the connection is lost, it lets go of all it holds.
    handler.transport = None
    handler.connection_lost(None)
    transport.set_protocol(wire)  # type: ignore[arg-type]  # it has a protocol's methods
    transport.write(response)
    transport.resume_reading()
    wire.on_open()
    if early:
        wire.data_received(early)
