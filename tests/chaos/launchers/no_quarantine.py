"""Takes the limit of lone attempts out: a poison entry is tried again and again."""

from __future__ import annotations

from typing import Any

from workers.consumer.poison import Lone


def apply() -> None:
    """Let no number of attempts be too many."""
    ordinary = Lone.__init__

    def init(self: Lone, *args: Any, **named: Any) -> None:
        ordinary(self, *args, **named)
        assert isinstance(self._limit, int)
        self._limit = 1_000_000_000

    Lone.__init__ = init  # type: ignore[method-assign]
