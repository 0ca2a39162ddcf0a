"""What is done now and then in a loop that beats more often."""

from __future__ import annotations


class Rhythm:
    """Remembers when each thing was done last; times are seconds of any clock that does not go back."""

    def __init__(self) -> None:
        self._next: dict[str, float] = {}

    def is_time(self, what: str, now: float, every_s: float) -> bool:
        """Tell whether `what` is due, and put it off by `every_s`."""
        if now < self._next.get(what, 0.0):
            return False
        self._next[what] = now + every_s
        return True
