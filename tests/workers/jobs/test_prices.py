"""Prices of an area in layers: what operators and what each event told, one over the other, and taken back."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from shared.bus.lane import Lane
from shared.records.prices import PriceInterval, Prices
from shared.records.queries import prices
from shared.records.sites import Amount, Circuit, Site
from shared.smartcharging.prices import price_at
from workers.jobs.sites import limiting

NOW, HOUR_MS = 1_800_000_000_000, 3_600_000
DAY_MS = 24 * HOUR_MS


def hours(first: int, *values: float) -> tuple[PriceInterval, ...]:
    """Return prices from an hour on, counted from now."""
    starts = range(NOW + first * HOUR_MS, NOW + (first + len(values)) * HOUR_MS, HOUR_MS)
    return tuple(PriceInterval(start, start + HOUR_MS, value) for start, value in zip(starts, values, strict=True))


async def test_what_covers_what(lane: Lane) -> None:
    """Who told last is right; what an event told goes with it, from now on, and what it covered holds again."""
    put = partial(prices.put, lane, kept_ms=DAY_MS)
    await put(Prices(intervals=hours(-1, 1, 1, 1, 1), currency="EUR"), now=NOW)
    await put(Prices(intervals=hours(-1, 2, 2, 2)), now=NOW, source="a")
    found = await put(Prices(intervals=hours(1, 3, 3), currency="SEK"), now=NOW, source="b")
    assert (values(found), found.currency) == ([2, 2, 3, 3], "SEK")
    found = await put(Prices(intervals=hours(0, 4)), now=NOW)
    assert (values(found), found.currency) == ([2, 4, 3, 3], "SEK")
    await prices.take_back(lane, "default", "b", now=NOW, by="vtn")
    after = await prices.prices(lane, "default")
    assert after is not None
    assert (values(after), after.currency, after.updated_by) == ([2, 4, 2, 1], "EUR", "vtn")
    await prices.take_back(lane, "default", "a", now=NOW + HOUR_MS // 2, by="vtn")
    after = await prices.prices(lane, "default")
    assert after is not None
    assert values(after) == [2, 4, 1, 1], "what is past was the price"
    assert await prices.areas(lane) == ["default"]


async def test_told_anew_and_forgotten(lane: Lane) -> None:
    """An event that tells anew replaces all that it told of the time to come; what is long over is forgotten."""
    put = partial(prices.put, lane, kept_ms=DAY_MS)
    await put(Prices(intervals=hours(-1, 2, 2, 2)), now=NOW, source="a")
    found = await put(Prices(intervals=hours(3, 5)), now=NOW, source="a")
    assert [(one.start_at - NOW) // HOUR_MS for one in found.intervals] == [-1, 3]
    found = await put(Prices(intervals=hours(48, 6)), now=NOW + 2 * DAY_MS)
    assert (values(found), found.layers) == ([6], ())


async def test_a_site_goes_by_the_prices_of_its_area(lane: Lane) -> None:
    """Under `deadline` the prices of the area that it names count; under another strategy none are read."""
    site = Site(name="depot", circuits=(Circuit(name="main", capacity=Amount(watts=9000)),), strategy="deadline")
    for area, price in (("default", 0.3), ("north", 0.1)):
        await prices.put(lane, Prices(area=area, intervals=hours(0, price)), now=NOW, kept_ms=0)
    for area, expected in (("default", [0.3]), ("north", [0.1]), ("south", [])):
        found = await limiting.read(lane, msgspec.structs.replace(site, price_area=area), NOW)
        assert [one.price for one in found.prices] == expected
    assert not (await limiting.read(lane, msgspec.structs.replace(site, strategy="equal"), NOW)).prices


def values(found: Prices) -> list[float]:
    """Return the prices in order."""
    return [one.price for one in found.intervals]


def some(price: int) -> st.SearchStrategy[list[PriceInterval]]:
    """Return intervals that do not overlap, all of one price."""
    bounds = st.lists(st.integers(0, 30), unique=True, max_size=8).map(sorted)
    return bounds.map(lambda at: [PriceInterval(*pair, price) for pair in zip(at[::2], at[1::2], strict=False)])


@given(some(1), some(2))
def test_new_ones_take_the_place_of_old_ones(before: Sequence[PriceInterval], new: Sequence[PriceInterval]) -> None:
    """At every moment the new price holds where there is one, else the old."""
    found = prices.merged(before, new)
    for at in range(31):
        told = price_at(new, at)
        assert price_at(found, at) == (price_at(before, at) if told is None else told)
