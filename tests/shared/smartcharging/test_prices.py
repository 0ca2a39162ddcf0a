"""What energy costs when."""

from hypothesis import given
from hypothesis import strategies as st

from shared.records.prices import PriceInterval
from shared.smartcharging.prices import price_at

HOUR_MS = 3_600_000
prices = st.lists(st.integers(-50, 400), min_size=1, max_size=24).map(
    lambda found: [PriceInterval(n * HOUR_MS, (n + 1) * HOUR_MS, price / 1000) for n, price in enumerate(found)]
)


@given(prices, st.integers(-HOUR_MS, 26 * HOUR_MS))
def test_the_price_of_a_moment(intervals: list[PriceInterval], at: int) -> None:
    """The interval that a moment lies in says its price; outside of all nobody does."""
    expected = [one.price for one in intervals if one.start_at <= at < one.end_at]
    assert price_at(intervals, at) == (expected[0] if expected else None)
