"""Timers: which service a WAKEUP entry goes to, by name.

    @wakes("command_timeout")
    def timed_out(draft: Draft, command_id: str) -> None: ...

    draft.wake("command_timeout", command_id, due_ms)

A timer may come late, more than once, or when what it was about is over: the service looks at the state first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from workers.store.draft import Draft

Woken = Callable[[Draft, str], None]
"""(draft, subject)."""
WAKERS: Final[dict[str, Woken]] = {}
"""Timer name -> the service's function, filled as services are imported."""


def wakes(name: str) -> Callable[[Woken], Woken]:
    """Register the decorated function for timers called `name`; raises ValueError where another has the name."""

    def register(woken: Woken) -> Woken:
        if WAKERS.setdefault(name, woken) is not woken:
            raise ValueError(f"two services wake on {name}")
        return woken

    return register


def wake(draft: Draft, name: str, subject: str) -> bool:
    """Wake the service; False where none has the name (a newer release set the timer)."""
    woken = WAKERS.get(name)
    if woken is None:
        return False
    woken(draft, subject)
    return True
