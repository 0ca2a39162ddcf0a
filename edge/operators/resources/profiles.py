"""Charging profiles: a library of named ones, those of a station, and the schedule that comes of them.

What is wrong with a profile, by the standard or for its station, is said before anything is sent.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from edge.operators.call import Call
from edge.operators.models.base import Accepted, Cursor, Limit, Page, StationId
from edge.operators.models.profiles import (
    LibraryProfile,
    ProfileBody,
    ProfileName,
    Schedule,
    ScheduleSegment,
    StationProfile,
)
from edge.operators.problems import FieldError, ProblemError, missing
from edge.operators.resources.asking import ask, request_id
from edge.operators.resources.lists import member, page, shown
from edge.operators.resources.stations import StationPath, known
from edge.operators.resources.taking import takes
from edge.operators.routes import Table
from edge.operators.serving import Answer
from edge.operators.times import instant
from shared.bus.clock import now_ms
from shared.records import profiles as stored
from shared.records.authorization_hours import is_zone, zone_of
from shared.records.profiles import Assigned, Profile, Supply, Unit
from shared.records.queries import profiles
from shared.records.queries.profiles import StationProfiles
from shared.records.requests import AssignProfile, ClearProfile
from shared.smartcharging.composite import MixedUnits, Segment, Situation, compose
from shared.smartcharging.limits import limits_of
from shared.smartcharging.validation import Fault, faults

TABLE: Final = Table("profiles")
_route = TABLE.route

MAX_WINDOW_S: Final = 14 * 24 * 3600
ConnectorId = Annotated[int, Meta(ge=0, le=1000)]
Voltage = Annotated[int, Meta(ge=50, le=1000, description="Between phase and neutral, to convert between A and W.")]
Phases = Annotated[int, Meta(ge=1, le=3, description="To convert between A and W.")]


class ProfileList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the library."""

    limit: Limit = 100
    cursor: Cursor | None = None


class ProfilePath(msgspec.Struct, frozen=True, kw_only=True):
    """One profile of the library."""

    name: ProfileName


