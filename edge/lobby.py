"""What a process answers while it waits for Redis: that it lives, why it does not serve, and 503 to stations.

It listens on copies of the sockets. When it closes, whoever dials waits in the backlog for the listeners that follow.
"""

from __future__ import annotations

import asyncio
import random
from typing import Final

from aiohttp import web

from edge.ports import Sockets, cut_off, serve_on
from edge.stations.preface import Prefaces
from shared import metrics, observe
from shared.settings import Settings

RETRY_S: Final = (5, 20)
"""Stations that are sent away come back within this range, not all at once."""


class Lobby:
    """Stands in for both listeners; `reason` says what is waited for."""

    def __init__(self, settings: Settings) -> None:
        self.reason = "waiting for Redis"
        self._for_stations = web.Server(
            self._send_away, keepalive_timeout=settings.handshake_timeout_s, access_log=None, read_bufsize=16 * 1024
        )
        self._prefaces = Prefaces(settings, self._for_stations)
        app = web.Application()
        observe.add_routes(app, lambda: [self.reason])
        self._for_operators = web.AppRunner(app, access_log=None, handle_signals=False)
        self._listening: list[asyncio.Server] = []

    async def open(self, stations: Sockets, operators: Sockets) -> None:
        """Begin to answer on copies of these sockets."""
        await self._for_operators.setup()
        assert self._for_operators.server is not None, "it is set up"
        self._listening += await serve_on([each.dup() for each in stations], self._prefaces)
        self._listening += await serve_on([each.dup() for each in operators], self._for_operators.server)

    async def close(self) -> None:
        """Stop; what is being answered is cut off."""
        for listening in self._listening:
            listening.close()
        await cut_off(self._for_stations)
        await self._for_operators.cleanup()

    async def _send_away(self, _request: web.BaseRequest) -> web.StreamResponse:
        metrics.EDGE_CONNECTS.labels("none", "failed_closed").inc()
        response = web.Response(status=503, text="not serving yet\n")
        response.headers["Retry-After"] = str(random.randint(*RETRY_S))
        response.force_close()
        return response
