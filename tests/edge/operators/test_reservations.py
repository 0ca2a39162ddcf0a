"""Reservations over the API: made, listed, shown, cancelled."""

from typing import Any

import msgspec
import pytest

from shared.bus import keys
from shared.envelopes import Reply
from shared.records.commands import CommandRecord, made_at, make_id
from shared.records.packing import pack
from shared.records.requests import CancelCommand, Request, SendCommand
from shared.records.reservations import Reservation, Reservations
from shared.records.stations import ConnectorRecord, SessionRecord
from tests.edge.operators.stage import T0, Stage

BODY: dict[str, Any] = {"connector_id": 1, "id_tag": "ANNA"}


def reservation(number: int, station_id: str = "CP1", **fields: Any) -> Reservation:
    """Make a record."""
    name = make_id(T0 + number, f"{station_id}{number}")
    given = {"connector_id": 1, "id_tag": "ANNA", "made_at": T0 + number, "expires_at": T0 + 10**6, **fields}
    return Reservation(reservation_id=name, number=number, station_id=station_id, **given)


async def keep(stage: Stage, *records: Reservation) -> None:
    """Write records as commits do."""
    sections: dict[str, Reservations] = {}
    for one in records:
        section = sections.get(one.station_id, Reservations())
        if one.state in ("pending", "active"):
            section = msgspec.structs.replace(section, live={**section.live, one.reservation_id: one})
        else:
            section = msgspec.structs.replace(section, ended=(one.reservation_id, *section.ended))
        sections[one.station_id] = section
        await stage.write(
            ("SET", keys.reservation(one.station_id, one.reservation_id), pack(one)),
            ("ZADD", keys.RESERVATIONS, made_at(one.reservation_id), f"{one.station_id}/{one.reservation_id}"),
        )
    for station_id, section in sections.items():
        await stage.write(("HSET", keys.state(station_id), "rs", pack(section)))


def working(stage: Stage, made: Reservation | None = None) -> None:
    """Let a worker queue commands; a reservation is written under its command's id."""

    async def commit(_: str, request: Request) -> None:
        if made is not None:
            await keep(stage, made)

    def answer(station_id: str, request: Request) -> Reply:
        name = made.reservation_id if made else "other"
        record = CommandRecord(command_id=name, station_id=station_id, action="x", created_at=T0, expires_at=T0 + 9)
        return Reply(request.request_id, 202, msgspec.json.encode(record))

    stage.node.before_answer, stage.node.answer = commit, answer


async def test_made(stage: Stage) -> None:
    """202 and the record; a ReserveNow goes out, with a number that is free and until the reservation's end."""
    await stage.station("CP1")
    made = reservation(1)
    working(stage, made)
    body = {**BODY, "parent_id_tag": "FAMILY", "expires_in_s": 60}
    status, found = await stage.ask("POST", "/stations/CP1/reservations", json=body)
    assert (status, found["id"], found["state"]) == (202, made.reservation_id, "pending")
    ((_, asked),) = stage.node.asked
    assert isinstance(asked, SendCommand)
    payload = msgspec.json.decode(asked.payload)
    assert (asked.action, asked.expires_in_ms) == ("ReserveNow", 60_000)
    assert (payload["connectorId"], payload["idTag"], payload["parentIdTag"]) == (1, "ANNA", "FAMILY")
    assert 0 < payload["reservationId"] < 2**31
    assert payload["expiryDate"].endswith("Z")


