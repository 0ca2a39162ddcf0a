"""A small CSMS for these tests: aiohttp's server, and the `ocpp` package to judge and answer every message."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar, cast

from aiohttp import WSCloseCode, WSMsgType, web
from ocpp.routing import on as ocpp_on
from ocpp.v16 import ChargePoint, call_result
from ocpp.v16.datatypes import IdTagInfo
from ocpp.v16.enums import Action, AuthorizationStatus, RegistrationStatus

from shared.ocpp.timestamps import format_time
from tests.support import PATIENCE_S

F = TypeVar("F", bound=Callable[..., Any])


def on(action: Action) -> Callable[[F], F]:
    """Route an action to a method, as `ocpp` does, keeping the method's type."""
    return cast("Callable[[F], F]", ocpp_on(action))


class Pipe:
    """What `ocpp` wants of a WebSocket, over aiohttp's."""

    def __init__(self, ws: web.WebSocketResponse) -> None:
        self.ws = ws

    async def recv(self) -> str:
        message = await self.ws.receive()
        if message.type != WSMsgType.TEXT:
            raise ConnectionResetError
        return str(message.data)

    async def send(self, text: str) -> None:
        await self.ws.send_str(text)


class Peer(ChargePoint):  # type: ignore[misc]  # ocpp ships no types
    """The CSMS's end of one connection."""

    csms: Csms

    def said(self, action: str, **payload: Any) -> None:
        self.csms.said.append((self.id, action, payload))

    @on(Action.boot_notification)
    def on_boot(self, **payload: Any) -> Any:
        self.said("BootNotification", **payload)
        status = self.csms.registrations.pop(0) if self.csms.registrations else RegistrationStatus.accepted
        return call_result.BootNotification(current_time=format_time(0), interval=self.csms.interval, status=status)

    @on(Action.heartbeat)
    def on_heartbeat(self) -> Any:
        self.said("Heartbeat")
        return call_result.Heartbeat(current_time=format_time(0))

    @on(Action.status_notification)
    def on_status(self, **payload: Any) -> Any:
        self.said("StatusNotification", **payload)
        return call_result.StatusNotification()

    @on(Action.authorize)
    def on_authorize(self, **payload: Any) -> Any:
        self.said("Authorize", **payload)
        return call_result.Authorize(id_tag_info=IdTagInfo(status=self.csms.tag_status))

    @on(Action.start_transaction)
    def on_start(self, **payload: Any) -> Any:
        self.said("StartTransaction", **payload)
        key = (self.id, payload["connector_id"], payload["id_tag"], payload["timestamp"], payload["meter_start"])
        number = self.csms.starts.setdefault(key, len(self.csms.starts) + 1)
        return call_result.StartTransaction(transaction_id=number, id_tag_info=IdTagInfo(status=self.csms.tag_status))

    @on(Action.meter_values)
    def on_meter_values(self, **payload: Any) -> Any:
        self.said("MeterValues", **payload)
        return call_result.MeterValues()

    @on(Action.stop_transaction)
    def on_stop(self, **payload: Any) -> Any:
        self.said("StopTransaction", **payload)
        self.csms.stops[payload["transaction_id"]] = payload
        return call_result.StopTransaction()

    @on(Action.firmware_status_notification)
    def on_firmware(self, **payload: Any) -> Any:
        self.said("FirmwareStatusNotification", **payload)
        return call_result.FirmwareStatusNotification()

    @on(Action.diagnostics_status_notification)
    def on_diagnostics(self, **payload: Any) -> Any:
        self.said("DiagnosticsStatusNotification", **payload)
        return call_result.DiagnosticsStatusNotification()

    @on(Action.log_status_notification)
    def on_log(self, **payload: Any) -> Any:
        self.said("LogStatusNotification", **payload)
        return call_result.LogStatusNotification()


class Csms:
    """Where stations dial; `said` holds all they said, in order."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str, dict[str, Any]]] = []
        self.starts: dict[tuple[Any, ...], int] = {}
        self.stops: dict[int, dict[str, Any]] = {}
        self.registrations: list[RegistrationStatus] = []
        self.tag_status = AuthorizationStatus.accepted
        self.interval = 60
        self.refuse_with = 0
        self.peers: dict[str, Peer] = {}
        self.authorizations: dict[str, str | None] = {}
        self.url = ""

    def actions(self, station: str | None = None) -> list[str]:
        """Name what was said, by one station or all."""
        return [action for who, action, _ in self.said if station in (None, who)]

    def payloads(self, action: str) -> list[dict[str, Any]]:
        """Return the payloads of one action."""
        return [payload for _, said, payload in self.said if said == action]

    async def serve(self, request: web.Request) -> web.StreamResponse:
        station = request.match_info["station"]
        self.authorizations[station] = request.headers.get("Authorization")
        if self.refuse_with:
            return web.Response(status=self.refuse_with, headers={"Retry-After": "0"})
        ws = web.WebSocketResponse(protocols=("ocpp1.6",), compress=False)
        await ws.prepare(request)
        peer = Peer(station, Pipe(ws))
        peer.csms = self
        self.peers[station] = peer
        with contextlib.suppress(ConnectionResetError):
            await peer.start()
        return ws

    async def drop(self, station: str, code: int = WSCloseCode.SERVICE_RESTART) -> None:
        """Close a station's connection."""
        await self.peers[station]._connection.ws.close(code=code)


@contextlib.asynccontextmanager
async def running_csms() -> AsyncIterator[Csms]:
    """Serve on a free port for the length of the block."""
    csms = Csms()
    app = web.Application()
    app.router.add_get("/ocpp/{station}", csms.serve)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    csms.url = f"ws://127.0.0.1:{port}/ocpp"
    try:
        yield csms
    finally:
        await asyncio.wait_for(runner.cleanup(), PATIENCE_S)
