"""BootNotification (OCPP 1.6 §4.2)."""

from __future__ import annotations

from typing import Final

from shared.ocpp.v16.enums import RegistrationStatus
from shared.ocpp.v16.messages import BootNotificationRequest, BootNotificationResponse
from workers.handlers.registry import handles
from workers.services import registration, times
from workers.store.draft import Draft

_STATUSES: Final = {
    "accepted": RegistrationStatus.ACCEPTED,
    "pending": RegistrationStatus.PENDING,
    "rejected": RegistrationStatus.REJECTED,
}


@handles(BootNotificationRequest, late="keep", unaccepted=True)
def boot_notification(draft: Draft, request: BootNotificationRequest) -> BootNotificationResponse:
    """Answer with the registration, the interval and the time."""
    report = registration.Boot(
        vendor=request.charge_point_vendor,
        model=request.charge_point_model,
        serial_number=request.charge_point_serial_number or request.charge_box_serial_number or "",
        firmware=request.firmware_version or "",
        iccid=request.iccid or "",
        imsi=request.imsi or "",
        meter_type=request.meter_type or "",
        meter_serial_number=request.meter_serial_number or "",
    )
    verdict = registration.boot(draft, report)
    return BootNotificationResponse(
        status=_STATUSES[verdict.registration], current_time=times.now_text(draft), interval=verdict.interval_s
    )
