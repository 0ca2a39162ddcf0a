"""The past of a site's circuits and stations, from its stream of minutes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import msgspec

from shared.bus import keys
from shared.bus.lane import Lane
from shared.records.packing import unpack
from shared.records.site_history import Point

CHUNK: Final = 50
"""Minutes read at once: a minute of a site with 1,000 stations is 40 kB, and looking through it holds the loop."""


class Past(msgspec.Struct, frozen=True):
    """One circuit or station over time: `points[n]` is of the minute that began at `at[n]` (ms); None: not known."""

    at: list[int]
    points: list[Point | None]
    voltage: int = 230


class _Circuits(msgspec.Struct, frozen=True):
    """The part of a `Minute` that is asked for: of what is not named, nothing is made."""

    at: int
    voltage: int = 230
    circuits: dict[str, msgspec.Raw] = {}


class _Stations(msgspec.Struct, frozen=True):
    at: int
    voltage: int = 230
    stations: dict[str, msgspec.Raw] = {}


async def of_circuit(lane: Lane, site: str, circuit: str, since: int, until: int) -> Past:
    """Return a circuit's minutes from `since` to before `until` (ms), oldest first; None where it was not there."""
    at: list[int] = []
    points: list[Point | None] = []
    voltage = 230
    async for data in _minutes(lane, site, since, until):
        minute = unpack(data, _Circuits)
        raw = minute.circuits.get(circuit)
        at.append(minute.at)
        points.append(None if raw is None else unpack(bytes(raw), Point))
        voltage = minute.voltage
    return Past(at, points, voltage)


async def of_station(lane: Lane, site: str, station_id: str, since: int, until: int) -> Past:
    """Return a station's minutes; where it had no transaction, its point has no limit and draws nothing.

    `shared.records.queries.sites.site_of` names its site.
    """
    at: list[int] = []
    points: list[Point | None] = []
    voltage = 230
    async for data in _minutes(lane, site, since, until):
        minute = unpack(data, _Stations)
        raw = minute.stations.get(station_id)
        at.append(minute.at)
        points.append(Point() if raw is None else unpack(bytes(raw), Point))
        voltage = minute.voltage
    return Past(at, points, voltage)


async def _minutes(lane: Lane, site: str, since: int, until: int) -> AsyncIterator[bytes]:
    after = str(max(since, 0))
    while True:
        entries = await lane.one("XRANGE", keys.site_history(site), after, f"({until}", "COUNT", CHUNK)
        for entry_id, fields in entries:
            yield fields[1]
            after = f"({entry_id.decode()}"
        if len(entries) < CHUNK:
            return
        await asyncio.sleep(0)
