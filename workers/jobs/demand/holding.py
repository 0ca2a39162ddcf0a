"""Profiles on the stations of an event that has no site: sent, looked at, sent otherwise where refused, taken back.

The profile is the station's maximum, above all others of that purpose that it has, never higher than they are, and ends
by itself with the event. A station that refuses it gets a default profile in its place.
"""

from __future__ import annotations

from typing import Final

import msgspec

from shared.bus import keys
from shared.bus.lane import Command
from shared.records.configuration import Snapshot
from shared.records.demand import ORIGIN, DemandEvent, DemandStation
from shared.records.packing import unpack
from shared.records.profiles import MAINS, Assigned, Limits, Period, Profile, Purpose, Unit
from shared.records.queries.reading import replies
from shared.records.requests import AssignProfile, ClearProfile
from shared.records.stations import StationRecord
from shared.smartcharging.validation import StationLimits, faults
from workers.jobs.works import Site, sort_out
from workers.services.smartcharging.taking import takes
from workers.uplinks import append, asking

CHUNK: Final = 200
"""Stations in one round trip."""
CLOCKS_MS: Final = 3_600_000
"""A station's clock may be behind by so much."""
LOST_MS: Final = 30_000
"""What left no trace on a station for so long came to nothing there."""
ENDS: Final[tuple[Purpose, ...]] = ("station_max", "default")
"""What is tried, in order."""
LEAST: Final = 60
"""Tenths of an ampere: what a station gets that ends its session at 0."""


class Held(msgspec.Struct, frozen=True):
    """The profiles that are wanted on a station, and what it takes."""

    limits: Limits
    takes: StationLimits


def name_of(event_id: str) -> str:
    """Return the name under which an event's profiles stand on stations; no library and no site has it."""
    return f"{ORIGIN}:{event_id}"


async def hold(site: Site, event: DemandEvent, rows: dict[str, DemandStation], now: int) -> dict[str, DemandStation]:
    """Do for each station what is next, and return the rows that changed."""
    pending = [name for name, row in rows.items() if row.outcome in ("waiting", "away", "sent")]
    if not pending:
        return {}
    changed: dict[str, DemandStation] = {}
    for begin in range(0, len(pending), CHUNK):
        some = {name: rows[name] for name in pending[begin : begin + CHUNK]}
        changed |= await _hold(site, event, some, now)
    return changed


async def _hold(site: Site, event: DemandEvent, rows: dict[str, DemandStation], now: int) -> dict[str, DemandStation]:
    present = set((await sort_out(site.lane, list(rows)))[0])
    held = await _read(site, list(rows))
    changed: dict[str, DemandStation] = {}
    entries: list[Command] = []
    for name, row in rows.items():
        if row.outcome != "sent" and name not in present:
            after = msgspec.structs.replace(row, outcome="away")
        else:
            after, profile = step(event, row, held[name], now)
            if profile is not None:
                asked = AssignProfile(
                    request_id=f"{name_of(event.event_id)}:{name}:{now}", by=ORIGIN, profile=profile,
                    name=name_of(event.event_id), version=now, site=ORIGIN,
                )  # fmt: skip
                entries.append(append(asking(name, asked), site.partitions))
        if after != row:
            changed[name] = after
    if entries:
        await replies(site.lane, entries)
    return changed


async def _read(site: Site, names: list[str]) -> dict[str, Held]:
    """Return what is known of the limits of stations."""
    commands: list[Command] = [("HMGET", keys.state(name), "st", "sc") for name in names]
    commands += [("GET", keys.configuration(name)) for name in names]
    found = await replies(site.lane, commands)
    return {
        name: Held(
            unpack(limits, Limits) if limits else Limits(),
            takes(
                unpack(station, StationRecord) if station else None, unpack(snapshot, Snapshot) if snapshot else None
            ),
        )
        for name, (station, limits), snapshot in zip(names, found[: len(names)], found[len(names) :], strict=True)
    }


