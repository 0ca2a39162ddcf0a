"""The version of what is stored, and how a system moves to a newer one without stopping.

`meta:schema` says how new a record may be that workers write. Code reads every schema up to its own, so a release that
brings a new one is rolled out first, and only when every live worker announces it does the value rise. A process that
meets a value above its own is too old to read what is there, and does not serve.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from shared.durability import Problem

from . import keys
from .lane import Lane, sound

SCHEMA: Final = 1
"""What this code writes at most, and reads with everything before it."""
FIRST: Final = 1
"""What a worker knows that announces nothing."""


def risen(stored: int, alive: Iterable[str], announced: Mapping[str, int]) -> int:
    """Return what the stored schema becomes: what every live worker knows, and never less than it was."""
    return max(stored, min((announced.get(worker, FIRST) for worker in alive), default=stored))


def too_new(stored: int, known: int = SCHEMA) -> Problem | None:
    """Return why this code must not serve a system of this schema; None where it may."""
    if stored <= known:
        return None
    return Problem(
        subject=keys.META_SCHEMA,
        level="fail",
        kind="version",
        found=str(stored),
        wanted=f"at most {known}",
        why="a newer release has written records that this one can't read",
        mend="run that release, or a newer one",
    )


async def stored(lane: Lane) -> int:
    """Return the schema of this system, setting it to ours where it was never set."""
    _, found = await lane.execute([("SET", keys.META_SCHEMA, SCHEMA, "NX"), ("GET", keys.META_SCHEMA)])
    return int(sound(found))
