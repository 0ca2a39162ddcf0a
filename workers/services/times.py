"""A station's own times, read with its zone; what deviates is flagged, nothing is refused for it (quirk 4 to 6)."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from functools import lru_cache

from shared.ocpp.timestamps import format_time, read_time
from workers.store.draft import Draft


def read(draft: Draft, text: str | None, field: str = "timestamp") -> int:
    """Return a station's time in ms since 1970 UTC; 0 where it gave none or none that can be read."""
    if not text:
        return 0
    station = draft.station
    zone = (station.time_zone if station is not None else "") or draft.policy.default_time_zone
    time = read_time(text, draft.origin.received_at, zone_of(zone), field)
    for flag in time.flags:
        draft.flag(*flag.split(":", 1))
    return time.ms or 0


def now_text(draft: Draft) -> str:
    """Return the decision's time as every station reads it."""
    return format_time(draft.now)


@lru_cache(maxsize=1024)
def zone_of(name: str) -> dt.tzinfo:
    """Return the zone of an IANA name; UTC for one that this machine does not know."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return dt.UTC
