"""Maintenance windows: when something may be begun, in local time of a zone, through changes of summer time too.

    Windows((Window(begin=22 * 60, end=5 * 60),), "Europe/Berlin")      each night from 22:00 to 05:00
    Windows((Window(days=(5, 6), begin=0, end=24 * 60),))               the whole weekend, UTC

Where the clocks go forward a window that lies in the hour that is not is that hour shorter; where they go back it is
that hour longer: what counts is what the clock on the wall says.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY: Final = 24 * 60
LOOK_MINUTES: Final = 15 * DAY
"""How far ahead the next opening is looked for."""
_CLOCK: Final = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)|24:00")


class Window(msgspec.Struct, frozen=True, array_like=True):
    """From `begin` to `end` (minutes of the day), on these days (0: Monday; empty: all).

    One that ends at or before it begins goes on into the next day, and belongs to the day on which it begins.
    """

    days: tuple[int, ...] = ()
    begin: int = 0
    end: int = DAY

    def holds(self, day: int, minute: int) -> bool:
        """Tell whether it is open at a minute of a day of the week."""
        if self.begin < self.end:
            return self._on(day) and self.begin <= minute < self.end
        return (self._on(day) and minute >= self.begin) or (self._on((day - 1) % 7) and minute < self.end)

    def _on(self, day: int) -> bool:
        return not self.days or day in self.days


class Windows(msgspec.Struct, frozen=True, array_like=True):
    """Some windows; none at all: always."""

    windows: tuple[Window, ...] = ()
    zone: str = "UTC"

    def is_open(self, at: int) -> bool:
        """Tell whether something may begin at `at` (ms since 1970)."""
        if not self.windows:
            return True
        local = datetime.fromtimestamp(at / 1000, UTC).astimezone(zone_of(self.zone))
        minute = local.hour * 60 + local.minute
        return any(window.holds(local.weekday(), minute) for window in self.windows)

    def changes_at(self, at: int) -> int:
        """Return when they open or close next (ms), looked for a fortnight ahead; 0: not in that time."""
        if not self.windows:
            return 0
        minute = at // 60_000
        return _change(self, minute) * 60_000


@lru_cache(maxsize=256)
def _change(windows: Windows, minute: int) -> int:
    now = windows.is_open(minute * 60_000)
    for ahead in range(1, LOOK_MINUTES):
        if windows.is_open((minute + ahead) * 60_000) != now:
            return minute + ahead
    return 0


def parse_window(text: str) -> Window:
    """Return the window of `[days ]HH:MM-HH:MM`, days as `mon-fri` or `sat,sun`; raises ValueError in words."""
    head, _, tail = text.strip().lower().rpartition(" ")
    begin, dash, end = tail.partition("-")
    if not dash:
        raise ValueError(f"{text!r} is no window; write e.g. `mon-fri 22:00-05:00`")
    return Window(_days(head), _minutes(begin), _minutes(end))


def written(window: Window) -> str:
    """Return a window as `parse_window` reads it."""
    days = ",".join(DAYS[day] for day in window.days)
    return f"{days} {_clock(window.begin)}-{_clock(window.end)}".strip()


@lru_cache(maxsize=64)
def zone_of(name: str) -> ZoneInfo:
    """Return a time zone by its IANA name; raises ValueError."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name!r} is no time zone; write e.g. Europe/Berlin") from None


def _days(text: str) -> tuple[int, ...]:
    found: set[int] = set()
    for part in filter(None, (one.strip() for one in text.split(","))):
        first, _, last = part.partition("-")
        if first not in DAYS or (last and last not in DAYS):
            raise ValueError(f"{part!r} is no day; there are {', '.join(DAYS)}")
        begin, end = DAYS.index(first), DAYS.index(last or first)
        found.update((begin + n) % 7 for n in range((end - begin) % 7 + 1))
    return tuple(sorted(found))


def _minutes(text: str) -> int:
    found = _CLOCK.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no time of the day; write e.g. 22:00")
    return DAY if found[1] is None else int(found[1]) * 60 + int(found[2])


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"
