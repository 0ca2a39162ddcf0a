"""The prices of areas: whole, or a part that takes the place of what was known for its time."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from shared.bus import demand_keys as keys
from shared.bus.lane import Lane
from shared.bus.scripts import SWAP_RECORD
from shared.records.packing import pack, unpack
from shared.records.prices import MAX_INTERVALS, PriceInterval, Prices

from .reading import names, replies


async def prices(lane: Lane, area: str) -> Prices | None:
    """Return the prices of an area, or None."""
    data = await lane.one("GET", keys.prices(area))
    return None if data is None else unpack(data, Prices)


async def areas(lane: Lane) -> list[str]:
    """Return the areas that have prices, in order."""
    return await names(lane, keys.PRICES, "", "", 1000)


async def put(lane: Lane, given: Prices, *, keep_since: int = 0) -> Prices:
    """Write prices; what is known for other times than theirs stays, from `keep_since` on (ms). Returns all of it."""
    while True:
        data = await lane.one("GET", keys.prices(given.area))
        before = unpack(data, Prices).intervals if data is not None else ()
        whole = merged([one for one in before if one.end_at > keep_since], given.intervals)
        written = msgspec.structs.replace(given, intervals=tuple(whole[-MAX_INTERVALS:]))
        swap = SWAP_RECORD.command(keys=[keys.prices(given.area)], args=[data or b"", pack(written)])
        swapped, _ = await replies(lane, [swap, ("ZADD", keys.PRICES, 0, given.area)])
        if swapped:
            return written


async def delete(lane: Lane, area: str) -> bool:
    """Remove the prices of an area; False where there are none."""
    _, deleted = await replies(lane, [("ZREM", keys.PRICES, area), ("DEL", keys.prices(area))])
    return bool(deleted)


def merged(before: Sequence[PriceInterval], given: Sequence[PriceInterval]) -> list[PriceInterval]:
    """Return `given`, and of `before` what lies outside of it, in order."""
    left = list(before)
    for new in given:
        kept: list[PriceInterval] = []
        for old in left:
            if old.end_at <= new.start_at or old.start_at >= new.end_at:
                kept.append(old)
                continue
            if old.start_at < new.start_at:
                kept.append(PriceInterval(old.start_at, new.start_at, old.price))
            if old.end_at > new.end_at:
                kept.append(PriceInterval(new.end_at, old.end_at, old.price))
        left = kept
    return sorted([*left, *given], key=lambda one: one.start_at)
