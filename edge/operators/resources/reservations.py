"""Reservations: made, listed, shown, cancelled. Making and cancelling are commands to the station."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from edge.operators.call import Call
from edge.operators.models.base import Cursor, Limit, Page, StationId
from edge.operators.models.reservations import MAX_S, NewReservation, Reservation
from edge.operators.problems import ProblemError, missing
from edge.operators.resources import sending
from edge.operators.resources.asking import ask, request_id
from edge.operators.resources.commands import Sending, wait_of
from edge.operators.resources.lists import page, position, shown
from edge.operators.resources.stations import known
from edge.operators.routes import Table
from edge.operators.serving import Answer
from edge.operators.times import milliseconds
from shared.ocpp.timestamps import format_time
from shared.ocpp.v16.messages import CancelReservationRequest, ReserveNowRequest
from shared.ocpp.versions import OCPP16, Version
from shared.records import reservations as records
from shared.records.commands import TERMINAL, CommandRecord
from shared.records.queries import commands, reservations
from shared.records.queries.reservations import ReservationFilter
from shared.records.requests import CancelCommand, SendCommand

TABLE: Final = Table("reservations")
_route = TABLE.route

MAX_NUMBER: Final = 2**31 - 1
ID: Final = re.compile(r"[\x21-\x7e]{1,64}")
ReservationId = Annotated[str, Meta(min_length=1, max_length=64)]


class ReservationList(msgspec.Struct, frozen=True, kw_only=True):
    """Filters of the list."""

    station_id: StationId | None = None
    state: records.ReservationState | None = None
    limit: Limit = 100
    cursor: Cursor | None = None

    @property
    def filter(self) -> ReservationFilter:
        """The filter of the query."""
        return ReservationFilter(station_id=self.station_id or "", state=self.state)


class ReservationPath(msgspec.Struct, frozen=True, kw_only=True):
    """One reservation."""

    reservation_id: ReservationId


class Cancelling(ReservationPath, frozen=True, kw_only=True):
    """Which one, and whether to wait for the station's answer."""

    wait: Annotated[str, Meta(max_length=16, description="E.g. `10s`: answer when the station has (200).")] = ""


@_route(
    "POST", "/stations/{station_id}/reservations", "Reserve a connector", scope="operate", params=Sending,
    body=NewReservation, response=Reservation, status=202, also=(200,),
    errors=("not_found", "conflict", "outcome_unknown"),
)  # fmt: skip
async def make_reservation(call: Call[Sending, NewReservation]) -> Answer:
    """Ask a station to keep a connector free for an id tag, durably. 200: the station has answered.

    It goes out as a ReserveNow, whose command has the same id. A station that is not back before the reservation's end
    is not asked any more.
    """
    station_id, body = call.params.station_id, call.body
    wait_s = wait_of(call.params.wait)
    station = await known(call, station_id)
    version = _supported(sending.version_of(station))
    expires_at = _expiry(body, station.read_at)
    asked = request_id(call)
    number = _number(station_id, asked, await reservations.numbers(call.lane, station_id))
    payload = {
        "connectorId": body.connector_id,
        "expiryDate": format_time(expires_at),
        "idTag": body.id_tag,
        "reservationId": number,
    }
    if body.parent_id_tag is not None:
        payload["parentIdTag"] = body.parent_id_tag
    action = ReserveNowRequest.action
    request = SendCommand(
        request_id=asked,
        by=call.token.name,
        action=action,
        payload=sending.checked(version, action, payload),
        expires_in_ms=expires_at - station.read_at,
    )
    sent = await _send(call, station_id, request, wait_s)
    made = await reservations.reservation(call.lane, station_id, sent.command_id)
    if made is None:
        raise ProblemError("conflict", "so many reservations of this station are live that no more are followed")
    return Answer(Reservation.of(made), 200 if sent.state in TERMINAL else 202)


@_route(
    "GET", "/reservations", "List reservations", scope="read", params=ReservationList, response=Page[Reservation]
)  # fmt: skip
async def list_reservations(call: Call[ReservationList, None]) -> Page[Reservation]:
    """Return reservations of all stations, in whatever state, the newest first, with the filters that are set."""
    wanted, query = call.params.filter, ("reservations", call.params.filter)
    found, after = await reservations.page(call.lane, wanted, position(call.params.cursor, *query), call.params.limit)
    return page(await shown(found, Reservation.of), after, *query)


