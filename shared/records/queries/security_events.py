"""Security events, newest first, and those that no station's commit writes."""

from __future__ import annotations

import msgspec

from shared.bus import keys
from shared.bus.lane import Command, Lane
from shared.records.events import SecurityEvent
from shared.records.packing import pack
from shared.records.security_events import SecurityRecord, Severity, Source, member, read

from .cursors import Position
from .reading import CHUNK, HIGHEST, LOWEST, page_of, replies, walk


class SecurityFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which events; empty: all. Times are ms, `until` is not included."""

    station_id: str = ""
    severity: Severity | None = None
    kind: str = ""
    source: Source | None = None
    since: int = 0
    until: int = 0

    def takes(self, record: SecurityRecord) -> bool:
        """Tell whether an event is wanted, whatever its time."""
        return (
            (not self.station_id or self.station_id == record.station_id)
            and (self.severity is None or self.severity == record.severity)
            and (not self.kind or self.kind == record.kind)
            and (self.source is None or self.source == record.source)
        )


async def page(
    lane: Lane, wanted: SecurityFilter, after: Position | None, limit: int
) -> tuple[list[SecurityRecord], Position | None]:
    """Return up to `limit` events behind `after`, newest first, and where to go on; None at the end."""
    high = wanted.until - 1 if wanted.until else HIGHEST

    async def load(positions: list[Position]) -> list[SecurityRecord | None]:
        return [read(at.member) for at in positions]

    source = walk(lane, keys.SECURITY, after, CHUNK, wanted.since or LOWEST, high)
    return await page_of(source, load, wanted.takes, after, limit)


def writing(records: list[SecurityRecord]) -> list[Command]:
    """Return the commands that keep events and announce them on the feed."""
    events = [
        SecurityEvent(
            station_id=one.station_id,
            at=one.at,
            id=one.id,
            kind=one.kind,
            reported_at=one.reported_at or one.at,
            info=one.info,
            severity=one.severity,
            source=one.source,
        )
        for one in records
    ]
    kept: list[Command] = [("ZADD", keys.SECURITY, one.at, member(one)) for one in records]
    return [*kept, ("XADD", keys.EVENTS, "*", "v", pack(events))]


async def write(lane: Lane, records: list[SecurityRecord]) -> None:
    """Keep events and announce them."""
    await replies(lane, writing(records))
