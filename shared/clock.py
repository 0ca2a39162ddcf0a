"""Injected time: whoever waits or measures takes a `Clock`, so that a test can turn its hands.

What is stored carries Redis's time, never this one; `wall_ms` is for logs and for what has no Redis at hand.
"""

import asyncio
import heapq
import itertools
import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time and waits."""

    def wall_ms(self) -> int:
        """Return the milliseconds since 1970; may jump."""
        ...

    def monotonic(self) -> float:
        """Return seconds that only grow; only differences mean something."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; zero or less yields to the loop once."""
        ...


class SystemClock:
    """The machine's own clock."""

    __slots__ = ()

    def wall_ms(self) -> int:
        """Return the milliseconds since 1970."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Return the machine's monotonic seconds."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait on the event loop."""
        await asyncio.sleep(max(seconds, 0))


class ManualClock:
    """A clock that stands until `advance` moves it; sleepers wake in the order of their times."""

    def __init__(self, wall_ms: int = 1_700_000_000_000, monotonic: float = 1000.0) -> None:
        self._wall_ms = wall_ms
        self._monotonic = monotonic
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def wall_ms(self) -> int:
        """Return the milliseconds since 1970 that the clock stands at."""
        return self._wall_ms

    def monotonic(self) -> float:
        """Return the seconds that the clock stands at."""
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock was moved so far."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._monotonic + seconds, next(self._order), woken))
        await woken

    def set_wall_ms(self, wall_ms: int) -> None:
        """Let the wall clock jump; monotonic time and sleepers do not notice."""
        self._wall_ms = wall_ms

    async def advance(self, seconds: float) -> None:
        """Move on by `seconds`, waking each sleeper at its own time and letting it run before the next."""
        end = self._monotonic + seconds
        while self._sleepers and self._sleepers[0][0] <= end:
            due, _, woken = heapq.heappop(self._sleepers)
            self._move(due)
            if not woken.done():
                woken.set_result(None)
            await self._settle()
        self._move(end)
        await self._settle()

    def _move(self, to: float) -> None:
        self._wall_ms += round((to - self._monotonic) * 1000)
        self._monotonic = to

    async def _settle(self) -> None:
        """Give woken tasks a few turns of the loop, so that they can sleep again before time goes on."""
        for _ in range(5):
            await asyncio.sleep(0)
