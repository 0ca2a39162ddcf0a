"""StatusNotification (OCPP 1.6 §4.9)."""

from __future__ import annotations

from shared.ocpp.v16.messages import StatusNotificationRequest, StatusNotificationResponse
from workers.handlers.registry import handles
from workers.services import status, times
from workers.store.draft import Draft


@handles(StatusNotificationRequest, late="keep")
def status_notification(draft: Draft, request: StatusNotificationRequest) -> StatusNotificationResponse:
    """Take in a connector's status."""
    status.report(
        draft,
        status.StatusReport(
            connector_id=request.connector_id,
            status=str(request.status),
            error_code=str(request.error_code),
            info=request.info or "",
            vendor_id=request.vendor_id or "",
            vendor_error_code=request.vendor_error_code or "",
            reported_at=times.read(draft, request.timestamp),
        ),
    )
    return StatusNotificationResponse()
