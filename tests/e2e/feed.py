"""The event feed as a browser reads it: server-sent events over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple

import aiohttp
import msgspec

from tests.chaos.harness.operator import Operator


class Event(NamedTuple):
    """One server-sent event: its position, its type and its body."""

    position: str
    type: str
    body: dict[str, Any]


class Feed:
    """An open feed; `seen` holds what came so far."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer
        self.seen: list[Event] = []

    async def until(self, wanted: Callable[[Event], bool], timeout_s: float = 10.0) -> Event:
        """Read on until an event is the wanted one."""
        async with asyncio.timeout(timeout_s):
            while True:
                event = await self._next()
                self.seen.append(event)
                if wanted(event):
                    return event

    async def _next(self) -> Event:
        fields: dict[str, str] = {}
        while True:
            line = (await self._answer.content.readline()).decode()
            assert line, "the feed ended"
            if line == "\n" and "event" in fields:
                return Event(fields.get("id", ""), fields["event"], msgspec.json.decode(fields["data"]))
            name, _, value = line.rstrip("\n").partition(": ")
            if name:
                fields[name] = value


@contextlib.asynccontextmanager
async def follow(operator: Operator, after: str = "", **params: str) -> AsyncIterator[Feed]:
    """Follow the events behind the position `after`, as a browser that reconnects does; from now on without one."""
    headers = dict(operator.headers) | ({"Last-Event-ID": after} if after else {})
    async with (
        aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=60)) as http,
        http.get(f"{operator.url}/api/v1/events", params=params) as answer,
    ):
        assert answer.status == 200
        assert answer.content_type == "text/event-stream"
        yield Feed(answer)
