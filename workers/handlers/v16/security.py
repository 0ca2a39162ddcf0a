"""SecurityEventNotification (OCPP 1.6 security white paper, A04)."""

from __future__ import annotations

from shared.ocpp.v16 import messages as v16
from workers.handlers.registry import handles
from workers.services import reports, times
from workers.store.draft import Draft


@handles(v16.SecurityEventNotificationRequest, once=True)
def security_event(
    draft: Draft, request: v16.SecurityEventNotificationRequest
) -> v16.SecurityEventNotificationResponse:
    """Keep a security event."""
    reports.security_event(draft, request.type, times.read(draft, request.timestamp), request.tech_info or "")
    return v16.SecurityEventNotificationResponse()
