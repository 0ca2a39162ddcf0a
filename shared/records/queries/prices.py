"""The prices of areas: whole, or a part that takes the place of what was known for its time."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from shared.bus import demand_keys as keys
from shared.bus.lane import Lane
from shared.bus.scripts import SWAP_RECORD
from shared.records.packing import pack, unpack
from shared.records.prices import MAX_INTERVALS, PriceInterval, PriceLayer, Prices

from .reading import names, replies

_FOR_EVER: Final = 2**62


async def prices(lane: Lane, area: str) -> Prices | None:
    """Return the prices of an area, or None."""
    data = await lane.one("GET", keys.prices(area))
    return None if data is None else unpack(data, Prices)


async def areas(lane: Lane) -> list[str]:
    """Return the areas that have prices, in order."""
    return await names(lane, keys.PRICES, "", "", 1000)


async def put(lane: Lane, given: Prices, *, now: int, kept_ms: int, source: str = "") -> Prices:
    """Write the intervals of `given` over what is known for their times; returns what holds then.

    What an event (`source`) told before for the time to come is taken back first. What ended more than `kept_ms` before
    `now` (ms) is forgotten.
    """

    def change(before: Prices) -> Prices:
        layers = _without(_layers(before), source, now) if source else _layers(before)
        if source:
            past = next((one.intervals for one in layers if one.source == source), ())
            new = PriceLayer(source, given.currency, tuple(merged(past, given.intervals)))
            return _over(given, [*(one for one in layers if one.source != source), new], now - kept_ms)
        # Who writes last is right: also where an event told otherwise before.
        cleared = [PriceLayer(one.source, one.currency, _outside(one.intervals, given.intervals)) for one in layers]
        own = PriceLayer(
            "", given.currency or cleared[0].currency, tuple(merged(cleared[0].intervals, given.intervals))
        )
        return _over(given, [own, *cleared[1:]], now - kept_ms)

    return await _change(lane, given.area, change)


async def take_back(lane: Lane, area: str, source: str, *, now: int, by: str) -> None:
    """Take back what an event told from `now` (ms) on; what it covered holds again."""

    def change(before: Prices) -> Prices:
        layers = _layers(before)
        if all(one.source != source for one in layers):
            return before
        return _over(
            msgspec.structs.replace(before, updated_at=now, updated_by=by), _without(layers, source, now), since=0
        )

    await _change(lane, area, change)


async def _change(lane: Lane, area: str, change: Callable[[Prices], Prices]) -> Prices:
    """Write what `change` makes of an area's prices, unless that is the same; tried again where somebody was first."""
    while True:
        data = await lane.one("GET", keys.prices(area))
        before = unpack(data, Prices) if data is not None else Prices(area=area)
        after = change(before)
        if after is before:
            return before
        swap = SWAP_RECORD.command(keys=[keys.prices(area)], args=[data or b"", pack(after)])
        swapped, _ = await replies(lane, [swap, ("ZADD", keys.PRICES, 0, area)])
        if swapped:
            return after


def _layers(known: Prices) -> list[PriceLayer]:
    """Return the layers, operators' own as the lowest."""
    return list(known.layers) or [PriceLayer("", known.currency, known.intervals)]


def _without(layers: Sequence[PriceLayer], source: str, now: int) -> list[PriceLayer]:
    """Return the layers, that of a source only as far as it is past."""
    to_come = [PriceInterval(now, _FOR_EVER, 0)]
    return [
        PriceLayer(one.source, one.currency, _outside(one.intervals, to_come)) if one.source == source else one
        for one in layers
    ]


def _over(what: Prices, layers: Sequence[PriceLayer], since: int) -> Prices:
    """Return prices of these layers, one over the other, without what ended before `since` (ms)."""
    own, *told = [
        PriceLayer(one.source, one.currency, tuple(at for at in one.intervals if at.end_at > since)[-MAX_INTERVALS:])
        for one in layers
    ]
    told = [one for one in told if one.intervals]
    while sum(len(one.intervals) for one in told) > MAX_INTERVALS:
        del told[0]
    whole = own.intervals
    for one in told:
        whole = tuple(merged(whole, one.intervals))
    named = [one.currency for one in (own, *told) if one.currency]
    return msgspec.structs.replace(
        what,
        currency=named[-1] if named else "",
        intervals=whole[-MAX_INTERVALS:],
        layers=(own, *told) if told else (),
    )


async def delete(lane: Lane, area: str) -> bool:
    """Remove the prices of an area; False where there are none."""
    _, deleted = await replies(lane, [("ZREM", keys.PRICES, area), ("DEL", keys.prices(area))])
    return bool(deleted)


def merged(before: Sequence[PriceInterval], given: Sequence[PriceInterval]) -> list[PriceInterval]:
    """Return `given`, and of `before` what lies outside of it, in order."""
    return sorted([*_outside(before, given), *given], key=lambda one: one.start_at)


def _outside(intervals: Sequence[PriceInterval], covered: Sequence[PriceInterval]) -> tuple[PriceInterval, ...]:
    """Return what of `intervals` lies outside of the times of `covered`."""
    spans: list[tuple[int, int]] = []
    for start, end in sorted((one.start_at, one.end_at) for one in covered):
        if spans and start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
        else:
            spans.append((start, end))
    ends = [end for _, end in spans]
    left: list[PriceInterval] = []
    for one in intervals:
        at = one.start_at
        for start, end in itertools.islice(spans, bisect.bisect_right(ends, at), None):
            if start >= one.end_at:
                break
            if start > at:
                left.append(PriceInterval(at, start, one.price))
            at = end
        if at < one.end_at:
            left.append(PriceInterval(at, one.end_at, one.price))
    return tuple(left)
