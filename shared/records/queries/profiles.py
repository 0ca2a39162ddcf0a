"""The library of charging profiles, and the profiles of a station: their reads, and the library's writes."""

from __future__ import annotations

import msgspec

from shared.bus import keys
from shared.bus.lane import Lane
from shared.bus.scripts import SWAP_RECORD
from shared.records.commands import Commands
from shared.records.configuration import Snapshot
from shared.records.packing import pack, unpack
from shared.records.profiles import LibraryProfile, Limits
from shared.records.transactions import Charging

from .reading import names, replies


class StationProfiles(msgspec.Struct, frozen=True):
    """What is known about the limits of a station."""

    limits: Limits
    commands: Commands
    charging: Charging
    snapshot: Snapshot | None


async def page(lane: Lane, after: str, limit: int) -> tuple[list[LibraryProfile], str]:
    """Return up to `limit` profiles of the library by name behind `after`, and the name to go on behind."""
    found = await names(lane, keys.PROFILES, "", after, limit + 1)
    packed = await replies(lane, [("GET", keys.profile(name)) for name in found[:limit]])
    records = [unpack(data, LibraryProfile) for data in packed if data is not None]
    return records, found[limit - 1] if len(found) > limit else ""


async def profile(lane: Lane, name: str) -> LibraryProfile | None:
    """Return a profile of the library, or None."""
    data = await lane.one("GET", keys.profile(name))
    return None if data is None else unpack(data, LibraryProfile)


async def put(lane: Lane, record: LibraryProfile) -> LibraryProfile:
    """Write a profile as the version after the one that is there, and return it as written."""
    while True:
        data = await lane.one("GET", keys.profile(record.name))
        version = 1 if data is None else unpack(data, LibraryProfile).version + 1
        written = msgspec.structs.replace(record, version=version)
        swap = SWAP_RECORD.command(keys=[keys.profile(record.name)], args=[data or b"", pack(written)])
        # The name goes in either way: one without a record is passed over.
        done, _ = await replies(lane, [swap, ("ZADD", keys.PROFILES, 0, record.name)])
        if done:
            return written


async def delete(lane: Lane, name: str) -> bool:
    """Remove a profile from the library; False where it was not there. Stations keep what they have."""
    _, deleted = await replies(lane, [("ZREM", keys.PROFILES, name), ("DEL", keys.profile(name))])
    return bool(deleted)


async def of_station(lane: Lane, station_id: str) -> StationProfiles:
    """Return a station's profiles, and what they are judged by."""
    sections, snapshot = await replies(
        lane,
        [("HMGET", keys.state(station_id), "sc", "cm", "ch"), ("GET", keys.configuration(station_id))],
    )
    limits, commands, charging = sections
    return StationProfiles(
        unpack(limits, Limits) if limits else Limits(),
        unpack(commands, Commands) if commands else Commands(),
        unpack(charging, Charging) if charging else Charging(),
        unpack(snapshot, Snapshot) if snapshot else None,
    )
