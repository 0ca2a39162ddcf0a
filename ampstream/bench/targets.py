"""What a figure has to reach."""

from __future__ import annotations

import msgspec


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A figure that has to reach something; `met` is None where the run was too small to tell."""

    name: str
    value: float
    unit: str
    wanted: str
    met: bool | None


def at_most(name: str, value: float, unit: str, limit: float) -> Target:
    """Return the target of a figure that is to stay at or below a limit."""
    return Target(name=name, value=value, unit=unit, wanted=f"≤ {limit:g}", met=value <= limit)
