"""Which transactions wait for cheaper hours: those that will be full in time without the hour that is.

Each is planned for itself, with less power than it could have, because others want the cheap hours too. Should they
be too many after all, what each needs to be full in time rises until the `deadline` strategy gives it that first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from shared.records.prices import PriceInterval
from shared.smartcharging.prices import cheapest, watts_at

from .judging import Judged

SHARE: Final = 0.7
"""Of the power that a car could have: what is counted on."""
PLAN_MS: Final = 60_000
"""A plan is made anew so often."""


def waits(one: Judged, prices: Sequence[PriceInterval], now: int) -> bool:
    """Tell whether a transaction leaves the present hour to others; `one.run` remembers it for a while."""
    run, session = one.run, one.session
    if run is None or not prices or session.energy_left_wh is None or session.departs_at is None:
        return False
    if now - run.planned_at >= PLAN_MS or now < run.planned_at:
        watts = int(one.place.maximum / 10 * session.voltage * len(session.phases) * SHARE)
        slots = cheapest(prices, session.energy_left_wh, now, session.departs_at, watts)
        run.planned_at, run.waits = now, bool(slots) and not watts_at(slots, now)
    return run.waits
