"""The port where stations fetch and leave files: one application of its own, so that no operators' API is behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

import hiredis
from aiohttp import web
from aiohttp.typedefs import Handler

from edge.ports import HTTP_LOG, Sockets, serve_on
from edge.security import SecurityLog
from edge.stations import origin
from edge.stations.limits import Admission
from edge.stations.securing import Securing
from edge.stations.tls import Tls
from edge.transfers.guard import Guard, Room
from edge.transfers.handlers import Transfers
from edge.transfers.storage import Directory, Storage
from edge.transfers.sweeping import Sweeper
from shared.bus.lane import Lane, LaneLost
from shared.logs import get_logger
from shared.records.files_links import load_key
from shared.settings import Settings
from shared.urls import TRANSFER

STOP_S: Final = 5.0
LINGER_S: Final = 1.0
"""How long the rest of a body is read that was refused, so that its sender sees the answer."""
Factory = Callable[[], asyncio.Protocol]
log = get_logger("transfers")


def open_storage(settings: Settings) -> Storage | None:
    """Return where contents lie; None where the setting names no place."""
    if not settings.transfer_dir:
        return None
    return Directory(Path(settings.transfer_dir), settings.transfer_reserve_bytes)


class TransferListener:
    """One edge's port for files, and its part in deleting them."""

    def __init__(self, lane: Lane, settings: Settings, holder: str, security: SecurityLog) -> None:
        self._lane = lane
        self._security = security
        self._settings = settings
        self._holder = holder
        self._runner: web.AppRunner | None = None
        self._securing: Securing | None = None
        self._servers: list[asyncio.Server] = []
        self._sweeping: asyncio.Task[None] | None = None

    async def start(self, sockets: Sockets, tls: Tls | None = None) -> None:
        """Serve on bound sockets, with `tls` over TLS; raises OSError where the directory can't be written."""
        storage = Directory(Path(self._settings.transfer_dir), self._settings.transfer_reserve_bytes)
        await storage.prepare()
        transfers = Transfers(self._lane, storage, await load_key(self._lane), self._settings)
        self._runner = web.AppRunner(
            make_app(transfers), access_log=None, handle_signals=False, shutdown_timeout=STOP_S,
            lingering_time=LINGER_S, logger=HTTP_LOG, max_line_size=2048, max_field_size=4096, max_headers=64,
        )  # fmt: skip
        await self._runner.setup()
        server, limit_s = self._runner.server, self._settings.handshake_timeout_s
        assert server is not None, "it was set up"
        room = Room(self._settings.transfer_connections)
        factory = lambda: Guard(server(), limit_s, room)  # noqa: E731
        if tls is not None:
            self._securing = self._secure(tls, factory)
        self._servers = await serve_on(sockets, self._securing or factory)
        self._sweeping = asyncio.create_task(Sweeper(self._lane, storage, self._holder).run(), name="files")

    def _secure(self, tls: Tls, factory: Factory) -> Securing:
        """Return what shakes hands by the rules of the stations' listener."""
        settings, clock = self._settings, asyncio.get_running_loop().time
        handshakes = Admission(settings.connect_rate, settings.connect_burst, clock())
        return Securing(
            *(tls, factory, settings.handshake_timeout_s),
            moved=lambda _old, _new: None,
            ended=lambda transport, result, why: self._security.shaken(result, why, origin.peer_of(transport)),
            admits=lambda: handshakes.take(clock()),
        )

    async def stop(self) -> None:
        """Let no one in, give transfers a moment, and end."""
        for server in self._servers:
            server.close()
        if self._sweeping is not None:
            self._sweeping.cancel()
            await asyncio.gather(self._sweeping, return_exceptions=True)
        if self._securing is not None:
            await self._securing.close()
        if self._runner is not None:
            await self._runner.cleanup()


def make_app(transfers: Transfers) -> web.Application:
    """Return the application; run it without an access log: paths hold tokens."""
    app = web.Application(middlewares=[_around])
    for method in ("GET", "PUT", "POST"):
        # aiohttp answers HEAD with the handler of GET.
        for path in (TRANSFER + "{token}", TRANSFER + "{token}/{tail:.*}"):
            add = app.router.add_get if method == "GET" else getattr(app.router, f"add_{method.lower()}")
            add(path, transfers.handle)
    return app


@web.middleware
async def _around(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn what goes wrong into a line of text; neither path nor token is logged."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        response = web.Response(status=error.status, text=f"{error.reason}\n")
    except (LaneLost, hiredis.ReplyError) as error:
        log.warning("Redis failed a transfer", error=str(error))
        response = web.Response(status=503, text="not available at the moment\n", headers={"Retry-After": "5"})
    except Exception:
        log.exception("transfer failed", method=request.method)
        response = web.Response(status=500, text="a fault of ours; see the log\n")
    response.force_close()
    return response
