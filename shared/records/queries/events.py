"""The event stream behind a position, and whether something was lost in between.

A position is `<stream id>.<number>`: the event at that place was the last one seen. The stream is trimmed by age and
size; who asks for what was trimmed is told so (`gap`).
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

import hiredis
import msgspec

from shared.bus import keys
from shared.bus.lane import Lane
from shared.records.packing import unpack

FIELD: Final = b"v"
_SHAPE: Final = re.compile(r"([0-9]{1,16})-([0-9]{1,16})(?:\.([0-9]{1,9}))?")
WHOLE: Final = 999_999_999
"""A number behind every event of an entry."""


class EventPosition(NamedTuple):
    """The place of an event; positions compare in the order of the stream."""

    ms: int
    seq: int
    number: int

    @property
    def entry(self) -> tuple[int, int]:
        """The stream entry."""
        return (self.ms, self.seq)

    def __str__(self) -> str:
        return f"{self.ms}-{self.seq}.{self.number}"

    @classmethod
    def parse(cls, text: str) -> EventPosition:
        """Read `<stream id>.<number>`, or `<stream id>` for the end of that entry; raises ValueError."""
        if text == "0":
            return BEGINNING
        found = _SHAPE.fullmatch(text)
        if found is None:
            raise ValueError("is no position: it must be `<ms>-<n>.<n>`, or `0` for the beginning")
        return cls(int(found[1]), int(found[2]), int(found[3]) if found[3] else WHOLE)


BEGINNING: Final = EventPosition(0, 0, WHOLE)


class EventEntry(NamedTuple):
    """One entry of the stream: the events of a batch, packed."""

    ms: int
    seq: int
    events: list[msgspec.Raw]


class Following(NamedTuple):
    """What stands behind a position; `gap`: events between it and the first entry here were trimmed or lost."""

    entries: list[EventEntry]
    gap: bool


def read_entry(entry_id: bytes, fields: list[bytes]) -> EventEntry:
    """Turn a stream entry as Redis gives it into its events; one that nobody of ours wrote has none."""
    ms, _, seq = entry_id.partition(b"-")
    try:
        events = unpack(dict(zip(fields[::2], fields[1::2], strict=True))[FIELD], list[msgspec.Raw])
    except (KeyError, msgspec.MsgspecError):
        events = []
    return EventEntry(int(ms), int(seq), events)


async def tail(lane: Lane) -> EventPosition:
    """Return the position of the newest event, seen whole."""
    (info,) = await lane.execute([("XINFO", "STREAM", keys.EVENTS)])
    return EventPosition(*_last_id(info), WHOLE)


async def following(lane: Lane, position: EventPosition, count: int) -> Following:
    """Return up to `count` entries from the one at `position` on: the caller skips what it has seen of it."""
    ranged, first, info = await lane.execute(
        [
            ("XRANGE", keys.EVENTS, f"{position.ms}-{position.seq}", "+", "COUNT", count),
            ("XRANGE", keys.EVENTS, "-", "+", "COUNT", 1),
            ("XINFO", "STREAM", keys.EVENTS),
        ]
    )
    for reply in (ranged, first):
        if isinstance(reply, hiredis.ReplyError):
            raise reply
    last = _last_id(info)
    if position.entry > last:
        # A position that this stream has not reached: it was begun anew, so everything in it is new to the reader.
        return Following([read_entry(*entry) for entry in await _from_start(lane, count)], gap=True)
    oldest = read_entry(*first[0]) if first else None
    lost = position.entry < ((oldest.ms, oldest.seq) if oldest else last)
    return Following([read_entry(*entry) for entry in ranged], gap=lost and position != BEGINNING)


async def _from_start(lane: Lane, count: int) -> list[Any]:
    return list(await lane.one("XRANGE", keys.EVENTS, "-", "+", "COUNT", count))


def _last_id(info: Any) -> tuple[int, int]:
    """Return the last id that the stream gave; (0, 0) where there is no stream."""
    if isinstance(info, hiredis.ReplyError):
        return (0, 0)
    ms, _, seq = info[info.index(b"last-generated-id") + 1].partition(b"-")
    return (int(ms), int(seq))
