"""Stations: what they are, and what operators want of them."""

from __future__ import annotations

import asyncio
import re
import zoneinfo
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from edge.operators.call import Call
from edge.operators.models.base import Accepted, Cursor, Limit, Page, StationId
from edge.operators.models.stations import Station, StationWithKey, station_fields, station_view
from edge.operators.problems import ProblemError, missing
from edge.operators.resources.asking import ask, request_id
from edge.operators.resources.lists import member, page, shown
from edge.operators.routes import Table
from edge.operators.serving import Answer
from shared import credentials
from shared.records.queries import stations
from shared.records.queries.stations import StationFilter, StationNow, StationState
from shared.records.requests import CreateStation, DeleteStation, Disconnect, UpdateStation
from shared.records.stations import Registration

TABLE: Final = Table("stations")
_route = TABLE.route

Text = Annotated[str, Meta(max_length=255)]
Password = Annotated[str, Meta(min_length=8, max_length=128, description="Chosen by a person; stored as a slow hash.")]
CertificateName = Annotated[
    str, Meta(max_length=64, description="Common name of its certificate, its serial number; empty: its id.")
]
BootPolicy = Literal["accepted", "pending", "rejected"]
Subprotocol = Literal["", "ocpp1.6"]
_HEX_KEY: Final = re.compile(r"[0-9a-fA-F]{40}")


class StationList(msgspec.Struct, frozen=True, kw_only=True):
    """Filters of the list."""

    q: Annotated[Text, Meta(description="Beginning of the station's id.")] = ""
    state: StationState | None = None
    vendor: Annotated[Text, Meta(description="Whole, in any case.")] = ""
    model: Annotated[Text, Meta(description="Whole, in any case.")] = ""
    group: Annotated[Text, Meta(description="Whole, in any case.")] = ""
    firmware: Annotated[Text, Meta(description="Whole, in any case.")] = ""
    registration: Registration | None = None
    flag: Annotated[Text, Meta(description="A flag, or its part before the colon.")] = ""
    limit: Limit = 100
    cursor: Cursor | None = None

    @property
    def filter(self) -> StationFilter:
        """The filter of the query."""
        return StationFilter(
            q=self.q,
            state=self.state,
            vendor=self.vendor,
            model=self.model,
            group=self.group,
            firmware=self.firmware,
            registration=self.registration,
            flag=self.flag,
        )


class StationPath(msgspec.Struct, frozen=True, kw_only=True):
    """One station."""

    station_id: StationId


class StationDeletion(StationPath, frozen=True, kw_only=True):
    """Which station to delete, and whether an open transaction may be in the way."""

    force: Annotated[bool, Meta(description="Close open transactions with their last known meter value.")] = False


class NewStation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A station to be."""

    station_id: StationId
    name: Text = ""
    group: Text = ""
    time_zone: Annotated[str, Meta(max_length=64, description="IANA name, for timestamps without a zone.")] = ""
    boot_policy: BootPolicy | None = None
    minimum_profile: Annotated[int, Meta(ge=0, le=3, description="Security profile below which it is refused.")] = 0
    subprotocol: Annotated[Subprotocol, Meta(description="Taken where the station offers none.")] = ""
    ping: bool = True
    blocked: bool = False
    quirk_profile: Annotated[dict[str, Text], Meta(max_length=50)] = {}
    certificate_name: CertificateName = ""
    password: Password | None = None
    make_key: Annotated[bool, Meta(description="Make a key; the answer shows it this once.")] = False


class StationChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to change of a station; what is absent stays."""

    name: Text | UnsetType = UNSET
    group: Text | UnsetType = UNSET
    time_zone: Annotated[str, Meta(max_length=64)] | UnsetType = UNSET
    boot_policy: BootPolicy | UnsetType | None = UNSET
    minimum_profile: Annotated[int, Meta(ge=0, le=3)] | UnsetType = UNSET
    subprotocol: Subprotocol | UnsetType = UNSET
    ping: bool | UnsetType = UNSET
    blocked: bool | UnsetType = UNSET
    certificate_name: CertificateName | UnsetType = UNSET
    quirk_profile: Annotated[dict[str, Text], Meta(max_length=50)] | UnsetType = UNSET


class KeyChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The password to set; absent or null: make a key."""

    password: Password | None = None


@_route("GET", "/stations", "List stations", scope="read", params=StationList, response=Page[Station])
async def list_stations(call: Call[StationList, None]) -> Page[Station]:
    """Return stations by id, with the filters that are set."""
    wanted, query = call.params.filter, ("stations", call.params.filter)
    found, after = await stations.page(call.lane, wanted, member(call.params.cursor, *query), call.params.limit)
    items = await shown(found, lambda one: station_view(one, call.parts.settings))
    return page(items, after, *query)


@_route(
    "GET", "/stations/{station_id}", "Show a station", scope="read", params=StationPath, response=Station,
    errors=("not_found",),
)  # fmt: skip
async def show_station(call: Call[StationPath, None]) -> Station:
    """Return a station with its connectors, its session and its settings."""
    return station_view(await known(call, call.params.station_id), call.parts.settings)


@_route(
    "POST", "/stations", "Create a station", scope="operate", body=NewStation, response=StationWithKey, status=201,
    errors=("conflict", "outcome_unknown"),
)  # fmt: skip
async def create_station(call: Call[Any, NewStation]) -> Answer:
    """Make a station known before it dials in, with a password, a fresh key, or none."""
    body = call.body
    if not body.station_id.isprintable():
        raise ProblemError.of_field("bad_body", "body", "station_id", "holds a character that can't be printed")
    _check_zone(body.time_zone)
    if body.password and body.make_key:
        raise ProblemError.of_field("bad_body", "body", "make_key", "can't stand beside `password`")
    key = credentials.make_key() if body.make_key else None
    secret = key or body.password
    stored = await _hash(call, secret) if secret else ""
    asked = CreateStation(
        request_id=request_id(call),
        by=call.token.name,
        key_hash=stored,
        name=body.name,
        group=body.group,
        time_zone=body.time_zone,
        boot_policy=body.boot_policy or "",
        minimum_profile=body.minimum_profile,
        subprotocol=body.subprotocol,
        ping=body.ping,
        blocked=body.blocked,
        certificate_name=body.certificate_name,
        quirk_profile=body.quirk_profile,
    )
    await ask(call, body.station_id, asked)
    found = await known(call, body.station_id)
    _check_shown(found, key, stored)
    return Answer(StationWithKey(**station_fields(found, call.parts.settings), key=key), 201)


@_route(
    "PATCH", "/stations/{station_id}", "Change a station", scope="operate", params=StationPath, body=StationChange,
    response=Station, errors=("not_found", "outcome_unknown"),
)  # fmt: skip
async def change_station(call: Call[StationPath, StationChange]) -> Station:
    """Change what operators set for a station; what is absent stays."""
    body = call.body
    if body.time_zone:
        _check_zone(body.time_zone)
    fields = {name: value for name, value in msgspec.structs.asdict(body).items() if value is not UNSET}
    if not fields:
        raise ProblemError("bad_body", f"nothing to change; there are: {', '.join(body.__struct_fields__)}")
    if "boot_policy" in fields:
        fields["boot_policy"] = fields["boot_policy"] or ""
    await ask(call, call.params.station_id, UpdateStation(request_id=request_id(call), by=call.token.name, **fields))
    return station_view(await known(call, call.params.station_id), call.parts.settings)


@_route(
    "DELETE", "/stations/{station_id}", "Delete a station", scope="operate", params=StationDeletion,
    status=204, errors=("not_found", "conflict", "outcome_unknown"),
)  # fmt: skip
async def delete_station(call: Call[StationDeletion, None]) -> None:
    """Close a station's socket and forget it; its transactions stay. 409 while one is open, unless forced."""
    asked = DeleteStation(request_id=request_id(call), by=call.token.name, force=call.params.force)
    await ask(call, call.params.station_id, asked)


@_route(
    "POST", "/stations/{station_id}/disconnect", "Disconnect a station", scope="operate", params=StationPath,
    response=Accepted, status=202, errors=("not_found", "conflict", "outcome_unknown"),
)  # fmt: skip
async def disconnect_station(call: Call[StationPath, None]) -> Accepted:
    """Close a station's socket with 1012, upon which it dials in again. 409 where it has none."""
    asked = Disconnect(request_id=request_id(call), by=call.token.name)
    await ask(call, call.params.station_id, asked)
    return Accepted(request_id=asked.request_id)


@_route(
    "POST", "/stations/{station_id}/key", "Set a station's key", scope="operate", params=StationPath, body=KeyChange,
    response=StationWithKey, errors=("not_found", "conflict", "outcome_unknown"),
)  # fmt: skip
async def set_station_key(call: Call[StationPath, KeyChange]) -> StationWithKey:
    """Make a key for a station, shown this once, or set a password. It counts from the next connect on."""
    key = credentials.make_key() if call.body.password is None else None
    stored = await _hash(call, key or call.body.password or "")
    asked = UpdateStation(request_id=request_id(call), by=call.token.name, key_hash=stored)
    await ask(call, call.params.station_id, asked)
    found = await known(call, call.params.station_id)
    _check_shown(found, key, stored)
    return StationWithKey(**station_fields(found, call.parts.settings), key=key)


async def known(call: Call[Any, Any], station_id: str) -> StationNow:
    """Return a station; raises `ProblemError` 404 where it is not known."""
    found = await stations.station(call.lane, station_id)
    if found is None:
        raise missing("station", station_id)
    return found


async def _hash(call: Call[Any, Any], secret: str) -> str:
    """Return what is stored of a key or password; what a person chose takes 33 ms on a thread."""
    if credentials.is_key(secret.encode()):
        return credentials.hash_key(secret, await credentials.load_pepper(call.lane))
    try:
        return await asyncio.to_thread(credentials.hash_password, secret)
    except ValueError as error:
        raise ProblemError.of_field("bad_body", "body", "password", f"is wrong: {error}") from None


def _check_shown(found: StationNow, key: str | None, stored: str) -> None:
    """Raise `ProblemError` 409 where the made key is not the station's.

    A repetition under the same Idempotency-Key is not carried out again: the first try's key counts, and nobody has it.
    """
    if key is not None and found.door.key != stored:
        raise ProblemError("conflict", "done before, with a key that can't be shown again; make another one")


def _check_zone(name: str) -> None:
    if not name:
        return
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        message = "is no IANA time zone, such as `Europe/Berlin`"
        raise ProblemError.of_field("bad_body", "body", "time_zone", message) from None