async def release(site: Site, event_id: str, names: list[str]) -> None:
    """Take the event's profiles off its stations, at once or when they are back; may be repeated."""
    for begin in range(0, len(names), CHUNK):
        entries: list[Command] = []
        for name in names[begin : begin + CHUNK]:
            asked = ClearProfile(request_id=f"{name_of(event_id)}:{name}:end", by=ORIGIN, site=name_of(event_id))
            entries.append(append(asking(name, asked), site.partitions))
        await replies(site.lane, entries)


def step(event: DemandEvent, row: DemandStation, held: Held, now: int) -> tuple[DemandStation, Profile | None]:
    """Return how a station stands, and the profile that it is to get now, if any. Pure."""
    if row.outcome != "sent":
        return _try(event, row, held, 0, now)
    found = _of_event(event.event_id, held.limits, row.purpose)
    if found is None:
        if now - row.sent_at < LOST_MS:
            return row, None
        return msgspec.structs.replace(row, outcome="refused", detail="it left no trace at the station"), None
    if found.state in ("accepted", "verified", "differs"):
        return msgspec.structs.replace(row, outcome="taken", detail=found.detail), None
    if found.state == "refused":
        tried = ENDS.index(found.profile.purpose) if found.profile.purpose in ENDS else 0
        return _try(event, msgspec.structs.replace(row, detail=found.detail), held, tried + 1, now)
    return row, None


def _try(
    event: DemandEvent, row: DemandStation, held: Held, which: int, now: int
) -> tuple[DemandStation, Profile | None]:
    installed = [one.profile for one in held.limits.by_slot.values() if one.installed]
    wrong = row.detail
    for purpose in ENDS[which:]:
        profile = profile_of(event, row, purpose, held.limits, held.takes)
        found = faults(profile, held.takes, installed=installed, charging=True)
        if not found:
            sent = msgspec.structs.replace(row, outcome="sent", purpose=purpose, sent_at=now)
            return sent, profile
        wrong = "; ".join(f"{one.field} {one.message}" for one in found)
    return msgspec.structs.replace(row, outcome="refused", detail=wrong or "it was refused"), None


def profile_of(event: DemandEvent, row: DemandStation, purpose: Purpose, held: Limits, takes: StationLimits) -> Profile:
    """Return the profile that limits a station for the time of an event."""
    cap = event.cap
    unit: Unit = "A" if cap is not None and cap.amps is not None else "W"
    if takes.units is not None and unit not in takes.units:
        unit = "W" if unit == "A" else "A"
    if cap is not None and cap.amps is not None:
        limit = MAINS.convert(min(cap.amps), "A", unit)
    else:
        limit = MAINS.convert((row.limit_w or 0) * 10, "W", unit)
    others = [
        one.profile
        for one in held.by_slot.values()
        if one.profile.purpose == purpose and one.profile.connector_id == 0 and one.name != name_of(event.event_id)
    ]
    for one in others:
        limit = min(limit, *(MAINS.convert(period.limit, one.unit, unit, period.phases) for period in one.periods))
    least = MAINS.convert(takes.min_current or LEAST, "A", unit)
    if limit < least and takes.zero_ends:
        limit = least
    elif unit == "A" and limit < (takes.min_current or 0):
        limit = 0
    return Profile(
        profile_id=-1,
        purpose=purpose,
        kind="absolute",
        unit=unit,
        periods=(Period(0, limit),),
        stack_level=max((one.stack_level + 1 for one in others), default=0),
        # It is sent when it is to hold: a station whose clock is behind must not wait for it.
        start_at=event.start_at - CLOCKS_MS,
        valid_to=event.end_at,
    )


def _of_event(event_id: str, held: Limits, purpose: str) -> Assigned | None:
    named = (one for one in held.by_slot.values() if one.name == name_of(event_id))
    return next((one for one in named if one.profile.purpose == purpose), None)
