"""What a chart shows: panels below each other over one stretch of time, each with its curves."""

from __future__ import annotations

from datetime import tzinfo
from typing import Final, Literal

import msgspec

from .steps import Steps

Kind = Literal["base", "drawn", "allocated", "limit"]
Unit = Literal["A", "kW"]
TOLERANCE: Final = 1.02
"""Meters, and what is rounded: a draw above its limit by less is not called so (as the allocator does)."""


class Look(msgspec.Struct, frozen=True):
    """How a curve is drawn. No two share a dash: colours alone tell nothing to many people, or on paper."""

    colour: str
    dash: tuple[int, ...] = ()
    fill: str = ""
    width: int = 2


LOOKS: Final[dict[Kind, Look]] = {
    # Okabe and Ito's colours, which differ for all kinds of colour blindness; fills are their tints.
    "drawn": Look("#00734f", fill="#cfe9df"),
    "base": Look("#767676", fill="#dddddd", width=1),
    "allocated": Look("#0072b2", dash=(2, 3)),
    "limit": Look("#c44e00", dash=(9, 4), width=2),
}
"""In the order in which they are drawn."""
ABOVE: Final = "#c40000"


class Curve(msgspec.Struct, frozen=True):
    """One quantity over time; `name` is what the legend says."""

    kind: Kind
    name: str
    steps: Steps


class Panel(msgspec.Struct, frozen=True):
    """Curves over one axis of values; `title` says the unit."""

    title: str
    curves: tuple[Curve, ...]
    above: Steps = []
    """When the draw was above the limit."""


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """A chart from `since` to before `until` (ms)."""

    title: str
    since: int
    until: int
    now: int
    """A line marks it where it lies inside."""
    zone: tzinfo
    zone_name: str
    panels: tuple[Panel, ...]
    note: str = ""
