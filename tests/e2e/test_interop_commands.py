"""Every message to a station of 1.6, taken and answered by a client that others wrote, with its schema checks on."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call, call_result
from ocpp.v16.enums import Action

from shared.ocpp import v16
from tests.chaos.harness.operator import Operator
from tests.chaos.harness.system import System
from tests.e2e.test_interop import Socket

TIME = "2030-01-01T00:00:00Z"
HASH = {"hashAlgorithm": "SHA256", "issuerNameHash": "aa", "issuerKeyHash": "bb", "serialNumber": "01"}
PERIODS = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.5}]}
PROFILE = {
    "chargingProfileId": 1, "stackLevel": 0, "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Relative", "chargingSchedule": PERIODS,
}  # fmt: skip
YES = {"status": "Accepted"}
COMMANDS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "CancelReservation": ({"reservationId": 1}, {"status": "Rejected"}, "rejected"),
    "CertificateSigned": ({"certificateChain": "PEM"}, YES, "accepted"),
    "ChangeAvailability": ({"connectorId": 0, "type": "Operative"}, {"status": "Scheduled"}, "accepted"),
    "ChangeConfiguration": ({"key": "HeartbeatInterval", "value": "60"}, {"status": "RebootRequired"}, "accepted"),
    "ClearCache": ({}, YES, "accepted"),
    "ClearChargingProfile": ({"stackLevel": 0}, {"status": "Unknown"}, "rejected"),
    "DataTransfer": ({"vendorId": "com.example", "data": "x"}, {"status": "UnknownVendorId"}, "rejected"),
    "DeleteCertificate": ({"certificateHashData": HASH}, {"status": "NotFound"}, "rejected"),
    "ExtendedTriggerMessage": ({"requestedMessage": "LogStatusNotification"}, {"status": "NotImplemented"}, "rejected"),
    "GetCompositeSchedule": ({"connectorId": 1, "duration": 60}, YES, "accepted"),
    "GetConfiguration": ({"key": ["A"]}, {"unknown_key": ["A"]}, "accepted"),
    "GetDiagnostics": ({"location": "ftp://example.com/"}, {"file_name": "d.zip"}, "accepted"),
    "GetInstalledCertificateIds": ({"certificateType": "CentralSystemRootCertificate"}, YES, "accepted"),
    "GetLocalListVersion": ({}, {"list_version": -1}, "accepted"),
    "GetLog": (
        {"logType": "SecurityLog", "requestId": 1, "log": {"remoteLocation": "ftp://example.com/"}},
        {"status": "AcceptedCanceled"}, "accepted",
    ),
    "InstallCertificate": (
        {"certificateType": "ManufacturerRootCertificate", "certificate": "PEM"}, {"status": "Failed"}, "rejected",
    ),
    "RemoteStartTransaction": ({"idTag": "TAG1", "connectorId": 1, "chargingProfile": PROFILE | {
        "chargingProfilePurpose": "TxProfile"}}, {"status": "Rejected"}, "rejected"),
    "RemoteStopTransaction": ({"transactionId": 1}, {"status": "Rejected"}, "rejected"),
    "ReserveNow": (
        {"connectorId": 1, "expiryDate": TIME, "idTag": "TAG1", "reservationId": 1}, {"status": "Occupied"}, "rejected",
    ),
    "Reset": ({"type": "Soft"}, YES, "accepted"),
    "SendLocalList": (
        {"listVersion": 1, "updateType": "Full", "localAuthorizationList": [{"idTag": "A", "idTagInfo": YES}]},
        {"status": "VersionMismatch"}, "rejected",
    ),
    "SetChargingProfile": ({"connectorId": 0, "csChargingProfiles": PROFILE}, YES, "accepted"),
    "SignedUpdateFirmware": (
        {"requestId": 1, "firmware": {"location": "https://example.com/f", "retrieveDateTime": TIME,
                                      "signingCertificate": "PEM", "signature": "sig"}},
        {"status": "InvalidCertificate"}, "rejected",
    ),
    "TriggerMessage": ({"requestedMessage": "Heartbeat"}, YES, "accepted"),
    "UnlockConnector": ({"connectorId": 1}, {"status": "Unlocked"}, "accepted"),
    "UpdateFirmware": ({"location": "https://example.com/f", "retrieveDate": TIME}, {}, "accepted"),
}  # fmt: skip
"""Action -> payload, fields of the answer, outcome."""


def _handler(action: str) -> Any:
    def answer(_self: ChargePoint, **_: Any) -> Any:
        return getattr(call_result, action)(**COMMANDS[action][1])

    answer.__name__ = f"on_{action}"  # The package finds handlers by their functions' names.
    return on(Action(action))(answer)


Client: Any = type("Client", (ChargePoint,), {f"on_{action}": _handler(action) for action in COMMANDS})


async def test_every_command_is_understood_by_others(system: System, operator: Operator) -> None:
    """Each CALL passes the client's schema, each answer has the outcome that its status means."""
    assert set(COMMANDS) == v16.FROM_CSMS
    async with aiohttp.ClientSession() as http:
        websocket = await http.ws_connect(f"{system.station_url()}/INTEROP-CMD", protocols=["ocpp1.6"])
        client = Client("INTEROP-CMD", Socket(websocket))
        reading = asyncio.create_task(client.start())
        await client.call(call.BootNotification(charge_point_model="One", charge_point_vendor="Acme"))
        found = {}
        for action, (payload, _, _) in COMMANDS.items():
            status, body = await operator.request(
                "POST", "/stations/INTEROP-CMD/commands?wait=60s", json={"action": action, "payload": payload}
            )
            assert status == 200, (action, body)
            if action != "SendLocalList":  # Whose tags a command that has ended does not keep.
                assert body["payload"] == payload
            found[action] = (body["state"], body["error"])
        assert found == {action: (state, None) for action, (_, _, state) in COMMANDS.items()}
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await websocket.close()
