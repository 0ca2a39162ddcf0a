"""A station's state, in sections that are written apart: what it is, who holds its socket, its connectors."""

from __future__ import annotations

from typing import Literal

import msgspec

Registration = Literal["accepted", "pending", "rejected", "none"]
"""`none`: never booted. Durable: a reconnect without BootNotification keeps it."""
Connection = Literal["open", "reconnecting", "closed", "never"]
"""`reconnecting`: Ampstream closed the socket (1001, 1012) and the presence deadline has not passed."""


class StationRecord(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a station is, and what is wanted of it (section `st`)."""

    station_id: str
    created_at: int
    provisioned: bool = False
    """True where an operator created it, false where it was accepted as unknown."""
    registration: Registration = "none"
    boot_policy: Registration | None = None
    """The answer to its next boot where an operator set one, else the setting's."""
    booted_at: int = 0
    heartbeat_interval_s: int = 0
    vendor: str = ""
    model: str = ""
    serial_number: str = ""
    firmware: str = ""
    iccid: str = ""
    imsi: str = ""
    meter_type: str = ""
    meter_serial_number: str = ""
    time_zone: str = ""
    """IANA name, used for timestamps without a zone; UTC where empty."""
    quirk_profile: dict[str, str] = {}
    """What needs a choice for this station or its model, by rule name (see `workers.services.quirks`)."""
    flags: dict[str, int] = {}
    """Deviations seen: flag -> time it was first seen (ms)."""
    statuses: dict[str, str] = {}
    """Last reported statuses that are no connector's: `firmware`, `diagnostics`, `log`, `signed_firmware`."""
    quarantined: dict[str, int] = {}
    """Its frames in quarantine: id -> bytes, the oldest first; what the quota is counted by."""
    name: str = ""
    group: str = ""
    certificate_name: str = ""
    """The common name of its certificate; empty: its identity."""


class SessionRecord(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Who holds the station's socket (section `se`)."""

    epoch: int = 0
    node: str = ""
    subprotocol: str = ""
    address: str = ""
    security_profile: int = 0
    connection: Connection = "never"
    opened_at: int = 0
    closed_at: int = 0
    close_reason: str = ""
    boot_epoch: int = 0
    """The epoch whose boot was answered last: commands flow once it is this session's, or once `hold_until` passed."""
    hold_until: int = 0
    triggered: tuple[str, ...] = ()
    """What a station that is not accepted was asked for by TriggerMessage, and may send therefore (OCPP 1.6 §4.2)."""
    epochs: tuple[int, ...] = ()
    """The last epochs, newest first; fences and outbox fields of older ones are dropped."""


class ConnectorRecord(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a connector last reported; connector 0 is the station itself (section `co`, by connector id)."""

    connector_id: int
    status: str
    error_code: str = "NoError"
    info: str = ""
    vendor_id: str = ""
    vendor_error_code: str = ""
    reported_at: int = 0
    """The station's own time of the status, or of its receipt where it gave none."""
    received_at: int = 0


class Connectors(msgspec.Struct, frozen=True, omit_defaults=True):
    """Section `co`."""

    by_id: dict[int, ConnectorRecord] = {}


class Door(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What an edge must know before the upgrade: the hash `s:{id}:door`, all fields text.

    `key`: stored credential (see `shared.credentials`), empty: none set (security profile 0). `pending_key`: during a
    rotation. `minimum_profile`: no connection below it. `interval`: heartbeat interval in s. `ping`: `0` where the
    station never answers pings, `quiet`: `1` where its model does not, by a quirk profile. `subprotocol`: default for a
    station that offers none. `blocked`: `1`: refused whatever it shows. `group`: whose security policy counts.
    `certificate_name`: the common name of its certificate, its serial number as a rule; empty: its identity.
    """

    key: str = ""
    pending_key: str = ""
    minimum_profile: str = ""
    interval: str = ""
    ping: str = ""
    quiet: str = ""
    subprotocol: str = ""
    blocked: str = ""
    group: str = ""
    certificate_name: str = ""
