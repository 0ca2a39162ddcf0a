"""What a round looks at, read in three round trips: the site and its memory, its stations, their meters."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec

from shared.bus import keys
from shared.bus.clock import ms_of
from shared.bus.lane import Command, Lane
from shared.records.configuration import Snapshot
from shared.records.packing import unpack
from shared.records.profiles import Limits
from shared.records.queries.reading import replies
from shared.records.queries.sites import loads_of
from shared.records.sites import LoadReading, Site
from shared.records.stations import Connectors, SessionRecord, StationRecord
from shared.records.transactions import Charging, Reading
from shared.smartcharging.validation import StationLimits
from workers.services.smartcharging.taking import takes as takes_of

from .knowing import Run
from .seeing import Seen

CHUNK: Final = 100
"""Stations decoded before others get their turn: a worker carries frames too."""
SECTIONS: Final = ("st", "se", "co", "ch", "sc")
READINGS: Final = 3
"""Newest readings of a transaction that are looked at: one may tell of energy alone."""
TAKES_S: Final = 300.0
"""What a station takes is read from its configuration so often."""


class Held(msgspec.Struct, frozen=True):
    """A site, and what is kept of it; `packed` is the document as it was read."""

    site: Site
    packed: bytes
    run: Run
    loads: dict[str, LoadReading]
    now: int


class Reader:
    """Reads for all sites of a worker; remembers for a while what stations take."""

    def __init__(self, lane: Lane, clock: Callable[[], float]) -> None:
        self._lane = lane
        self._clock = clock
        self._takes: dict[str, tuple[float, StationLimits]] = {}

    async def site(self, name: str) -> Held | None:
        """Return a site and what is kept of it; None where it is not there."""
        data, run, loads, time = await replies(
            self._lane,
            [("GET", keys.site(name)), ("GET", keys.site_run(name)), ("HGETALL", keys.site_loads(name)), ("TIME",)],
        )
        if data is None:
            return None
        now = ms_of(time)
        return Held(unpack(data, Site), data, unpack(run, Run) if run else Run(), loads_of(loads), now)

    async def stations(self, names: Iterable[str]) -> dict[str, Seen]:
        """Return each station as its records say."""
        every = list(dict.fromkeys(names))
        now = self._clock()
        self._takes = {name: kept for name, kept in self._takes.items() if kept[0] > now}
        found: dict[str, Seen] = {}
        for begin in range(0, len(every), CHUNK):
            found |= await self._some(every[begin : begin + CHUNK])
            await asyncio.sleep(0)
        return found

    async def _some(self, names: Sequence[str]) -> dict[str, Seen]:
        now = self._clock()
        stale = [name for name in names if self._takes.get(name, (0.0, None))[0] <= now]
        commands: list[Command] = [("HMGET", keys.state(name), *SECTIONS) for name in names]
        commands += [("GET", keys.configuration(name)) for name in stale]
        answers = await replies(self._lane, commands)
        for name, snapshot in zip(stale, answers[len(names) :], strict=True):
            packed = answers[names.index(name)][0]
            record = unpack(packed, StationRecord) if packed else None
            self._takes[name] = (now + TAKES_S, takes_of(record, unpack(snapshot, Snapshot) if snapshot else None))
        seen = {name: _seen(sections, self._takes[name][1]) for name, sections in zip(names, answers, strict=False)}
        await self._meters(seen)
        return seen

    async def _meters(self, seen: dict[str, Seen]) -> None:
        """Read the newest samples of every transaction that is open."""
        open_ones = [
            (name, transaction.transaction_id)
            for name, one in seen.items()
            for transaction in one.running.values()
            if transaction.sample_count
        ]
        commands: list[Command] = [
            ("XREVRANGE", keys.meter(name, number), "+", "-", "COUNT", READINGS) for name, number in open_ones
        ]
        if not commands:
            return
        for (name, number), entries in zip(open_ones, await replies(self._lane, commands), strict=True):
            readings = (unpack(fields[1], Reading) for _, fields in entries)
            newest = sorted(readings, key=lambda one: one.taken_at, reverse=True)
            seen[name].readings[number] = tuple(newest)


def _seen(sections: Sequence[Any], takes: StationLimits) -> Seen:
    station, session, connectors, charging, limits = sections
    record = unpack(station, StationRecord) if station else None
    socket = unpack(session, SessionRecord) if session else SessionRecord()
    ends = unpack(connectors, Connectors).by_id if connectors else {}
    open_ones = unpack(charging, Charging).open.values() if charging else ()
    return Seen(
        known=record is not None,
        online=record is not None and socket.connection == "open",
        ever=socket.opened_at > 0,
        booted_at=record.booted_at if record else 0,
        statuses={number: one.status for number, one in ends.items() if number},
        running={one.connector_id: one for one in sorted(open_ones, key=lambda one: one.received_at)},
        limits=unpack(limits, Limits) if limits else Limits(),
        readings={},
        takes=takes,
    )
