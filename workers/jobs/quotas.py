"""What a full Redis would choke on, kept within its quotas: events, quarantine, stations' histories.

A station's commit bounds its own quarantine in bytes and its history in entries; here is what takes a look at all of
them. Quarantine belongs to a station's state, so its frames leave by a request on the uplink, like an operator's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from shared.bus import keys
from shared.bus.lane import Command, Lane
from shared.logs import get_logger
from shared.records.queries.reading import replies
from shared.records.requests import DropQuarantined
from shared.settings import Settings
from workers.uplinks import append, asking

log = get_logger(__name__)

AT_ONCE: Final = 500
SHARE: Final = 0.9
"""What is too large is cut to this share of its quota, so that it is not too large again at once."""
PART: Final = 10_000
"""Entries that leave in one command."""
BY: Final = "quota"


async def trim_events(ctx: dict[Any, Any]) -> int:
    """Drop events that are older than the retention, and the oldest while the stream is too large."""
    lane: Lane = ctx["lane"]
    settings: Settings = ctx["settings"]
    seconds, _ = await lane.one("TIME")
    oldest = (int(seconds) - settings.event_retention_s) * 1000
    removed = await _trim(lane, keys.EVENTS, "MINID", f"{max(oldest, 0)}-0")
    return removed + await _cut(lane, keys.EVENTS, settings.event_max_bytes)


async def trim_quarantine(ctx: dict[Any, Any]) -> int:
    """Ask for the oldest frames to be dropped where quarantine is too large in total; returns for how many."""
    lane: Lane = ctx["lane"]
    quota = ctx["settings"].quarantine_total_bytes
    size, surplus = 0, list[str]()
    async for members in _newest_first(lane, keys.QUARANTINE):
        pairs = [member.rpartition("/") for member in members]
        sizes = await replies(lane, [("HSTRLEN", keys.quarantine(station), name) for station, _, name in pairs])
        for member, one in zip(members, sizes, strict=True):
            size += int(one)
            if size > quota:
                surplus.append(member)
    for begin in range(0, len(surplus), AT_ONCE):
        await replies(lane, [_drop(member, ctx["partitions"]) for member in surplus[begin : begin + AT_ONCE]])
    if surplus:
        log.warning("quarantine is full; its oldest frames leave", frames=len(surplus), bytes=size, quota=quota)
    return len(surplus)


async def trim_histories(ctx: dict[Any, Any]) -> int:
    """Cut histories that are too large, each or together; returns how many facts left."""
    lane: Lane = ctx["lane"]
    settings: Settings = ctx["settings"]
    sizes: dict[str, int] = {}
    cursor = b"0"
    while True:
        cursor, pairs = await lane.one("ZSCAN", keys.STATIONS, cursor, "COUNT", AT_ONCE)
        names = [name.decode() for name in pairs[::2]]
        found = await replies(lane, [("MEMORY", "USAGE", keys.history(name)) for name in names])
        sizes.update((name, int(size)) for name, size in zip(names, found, strict=True) if size)
        if cursor == b"0":
            break
    level = min(settings.history_station_bytes, water_level(list(sizes.values()), settings.history_total_bytes))
    return sum([await _cut(lane, keys.history(name), level) for name, size in sizes.items() if size > level])


def water_level(sizes: Sequence[int], total: int) -> int:
    """Return the size to which the largest must be cut so that all fit into `total`; at least the largest's if they do.

    The small keep what they have, the large give: a few stations that report without end cost the others nothing.
    """
    left = total
    ordered = sorted(sizes)
    for number, size in enumerate(ordered):
        share = left // (len(ordered) - number)
        if size > share:
            return share
        left -= size
    return max(total, 0)


async def _cut(lane: Lane, stream: str, quota: int) -> int:
    """Drop the oldest entries of a stream that takes more bytes than its quota."""
    size = int(await lane.one("MEMORY", "USAGE", stream) or 0)
    if size <= quota:
        return 0
    length = int(await lane.one("XLEN", stream))
    return await _trim(lane, stream, "MAXLEN", int(length * SHARE * quota / size))


async def _trim(lane: Lane, stream: str, by: str, threshold: str | int) -> int:
    """Trim whole nodes of the stream a part at a time, for Redis serves nobody meanwhile, then the rest exactly."""
    removed = 0
    while some := int(await lane.one("XTRIM", stream, by, "~", threshold, "LIMIT", PART)):
        removed += some
    return removed + int(await lane.one("XTRIM", stream, by, threshold))


async def _newest_first(lane: Lane, index: str) -> AsyncIterator[list[str]]:
    """Yield an index's members from the highest score down; one that is added meanwhile shifts one into the next."""
    begin = 0
    while members := await lane.one("ZRANGE", index, begin, begin + AT_ONCE - 1, "REV"):
        yield [member.decode() for member in members]
        begin += len(members)


def _drop(member: str, partitions: int) -> Command:
    station, _, frame = member.rpartition("/")
    request = DropQuarantined(request_id=f"{BY}:{member}", by=BY, quarantine_id=frame)
    return append(asking(station, request), partitions)
