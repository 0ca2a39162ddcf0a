"""What energy costs at a moment, as a pure function."""

from __future__ import annotations

import bisect
from collections.abc import Sequence

from shared.records.prices import PriceInterval


def price_at(intervals: Sequence[PriceInterval], at: int) -> float | None:
    """Return the price per kWh at a moment (ms), by intervals in order; None: nobody said."""
    place = bisect.bisect_right(intervals, at, key=lambda one: one.start_at)
    if not place or at >= intervals[place - 1].end_at:
        return None
    return intervals[place - 1].price
