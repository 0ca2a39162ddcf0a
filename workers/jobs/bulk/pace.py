"""How fast a job goes: begins at even distances, each put off at random, and never more at a time than allowed.

Pure: times are seconds of any clock that does not go back.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Final

AHEAD_S: Final = 0.25
"""Begins are set so far ahead, and what was not used of that by then is lost: a pause is never made up for."""


class Pace:
    """The begins of one job: `plan` sets some, `due` tells how many have come."""

    __slots__ = ("_due", "_jitter_s", "_next", "_random", "_step_s")

    def __init__(self, rate_per_s: float, jitter_s: float, random: Callable[[], float]) -> None:
        """`random` returns numbers from 0 to 1."""
        self._step_s = 1 / rate_per_s
        self._jitter_s = jitter_s
        self._random = random
        self._next = float("-inf")
        self._due: list[float] = []

    @property
    def planned(self) -> int:
        """How many begins are set and have not come."""
        return len(self._due)

    def plan(self, now: float, free: int) -> None:
        """Set begins up to a moment from now, so that no more than `free` are set; where more are, the last ones go."""
        self._next = max(self._next, now)
        if len(self._due) > free:
            self._due = heapq.nsmallest(free, self._due)
        while len(self._due) < free and self._next <= now + AHEAD_S:
            heapq.heappush(self._due, self._next + self._random() * self._jitter_s)
            self._next += self._step_s

    def due(self, now: float) -> int:
        """Return how many begins have come since the last call."""
        count = 0
        while self._due and self._due[0] <= now:
            heapq.heappop(self._due)
            count += 1
        return count

    def again(self, now: float, count: int) -> None:
        """Put begins off that could not be made."""
        for _ in range(count):
            heapq.heappush(self._due, now)

    def drop(self) -> None:
        """Forget what is set: nothing begins for now."""
        self._due.clear()


class Bucket:
    """A bound over all jobs: `rate_per_s`, and what comes within a moment at once."""

    __slots__ = ("_at", "_most", "_rate", "_tokens")

    def __init__(self, rate_per_s: float) -> None:
        self._rate = rate_per_s
        self._most = max(rate_per_s * AHEAD_S, 1.0)
        self._tokens = self._most
        self._at: float | None = None

    def take(self, now: float, count: int) -> int:
        """Return how many of `count` may begin now."""
        passed = 0.0 if self._at is None else now - self._at
        self._tokens = min(self._tokens + passed * self._rate, self._most)
        self._at = now
        taken = min(count, int(self._tokens))
        self._tokens -= taken
        return taken
