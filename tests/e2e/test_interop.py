"""Interoperability: a client that others wrote, the `ocpp` package's own ChargePoint, with its schema checks on."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import aiohttp
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call, call_result
from ocpp.v16.enums import Action, AuthorizationStatus, RegistrationStatus, TriggerMessageStatus

from tests.chaos.harness.operator import Operator
from tests.chaos.harness.system import System
from tests.support import wait_until


class Socket:
    """What the client expects of a connection, over aiohttp's WebSocket."""

    def __init__(self, websocket: aiohttp.ClientWebSocketResponse) -> None:
        self._websocket = websocket

    async def recv(self) -> str:
        """Return the next text message."""
        return await self._websocket.receive_str()

    async def send(self, message: str) -> None:
        """Send a text message."""
        await self._websocket.send_str(message)

    async def close(self) -> None:
        """Close the WebSocket."""
        await self._websocket.close()


class Client(ChargePoint):  # type: ignore[misc]  # the package has no types
    """A station that takes TriggerMessage."""

    def __init__(self, station_id: str, socket: Socket) -> None:
        super().__init__(station_id, socket)
        self.socket = socket
        self.triggered: list[str] = []

    @on(Action.trigger_message)  # type: ignore[untyped-decorator]
    def on_trigger_message(self, requested_message: str, **_: Any) -> call_result.TriggerMessage:
        """Accept whatever is asked for."""
        self.triggered.append(requested_message)
        return call_result.TriggerMessage(status=TriggerMessageStatus.accepted)


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _status(status: str) -> Any:
    return call.StatusNotification(connector_id=1, error_code="NoError", status=status, timestamp=_now())


def _reading(number: int, value: int) -> Any:
    sampled = [{"value": str(value), "measurand": "Energy.Active.Import.Register", "unit": "Wh"}]
    meter_value = [{"timestamp": _now(), "sampled_value": sampled}]
    return call.MeterValues(connector_id=1, transaction_id=number, meter_value=meter_value)


async def _connected(http: aiohttp.ClientSession, system: System) -> tuple[Client, asyncio.Task[None]]:
    websocket = await http.ws_connect(f"{system.station_url()}/INTEROP", protocols=["ocpp1.6"])
    assert websocket.protocol == "ocpp1.6"
    client = Client("INTEROP", Socket(websocket))
    return client, asyncio.create_task(client.start())


async def _leave(client: Client, reading: asyncio.Task[None]) -> None:
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    await client.socket.close()


async def test_a_whole_session(system: System, operator: Operator) -> None:
    """Boot, status, authorize, start, meter values, stop: each answer passes the client's own schema check."""
    async with aiohttp.ClientSession() as http:
        client, reading = await _connected(http, system)
        boot = await client.call(call.BootNotification(charge_point_model="One", charge_point_vendor="Acme"))
        assert boot.status == RegistrationStatus.accepted
        assert boot.current_time.endswith("Z")
        await client.call(_status("Available"))
        assert (await client.call(call.Heartbeat())).current_time.endswith("Z")
        authorized = await client.call(call.Authorize(id_tag="TAG1"))
        assert authorized.id_tag_info["status"] == AuthorizationStatus.accepted
        started = await client.call(
            call.StartTransaction(connector_id=1, id_tag="TAG1", meter_start=1000, timestamp=_now())
        )
        assert started.id_tag_info["status"] == AuthorizationStatus.accepted
        number = started.transaction_id
        await client.call(_status("Charging"))
        await client.call(_reading(number, 1500))
        await client.call(
            call.StopTransaction(meter_stop=2345, timestamp=_now(), transaction_id=number, reason="Local")
        )
        stored = await operator.get(f"/transactions/{number}")
        assert (stored["state"], stored["energy_wh"], stored["stop_reason"]) == ("closed", 1345, "Local")
        station = await operator.station("INTEROP")
        assert (station["vendor"], station["model"], station["state"]) == ("Acme", "One", "online")
        assert station["flags"] == []
        await _leave(client, reading)


async def test_it_answers_what_the_reconciliation_asks(system: System) -> None:
    """A client that comes back with an open transaction is asked for status and meter values by TriggerMessage."""
    async with aiohttp.ClientSession() as http:
        client, reading = await _connected(http, system)
        await client.call(call.BootNotification(charge_point_model="One", charge_point_vendor="Acme"))
        started = await client.call(
            call.StartTransaction(connector_id=1, id_tag="TAG1", meter_start=5000, timestamp=_now())
        )
        await _leave(client, reading)
        client, reading = await _connected(http, system)
        await wait_until(lambda: {"StatusNotification", "MeterValues"} <= set(client.triggered))
        await client.call(_reading(started.transaction_id, 5100))
        await client.call(
            call.StopTransaction(meter_stop=5200, timestamp=_now(), transaction_id=started.transaction_id)
        )
        await _leave(client, reading)
