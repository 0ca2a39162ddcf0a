"""Timers for a whole fleet on one timer of the event loop.

Callbacks are kept in buckets of equal due ticks; a heap orders the buckets. A timer costs one small object and no task,
a cancelled one stays in its bucket, dead, until that is due. Time is what `now` says, so a test can turn it by hand.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Callable
from typing import Final

TICK_S: Final = 0.02
"""The wheel's resolution: callbacks run up to one tick late, never early."""


class Timer:
    """One callback to come."""

    __slots__ = ("_callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Forget the callback; harmless afterwards."""
        self._callback = None

    def fire(self) -> None:
        """Run the callback unless it ran or was cancelled."""
        callback, self._callback = self._callback, None
        if callback is not None:
            callback()


class Wheel:
    """Buckets of timers by tick. `advance` runs what is due; a subclass says when that is called."""

    def __init__(self, now: Callable[[], float], tick_s: float = TICK_S) -> None:
        self.now = now
        self._tick_s = tick_s
        self._buckets: dict[int, list[Timer]] = {}
        self._ticks: list[int] = []

    def after(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Run `callback` once, `delay_s` from now; errors of a callback are its own."""
        timer = Timer(callback)
        tick = -int(-(self.now() + max(delay_s, 0.0)) // self._tick_s)
        bucket = self._buckets.get(tick)
        if bucket is None:
            self._buckets[tick] = [timer]
            heapq.heappush(self._ticks, tick)
            if self._ticks[0] == tick:
                self._earliest_changed()
        else:
            bucket.append(timer)
        return timer

    def next_due(self) -> float | None:
        """Return the time of the earliest bucket, None where there is none."""
        return self._ticks[0] * self._tick_s if self._ticks else None

    def advance(self) -> None:
        """Run all that is due at `now`, in order of time, then of creation."""
        now = self.now()
        while self._ticks and self._ticks[0] * self._tick_s <= now:
            for timer in self._buckets.pop(heapq.heappop(self._ticks)):
                timer.fire()

    def _earliest_changed(self) -> None:
        """React to a new earliest bucket."""


class LoopWheel(Wheel):
    """A wheel that turns on the running event loop."""

    def __init__(self, tick_s: float = TICK_S) -> None:
        super().__init__(time.monotonic, tick_s)
        self._loop = asyncio.get_running_loop()
        self._handle: asyncio.TimerHandle | None = None
        self._stopped = False

    def stop(self) -> None:
        """Run nothing any more."""
        self._stopped = True
        if self._handle is not None:
            self._handle.cancel()

    def _earliest_changed(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
        due = self.next_due()
        if due is not None and not self._stopped:
            self._handle = self._loop.call_later(max(due - self.now(), 0.0), self._turn)

    def _turn(self) -> None:
        self._handle = None
        if self._stopped:
            return
        self.advance()
        # Callbacks may have armed the handle already; one is enough.
        if self._handle is None:
            self._earliest_changed()


class ManualWheel(Wheel):
    """A wheel that a test turns."""

    def __init__(self, start: float = 0.0, tick_s: float = TICK_S) -> None:
        self._time = start
        super().__init__(lambda: self._time, tick_s)

    def turn(self, seconds: float) -> None:
        """Move on by `seconds`, running each bucket at its own time."""
        end = self._time + seconds
        while (due := self.next_due()) is not None and due <= end:
            self._time = max(self._time, due)
            self.advance()
        self._time = end
