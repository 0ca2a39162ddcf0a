"""The past of a site's circuits and stations, from its stream of minutes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec

from shared.bus import keys
from shared.bus.lane import Lane
from shared.records.packing import unpack
from shared.records.site_history import MINUTE_MS, Minute, Point

CHUNK: Final = 500
"""Minutes read at once: decoding them holds the event loop."""


class Past(msgspec.Struct, frozen=True):
    """One circuit or station over time: `points[n]` is of the minute that began at `at[n]` (ms); None: not known."""

    at: list[int]
    points: list[Point | None]
    voltage: int = 230


async def of_circuit(lane: Lane, site: str, circuit: str, since: int, until: int, most: int = 1500) -> Past:
    """Return a circuit's minutes from `since` to before `until` (ms), evenly thinned out to `most`."""
    return _past(await minutes(lane, site, since, until, most), lambda one: one.circuits.get(circuit))


async def of_station(lane: Lane, site: str, station_id: str, since: int, until: int, most: int = 1500) -> Past:
    """Return a station's minutes; `shared.records.queries.sites.site_of` names its site."""
    return _past(await minutes(lane, site, since, until, most), lambda one: one.stations.get(station_id, Point()))


async def minutes(lane: Lane, site: str, since: int, until: int, most: int = 1500) -> list[Minute]:
    """Return a site's minutes from `since` to before `until` (ms), oldest first, evenly thinned out to `most`."""
    step = max(-(-(until - since) // MINUTE_MS) // max(most, 1), 1)
    found: list[Minute] = []
    after, seen = str(max(since, 0)), 0
    while True:
        entries = await lane.one("XRANGE", keys.site_history(site), after, f"({until}", "COUNT", CHUNK)
        for entry_id, fields in entries:
            if seen % step == 0:
                found.append(unpack(fields[1], Minute))
            seen += 1
            after = f"({entry_id.decode()}"
        if len(entries) < CHUNK:
            return found
        await asyncio.sleep(0)


def _past(found: list[Minute], of: Callable[[Minute], Point | None]) -> Past:
    return Past([one.at for one in found], [of(one) for one in found], found[-1].voltage if found else 230)
