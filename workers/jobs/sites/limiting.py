"""What limits a site from outside for a while: demand response, and what energy costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from shared.bus.lane import Lane
from shared.records.prices import PriceInterval
from shared.records.queries import demand
from shared.records.queries.prices import prices
from shared.records.sites import Site
from shared.smartcharging.demand import limit_at

from .tree import Temporary


class Limiting(msgspec.Struct, frozen=True):
    """Temporary limits by circuit, and prices in order of time."""

    temporary: Mapping[str, Temporary] = {}
    prices: Sequence[PriceInterval] = ()


async def read(lane: Lane, site: Site, now: int) -> Limiting:
    """Return what holds at a site at a moment (ms); prices are read where its strategy looks at them."""
    held = limit_at(await demand.windows(lane, site, now), now)
    root = next((one.name for one in site.circuits if not one.parent), "")
    temporary = {circuit or root: Temporary(one.amount, ", ".join(one.events)) for circuit, one in held.items()}
    known = await prices(lane, site.price_area) if site.strategy == "deadline" else None
    return Limiting(temporary, known.intervals if known is not None else ())