@_route(
    "GET", "/reservations/{reservation_id}", "Show a reservation", scope="read", params=ReservationPath,
    response=Reservation, errors=("not_found",),
)  # fmt: skip
async def show_reservation(call: Call[ReservationPath, None]) -> Reservation:
    """Return a reservation in whatever state, as long as it is kept."""
    return Reservation.of(await _found(call, call.params.reservation_id))


@_route(
    "DELETE", "/reservations/{reservation_id}", "Cancel a reservation", scope="operate", params=Cancelling,
    response=Reservation, status=202, also=(200,), errors=("not_found", "conflict", "outcome_unknown"),
)  # fmt: skip
async def cancel_reservation(call: Call[Cancelling, None]) -> Answer:
    """Cancel a reservation: by a CancelReservation (202), or by taking back what was not sent (200)."""
    wait_s = wait_of(call.params.wait)
    found = await _found(call, call.params.reservation_id)
    if found.state not in records.LIVE:
        raise ProblemError("conflict", f"the reservation is {found.state}")
    made_by = await commands.command(call.lane, found.station_id, found.reservation_id)
    asked = request_id(call)
    if made_by is not None and made_by.state == "queued" and await _taken_back(call, found, asked):
        return Answer(Reservation.of(await _again(call, found)), 200)
    action = CancelReservationRequest.action
    request = SendCommand(
        request_id=asked,
        by=call.token.name,
        action=action,
        payload=sending.checked(OCPP16, action, {"reservationId": found.number}),
    )
    sent = await _send(call, found.station_id, request, wait_s)
    return Answer(Reservation.of(await _again(call, found)), 200 if sent.state in TERMINAL else 202)


async def _send(call: Call[Any, Any], station_id: str, request: SendCommand, wait_s: float) -> CommandRecord:
    """Queue a command and wait for its outcome, as far as that is wanted."""
    since = await call.parts.feed.now() if wait_s else None
    sent = sending.record_of((await ask(call, station_id, request)).body)
    return sent if since is None else await sending.outcome(call, sent, since, wait_s)


async def _taken_back(call: Call[Any, Any], found: records.Reservation, asked: str) -> bool:
    """Cancel the command that reserves; False where it was sent meanwhile."""
    back = CancelCommand(request_id=asked, by=call.token.name, command_id=found.reservation_id)
    try:
        await ask(call, found.station_id, back)
    except ProblemError as problem:
        if problem.kind != "conflict":
            raise
        return False
    return True


async def _found(call: Call[Any, Any], reservation_id: str) -> records.Reservation:
    found = await reservations.find(call.lane, reservation_id) if ID.fullmatch(reservation_id) else None
    if found is None:
        raise missing("reservation", reservation_id)
    return found


async def _again(call: Call[Any, Any], found: records.Reservation) -> records.Reservation:
    return await reservations.reservation(call.lane, found.station_id, found.reservation_id) or found


def _supported(version: Version) -> Version:
    if version is not OCPP16:
        raise ProblemError("conflict", f"stations of OCPP {version.name} take no reservations from here yet")
    return version


def _expiry(body: NewReservation, now: int) -> int:
    """Return when a reservation ends (ms); raises `ProblemError` 422 where it has no end, two, or one of the past."""
    if (body.expires_at is None) == (body.expires_in_s is None):
        raise ProblemError.of_field("bad_body", "body", "expires_at", "or `expires_in_s` is needed, and one of them")
    if body.expires_in_s is not None:
        return now + body.expires_in_s * 1000
    assert body.expires_at is not None
    at = milliseconds(body.expires_at)
    if not now < at <= now + MAX_S * 1000:
        message = f"must be in the future, by {MAX_S // 86_400} days at most"
        raise ProblemError.of_field("bad_body", "body", "expires_at", message)
    return at


def _number(station_id: str, asked: str, taken: Collection[int]) -> int:
    """Return a number that no live reservation of the station has: the same for the same request."""
    digest = hashlib.blake2b(f"{station_id}\x1f{asked}".encode(), digest_size=8).digest()
    number = int.from_bytes(digest, "big") % MAX_NUMBER + 1
    while number in taken:
        number = number % MAX_NUMBER + 1
    return number
