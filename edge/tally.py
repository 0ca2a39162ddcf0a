"""Failures by key, each key's for a minute from its first: bounded in memory, sans-IO."""

from __future__ import annotations

from collections.abc import Hashable
from math import ceil
from typing import Final, Generic, TypeVar

WINDOW_S: Final = 60.0
K = TypeVar("K", bound=Hashable)


class Tally(Generic[K]):
    """Counts by key; beyond `most` keys, all new ones share the count of `rest`.

    Each key has a minute of its own: at the turn of a common one, who fails would have twice the tries.
    """

    __slots__ = ("_counts", "_most", "_rest")

    def __init__(self, most: int, rest: K) -> None:
        self._most = most
        self._rest = rest
        self._counts: dict[K, tuple[float, int]] = {}
        """When a key's minute is over, and its failures so far; in the order of their ends."""

    def add(self, key: K, now: float) -> int:
        """Count one failure at monotonic second `now`; returns the failures of this key's minute."""
        self._forget(now)
        key = self.counted_as(key)
        until, count = self._counts.get(key, (now + WINDOW_S, 0))
        self._counts[key] = until, count + 1
        return count + 1

    def of(self, key: K, now: float) -> int:
        """Return the failures of this key's minute."""
        until, count = self._counts.get(key, (0.0, 0))
        return count if now < until else 0

    def ends_s(self, key: K, now: float) -> int:
        """Return the whole seconds until this key's minute is over, rounded up; 0 for one without failures."""
        until, _ = self._counts.get(key, (now, 0))
        return max(0, ceil(until - now))

    def counted_as(self, key: K) -> K:
        """Return the key that a failure of `key` is counted under: its own where it has one or there is room."""
        return key if key in self._counts or len(self._counts) < self._most else self._rest

    def __len__(self) -> int:
        return len(self._counts)

    def _forget(self, now: float) -> None:
        counts = self._counts
        while counts:
            first = next(iter(counts))
            if now < counts[first][0]:
                return
            del counts[first]
