"""Lets the sweep believe this process's clock instead of Redis's."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from workers.sweeps import due


def apply() -> None:
    """Answer TIME by what the process believes."""
    ordinary = due.replies  # type: ignore[attr-defined]

    async def replies(lane: Any, commands: Sequence[Any]) -> list[Any]:
        found = await ordinary(lane, commands)
        if commands and commands[0] == ("TIME",):
            seconds, rest = divmod(time.time_ns() // 1000, 1_000_000)
            found[0] = [str(seconds).encode(), str(rest).encode()]
        return found

    due.replies = replies  # type: ignore[attr-defined]
