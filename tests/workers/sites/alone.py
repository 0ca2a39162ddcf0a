"""A car that plans on its own by prices: what a plan of all (`workers.jobs.sites.planning`) is measured against."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from shared.records.prices import PriceInterval
from workers.jobs.sites.planning import HOUR_MS


class Slot(msgspec.Struct, frozen=True):
    """A stretch of time in which to charge, and with which power."""

    since: int
    until: int
    watts: int


def cheapest(intervals: Sequence[PriceInterval], energy_wh: int, now: int, departs_at: int, most_w: int) -> list[Slot]:
    """Return when to charge so that the energy is there by the departure and costs the least, in order of time.

    In every stretch but one the car draws `most_w`, in that one what is left: fewest changes at the least cost. Of
    equal prices the earlier is taken, for a car may leave sooner than it said. Where no price is known it is taken to
    be the highest that is known. Where time is too short all of it is used.
    """
    if energy_wh <= 0 or departs_at <= now or most_w <= 0:
        return []
    stretches = _stretches(intervals, now, departs_at)
    left, chosen = float(energy_wh), list[Slot]()
    for since, until, _ in sorted(stretches, key=lambda one: (one[2], one[0])):
        if left <= 0:
            break
        fits = most_w * (until - since) / HOUR_MS
        if left >= fits:
            chosen.append(Slot(since, until, most_w))
        else:
            # Rounded up to a second: rounding must not leave the car short.
            lasts = -int(-left * HOUR_MS / most_w // 1000) * 1000
            chosen.append(Slot(since, min(since + lasts, until), most_w))
        left -= fits
    return _joined(sorted(chosen, key=lambda slot: slot.since))


def watts_at(slots: Sequence[Slot], at: int) -> int:
    """Return with which power a plan charges at a moment; 0: it waits."""
    return next((slot.watts for slot in slots if slot.since <= at < slot.until), 0)


def _stretches(intervals: Sequence[PriceInterval], now: int, until: int) -> list[tuple[int, int, float]]:
    """Return all of the time between two moments as stretches with one price each."""
    known = [one for one in intervals if one.end_at > now and one.start_at < until]
    highest = max((one.price for one in known), default=0.0)
    found: list[tuple[int, int, float]] = []
    at = now
    for one in known:
        begin, end = max(one.start_at, at), min(one.end_at, until)
        if begin > at:
            found.append((at, begin, highest))
        if end > begin:
            found.append((begin, end, one.price))
            at = end
    if at < until:
        found.append((at, until, highest))
    return found


def _joined(slots: Sequence[Slot]) -> list[Slot]:
    joined: list[Slot] = []
    for slot in slots:
        if joined and joined[-1].until == slot.since and joined[-1].watts == slot.watts:
            joined[-1] = Slot(joined[-1].since, slot.until, slot.watts)
        else:
            joined.append(slot)
    return joined
