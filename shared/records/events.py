"""The versioned list of event types. Each is delivered at least once, with an id that is the same on redelivery.

An entry of the event stream holds the events of one batch (field `v`, a msgpack list); an event's position is
`<entry id>.<index>`, and that is what a reader resumes from. The event's own id is `station:epoch:call_seq:n` for what
a CALL caused and `station:<uplink entry id>:n` for the rest.
"""

from __future__ import annotations

from typing import Final

import msgspec

VERSION: Final = 1
"""Of the list below: a type or field may be added under the same version, a changed meaning raises it."""


class Event(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="type"):
    """What every event has. `at`: when Ampstream took it in (ms)."""

    station_id: str
    at: int
    id: str = ""


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


class TransactionStarted(Event, tag="transaction.started"):
    """A transaction started (a repetition of its StartTransaction is no second event)."""

    transaction_id: int
    connector_id: int
    id_tag: str
    started_at: int
    meter_start_wh: int
    authorization: str
    flags: tuple[str, ...] = ()


class TransactionUpdated(Event, tag="transaction.updated"):
    """New samples of an open transaction."""

    transaction_id: int
    connector_id: int
    energy_wh: int
    power_w: float | None = None
    soc_percent: float | None = None
    sampled_at: int = 0


class TransactionEnded(Event, tag="transaction.ended"):
    """A transaction ended, as the station reported or, `estimated`, as Ampstream concluded."""

    transaction_id: int
    connector_id: int
    id_tag: str
    started_at: int
    stopped_at: int
    energy_wh: int
    meter_stop_wh: int | None
    reason: str
    estimated: bool = False
    flags: tuple[str, ...] = ()


class TransactionCorrected(Event, tag="transaction.corrected"):
    """The station's own stop came and replaced an estimate."""

    transaction_id: int
    connector_id: int
    energy_wh: int
    previous_energy_wh: int
    stopped_at: int
    reason: str


class TransactionOrphanStop(Event, tag="transaction.orphan_stop"):
    """A StopTransaction came that fits no transaction."""

    transaction_id: int
    meter_stop_wh: int


class AuthorizationRefused(Event, tag="authorization.refused"):
    """An id tag was refused, at Authorize or at a start (`where`)."""

    status: str
    where: str


class FirmwareStatus(Event, tag="station.firmware_status"):
    """FirmwareStatusNotification or SignedFirmwareStatusNotification."""

    status: str
    request_id: int | None = None


class DiagnosticsStatus(Event, tag="station.diagnostics_status"):
    """DiagnosticsStatusNotification or LogStatusNotification."""

    status: str
    request_id: int | None = None


class SecurityEvent(Event, tag="station.security_event"):
    """SecurityEventNotification."""

    kind: str
    reported_at: int
    info: str = ""


class CertificateRequested(Event, tag="station.certificate_requested"):
    """SignCertificate: the request is stored and was answered Rejected."""


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


class CommandChanged(Event, tag="command.changed"):
    """A command changed its state."""

    command_id: str
    action: str
    state: str
    error: str = ""


class ConfigurationRead(Event, tag="configuration.read"):
    """A station's configuration was read whole; `version` counts those that differed."""

    trigger: str
    version: int
    keys: int
    changes: int = 0


class ConfigurationDrifted(Event, tag="configuration.drifted"):
    """A station's configuration has significant changes; `names` are the first twenty keys, codes or measurands."""

    drift_id: str
    version: int
    changes: int
    names: tuple[str, ...] = ()


class DriftAcknowledged(Event, tag="configuration.acknowledged"):
    """An operator has acknowledged a drift."""

    drift_id: str
    by: str = ""


class StartFailed(Event, tag="transaction.start_failed"):
    """A remote start was accepted and no transaction began in time: `reason` offline, tag, connector or unknown."""

    command_id: str
    connector_id: int
    reason: str
    detail: str = ""