class NewLibraryProfile(ProfileBody, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A profile whole."""

    note: Annotated[str, Meta(max_length=1000)] = ""


class Conversion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Send the profile in another unit, by this voltage and these phases."""

    unit: Unit
    voltage: Voltage
    phases: Phases = 3


class Assignment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A profile of the library by `name`, or a `profile` given whole, and where it goes."""

    name: ProfileName | None = None
    profile: ProfileBody | None = None
    connector_id: ConnectorId = 0
    stack_level: Annotated[int, Meta(ge=0, le=1000, description="In place of the profile's.")] | None = None
    transaction_id: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None
    convert: Conversion | None = None


class StationProfilePath(StationPath, frozen=True, kw_only=True):
    """One profile of a station."""

    profile_id: Annotated[int, Meta(ge=1, le=2**31 - 1)]


class ScheduleOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Which schedule."""

    station_id: StationId
    connector_id: Annotated[int, Meta(ge=1, le=1000)] = 1
    duration_s: Annotated[int, Meta(ge=1, le=MAX_WINDOW_S)] = 24 * 3600
    unit: Unit = "A"
    voltage: Voltage | None = None
    phases: Phases = 3
    time_zone: Annotated[
        str,
        Meta(max_length=64, description="IANA name: recurring schedules keep to its clocks; absent: to 24 hours."),
    ] = ""


# ── the library ──────────────────────────────────────────────────────────────────────────────────────────────────────


@_route("GET", "/profiles", "List charging profiles", scope="read", params=ProfileList, response=Page[LibraryProfile])
async def list_profiles(call: Call[ProfileList, None]) -> Page[LibraryProfile]:
    """Return the library's profiles by name."""
    found, after = await profiles.page(call.lane, member(call.params.cursor, "profiles"), call.params.limit)
    return page(await shown(found, LibraryProfile.of), after, "profiles")


@_route(
    "GET", "/profiles/{name}", "Show a charging profile", scope="read", params=ProfilePath, response=LibraryProfile,
    errors=("not_found",),
)  # fmt: skip
async def show_profile(call: Call[ProfilePath, None]) -> LibraryProfile:
    """Return a profile of the library."""
    return LibraryProfile.of(await _in_library(call, call.params.name))


@_route(
    "PUT", "/profiles/{name}", "Create or change a charging profile", scope="operate", params=ProfilePath,
    body=NewLibraryProfile, response=LibraryProfile, also=(201,),
)  # fmt: skip
async def put_profile(call: Call[ProfilePath, NewLibraryProfile]) -> Answer:
    """Write a profile of the library whole: 201 where it is new. Stations keep the version that they were sent."""
    now = await now_ms(call.lane)
    profile = call.body.record(now)
    where = {"transaction": 1}.get(profile.purpose, 0)
    _refuse(faults(msgspec.structs.replace(profile, connector_id=where), limits_of(None)), "")
    record = stored.LibraryProfile(name=call.params.name, profile=profile, note=call.body.note, updated_at=now)
    written = await profiles.put(call.lane, record)
    return Answer(LibraryProfile.of(written), 201 if written.version == 1 else 200)


@_route(
    "DELETE", "/profiles/{name}", "Delete a charging profile", scope="operate", params=ProfilePath, status=204,
    errors=("not_found",),
)  # fmt: skip
async def delete_profile(call: Call[ProfilePath, None]) -> None:
    """Remove a profile from the library. Stations keep what they have."""
    if not await profiles.delete(call.lane, call.params.name):
        raise missing("charging profile", call.params.name)


# ── of a station ─────────────────────────────────────────────────────────────────────────────────────────────────────


@_route(
    "GET", "/stations/{station_id}/charging-profiles", "List a station's charging profiles", scope="read",
    params=StationPath, response=Page[StationProfile], errors=("not_found",),
)  # fmt: skip
async def list_station_profiles(call: Call[StationPath, None]) -> Page[StationProfile]:
    """Return the profiles that are wanted on a station, by their ids, and how far each got."""
    await known(call, call.params.station_id)
    found = await profiles.of_station(call.lane, call.params.station_id)
    outstanding = found.commands.outstanding
    sent = outstanding.command_id if outstanding else ""
    ordered = sorted(found.limits.by_slot.values(), key=lambda one: one.profile.profile_id)
    return Page([StationProfile.of(one, sent) for one in ordered], None)


@_route(
    "POST", "/stations/{station_id}/charging-profiles", "Set a charging profile", scope="operate", params=StationPath,
    body=Assignment, response=StationProfile, status=202, errors=("not_found", "conflict", "outcome_unknown"),
)  # fmt: skip
async def assign_profile(call: Call[StationPath, Assignment]) -> Answer:
    """Send a profile to a station, at once or when it is back; it replaces the one in its place of the stack.

    It is checked against the standard and against what the station takes, by its configuration, by a probe of its model
    and by the rules that hold for it. Once accepted, the station is asked for the schedule that it computes, and that
    is compared.
    """
    station_id, body = call.params.station_id, call.body
    station = await known(call, station_id)
    held = await profiles.of_station(call.lane, station_id)
    given, name, version = await _wanted(call)
    profile, converted = _converted(given, body.convert)
    charging = any(one.connector_id == profile.connector_id for one in held.charging.open.values())
    installed = [one.profile for one in held.limits.by_slot.values() if one.installed]
    fresh = msgspec.structs.replace(profile, profile_id=_NO_ID)
    limits = await takes(call, station.station, held.snapshot)
    wrong = faults(fresh, limits, installed=installed, charging=charging)
    _refuse(wrong, "profile." if body.profile else "")
    asked = AssignProfile(
        request_id=request_id(call), by=call.token.name, profile=profile, name=name, version=version,
        converted=converted,
    )  # fmt: skip
    reply = await ask(call, station_id, asked)
    return Answer(StationProfile.of(msgspec.json.decode(reply.body, type=Assigned)), 202)


@_route(
    "DELETE", "/stations/{station_id}/charging-profiles/{profile_id}", "Clear a charging profile", scope="operate",
    params=StationProfilePath, response=Accepted, status=202, errors=("not_found", "outcome_unknown"),
)  # fmt: skip
async def clear_profile(call: Call[StationProfilePath, None]) -> Accepted:
    """Take a profile off a station, at once or when it is back; one that was not sent is cancelled."""
    asked = ClearProfile(request_id=request_id(call), by=call.token.name, profile_id=call.params.profile_id)
    await ask(call, call.params.station_id, asked)
    return Accepted(request_id=asked.request_id)


@_route(
    "GET", "/stations/{station_id}/composite-schedule", "Show what a station's profiles allow", scope="read",
    params=ScheduleOptions, response=Schedule, errors=("not_found", "conflict"),
)  # fmt: skip
async def show_schedule(call: Call[ScheduleOptions, None]) -> Schedule:
    """Return the composite schedule from now on, as Ampstream computes it from the profiles that the station accepted.

    Profiles in A and in W are combined only by a `voltage`: 409 without one.
    """
    params = call.params
    await known(call, params.station_id)
    held = await profiles.of_station(call.lane, params.station_id)
    if params.time_zone and not is_zone(params.time_zone):
        message = "is no IANA time zone, such as `Europe/Berlin`"
        raise ProblemError.of_field("bad_parameter", "query", "time_zone", message)
    situation = _situation(params, held, await now_ms(call.lane))
    installed = [one.profile for one in held.limits.by_slot.values() if one.installed and not one.clearing]
    try:
        segments = compose(installed, situation)
    except MixedUnits as error:
        raise ProblemError("conflict", str(error)) from None
    supply = situation.supply
    return Schedule(
        station_id=params.station_id,
        connector_id=params.connector_id,
        unit=params.unit,
        transaction_id=situation.transaction_id or None,
        segments=[_segment(one) for one in segments],
        assumed={"voltage": supply.voltage, "phases": supply.phases} if supply else None,
    )


_NO_ID: Final = -1
"""Of a profile that gets its id from the station's commit: it is equal to none."""


async def _wanted(call: Call[StationPath, Assignment]) -> tuple[Profile, str, int]:
    """Return the profile in its place, and its name and version in the library."""
    body = call.body
    if (body.name is None) == (body.profile is None):
        raise ProblemError.of_field("bad_body", "body", "name", "or `profile` is needed, and not both")
    name, version = "", 0
    if body.profile is not None:
        profile = body.profile.record(await now_ms(call.lane))
    else:
        found = await _in_library(call, body.name or "")
        profile, name, version = found.profile, found.name, found.version
    profile = msgspec.structs.replace(
        profile,
        connector_id=body.connector_id,
        stack_level=profile.stack_level if body.stack_level is None else body.stack_level,
        transaction_id=body.transaction_id or 0,
    )
    return profile, name, version


def _converted(profile: Profile, wanted: Conversion | None) -> tuple[Profile, Supply | None]:
    """Return a profile in the unit that is asked for, and by what it was converted; None where it was in it."""
    if wanted is None or wanted.unit == profile.unit:
        return profile, None
    supply = Supply(wanted.voltage, wanted.phases)
    return supply.in_unit(profile, wanted.unit), supply


def _refuse(wrong: list[Fault], prefix: str) -> None:
    """Raise what is wrong with a profile, each fault with its field; nothing where nothing is."""
    if not wrong:
        return
    top = {"connector_id", "stack_level", "transaction_id"} if prefix else set()
    names = [fault.field if fault.field in top else prefix + fault.field for fault in wrong]
    errors = [FieldError("body", name, fault.message) for name, fault in zip(names, wrong, strict=True)]
    raise ProblemError.of_fields("bad_body", errors)


async def _in_library(call: Call[Any, Any], name: str) -> stored.LibraryProfile:
    found = await profiles.profile(call.lane, name)
    if found is None:
        raise missing("charging profile", name)
    return found


def _situation(params: ScheduleOptions, held: StationProfiles, now: int) -> Situation:
    running = [one for one in held.charging.open.values() if one.connector_id == params.connector_id]
    return Situation(
        connector_id=params.connector_id,
        since=now,
        until=now + params.duration_s * 1000,
        unit=params.unit,
        transaction_id=running[-1].transaction_id if running else 0,
        charging_since=running[-1].started_at if running else None,
        supply=None if params.voltage is None else Supply(params.voltage, params.phases),
        zone=zone_of(params.time_zone) if params.time_zone else None,
    )


def _segment(segment: Segment) -> ScheduleSegment:
    limit = segment.limit
    return ScheduleSegment(
        since=instant(segment.since),
        until=instant(segment.until),
        limit=None if limit is None else limit.limit / 10,
        phases=None if limit is None else limit.phases,
        profile_id=None if limit is None else limit.profile_id,
    )
