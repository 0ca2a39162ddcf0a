"""What the live line of `ampstream up` shows, read from Redis and from the processes' own metrics."""

import asyncio
import re
import time
from collections.abc import Sequence
from typing import Final, Protocol

import aiohttp
import hiredis
import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ampstream.up.child import Child
from shared import metrics
from shared.bus.lane import Lane, LaneLost
from shared.records.queries.summary import Tally

_ANSWERS: Final = re.compile(rf"^{metrics.EDGE_ACK_SECONDS.name}_count(?:{{[^}}]*}})? (\S+)$".encode(), re.MULTILINE)


class Figures(msgspec.Struct, frozen=True):
    """One look at the whole system; None where it could not be read."""

    online: int | None = None
    open_transactions: int | None = None
    energy_wh: int | None = None
    calls_per_s: float | None = None

    def words(self) -> list[str]:
        """Return the figures as people read them."""
        energy = "-" if self.energy_wh is None else f"{self.energy_wh / 1000:,.2f} kWh"
        rate = "-" if self.calls_per_s is None else f"{self.calls_per_s:,.1f}"
        return [
            f"{_number(self.online)} stations online",
            f"{_number(self.open_transactions)} charging",
            f"{energy} in 24 h",
            f"{rate} calls/s",
        ]


class Reader(Protocol):
    """Something that yields figures."""

    async def read(self) -> Figures:
        """Look once."""
        ...


class SystemReader:
    """Reads the indexes in Redis and the answers counted by the edges."""

    def __init__(self, lane: Lane, http: aiohttp.ClientSession, edge_metrics: Sequence[str]) -> None:
        self._lane = lane
        self._tally = Tally()
        self._http = http
        self._edge_metrics = edge_metrics
        self._last: tuple[float, float] | None = None

    async def read(self) -> Figures:
        """Look once; what cannot be read now is None."""
        fleet, rate = await asyncio.gather(self._fleet(), self._rate())
        return msgspec.structs.replace(fleet, calls_per_s=rate)

    async def _fleet(self) -> Figures:
        try:
            found = await self._tally.summary(self._lane)
        except (LaneLost, hiredis.ReplyError):
            return Figures()
        return Figures(online=found.online, open_transactions=found.transactions_open, energy_wh=found.energy_wh)

    async def _rate(self) -> float | None:
        counts = await asyncio.gather(*(self._answers(url) for url in self._edge_metrics))
        if any(count is None for count in counts):
            self._last = None
            return None
        now, total = time.monotonic(), sum(count or 0.0 for count in counts)
        last, self._last = self._last, (now, total)
        if last is None or total < last[1]:
            return None
        return (total - last[1]) / max(now - last[0], 0.001)

    async def _answers(self, url: str) -> float | None:
        try:
            async with self._http.get(url) as answer:
                body = await answer.read()
        except (aiohttp.ClientError, OSError, TimeoutError):
            return None
        return sum(float(count) for count in _ANSWERS.findall(body))


def line(figures: Figures, children: Sequence[Child]) -> str:
    """Return one plain line: the figures, and every process that is not simply ready."""
    parts = figures.words()
    restarts = sum(child.restarts for child in children)
    if restarts:
        parts.append(f"{restarts} restart{'s' if restarts > 1 else ''}")
    parts += [f"{child.spec.name}: {child.state}" for child in children if child.state != "ready"]
    return "  ".join(parts)


def table(figures: Figures, children: Sequence[Child], uptime_s: float) -> RenderableType:
    """Return the live picture for a terminal: a line of figures over a row per process."""
    head = Text("  ".join(figures.words()), style="bold")
    head.append(f"  up {_duration(uptime_s)}", style="dim")
    rows = Table(box=None, pad_edge=False, show_header=False)
    for child in children:
        color = {"ready": "green", "stopping": "yellow", "ended": "dim"}.get(child.state, "red")
        restarts = f"{child.restarts} restart{'s' if child.restarts > 1 else ''}" if child.restarts else ""
        rows.add_row(
            child.spec.name, str(child.pid or ""), Text(child.state, style=color), Text(restarts, style="yellow")
        )
    return Group(Text(), head, rows)


def _number(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
