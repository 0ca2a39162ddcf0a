"""UpdateFirmware (OCPP 1.6 §5.19) and SignedUpdateFirmware (security white paper L01), as campaigns send them.

What in the location of a command lets somebody in goes from its record once the command has ended.
"""

from __future__ import annotations

from shared.ocpp.timestamps import format_time
from shared.ocpp.v16.messages import (
    GetDiagnosticsRequest,
    GetLogRequest,
    SignedUpdateFirmwareRequest,
    UpdateFirmwareRequest,
)
from shared.ocpp.versions import OCPP16
from shared.urls import redact
from workers.services import commands
from workers.services.firmware.dialect import Call, Dialect, Order, speaks

for _request in (GetDiagnosticsRequest, GetLogRequest, SignedUpdateFirmwareRequest, UpdateFirmwareRequest):
    commands.sheds(_request.action)(lambda command: redact(command.payload))


def _plain(order: Order) -> Call:
    return UpdateFirmwareRequest.action, {
        "location": order.location,
        "retrieveDate": format_time(order.retrieve_at),
    }


def _signed(order: Order) -> Call:
    return SignedUpdateFirmwareRequest.action, {
        "requestId": order.request_id,
        "firmware": {
            "location": order.location,
            "retrieveDateTime": format_time(order.retrieve_at),
            "signingCertificate": order.signing_certificate,
            "signature": order.signature,
        },
    }


speaks(
    OCPP16.subprotocol,
    Dialect(
        plain=_plain,
        signed=_signed,
        plain_profile="FirmwareManagement",
        # The white paper's own keys: no feature profile stands for its messages.
        signed_keys=("securityprofile", "additionalrootcertificatecheck", "certificatesignedmaxchainsize"),
        unknown=("NotImplemented", "NotSupported"),
    ),
)
