"""Reservations with real processes and simulated stations: made, shown, used, offended, cancelled, expired."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from ampstream.simulate.behaviours import BEHAVIOURS, Behaviour
from ampstream.simulate.chargepoint import ChargePoint
from ampstream.simulate.fleet import Fleet
from ampstream.simulate.models import BY_NAME
from ampstream.simulate.profiles import PROFILES, Profile
from ampstream.simulate.websocket import Endpoint
from ampstream.simulate.wheel import LoopWheel
from ampstream.simulate.world import World
from tests.chaos.harness.operator import Operator
from tests.chaos.harness.system import System
from tests.support import wait_until
from tests.terminal import ampstream

NOBODY = Profile(
    name="nobody", summary="cars come when they are told", arrival=lambda _: 1e9, plan=PROFILES["steady"].plan
)


@contextlib.asynccontextmanager
async def stations(system: System, **behaviours: Behaviour) -> AsyncIterator[list[ChargePoint]]:
    """Run simulated stations with two connectors, each of its own behaviour."""
    wheel = LoopWheel()
    world = World(wheel, NOBODY, speed=60)
    urls = [Endpoint.parse(url) for url in system.station_urls]
    named = {name.replace("_", "-"): behaviour for name, behaviour in behaviours.items()}
    fleet = Fleet(world, list(named), urls, behaviours=named, model=BY_NAME["Pole Duo 22"], connect_rate=0)
    fleet.start()
    try:
        await wait_until(lambda: all(station.online for station in fleet.stations))
        yield fleet.stations
    finally:
        await fleet.close()
        wheel.stop()


async def reserve(operator: Operator, station: str, connector: int = 1, **more: Any) -> dict[str, Any]:
    """Reserve for ANNA, wait for the answer, and return the record."""
    body = {"connector_id": connector, "id_tag": "ANNA", "expires_in_s": 600} | more
    status, found = await operator.request("POST", f"/stations/{station}/reservations?wait=60s", json=body)
    assert status == 200, found
    record: dict[str, Any] = found
    return record


async def shows(operator: Operator, station: str, status: str, connector: int = 1) -> dict[str, Any]:
    """Wait until a connector shows a status; return it."""

    async def look() -> dict[str, Any] | None:
        found = (await operator.get(f"/stations/{station}/connectors"))["items"]
        return next((one for one in found if (one["connector_id"], one["status"]) == (connector, status)), None)

    found = await wait_until(look)
    assert found is not None
    return found


async def becomes(operator: Operator, made: dict[str, Any], state: str) -> dict[str, Any]:
    """Wait until a reservation has a state; return it."""

    async def look() -> dict[str, Any] | None:
        found: dict[str, Any] = await operator.get(f"/reservations/{made['id']}")
        return found if found["state"] == state else None

    found = await wait_until(look)
    assert found is not None
    return found


async def cli(system: System, *arguments: str) -> tuple[int, str]:
    """Run `ampstream reservations`; return its status and what it wrote."""
    operator = system.operator()
    token = operator.headers["Authorization"].removeprefix("Bearer ")
    env = os.environ | {"AMPSTREAM_API_URL": operator.url, "AMPSTREAM_API_TOKEN": token, "COLUMNS": "200"}
    done = await ampstream("reservations", *arguments, env=env)
    return done.status, done.out


async def test_made_shown_and_used(system: System, operator: Operator) -> None:
    """The connector shows who it is kept until when; the holder's start uses it, by its name."""
    async with stations(system, RSV_USED=Behaviour()) as (station,):
        made = await reserve(operator, "RSV-USED")
        assert made["state"] == "active"
        shown = await shows(operator, "RSV-USED", "Reserved")
        assert (shown["reservation_id"], shown["reserved_until"]) == (made["reservation_id"], made["expires_at"])
        second = await reserve(operator, "RSV-USED")
        assert (second["state"], second["reason"]) == ("refused", "Occupied")
        station.connectors[0].arrive("ANNA")
        used = await becomes(operator, made, "used")
        transaction = await operator.get(f"/transactions/{used['transaction_id']}")
        assert (transaction["reservation_id"], transaction["flags"]) == (made["reservation_id"], [])
        assert (await shows(operator, "RSV-USED", "Charging"))["reservation_id"] is None
        kinds = [one["type"] for one in operator.events("RSV-USED") if one["type"].startswith("reservation.")]
        assert kinds == ["reservation.made", "reservation.refused", "reservation.used"]