class StopFailed(Event, tag="transaction.stop_failed"):
    """A remote stop was accepted and the transaction did not end in time: `reason` offline or unknown."""

    command_id: str
    transaction_id: int
    connector_id: int
    reason: str
    detail: str = ""


class ReconciliationStarted(Event, tag="transaction.reconciling"):
    """An open transaction of a station that came back is being looked at."""

    transaction_id: int
    trigger: str


class StationTuned(Event, tag="configuration.tuned"):
    """A station was brought in line with its templates, as far as it goes; `state` is that of all of them together."""

    state: str
    taken: tuple[str, ...] = ()
    """Keys that it took."""
    refused: tuple[str, ...] = ()
    reverting: tuple[str, ...] = ()
    """Keys that it keeps going back on; they are left alone now."""


class DataIncomplete(Event, tag="transaction.data_incomplete"):
    """A transaction's meter data did not meet the policy: `data_policy` partly, unmet or none."""

    transaction_id: int
    connector_id: int
    data_policy: str
    missing: tuple[str, ...] = ()


class ReservationMade(Event, tag="reservation.made"):
    """A station has accepted a reservation; `number` is what it knows it by, connector 0 is any."""

    reservation_id: str
    number: int
    connector_id: int
    expires_at: int


class ReservationUsed(Event, tag="reservation.used"):
    """A transaction began under a reservation; it may have ended before, unused as it seemed."""

    reservation_id: str
    number: int
    connector_id: int
    transaction_id: int


class ReservationExpired(Event, tag="reservation.expired"):
    """A reservation's time was over before anybody used it."""

    reservation_id: str
    number: int
    connector_id: int


class ReservationCancelled(Event, tag="reservation.cancelled"):
    """A reservation was cancelled, replaced, or never sent."""

    reservation_id: str
    number: int
    connector_id: int
    reason: str = ""


class ReservationRefused(Event, tag="reservation.refused"):
    """A station has not accepted a reservation; `reason` is the status or the error that it answered."""

    reservation_id: str
    number: int
    connector_id: int
    reason: str = ""


class JobCreated(Event, tag="job.created"):
    """An operator made a job over many stations; `station_id` is empty in all events of jobs."""

    job_id: str
    action: str
    total: int
    state: str
    by: str = ""


class JobChanged(Event, tag="job.changed"):
    """A job was paused, resumed or cancelled (`by` says by whom), or went on: at most every few seconds."""

    job_id: str
    state: str
    total: int
    ended: int
    by: str = ""


class JobDone(Event, tag="job.done"):
    """All stations of a job have ended, also where it was cancelled; `outcomes` counts them."""

    job_id: str
    state: str
    total: int
    outcomes: dict[str, int] = {}


AnyEvent = (
    StationCreated
    | StationUpdated
    | StationDeleted
    | StationConnected
    | StationDisconnected
    | StationOffline
    | StationBooted
    | StationFlagged
    | ConnectorStatus
    | TransactionStarted
    | TransactionUpdated
    | TransactionEnded
    | TransactionCorrected
    | TransactionOrphanStop
    | AuthorizationRefused
    | FirmwareStatus
    | DiagnosticsStatus
    | SecurityEvent
    | CertificateRequested
    | DataTransferred
    | FrameQuarantined
    | CommandChanged
    | StartFailed
    | StopFailed
    | ReconciliationStarted
    | ConfigurationRead
    | ConfigurationDrifted
    | DriftAcknowledged
    | StationTuned
    | DataIncomplete
    | ReservationMade
    | ReservationUsed
    | ReservationExpired
    | ReservationCancelled
    | ReservationRefused
    | JobCreated
    | JobChanged
    | JobDone
)

EVENT_TYPES: Final[dict[str, type[Event]]] = {
    str(cls.__struct_config__.tag): cls for cls in Event.__subclasses__() if cls.__struct_config__.tag is not None
}
"""Event type name -> its class; the documentation's table is made from it."""