async def test_the_same_request_asks_for_the_same(stage: Stage) -> None:
    """With an Idempotency-Key the number is the same; one that another reservation has is left out."""
    await stage.station("CP1")
    working(stage, reservation(1))
    for _ in range(2):
        headers = {"Idempotency-Key": "reserve-42"}
        await stage.ask("POST", "/stations/CP1/reservations", json={**BODY, "expires_in_s": 60}, headers=headers)
    numbers = [msgspec.json.decode(asked.payload)["reservationId"] for _, asked in stage.node.asked]  # type: ignore[attr-defined]
    assert numbers[0] == numbers[1]
    await keep(stage, reservation(numbers[0]))
    await stage.ask(
        "POST",
        "/stations/CP1/reservations",
        json={**BODY, "expires_in_s": 60},
        headers={"Idempotency-Key": "reserve-42"},
    )
    assert msgspec.json.decode(stage.node.asked[-1][1].payload)["reservationId"] == numbers[0] + 1  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({}, "expires_at"),
        ({"expires_in_s": 60, "expires_at": "2100-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "2100-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_in_s": 0}, "expires_in_s"),
        ({"expires_in_s": 60, "connector_id": 129}, "connector_id"),
        ({"expires_in_s": 60, "id_tag": "x" * 21}, "id_tag"),
    ],
)
async def test_wrong_fields_are_named(stage: Stage, change: dict[str, Any], name: str) -> None:
    """422 that names the field, and nobody is asked."""
    await stage.station("CP1")
    status, body = await stage.ask("POST", "/stations/CP1/reservations", json={**BODY, **change})
    assert (status, body["errors"][0]["name"]) == (422, name)
    assert stage.node.asked == []


async def test_stations_that_cannot(stage: Stage) -> None:
    """404 for an unknown station, 409 for one that speaks another version."""
    body = {**BODY, "expires_in_s": 60}
    assert (await stage.ask("POST", "/stations/none/reservations", json=body))[0] == 404
    await stage.station("CP2", session=SessionRecord(epoch=1, subprotocol="ocpp2.0.1", connection="open"))
    assert (await stage.ask("POST", "/stations/CP2/reservations", json=body))[0] == 409


async def test_listed_and_shown(stage: Stage) -> None:
    """All of them, the newest first, by station and by state, in pages; and one by its id."""
    first, second = reservation(1, state="active", active_at=T0 + 5), reservation(2, state="used", ended_at=T0 + 9)
    other = reservation(3, "CP2", state="active", doubt="Available")
    await stage.station("CP1")
    await keep(stage, first, second, other)
    listed = await stage.all_of("/reservations", limit="1")
    assert [one["reservation_id"] for one in listed] == [3, 2, 1]
    by_station = await stage.all_of("/reservations", station_id="CP1", limit="1")
    assert [one["reservation_id"] for one in by_station] == [2, 1]
    assert [one["reservation_id"] for one in await stage.all_of("/reservations", state="active")] == [3, 1]
    shown = await stage.get(f"/reservations/{other.reservation_id}")
    assert (shown["doubt"], shown["state"], shown["ended_at"]) == ("Available", "active", None)
    for name in ("none", make_id(T0, "no")):
        assert (await stage.ask("GET", f"/reservations/{name}"))[0] == 404


async def test_connectors_show_it(stage: Stage) -> None:
    """An active reservation stands with its connector, in every list of connectors."""
    await stage.station("CP1")
    await stage.connectors("CP1", *(ConnectorRecord(connector_id=number, status="Reserved") for number in (1, 2)))
    await keep(stage, reservation(7, state="active"), reservation(8, connector_id=2))
    station = await stage.get("/stations/CP1")
    for connectors in (
        station["connectors"],
        *[await stage.all_of(path) for path in ("/connectors", "/stations/CP1/connectors")],
    ):
        assert [one["reservation_id"] for one in connectors] == [7, None]
        assert [bool(one["reserved_until"]) for one in connectors] == [True, False]


async def test_cancelled(stage: Stage) -> None:
    """One that the station has gets a CancelReservation, one that was not sent is taken back, an ended one stays."""
    await stage.station("CP1")
    active, queued, used = reservation(1, state="active"), reservation(2), reservation(3, state="used")
    await keep(stage, active, queued, used)
    waiting = CommandRecord(command_id=queued.reservation_id, station_id="CP1", action="ReserveNow")
    await stage.write(("SET", keys.command("CP1", queued.reservation_id), pack(waiting)))
    working(stage)
    assert (await stage.ask("DELETE", f"/reservations/{active.reservation_id}"))[0] == 202
    assert (await stage.ask("DELETE", f"/reservations/{queued.reservation_id}"))[0] == 200
    assert (await stage.ask("DELETE", f"/reservations/{used.reservation_id}"))[0] == 409
    (_, sent), (_, back) = stage.node.asked
    assert isinstance(sent, SendCommand)
    assert (sent.action, sent.payload) == ("CancelReservation", '{"reservationId":1}')
    assert isinstance(back, CancelCommand)
    assert back.command_id == queued.reservation_id
