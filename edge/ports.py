"""Ports: bound before anything else, so that a taken one ends the process at once, and handed on while they listen."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Sequence
from typing import Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

CUT_OFF_S: Final = 0.05
HTTP_LOG: Final = logging.getLogger("edge.http")
"""What HTTP servers that strangers reach write to."""
Sockets = Sequence[socket.socket]


class _OwnFaults(logging.Filter):
    """Passes what is our fault; a request that is no HTTP is not, and its error holds what a stranger sent."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether the record is written."""
        return record.exc_info is None or not isinstance(record.exc_info[1], HttpProcessingError)


HTTP_LOG.addFilter(_OwnFaults())


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
    sockets: Sockets, factory: Callable[[], asyncio.BaseProtocol], backlog: int = 128
) -> list[asyncio.Server]:
    """Listen on bound sockets; they are closed with the servers."""
    loop = asyncio.get_running_loop()
    return [await loop.create_server(factory, sock=each, backlog=backlog) for each in sockets]


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
