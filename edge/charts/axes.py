"""Where the axes have marks: round numbers, and round times of the reader's own zone."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, NamedTuple

MINUTES: Final = (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10080)
DAY: Final = 1440
LEAST: Final = 10.0
"""Where an axis ends on which there is nothing but zeros."""


class Mark(NamedTuple):
    """A mark on the axis of time: the time of the day, and the day where it is another than at the mark before."""

    at: int
    clock: str
    day: str


def top(most: float, marks: int = 5) -> tuple[float, float]:
    """Return where an axis of values from 0 ends, and the distance of its marks: 1, 2 or 5 times a power of ten."""
    if most <= 0:
        most = LEAST
    rough = most / marks
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    return math.ceil(most / step - 1e-9) * step, step


def times(since: int, until: int, zone: tzinfo, most: int = 12) -> list[Mark]:
    """Return marks at round times by the clocks of `zone`, at most about `most`; across a change of clocks too."""
    span = (until - since) / 60_000
    minutes = next((one for one in MINUTES if span / one <= most), MINUTES[-1])
    first = datetime.fromtimestamp(since / 1000, UTC).astimezone(zone)
    wall = first.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    found: list[Mark] = []
    day = ""
    while True:
        moment = wall.replace(tzinfo=zone)
        at = round(moment.timestamp() * 1000)
        if at >= until:
            return found
        # Where clocks go forward a wall time does not exist: what it stands for is another mark already.
        exists = datetime.fromtimestamp(at / 1000, UTC).astimezone(zone).replace(tzinfo=None) == wall
        if at >= since and exists:
            today = f"{wall.day} {wall:%b}"
            found.append(Mark(at, "" if minutes >= DAY else f"{wall:%H:%M}", today if today != day else ""))
            day = today
        wall += timedelta(minutes=minutes)


def offset(at: int, zone: tzinfo) -> str:
    """Return how far a zone is from UTC at a moment, e.g. `UTC+1`."""
    away = datetime.fromtimestamp(at / 1000, UTC).astimezone(zone).utcoffset() or timedelta()
    minutes = round(away.total_seconds() / 60)
    hours, rest = divmod(abs(minutes), 60)
    sign = "-" if minutes < 0 else "+"
    return "UTC" if not minutes else f"UTC{sign}{hours}" + (f":{rest:02}" if rest else "")


def moment(at: int, zone: tzinfo) -> str:
    """Return a moment for a title, to the minute."""
    return datetime.fromtimestamp(at / 1000, UTC).astimezone(zone).strftime("%Y-%m-%d %H:%M")
