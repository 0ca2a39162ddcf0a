"""What a station says of its limits against what its profiles allow."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from shared.records.profiles import Period, Unit

from .composite import SECOND_MS, Segment

BLUR_MS: Final = 15_000
"""Around each change of a limit nothing is compared: clocks differ, and answers take their time."""
ROUNDING: Final = 1
"""Tenths that a station may be off by rounding."""


class Reported(msgspec.Struct, frozen=True):
    """A station's composite schedule; `start_at` None: it counts from the moment of its answer."""

    unit: Unit
    periods: tuple[Period, ...]
    start_at: int | None = None
    duration_s: int | None = None


def excess(expected: Sequence[Segment], reported: Reported, answered_at: int) -> str:
    """Return where a station would allow more than its profiles do, in words; empty: nowhere.

    Less is no fault: its cable, its fuse or a limit of its own may hold it back.
    """
    start = answered_at if reported.start_at is None else reported.start_at
    end = expected[-1].until
    if reported.duration_s is not None:
        end = min(end, start + reported.duration_s * SECOND_MS)
    changes = sorted(
        {one.since for one in expected} | {start + period.start_s * SECOND_MS for period in reported.periods} | {end}
    )
    edges = [edge for edge in changes if start <= edge <= end]
    for since, until in itertools.pairwise(edges):
        if until - since <= 2 * BLUR_MS:
            continue
        middle = (since + until) // 2
        allowed = next((one.limit for one in expected if one.since <= middle < one.until), None)
        said = _said(reported.periods, (middle - start) // SECOND_MS)
        if allowed is not None and said is not None and said > allowed.limit + ROUNDING:
            at = datetime.fromtimestamp(middle / SECOND_MS, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
            unit = reported.unit
            return f"at {at} it would allow {said / 10:g} {unit}, its profiles allow {allowed.limit / 10:g} {unit}"
    return ""


def _said(periods: Sequence[Period], second: int) -> int | None:
    held = [period.limit for period in periods if period.start_s <= second]
    return held[-1] if held else None
