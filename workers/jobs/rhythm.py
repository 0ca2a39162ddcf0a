"""What is done now and then in a loop that beats more often."""

from __future__ import annotations


class Rhythm:
    """Remembers when each thing was done last; times are seconds of any clock that does not go back."""

    def __init__(self) -> None:
        self._next: dict[str, float] = {}
        self._told: int | None = None

    def is_time(self, what: str, now: float, every_s: float) -> bool:
        """Tell whether `what` is due, and put it off by `every_s`."""
        if now < self._next.get(what, 0.0):
            return False
        self._next[what] = now + every_s
        return True

    def is_news(self, figure: int, now: float, every_s: float) -> bool:
        """Tell whether progress is to be told: the figure is another than was told last, and that was `every_s` ago.

        The first figure is no news: whoever begins anew has it from one who told of it.
        """
        if self._told is None:
            self._told = figure
        elif figure != self._told and self.is_time("tell", now, every_s):
            self._told = figure
            return True
        return False
