"""Derives the fleet-wide indexes anew from the stations' own records: `ampstream doctor --rebuild`.

    every station        what is missing in an index, or stands there with another value, is written
    every index          what no station's records say is removed
    every id tag         the index of tags, and places under limits that no open transaction holds, or that one lacks
    transaction ids      the counter is raised above every id that exists

Safe while the system runs, and idempotent: a difference is written only where the station's version token is still the
one that was read, in one script. What a station commits meanwhile, its own emission puts right.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from shared.bus import keys
from shared.bus.lane import Command, Lane
from shared.bus.scripts import MEND_INDEX
from shared.records.queries.reading import replies
from shared.settings import Settings
from workers.store.commit import flatten

from . import indexes, places
from .indexes import BY_TRANSACTION, INDEXES, SECTIONS, Held, Mended, Value

STATIONS_AT_ONCE: Final = 50
MEMBERS_AT_ONCE: Final = 500
SCAN_COUNT: Final = 1000
TRIES: Final = 3
_STATIONS: Final = (keys.state, keys.transactions, keys.quarantine)
"""Keys that tell of a station; the last two outlive it."""

OF_PRESENT: Final = tuple(index for index in INDEXES if index not in BY_TRANSACTION)

Wanted = Mapping[str, Sequence[str] | None]
"""Station -> the transaction ids to look at; None: all of them."""


class Report(msgspec.Struct):
    """What was looked at, and what was mended per index."""

    stations: int = 0
    mended: dict[str, Mended] = {}
    highest_id: int = 0
    ids_raised_by: int = 0

    @property
    def total(self) -> int:
        """How many differences there were."""
        counts = sum(one.added + one.changed + one.removed for one in self.mended.values())
        return counts + (self.ids_raised_by > 0)

    def __str__(self) -> str:
        head = f"{'index':<26}{'added':>8}{'changed':>9}{'removed':>9}"
        lines = [f"{name:<26}{mended}" for name, mended in self.mended.items()]
        tail = f"{self.stations} stations looked at, "
        found = "1 difference" if self.total == 1 else f"{self.total} differences"
        tail += f"{found} mended." if self.total else "every index agrees with their records."
        if self.ids_raised_by:
            tail += f"\nThe counter of transaction ids was {self.ids_raised_by} too low, and was raised."
        return "\n".join((head, *lines, tail))


class Difference(msgspec.Struct):
    """What an index lacks of a station: the commands that add it, and how many of them are for members not there."""

    held: Held
    index: str
    commands: list[Command]
    missing: int


async def rebuild(settings: Settings) -> str:
    """Mend every index and return the report as text; raises `LaneLost`, and ReplyError where Redis refuses."""
    lane = await Lane.open(settings.redis_url.reveal(), name="rebuild", timeout_s=settings.redis_timeout_s)
    try:
        return str(await mend_all(lane))
    finally:
        await lane.close()


async def mend_all(lane: Lane) -> Report:
    """Hold every index against the records, mend it, and return what differed."""
    report = Report(mended={index: Mended() for index in (*INDEXES, keys.TAGS, places.NAME)})
    stations = await _stations(lane)
    report.stations = len(stations)
    for some in _chunks(sorted(stations), STATIONS_AT_ONCE):
        await mend(lane, some, report)
    for index in INDEXES:
        await _remove_surplus(lane, index, report)
    await places.mend(lane, report.mended[keys.TAGS], report.mended[places.NAME])
    report.ids_raised_by = await _raise_ids(lane, report.highest_id)
    return report


async def mend_present(lane: Lane) -> Report:
    """Mend the indexes of the present, for the stations that are known: cheap enough to be done now and then.

    Two workers may emit what two commits of one station owe in the other order, where one of them pauses in between:
    the index then says what was true before, until the station's next change or until this.
    """
    report = Report(mended={index: Mended() for index in OF_PRESENT})
    cursor = b"0"
    while True:
        cursor, names = indexes.scanned(
            keys.STATIONS, await lane.one(*indexes.scan(keys.STATIONS, cursor, MEMBERS_AT_ONCE))
        )
        for some in _chunks(names, STATIONS_AT_ONCE):
            await mend(lane, some, report)
        report.stations += len(names)
        if cursor == b"0":
            break
    for index in OF_PRESENT:
        await _remove_surplus(lane, index, report)
    return report


async def mend(lane: Lane, stations: Sequence[str], report: Report) -> None:
    """Write what the report's indexes lack of these stations; one that keeps changing is left to its emissions."""
    left = list(stations)
    ids: Sequence[str] | None = [] if report.mended.keys().isdisjoint(BY_TRANSACTION) else None
    for _ in range(TRIES):
        left = await _add(lane, await _load(lane, dict.fromkeys(left, ids)), report)
        if not left:
            return


