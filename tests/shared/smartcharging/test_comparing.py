"""What a station says of its limits against what its profiles allow: where it differs, and where it need not agree."""

from __future__ import annotations

import pytest

from shared.records.profiles import Period
from shared.smartcharging.comparing import BLUR_MS, Reported, excess
from shared.smartcharging.composite import Limit, Segment

NOW = 1_700_000_000_000
EXPECTED = [Segment(NOW, NOW + 600_000, Limit(160, 3, 1)), Segment(NOW + 600_000, NOW + 1_200_000, Limit(80, 3, 1))]


def told(*periods: tuple[int, int], start_at: int | None = NOW, duration_s: int | None = 1200) -> Reported:
    """Return a station's schedule of (second, tenths)."""
    return Reported("A", tuple(Period(second, limit) for second, limit in periods), start_at, duration_s)


@pytest.mark.parametrize(
    "reported",
    [
        told((0, 160), (600, 80)),
        told((0, 100), (600, 0)),
        told((0, 161), (600, 81)),
        told((0, 160), (600 + 2 * BLUR_MS // 1000, 80)),
        told((0, 160), (600, 80), start_at=NOW + 2 * BLUR_MS),
        told((0, 160), duration_s=600),
        told(),
    ],
)
def test_what_is_no_fault(reported: Reported) -> None:
    """The same, less, what is rounded, a change a little late, another clock, and what it says nothing of."""
    assert not excess(EXPECTED, reported, NOW)


@pytest.mark.parametrize(
    ("reported", "words"),
    [
        (told((0, 320), (600, 80)), "it would allow 32 A, its profiles allow 16 A"),
        (told((0, 160)), "it would allow 16 A, its profiles allow 8 A"),
        (told((0, 160), (640, 80)), "it would allow 16 A, its profiles allow 8 A"),
        (told((0, 160), start_at=None, duration_s=None), "it would allow 16 A, its profiles allow 8 A"),
    ],
)
def test_more_is_told_with_the_numbers(reported: Reported, words: str) -> None:
    """When, how much it would allow, and how much it may."""
    assert words in excess(EXPECTED, reported, NOW)