async def test_offended_cancelled_and_expired(system: System, operator: Operator) -> None:
    """Another's start on a station that does not care is flagged; a cancelled and an expired one are free again."""
    careless = BEHAVIOURS["ignoring-reservations"]
    async with stations(system, RSV_CARE=careless, RSV_ENDS=Behaviour()) as (station, _):
        made = await reserve(operator, "RSV-CARE")
        station.connectors[0].arrive("BERT")

        async def begun() -> list[dict[str, Any]]:
            return await operator.items("/transactions", station_id="RSV-CARE")

        (transaction,) = await wait_until(begun)
        assert transaction["flags"] == ["reserved_for_another"]
        assert (await becomes(operator, made, "active"))["transaction_id"] is None
        here, there = await reserve(operator, "RSV-ENDS"), await reserve(operator, "RSV-ENDS", 2, expires_in_s=2)
        status, cancelled = await operator.request("DELETE", f"/reservations/{here['id']}?wait=60s")
        assert (status, cancelled["state"]) == (200, "cancelled")
        await shows(operator, "RSV-ENDS", "Available")
        assert (await becomes(operator, there, "expired"))["ended_at"] >= there["expires_at"]
        await shows(operator, "RSV-ENDS", "Available", 2)


async def test_sent_as_a_command(system: System, operator: Operator) -> None:
    """A ReserveNow that an operator spells out is followed like any other, from when it is queued."""
    async with stations(system, RSV_RAW=Behaviour()):
        pass
    payload = {"connectorId": 0, "expiryDate": "2100-01-01T00:00:00Z", "idTag": "ANNA", "reservationId": 42}
    status, sent = await operator.request(
        "POST", "/stations/RSV-RAW/commands", json={"action": "ReserveNow", "payload": payload}
    )
    assert (status, sent["state"]) == (202, "queued")
    (made,) = await operator.items("/reservations", station_id="RSV-RAW", state="pending")
    assert (made["id"], made["reservation_id"], made["connector_id"]) == (sent["id"], 42, 0)
    async with stations(system, RSV_RAW=Behaviour()) as (station,):
        await becomes(operator, made, "active")
        station.connectors[1].arrive("ANNA")
        await becomes(operator, made, "used")


async def test_a_station_that_forgets(system: System, operator: Operator) -> None:
    """A connector that is free after a reboot puts its reservation in doubt; a stranger is welcome then."""
    async with stations(system, RSV_FORGETS=BEHAVIOURS["forgetful"]) as (station,):
        made = await reserve(operator, "RSV-FORGETS")
        await shows(operator, "RSV-FORGETS", "Reserved")
        body = {"action": "Reset", "payload": {"type": "Soft"}}
        await operator.request("POST", "/stations/RSV-FORGETS/commands?wait=60s", json=body)
        await shows(operator, "RSV-FORGETS", "Available")
        assert (await becomes(operator, made, "active"))["doubt"] == "Available"
        assert "reservation_lost" in (await operator.station("RSV-FORGETS"))["flags"]
        station.connectors[0].arrive("BERT")
        await shows(operator, "RSV-FORGETS", "Charging")
        (transaction,) = await operator.items("/transactions", station_id="RSV-FORGETS")
        assert transaction["flags"] == []


async def test_from_the_terminal(system: System) -> None:
    """Made, listed, shown and cancelled by `ampstream reservations`."""
    async with stations(system, RSV_CLI=Behaviour()):
        status, text = await cli(system, "make", "RSV-CLI", "1", "ANNA", "--minutes", "5", "--wait-s", "10", "--json")
        made = msgspec.json.decode(text)
        assert (status, made["state"]) == (0, "active")
        assert (await cli(system, "make", "RSV-CLI", "1", "BERT", "--wait-s", "10"))[0] == 1
        _, listed = await cli(system, "list", "--station", "RSV-CLI")
        assert (listed.count("RSV-CLI"), "Occupied" in listed) == (2, True)
        assert "ANNA" in (await cli(system, "show", made["id"]))[1]
        assert "is cancelled" in (await cli(system, "cancel", made["id"], "--wait-s", "10"))[1]