async def _add(lane: Lane, stations: Sequence[Held], report: Report) -> list[str]:
    """Add and change members; returns the stations that have changed meanwhile."""
    parts = [
        (held, index, {member: members[member] for member in some})
        for held in stations
        for index, members in indexes.expected(held).items()
        if index in report.mended
        for some in _chunks(list(members), MEMBERS_AT_ONCE)
    ]
    report.highest_id = max((0, report.highest_id, *(number for held in stations for number in held.transactions)))
    found = await replies(lane, [indexes.read(index, members) for _, index, members in parts])
    differences = [
        one for part, values in zip(parts, found, strict=True) if (one := _difference(*part, values)) is not None
    ]
    done = await replies(lane, [_write(one.held, one.commands) for one in differences])
    for one, written in zip(differences, done, strict=True):
        if written:
            report.mended[one.index].added += one.missing
            report.mended[one.index].changed += len(one.commands) - one.missing
    return sorted({one.held.station_id for one, written in zip(differences, done, strict=True) if not written})


def _difference(held: Held, index: str, members: Mapping[str, Value], values: Sequence[Any]) -> Difference | None:
    """Compare what an index should hold with what it does."""
    commands, missing = [], 0
    for (member, value), reply in zip(members.items(), values, strict=True):
        there, found = indexes.value_of(index, reply)
        if not there or found != value:
            commands.append(indexes.add(index, member, value))
            missing += not there
    return Difference(held, index, commands, missing) if commands else None


async def write(lane: Lane, held: Held, commands: Sequence[Command]) -> bool:
    """Run commands on indexes, where the station still is what was read; returns whether it was."""
    return bool(await lane.one(*_write(held, commands)))


def _write(held: Held, commands: Sequence[Command]) -> Command:
    touched, arguments = flatten(commands, keys.state(held.station_id))
    return MEND_INDEX.command(touched, ("-" if held.token is None else held.token, *arguments))


# ── what should not be there ─────────────────────────────────────────────────────────────────────────────────────────


async def _remove_surplus(lane: Lane, index: str, report: Report) -> None:
    cursor = b"0"
    while True:
        cursor, members = indexes.scanned(index, await lane.one(*indexes.scan(index, cursor, MEMBERS_AT_ONCE)))
        for some in _chunks(members, MEMBERS_AT_ONCE):
            report.mended[index].removed += await _remove(lane, index, some)
        if cursor == b"0":
            return


async def _remove(lane: Lane, index: str, members: Sequence[str]) -> int:
    removed = 0
    by_station: dict[str, list[str]] = {}
    for member, station in zip(members, await _owners(lane, index, members), strict=True):
        by_station.setdefault(station, []).append(member)
    # A transaction's index and its owner are written in one step: without an owner it is nobody's.
    if orphans := by_station.pop("", []):
        removed += int(await lane.one(*indexes.remove(index, orphans)))
    for stations in _chunks(list(by_station), STATIONS_AT_ONCE):
        wanted = {name: by_station[name] if index in BY_TRANSACTION else [] for name in stations}
        for held in await _load(lane, wanted):
            rightful = indexes.expected(held)[index]
            surplus = [member for member in by_station[held.station_id] if member not in rightful]
            if surplus and await write(lane, held, [indexes.remove(index, surplus)]):
                removed += len(surplus)
    return removed


async def _owners(lane: Lane, index: str, members: Sequence[str]) -> list[str]:
    """Return whose each member is; empty for a transaction of nobody."""
    if index in BY_TRANSACTION:
        owners = await lane.one("HMGET", keys.TRANSACTION_OWNERS, *members)
        return [owner.decode() if owner is not None else "" for owner in owners]
    return [indexes.owner(index, member) for member in members]


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def _stations(lane: Lane) -> set[str]:
    """Return every station that has records, deleted ones among them."""
    found: set[str] = set()
    for key in _STATIONS:
        async for name in places.scan_names(lane, key("*"), SCAN_COUNT):
            found.add(name)
    return found


async def _load(lane: Lane, wanted: Wanted) -> list[Held]:
    commands: list[Command] = []
    for station, ids in wanted.items():
        commands.append(("HMGET", keys.state(station), *SECTIONS))
        commands.append(("HKEYS", keys.quarantine(station)))
        commands.append(("ZRANGE", keys.commands(station), 0, -1))
        commands.append(("HKEYS", keys.drifts(station)))
        if ids is None:
            commands.append(("ZRANGE", keys.transactions(station), 0, -1, "WITHSCORES"))
        else:
            commands.append(("ZMSCORE", keys.transactions(station), *(ids or ("",))))
    found = iter(await replies(lane, commands))
    held = []
    for station, ids in wanted.items():
        sections, frames, ended, drifts, times = (next(found) for _ in range(5))
        numbers = times[::2] if ids is None else ids or ("",)
        scores = times[1::2] if ids is None else times
        started = {
            int(number): int(float(score)) for number, score in zip(numbers, scores, strict=True) if score is not None
        }
        held.append(Held.read(station, sections, started, frames, ended, drifts))
    return held


async def _raise_ids(lane: Lane, highest: int) -> int:
    """Raise the counter of transaction ids to the highest that exists; returns by how much."""
    behind = highest - int(await lane.one("GET", keys.META_TRANSACTION_ID) or 0)
    if behind <= 0:
        return 0
    # Added, not set: a block that is taken at this moment stays taken.
    await lane.one("INCRBY", keys.META_TRANSACTION_ID, behind)
    return behind


def _chunks(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for begin in range(0, len(items), size):
        yield items[begin : begin + size]
