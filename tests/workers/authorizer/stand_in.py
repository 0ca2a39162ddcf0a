"""A service that says who may charge: it can be slow, fail, talk nonsense, or die."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from tests.serving import serving

ACCEPTED = {"status": "Accepted", "expires_at": "2030-01-01T00:00:00Z", "parent": "fleet"}


class StandIn:
    """What it answers, how late, and what it was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.status = 200
        self.body: Any = ACCEPTED
        self.text: str | None = None
        self.gate = asyncio.Event()
        """Nothing is answered until it is set."""
        self.gate.set()
        self.waiting = 0
        self.most_waiting = 0

    async def answer(self, request: web.Request) -> web.Response:
        """Answer one question."""
        self.asked.append(await request.json())
        self.headers.append(dict(request.headers))
        self.paths.append(request.path_qs)
        self.waiting += 1
        self.most_waiting = max(self.most_waiting, self.waiting)
        try:
            await self.gate.wait()
        finally:
            self.waiting -= 1
        if self.text is not None:
            return web.Response(text=self.text, status=self.status)
        return web.json_response(self.body, status=self.status)


@asynccontextmanager
async def stand_in() -> AsyncIterator[StandIn]:
    """Run one for the length of the block."""
    made = StandIn()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.answer)
    async with serving(app, handler_cancellation=True) as port:
        made.url = f"http://127.0.0.1:{port}/tags"
        try:
            yield made
        finally:
            made.gate.set()
