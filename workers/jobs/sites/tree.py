"""A site's tree in numbers: what each circuit takes at a moment, and what else draws on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from shared.records import sites
from shared.records.sites import NOTHING, Amount, Amps, LoadReading, LoadSource, Site
from workers.services.smartcharging.room import UNLIMITED, Circuit

NO_LIMIT: Final = (UNLIMITED, UNLIMITED, UNLIMITED)


class Temporary(msgspec.Struct, frozen=True):
    """A limit that holds for a while, beside a circuit's capacity, and what to call it."""

    amount: Amount
    name: str = ""


class Node(msgspec.Struct, frozen=True):
    """A circuit at a moment: as the allocator takes it, and as people see it."""

    circuit: Circuit
    limit: Amps | None
    limit_w: int | None
    base_source: LoadSource
    window: str


def nodes(site: Site, loads: Mapping[str, LoadReading], temporary: Mapping[str, Temporary], now: int) -> list[Node]:
    """Return the circuits in the order of the document."""
    own = {one.name: _base(one, site, loads.get(one.name), now) for one in site.circuits}
    base = dict.fromkeys(own, NOTHING)
    for name, (load, _) in own.items():
        for above in site.path(name):
            base[above] = plus(base[above], load)
    made: list[Node] = []
    for one in site.circuits:
        window = temporary.get(one.name)
        amps, watts = one.capacity.amps, one.capacity.watts
        if window is not None:
            amps, watts = _least(amps, window.amount.amps), _less(watts, window.amount.watts)
        made.append(
            Node(
                Circuit(
                    name=one.name,
                    parent=one.parent,
                    capacity=amps or NO_LIMIT,
                    total=UNLIMITED if watts is None else watts * 10 // site.voltage,
                    base_load=base[one.name],
                ),
                amps,
                watts,
                own[one.name][1],
                window.name if window is not None else "",
            )
        )
    return made


def plus(one: Amps, other: Amps) -> Amps:
    """Return the sum of two, phase by phase."""
    return (one[0] + other[0], one[1] + other[1], one[2] + other[2])


def on(phases: Iterable[int], amount: int) -> Amps:
    """Return so much on some phases of the grid."""
    made = [0, 0, 0]
    for phase in phases:
        made[phase] = amount
    return (made[0], made[1], made[2])


def _base(circuit: sites.Circuit, site: Site, reading: LoadReading | None, now: int) -> tuple[Amps, LoadSource]:
    """Return a circuit's own base load: a fresh reading, else the estimate, else an old reading."""
    if reading is not None and now - reading.at <= circuit.reading_valid_s * 1000:
        return reading.amount.spread(site.voltage), "reading"
    estimate = circuit.base_load
    if estimate is not None:
        amount = estimate.hours[_hour(site.zone, now)] if estimate.hours else estimate.fixed
        if amount is not None:
            return amount.spread(site.voltage), "estimate"
    return (NOTHING, "none") if reading is None else (reading.amount.spread(site.voltage), "stale")


def _hour(zone: str, now: int) -> int:
    return datetime.fromtimestamp(now / 1000, UTC).astimezone(_zone(zone)).hour


@cache
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):  # It was checked where it was written; this machine knows fewer.
        return ZoneInfo("UTC")


def _least(one: Amps | None, other: Amps | None) -> Amps | None:
    if one is None or other is None:
        return one or other
    return (min(one[0], other[0]), min(one[1], other[1]), min(one[2], other[2]))


def _less(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
