"""When something that keeps failing is left alone for a while: a circuit breaker. Pure: times are seconds of any clock.

closed ──`limit` failures in a row──> open ──`pause_s`──> one question ──answered──> closed
^────────────────────failed───┘
"""

from __future__ import annotations


class Breaker:
    """Counts failures; `may_ask` before each question, `told` after it."""

    __slots__ = ("_failures", "_limit", "_opened_at", "_pause_s", "_probing")

    def __init__(self, limit: int, pause_s: float) -> None:
        self._limit = limit
        self._pause_s = pause_s
        self._failures = 0
        self._opened_at: float | None = None
        self._probing = False

    @property
    def is_open(self) -> bool:
        """Whether nothing is asked but to see whether it is back."""
        return self._opened_at is not None

    def may_ask(self, now: float) -> bool:
        """Tell whether a question may be asked now; while open, one at a time after the pause."""
        if self._opened_at is None:
            return True
        if self._probing or now - self._opened_at < self._pause_s:
            return False
        self._probing = True
        return True

    def told(self, now: float, *, answered: bool) -> None:
        """Take the end of a question that was asked."""
        self._probing = False
        if answered:
            self._failures, self._opened_at = 0, None
            return
        self._failures += 1
        if self._failures >= self._limit:
            self._opened_at = now

    def withdrawn(self) -> None:
        """Take back a question that was not asked after all."""
        self._probing = False
