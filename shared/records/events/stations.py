"""What stations are and report beside charging: connections, boots, connectors, statuses, what nobody understood."""

from __future__ import annotations

from shared.records.events.base import Event


class StationCreated(Event, tag="station.created"):
    """A station became known: an operator made it, or it dialled in where unknown stations are accepted."""

    by: str = ""


class StationUpdated(Event, tag="station.updated"):
    """An operator changed a station's settings."""

    fields: tuple[str, ...] = ()


class StationDeleted(Event, tag="station.deleted"):
    """An operator removed a station."""


class StationConnected(Event, tag="station.connected"):
    """A station's socket was registered."""

    epoch: int
    node: str
    protocol: str
    address: str = ""


class StationDisconnected(Event, tag="station.disconnected"):
    """A station's socket is gone; `reconnecting` where Ampstream sent it away and it is expected back."""

    epoch: int
    reason: str
    reconnecting: bool = False


class StationOffline(Event, tag="station.offline"):
    """A station is gone: a clean close, or its presence deadline passed (`cause`: close, expiry)."""

    epoch: int
    cause: str


class StationBooted(Event, tag="station.booted"):
    """A station sent BootNotification and was answered `status`."""

    status: str
    vendor: str
    model: str
    firmware: str = ""
    previous_firmware: str = ""


class StationFlagged(Event, tag="station.flagged"):
    """A station showed a deviation for the first time."""

    flag: str


class ConnectorStatus(Event, tag="connector.status"):
    """A connector reported a status that differs from its last."""

    connector_id: int
    status: str
    previous: str = ""
    error_code: str = "NoError"
    info: str = ""
    vendor_error_code: str = ""
    reported_at: int = 0


class FirmwareStatus(Event, tag="station.firmware_status"):
    """FirmwareStatusNotification or SignedFirmwareStatusNotification."""

    status: str
    request_id: int | None = None


class DiagnosticsStatus(Event, tag="station.diagnostics_status"):
    """DiagnosticsStatusNotification or LogStatusNotification."""

    status: str
    request_id: int | None = None


class SecurityEvent(Event, tag="station.security_event"):
    """SecurityEventNotification, or something that Ampstream noticed itself (`source`; then a station may be none)."""

    kind: str
    reported_at: int
    info: str = ""
    severity: str = "informational"
    source: str = "station"


class CertificateRequested(Event, tag="station.certificate_requested"):
    """SignCertificate: waits for the authority where `problem` is empty; else it was answered Rejected."""

    problem: str = ""


class CertificateChanged(Event, tag="station.certificate"):
    """A certificate was sent, accepted, rejected or first used by its station; or none was made, for `problem`."""

    state: str
    certificate_id: str = ""
    not_after: int = 0
    problem: str = ""


class KeyRotation(Event, tag="station.key_rotation"):
    """A new key is on its way to a station, was taken or refused, or is in use; never the key itself."""

    state: str
    answer: str = ""


class DataTransferred(Event, tag="station.data_transfer"):
    """DataTransfer from a station; `data` is the text it sent, cut at 4,096 characters."""

    vendor_id: str
    message_id: str = ""
    data: str = ""


class FrameQuarantined(Event, tag="quarantine.added"):
    """A frame was not understood and is kept."""

    quarantine_id: str
    reason: str
    action: str = ""
