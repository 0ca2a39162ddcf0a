"""Commands of one station and of all, newest first, single ones; and what else a station reported."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from functools import partial

import msgspec

from shared.bus import keys
from shared.bus.lane import Lane
from shared.records.commands import CommandRecord, Commands, CommandState, made_at
from shared.records.history import Fact
from shared.records.packing import unpack

from .cursors import Position
from .reading import CHUNK, page_of, replies, station_of, walk


class CommandFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which commands; None and empty: all."""

    station_id: str = ""
    state: CommandState | None = None
    action: str = ""

    def takes(self, record: CommandRecord) -> bool:
        """Tell whether a command is wanted."""
        return (self.state is None or self.state == record.state) and (not self.action or self.action == record.action)


async def page(
    lane: Lane, wanted: CommandFilter, after: Position | None, limit: int
) -> tuple[list[CommandRecord], Position | None]:
    """Return up to `limit` commands behind `after`, newest first, and where to go on; None at the end."""
    source = _of_station(lane, wanted.station_id, after) if wanted.station_id else walk(lane, keys.COMMANDS, after)
    return await page_of(source, partial(_load, lane), wanted.takes, after, limit)


async def find(lane: Lane, command_id: str) -> CommandRecord | None:
    """Return a command by its id alone, or None. The id holds the time at which it stands in the index."""
    station_id = await station_of(lane, keys.COMMANDS, command_id, made_at(command_id))
    return None if station_id is None else await command(lane, station_id, command_id)


async def _of_station(lane: Lane, station_id: str, after: Position | None) -> AsyncIterator[list[Position]]:
    # What a station may have waiting and what is kept of its past are bounded: all of their ids are read.
    section, ended = await replies(
        lane, [("HGET", keys.state(station_id), "cm"), ("ZRANGE", keys.commands(station_id), 0, -1)]
    )
    ids = {name.decode() for name in ended}.union(_pending(section))
    places = sorted(((made_at(one), f"{station_id}/{one}".encode()) for one in ids), reverse=True)
    if after is not None:
        places = [place for place in places if place < (after.score, after.member.encode())]
    for begin in range(0, len(places), CHUNK):
        yield [Position(name.decode(), at) for at, name in places[begin : begin + CHUNK]]


async def _load(lane: Lane, positions: Sequence[Position]) -> list[CommandRecord | None]:
    pairs = [at.member.rpartition("/") for at in positions]
    found = await replies(lane, [("GET", keys.command(station, name)) for station, _, name in pairs])
    return [unpack(record, CommandRecord) if record is not None else None for record in found]


def _pending(section: bytes | None) -> list[str]:
    """Return the ids of what is outstanding and of what is queued, in that order."""
    commands = unpack(section, Commands) if section is not None else Commands()
    ids = [commands.outstanding.command_id] if commands.outstanding else []
    return ids + [queued.command_id for queued in commands.queue]


async def pending(lane: Lane, station_id: str) -> list[CommandRecord]:
    """Return the outstanding command of a station, then the queued ones in their order."""
    ids = _pending(await lane.one("HGET", keys.state(station_id), "cm"))
    found = await replies(lane, [("GET", keys.command(station_id, command_id)) for command_id in ids])
    return [unpack(record, CommandRecord) for record in found if record is not None]


async def command(lane: Lane, station_id: str, command_id: str) -> CommandRecord | None:
    """Return a command in whatever state, or None where the station has none of this id."""
    record = await lane.one("GET", keys.command(station_id, command_id))
    return unpack(record, CommandRecord) if record is not None else None


async def history(lane: Lane, station_id: str, after: str, limit: int) -> tuple[list[Fact], str]:
    """Return up to `limit` facts beside a station's present state, newest first, and the entry to go on behind."""
    found = await lane.one(
        "XREVRANGE", keys.history(station_id), f"({after}" if after else "+", "-", "COUNT", limit + 1
    )
    kept = [unpack(fields[1], Fact) for _, fields in found[:limit]]
    return kept, found[limit - 1][0].decode() if len(found) > limit else ""
