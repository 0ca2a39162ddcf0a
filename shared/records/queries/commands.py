"""What is queued for a station, what is outstanding, single commands; and what else a station reported."""

from __future__ import annotations

from shared.bus import keys
from shared.bus.lane import Lane
from shared.records.commands import CommandRecord, Commands
from shared.records.history import Fact
from shared.records.packing import unpack

from .reading import replies


async def pending(lane: Lane, station_id: str) -> list[CommandRecord]:
    """Return the outstanding command of a station, then the queued ones in their order."""
    section = await lane.one("HGET", keys.state(station_id), "cm")
    if section is None:
        return []
    commands = unpack(section, Commands)
    ids = [commands.outstanding.command_id] if commands.outstanding else []
    ids += [queued.command_id for queued in commands.queue]
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
