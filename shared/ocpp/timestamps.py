"""What stations write as time, to milliseconds since the epoch (UTC), and back.

Real stations leave out the zone or an offset's minutes, never set their clock, or label local time as UTC (quirks 4 to
7). Nothing here raises for what a station wrote: `ms` is None where nothing could be read, and the time of receipt
takes its place. Whether a label is a lie cannot be seen here, only that the time is far from ours.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final, NamedTuple

from shared.ocpp.quirks import make_flag

MAX_AGE_MS: Final = 366 * 24 * 3600 * 1000
"""Older than this is implausible: no station queues for longer, but one that was off-line for months replays."""
MAX_AHEAD_MS: Final = 24 * 3600 * 1000
"""Further in the future than this is implausible: more than any wrongly labelled zone (UTC+14) makes."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_FIRST_MS: Final = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MILLISECOND
_LAST_MS: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MILLISECOND
_NO_FLAGS: Final[frozenset[str]] = frozenset()
_ISO: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)([Tt ])(\d\d):(\d\d)(?::(\d\d)(?:([.,])(\d+))?)?(?:([Zz])|([+-])(\d\d)(?:(:?)(\d\d))?)?",
    re.ASCII,
)
_SECONDS: Final = re.compile(r"\d{9,10}", re.ASCII)
_MILLISECONDS: Final = re.compile(r"\d{12,13}", re.ASCII)
_MAX_LENGTH: Final = 64


class StationTime(NamedTuple):
    """A time as a station wrote it: milliseconds since the epoch (UTC), None where unreadable, and its flags."""

    ms: int | None
    flags: frozenset[str]


def read_time(text: str, now_ms: int, default_tz: tzinfo = UTC, field: str = "timestamp") -> StationTime:
    """Read a station's time; `default_tz` is used where it has no zone, `now_ms` judges whether it is plausible.

    `field` goes into the flags (`no_zone:timestamp`). Fractions below a millisecond are cut off. Costs about 1 µs.
    """
    quirks: tuple[str, ...] = ()
    ms = _read_fast(text)
    if ms is None:
        ms, quirks = _read_any(text[: _MAX_LENGTH + 1].strip(), default_tz)
    if ms is not None and -MAX_AGE_MS <= ms - now_ms <= MAX_AHEAD_MS and not quirks:
        return StationTime(ms, _NO_FLAGS)
    if ms is not None and not -MAX_AGE_MS <= ms - now_ms <= MAX_AHEAD_MS:
        quirks = (*quirks, "implausible")
    return StationTime(ms, frozenset(make_flag(quirk, field) for quirk in quirks))


def format_time(ms: int) -> str:
    """Return a time as every station reads it: `2024-05-06T07:08:09.010Z` (quirk 7).

    Raises OverflowError outside the years 1 to 9999.
    """
    return (_EPOCH + timedelta(milliseconds=ms)).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def _read_fast(text: str) -> int | None:
    """Read the forms with Z that nearly all stations send, None for any other."""
    if len(text) in (20, 24) and text[-1] == "Z" and text[10] == "T":
        try:
            return (datetime.fromisoformat(text) - _EPOCH) // _MILLISECOND
        except ValueError:
            return None
    return None


def _read_any(text: str, default_tz: tzinfo) -> tuple[int | None, tuple[str, ...]]:
    """Read any form of ISO 8601 with date and time, or the seconds since the epoch; return it with its quirks."""
    match = _ISO.fullmatch(text) if len(text) <= _MAX_LENGTH else None
    if match is None:
        return _read_number(text)
    year, month, day, separator, hour, minute, second, point, fraction, zulu, sign, off_h, colon, off_m = match.groups()
    quirks = []
    if separator == " " or second is None or point == "," or colon == "":
        quirks.append("loose_time")
    # A leap second, which datetime does not know, counts as the one before it.
    seconds = min(int(second or 0), 59)
    micro = int((fraction or "").ljust(6, "0")[:6])
    zone: tzinfo = UTC
    if sign is not None:
        if off_m is None:
            quirks.append("short_offset")
        offset = timedelta(hours=int(off_h), minutes=int(off_m or 0))
        if offset >= timedelta(hours=24):
            return None, ("unreadable_time",)
        zone = timezone(-offset if sign == "-" else offset)
    elif zulu is None:
        quirks.append("no_zone")
        zone = default_tz
    try:
        time = datetime(int(year), int(month), int(day), int(hour), int(minute), seconds, micro, tzinfo=zone)
        # The zone may carry the first and last day out of the years that can be written.
        return min(max((time - _EPOCH) // _MILLISECOND, _FIRST_MS), _LAST_MS), tuple(quirks)
    except (ValueError, OverflowError):
        return None, ("unreadable_time",)


def _read_number(text: str) -> tuple[int | None, tuple[str, ...]]:
    if _SECONDS.fullmatch(text):
        return int(text) * 1000, ("loose_time",)
    if _MILLISECONDS.fullmatch(text):
        return int(text), ("loose_time",)
    return None, ("unreadable_time",)
