"""Ports: bound before anything else, so that a taken one ends the process at once, and handed on while they listen."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Final

from aiohttp import web

CUT_OFF_S: Final = 0.05
Sockets = Sequence[socket.socket]


async def bind(host: str, port: int) -> Sockets:
    """Return a bound socket for each address that `host` stands for; raises OSError where the port is taken."""
    server = await asyncio.get_running_loop().create_server(
        asyncio.Protocol, host, port, reuse_address=True, start_serving=False
    )
    try:
        return [socket.socket(fileno=os.dup(each.fileno())) for each in server.sockets]
    finally:
        server.close()


async def serve_on(
    sockets: Sockets,
    factory: Callable[[], asyncio.BaseProtocol],
    backlog: int = 128,
    tls: ssl.SSLContext | None = None,
    handshake_s: float | None = None,
) -> list[asyncio.Server]:
    """Listen on bound sockets; they are closed with the servers. A TLS handshake may take `handshake_s`."""
    loop, limit_s = asyncio.get_running_loop(), handshake_s if tls is not None else None
    return [
        await loop.create_server(factory, sock=each, backlog=backlog, ssl=tls, ssl_handshake_timeout=limit_s)
        for each in sockets
    ]


async def cut_off(server: web.Server) -> None:
    """Close every connection of a server that listens no more: idle ones at once, what is being answered soon."""
    server.pre_shutdown()
    # Not 0: aiohttp takes that for no limit, and a peer that is connected and silent would keep this process for ever.
    await server.shutdown(CUT_OFF_S)


def port_of(sockets: Sockets) -> int:
    """Return the port, also where port 0 was asked for."""
    return int(sockets[0].getsockname()[1])


def close(sockets: Sockets) -> None:
    """Close what nobody serves on."""
    for each in sockets:
        each.close()
