"""Firmware, diagnostics and log statuses (OCPP 1.6 §4.4, §4.5; security white paper, L01 and N01)."""

from __future__ import annotations

from shared.ocpp.v16 import messages as v16
from workers.handlers.registry import handles
from workers.services import reports
from workers.store.draft import Draft


@handles(v16.FirmwareStatusNotificationRequest, late="keep")
def firmware_status(
    draft: Draft, request: v16.FirmwareStatusNotificationRequest
) -> v16.FirmwareStatusNotificationResponse:
    """Take in how far a firmware update is."""
    reports.firmware(draft, str(request.status))
    return v16.FirmwareStatusNotificationResponse()


@handles(v16.SignedFirmwareStatusNotificationRequest, late="keep")
def signed_firmware_status(
    draft: Draft, request: v16.SignedFirmwareStatusNotificationRequest
) -> v16.SignedFirmwareStatusNotificationResponse:
    """Take in how far an update with signed firmware is."""
    reports.firmware(draft, str(request.status), request.request_id, signed=True)
    return v16.SignedFirmwareStatusNotificationResponse()


@handles(v16.DiagnosticsStatusNotificationRequest, late="keep")
def diagnostics_status(
    draft: Draft, request: v16.DiagnosticsStatusNotificationRequest
) -> v16.DiagnosticsStatusNotificationResponse:
    """Take in how far an upload of diagnostics is."""
    reports.diagnostics(draft, str(request.status))
    return v16.DiagnosticsStatusNotificationResponse()


@handles(v16.LogStatusNotificationRequest, late="keep")
def log_status(draft: Draft, request: v16.LogStatusNotificationRequest) -> v16.LogStatusNotificationResponse:
    """Take in how far an upload of a log is."""
    reports.diagnostics(draft, str(request.status), request.request_id, log=True)
    return v16.LogStatusNotificationResponse()
