"""What limits a site from outside for a while: demand response, and what energy costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from shared.bus.lane import Lane
from shared.records.prices import PriceInterval
from shared.records.sites import Site

from .tree import Temporary


class Limiting(msgspec.Struct, frozen=True):
    """Temporary limits by circuit, and prices in order of time."""

    temporary: Mapping[str, Temporary] = {}
    prices: Sequence[PriceInterval] = ()


async def read(lane: Lane, site: Site, now: int) -> Limiting:
    """Return what holds at a site at a moment (ms)."""
    del lane, site, now
    return Limiting()
