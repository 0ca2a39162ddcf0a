"""Which alerts fire from when to when, as Prometheus says, and who is told of them, as Alertmanager does."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import aiohttp
from aiohttp import web

from tests.observe.prometheus import Prometheus

_EVERY_S: Final = 0.5
_ALWAYS: Final = "Watchdog"


@dataclass(frozen=True)
class Sign:
    """An alert to look for: its name, and labels that it must have."""

    alert: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def is_in(self, labels: Mapping[str, str]) -> bool:
        """Tell whether an alert with these labels is meant."""
        return labels.get("alertname") == self.alert and self.labels.items() <= labels.items()

    def __str__(self) -> str:
        return self.alert + (f" ({', '.join(self.labels.values())})" if self.labels else "")


@dataclass
class Firing:
    """An alert that fires or did; times are of the monotonic clock."""

    labels: Mapping[str, str]
    since: float
    until: float | None = None

    @property
    def alert(self) -> str:
        """Its name."""
        return self.labels["alertname"]

    @property
    def critical(self) -> bool:
        """Whether it would wake somebody."""
        return self.labels["severity"] == "critical"


@dataclass(frozen=True)
class Told:
    """An alert that reached a receiver for the first time."""

    receiver: str
    labels: Mapping[str, str]
    at: float


class Watch:
    """Everything that fired, in order, and everything that was told."""

    def __init__(self, prometheus: Prometheus) -> None:
        self.firings: list[Firing] = []
        self.told: list[Told] = []
        self._prometheus = prometheus

    def now(self) -> list[Firing]:
        """Return what fires at the moment, without the watchdog."""
        return [each for each in self.firings if each.until is None and each.alert != _ALWAYS]

    def since(self, begin: float) -> list[Firing]:
        """Return what began to fire after a time, without the watchdog."""
        return [each for each in self.firings if each.since >= begin and each.alert != _ALWAYS]

    def paged(self, begin: float) -> list[Told]:
        """Return what the pager was told after a time."""
        return [each for each in self.told if each.at >= begin and each.receiver == "pager"]

    async def look(self) -> None:
        """Compare what fires with what fired before."""
        found = [each["labels"] for each in await self._prometheus.alerts() if each["state"] == "firing"]
        at = time.monotonic()
        for one in self.firings:
            if one.until is None and one.labels not in found:
                one.until = at
        known = [one.labels for one in self.firings if one.until is None]
        self.firings += [Firing(labels, at) for labels in found if labels not in known]

    @contextlib.asynccontextmanager
    async def looking(self) -> AsyncIterator[None]:
        """Look again and again for the length of the block."""

        async def look() -> None:
            while True:
                with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                    await self.look()
                await asyncio.sleep(_EVERY_S)

        task = asyncio.create_task(look())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @contextlib.asynccontextmanager
    async def listening(self, port: int) -> AsyncIterator[None]:
        """Be every receiver of Alertmanager's: POST `/<receiver>`."""

        async def receive(request: web.Request) -> web.Response:
            body = await request.json()
            self._hear(request.match_info["receiver"], [one["labels"] for one in body["alerts"] if _fires(one)])
            return web.Response()

        app = web.Application()
        app.router.add_post("/{receiver}", receive)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
            yield
        finally:
            await runner.cleanup()

    def _hear(self, receiver: str, alerts: Iterable[Mapping[str, str]]) -> None:
        """Note what is told; what is only repeated while it fires is no news."""
        at = time.monotonic()
        for labels in alerts:
            begun = max((one.since for one in self.firings if one.labels == labels), default=0.0)
            known = [one for one in self.told if (one.receiver, one.labels) == (receiver, labels) and one.at >= begun]
            if not known:
                self.told.append(Told(receiver, labels, at))


def _fires(alert: Mapping[str, str]) -> bool:
    return alert["status"] == "firing"
