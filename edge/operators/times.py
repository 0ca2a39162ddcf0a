"""Times at the border: ISO-8601 in UTC with `Z` outside, integer milliseconds inside."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import msgspec

Instant = Annotated[
    str, msgspec.Meta(extra_json_schema={"format": "date-time", "examples": ["2026-03-01T08:30:00.000Z"]})
]
"""A time in an answer."""
GivenInstant = Annotated[datetime, msgspec.Meta(tz=True, description="ISO-8601 with a zone, e.g. 2026-03-01T08:30:00Z")]
"""A time in a request."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LEAST: Final = -62_135_596_800_000
_MOST: Final = 253_402_300_799_999
"""The first millisecond of the year 1 and the last of 9999: what a calendar holds."""


def iso(ms: int) -> str | None:
    """Return a time as text; None for 0, which stands for never."""
    return instant(ms) if ms else None


def instant(ms: int) -> str:
    """Return a time that is always there; one that no calendar holds becomes the nearest that one does."""
    moment = _EPOCH + timedelta(milliseconds=min(max(ms, _LEAST), _MOST))
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def milliseconds(moment: datetime) -> int:
    """Return a time with a zone as milliseconds since 1970."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)
