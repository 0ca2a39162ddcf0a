"""Frames that nobody understood, newest first."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import Final

import msgspec

from shared.bus import keys
from shared.bus.lane import Lane
from shared.records.packing import unpack
from shared.records.quarantine import Quarantined

from .cursors import Position
from .reading import CHUNK, SCAN_BUDGET, page_of, replies, walk

_ID: Final = re.compile(r"[0-9]{1,5}-([0-9]{1,15})-[0-9]{1,20}")


class QuarantineFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which frames; empty: all."""

    station_id: str = ""
    reason: str = ""
    action: str = ""

    def takes(self, frame: Quarantined) -> bool:
        """Tell whether a frame is wanted."""
        return (not self.reason or self.reason == frame.reason) and (not self.action or self.action == frame.action)


async def page(
    lane: Lane, wanted: QuarantineFilter, after: Position | None, limit: int
) -> tuple[list[Quarantined], Position | None]:
    """Return up to `limit` frames behind `after`, newest first, and where to go on; None at the end."""
    if wanted.station_id:
        return await _of_station(lane, wanted, after, limit)
    return await page_of(walk(lane, keys.QUARANTINE, after), partial(_load, lane), wanted.takes, after, limit)


async def frame(lane: Lane, quarantine_id: str) -> Quarantined | None:
    """Return one frame, or None. Its id holds the time of its receipt, and so its place in the index."""
    shape = _ID.fullmatch(quarantine_id)
    if shape is None:
        return None
    received = shape[1]
    suffix = f"/{quarantine_id}".encode()
    around = await lane.one("ZRANGE", keys.QUARANTINE, received, received, "BYSCORE")
    found = [member for member in around if member.endswith(suffix)] or await _search(lane, suffix)
    return (await _load(lane, [Position(found[0].decode())]))[0] if found else None


async def _search(lane: Lane, suffix: bytes) -> list[bytes]:
    """Look through the index, bounded, for frames that stand there under another time than their id's."""
    cursor: bytes | int = 0
    pattern = b"*" + suffix
    for _ in range(SCAN_BUDGET // CHUNK):
        cursor, found = await lane.one("ZSCAN", keys.QUARANTINE, cursor, "MATCH", pattern, "COUNT", CHUNK)
        if found or int(cursor) == 0:
            return list(found[:1])
    return []


async def _load(lane: Lane, positions: Sequence[Position]) -> list[Quarantined | None]:
    pairs = [at.member.rpartition("/") for at in positions]
    found = await replies(lane, [("HGET", keys.quarantine(station), name) for station, _, name in pairs])
    return [unpack(record, Quarantined) if record is not None else None for record in found]


async def _of_station(
    lane: Lane, wanted: QuarantineFilter, after: Position | None, limit: int
) -> tuple[list[Quarantined], Position | None]:
    # A station's quarantine has a byte quota: all of it can be read at once.
    packed = await lane.one("HVALS", keys.quarantine(wanted.station_id))
    frames = [found for found in (unpack(record, Quarantined) for record in packed) if wanted.takes(found)]
    frames.sort(key=lambda found: (found.received_at, found.quarantine_id), reverse=True)
    if after is not None:
        frames = [found for found in frames if (found.received_at, found.quarantine_id) < (after.score, after.member)]
    kept = frames[:limit]
    if len(frames) <= limit:
        return kept, None
    return kept, Position(kept[-1].quarantine_id, kept[-1].received_at)
