"""How long stations that a fault does not touch wait for their answers, before it and during it: I11."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final

from tests.chaos.harness.charger import Charger
from tests.chaos.harness.checks import Violation
from tests.support import lasting

PAUSE_S: Final = 0.03
TRIES: Final = 3
FACTOR: Final = 2.0
SLACK_S: Final = 0.1
"""The p99 may double, or be so much longer where that is more."""
HOPS: Final = 6
"""How often an answer waits for a process to be woken: edge, Redis, worker, Redis, edge, station."""


class Beats:
    """Stations that send a heartbeat after the other; `mark` ends a phase."""

    def __init__(self, chargers: Sequence[Charger]) -> None:
        self._chargers = chargers
        self._waits: list[float] = []
        self._late: list[float] = []

    @contextlib.asynccontextmanager
    async def beating(self) -> AsyncIterator[Beats]:
        """Let them beat for the length of the block."""
        tasks = [asyncio.create_task(self._beat(charger)) for charger in self._chargers]
        try:
            yield self
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _beat(self, charger: Charger) -> None:
        while True:
            begun = time.perf_counter()
            await charger.call("Heartbeat", {})
            self._waits.append(time.perf_counter() - begun)
            slept = time.perf_counter()
            await asyncio.sleep(PAUSE_S)
            self._late.append(max(time.perf_counter() - slept - PAUSE_S, 0.0))

    async def quiet(self, seconds: float) -> float:
        """Let time pass without a fault and return its p99 (s)."""
        self._waits.clear()
        await lasting(seconds, "nothing disturbs the others")
        return self.mark()

    async def unfelt(self, attack: Callable[[], Awaitable[list[Violation]]], quiet_s: float) -> list[Violation]:
        """Attack and return what that broke, and I11 where the others felt it.

        A busy machine lets them wait as well. So I11 is broken by an attack only if they felt it each time that it was
        tried, more than anything in the quiet times around. What else an attack breaks it breaks at once.
        """
        undisturbed = await self.quiet(quiet_s)
        for _ in range(TRIES):
            self._late.clear()
            found = await attack()
            # What the machine lets everybody wait who only slept is no doing of the attack's.
            disturbed = self.mark() - HOPS * _p99(self._late)
            undisturbed = max(undisturbed, await self.quiet(quiet_s))
            waits = isolated(undisturbed, disturbed)
            if found or not waits:
                break
        return found + waits

    def mark(self) -> float:
        """Return the p99 (s) since the last mark."""
        waits, self._waits = self._waits, []
        return _p99(waits) if waits else float("inf")


def _p99(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.99)] if times else 0.0


def isolated(undisturbed_s: float, disturbed_s: float) -> list[Violation]:
    """Audit I11."""
    bound = max(undisturbed_s * FACTOR, undisturbed_s + SLACK_S)
    if disturbed_s <= bound:
        return []
    return [
        Violation("I11", "the others", f"p99 {disturbed_s * 1000:.0f} ms, undisturbed {undisturbed_s * 1000:.0f} ms")
    ]
