"""When an id tag may begin to charge: weekly windows of local time, and how people write them.

mon-fri 08:00-18:00; sat 09:00-12:00; sun 22:00-06:00      the last one ends on Monday
07:30-24:00                                                every day
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MINUTES: Final = 24 * 60
MAX_WINDOWS: Final = 50
_WINDOW: Final = re.compile(r"(?:(?P<days>[a-z,\s-]+?)\s+)?(?P<begin>\d\d:\d\d)\s*-\s*(?P<end>\d\d:\d\d)")


class Hours(msgspec.Struct, frozen=True, array_like=True):
    """One window: the days on which it begins (0: Monday), begin and end in minutes of local time.

    An end that is not after the begin is on the next day.
    """

    days: tuple[int, ...]
    begin: int
    end: int


class HoursError(ValueError):
    """A text that is no list of windows; says what is wrong."""


def parse(text: str) -> tuple[Hours, ...]:
    """Return the windows that a text names; raises `HoursError`."""
    parts = [part.strip().lower() for part in text.split(";") if part.strip()]
    if len(parts) > MAX_WINDOWS:
        raise HoursError(f"has more than {MAX_WINDOWS} windows")
    return tuple(_window(part) for part in parts)


def written(hours: Iterable[Hours]) -> str:
    """Return windows as `parse` reads them."""
    return "; ".join(_written(one) for one in hours)


def open_until(hours: Iterable[Hours], zone: str, at_ms: int) -> int:
    """Return when the window that is open at `at_ms` ends (ms); 0 where none is open.

    The last of several that are open counts. Windows are of the wall clock: one that a change of the clock falls into
    is an hour longer or shorter.
    """
    local = datetime.fromtimestamp(at_ms / 1000, zone_of(zone))
    ends = [end for one in hours for end in _ends(one, local)]
    return max(ends, default=0)


@lru_cache(maxsize=256)
def zone_of(name: str) -> tzinfo:
    """Return a time zone by its IANA name; UTC for one that is not known here."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def is_zone(name: str) -> bool:
    """Tell whether a name is that of a time zone."""
    return zone_of(name) is not zone_of("UTC") or name in ("UTC", "Etc/UTC")


def _ends(one: Hours, local: datetime) -> Iterable[int]:
    """Yield the end (ms) of each opening of a window that has begun today or yesterday and has not ended."""
    for back in (0, 1):
        midnight = (local - timedelta(days=back)).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        if midnight.weekday() not in one.days:
            continue
        begin = midnight + timedelta(minutes=one.begin)
        end = midnight + timedelta(minutes=one.end + (DAY_MINUTES if one.end <= one.begin else 0))
        # Wall clocks are compared: one zone's times without regard to their offsets.
        if begin.replace(tzinfo=None) <= local.replace(tzinfo=None) < end.replace(tzinfo=None):
            # Of an hour that comes twice the end is meant that is still to come.
            yield round(end.replace(fold=local.fold).timestamp() * 1000)


def _window(text: str) -> Hours:
    found = _WINDOW.fullmatch(text)
    if found is None:
        raise HoursError(f"{text[:40]!r} is no window; write it as `mon-fri 08:00-18:00`")
    begin, end = _minutes(found["begin"]), _minutes(found["end"])
    if begin == DAY_MINUTES:
        raise HoursError("a window begins at 23:59 at the latest; write 00:00 of the next day")
    return Hours(_days(found["days"]), begin, end)


def _minutes(text: str) -> int:
    hour, minute = int(text[:2]), int(text[3:])
    if minute > 59 or hour * 60 + minute > DAY_MINUTES:
        raise HoursError(f"{text} is no time of day")
    return hour * 60 + minute


def _days(text: str | None) -> tuple[int, ...]:
    if text is None:
        return tuple(range(7))
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = (name.strip() for name in part.partition("-"))
        if first not in DAYS or (last and last not in DAYS):
            raise HoursError(f"{part.strip()[:20]!r} is no day; there are {', '.join(DAYS)}, and spans such as mon-fri")
        begin, end = DAYS.index(first), DAYS.index(last or first)
        found.update((begin + n) % 7 for n in range((end - begin) % 7 + 1))
    return tuple(sorted(found))


def _written(one: Hours) -> str:
    clock = f"{one.begin // 60:02}:{one.begin % 60:02}-{one.end // 60:02}:{one.end % 60:02}"
    if len(one.days) == 7:
        return clock
    span = one.days[-1] - one.days[0] + 1 == len(one.days) > 2
    days = f"{DAYS[one.days[0]]}-{DAYS[one.days[-1]]}" if span else ",".join(DAYS[day] for day in one.days)
    return f"{days} {clock}"
