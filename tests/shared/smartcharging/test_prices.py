"""What energy costs when, and when to charge."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.records.prices import PriceInterval
from shared.smartcharging.prices import HOUR_MS, Slot, cheapest, cost, price_at, watts_at

QUARTER = HOUR_MS // 4
prices = st.lists(st.integers(-50, 400), min_size=1, max_size=24).map(
    lambda found: [PriceInterval(n * HOUR_MS, (n + 1) * HOUR_MS, price / 1000) for n, price in enumerate(found)]
)


@given(prices, st.integers(-HOUR_MS, 26 * HOUR_MS))
def test_the_price_of_a_moment(intervals: list[PriceInterval], at: int) -> None:
    """The interval that a moment lies in says its price; outside of all nobody does."""
    expected = [one.price for one in intervals if one.start_at <= at < one.end_at]
    assert price_at(intervals, at) == (expected[0] if expected else None)


@given(
    prices,
    st.integers(0, 200_000),
    st.integers(0, 5 * HOUR_MS),
    st.integers(1, 24 * HOUR_MS),
    st.integers(1400, 22_000),
)
def test_a_plan_is_full_in_time_and_within_its_power(
    intervals: list[PriceInterval], energy: int, now: int, lasts: int, most: int
) -> None:
    """A plan has the energy by the departure, or uses all of the time; its stretches are in order and apart."""
    plan = cheapest(intervals, energy, now, now + lasts, most)
    drawn = sum(slot.watts * (slot.until - slot.since) for slot in plan) / HOUR_MS
    assert all(now <= slot.since < slot.until <= now + lasts and slot.watts == most for slot in plan)
    assert all(one.until < other.since for one, other in pairwise(plan))
    possible = most * lasts / HOUR_MS
    assert drawn >= min(energy, possible) - 0.001
    assert drawn <= min(energy + most / 3600, possible) + 0.001


@given(prices, st.integers(1, 60_000), st.randoms(use_true_random=False))
def test_no_other_hours_are_cheaper(intervals: list[PriceInterval], energy: int, random: object) -> None:
    """Charging in any other order of the hours costs as much or more."""
    most, end = 11_000, intervals[-1].end_at
    plan = cheapest(intervals, energy, 0, end, most)
    order = list(range(len(intervals)))
    random.shuffle(order)  # type: ignore[attr-defined]
    left, other = sum(slot.until - slot.since for slot in plan), []
    for number in order:
        lasts = min(left, HOUR_MS)
        if lasts > 0:
            other.append(Slot(number * HOUR_MS, number * HOUR_MS + lasts, most))
        left -= lasts
    assert cost(intervals, plan) <= cost(intervals, other) + 1e-9


def test_cheap_hours_first() -> None:
    """Two cheap hours at the end are waited for; without prices it begins at once; a plan says what is due when."""
    night = [PriceInterval(n * HOUR_MS, (n + 1) * HOUR_MS, price) for n, price in enumerate((0.3, 0.4, 0.1, 0.1))]
    plan = cheapest(night, 22_000, 0, 4 * HOUR_MS, 11_000)
    assert plan == [Slot(2 * HOUR_MS, 4 * HOUR_MS, 11_000)]
    assert (watts_at(plan, HOUR_MS), watts_at(plan, 3 * HOUR_MS), watts_at(plan, 4 * HOUR_MS)) == (0, 11_000, 0)
    assert cost(night, plan) == pytest.approx(2.2)
    assert cheapest([], 11_000, 5, 5 + 9 * HOUR_MS, 11_000) == [Slot(5, 5 + HOUR_MS, 11_000)]
    assert cheapest(night, 0, 0, HOUR_MS, 11_000) == cheapest(night, 5, 9, 9, 11_000) == []
    dear = [PriceInterval(HOUR_MS, 2 * HOUR_MS, 0.2)]
    assert cheapest(dear, 11_000, 0, 3 * HOUR_MS, 11_000)[0].since == 0
