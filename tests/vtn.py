"""A small VTN of OpenADR 3 for tests: tokens, events, reports."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any, Self

from aiohttp import web


def vtn_event(kind: str, *values: Any, units: str | None = None, **more: Any) -> dict[str, Any]:
    """Return an event as a VTN tells it: an interval of an hour for each value."""
    return {
        "id": "e1",
        "objectType": "EVENT",
        "programID": "p1",
        "eventName": "evening",
        "payloadDescriptors": [{"objectType": "EVENT_PAYLOAD_DESCRIPTOR", "payloadType": kind, "units": units}],
        "intervalPeriod": {"start": "2099-01-01T00:00:00Z", "duration": "PT1H"},
        "intervals": [{"id": n, "payloads": [{"type": kind, "values": [value]}]} for n, value in enumerate(values)],
    } | more


class LittleVtn:
    """Tokens, events in pages of what is asked for, and reports, as the OpenAPI of OpenADR 3.0.1 has them."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.reports: list[dict[str, Any]] = []
        self.tokens = 0
        self.asked: list[dict[str, str]] = []
        self.url = ""
        self.fails = False

    @contextlib.asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator[Self]:
        """Listen for the length of the block, on a free port where none is given."""
        app = web.Application()
        app.router.add_post("/vtn/auth/token", self._token)
        app.router.add_get("/vtn/events", self._list)
        app.router.add_post("/vtn/reports", self._report)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/vtn"
            yield self
        finally:
            await runner.cleanup()

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        if (form["client_id"], form["client_secret"], form["grant_type"]) != ("me", "secret", "client_credentials"):
            return web.json_response({"error": "invalid_client"}, status=401)
        self.tokens += 1
        return web.json_response({"access_token": f"t{self.tokens}", "token_type": "Bearer", "expires_in": 3600})

    def _may(self, request: web.Request) -> bool:
        return request.headers.get("Authorization") == f"Bearer t{self.tokens}"

    async def _list(self, request: web.Request) -> web.Response:
        if not self._may(request):
            return web.json_response({"title": "Forbidden", "status": 403}, status=403)
        if self.fails:
            return web.Response(text="<html>", content_type="text/html")
        self.asked.append(dict(request.query))
        skip, limit = int(request.query["skip"]), int(request.query["limit"])
        return web.json_response(self.events[skip : skip + limit])

    async def _report(self, request: web.Request) -> web.Response:
        if not self._may(request):
            return web.json_response({"title": "Forbidden", "status": 403}, status=403)
        self.reports.append(await request.json())
        return web.json_response(self.reports[-1], status=201)
