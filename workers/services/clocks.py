"""Which of a station's times can be right. A time that can't is kept and flagged, never refused (quirk 6)."""

from __future__ import annotations

from typing import Final

DAY_MS: Final = 24 * 3600 * 1000
AHEAD_MS: Final = DAY_MS
"""A time zone too far, and not more."""
BEHIND_MS: Final = 366 * DAY_MS
"""Stations keep what they could not deliver for months; a clock that begins anew is years behind."""
TOLERANCE_MS: Final = 120_000
"""By how much two times of one station may contradict each other: it may set its clock in between."""


def is_plausible(at: int, received_at: int) -> bool:
    """Tell whether a station's time `at` can be right for what was received at `received_at` (both ms)."""
    return received_at - BEHIND_MS <= at <= received_at + AHEAD_MS


def is_ahead(at: int, received_at: int) -> bool:
    """Tell whether a time is in a future that no clock error explains."""
    return at > received_at + AHEAD_MS
