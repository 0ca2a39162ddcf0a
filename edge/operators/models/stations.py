"""Stations as operators see them."""

from __future__ import annotations

from typing import Any

import msgspec

from edge.operators.times import Instant, instant, iso
from shared import presence
from shared.records.queries.stations import ConnectorNow, StationNow, StationState
from shared.records.reservations import Reservation, of_connector
from shared.records.stations import Connection, ConnectorRecord, Registration
from shared.settings import Settings


class Connector(msgspec.Struct, frozen=True, kw_only=True):
    """A connector as it last reported; connector 0 is the station itself."""

    station_id: str
    connector_id: int
    status: str
    error_code: str
    info: str
    vendor_id: str
    vendor_error_code: str
    reported_at: Instant | None
    """The station's own time."""
    received_at: Instant | None
    reservation_id: int | None
    """Of its active reservation, as the station knows it; that of any connector stands with connector 0."""
    reserved_until: Instant | None

    @classmethod
    def of(cls, station_id: str, record: ConnectorRecord, held: Reservation | None) -> Connector:
        """Show a record, and the reservation that is active there."""
        return cls(
            station_id=station_id,
            connector_id=record.connector_id,
            status=record.status,
            error_code=record.error_code,
            info=record.info,
            vendor_id=record.vendor_id,
            vendor_error_code=record.vendor_error_code,
            reported_at=iso(record.reported_at),
            received_at=iso(record.received_at),
            reservation_id=held.number if held is not None else None,
            reserved_until=iso(held.expires_at) if held is not None else None,
        )

    @classmethod
    def of_now(cls, found: ConnectorNow) -> Connector:
        """Show a connector of a list."""
        return cls.of(found.station_id, found.connector, found.reservation)

    @classmethod
    def of_station(cls, found: StationNow) -> list[Connector]:
        """Show all connectors of a station."""
        return [
            cls.of(found.station.station_id, one, of_connector(found.reserved, one.connector_id))
            for one in found.connectors
        ]


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A station's present or last WebSocket."""

    connection: Connection
    """`reconnecting`: Ampstream closed it and the station is expected back."""
    epoch: int
    node: str | None
    address: str | None
    security_profile: int
    opened_at: Instant | None
    closed_at: Instant | None
    close_reason: str | None


class StationSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What operators set for a station."""

    has_key: bool
    """Whether it must log in with a password."""
    minimum_profile: int
    subprotocol: str | None
    """Taken where the station offers none."""
    ping: bool
    blocked: bool
    boot_policy: Registration | None
    """The answer to its next boot; null: the fleet's setting."""
    certificate_name: str | None
    """The common name that its certificate must have; null: its id."""
    time_zone: str | None
    """For timestamps without a zone; null: UTC."""
    quirk_profile: dict[str, str]


class Station(msgspec.Struct, frozen=True, kw_only=True):
    """A station. `online`: its socket is open, or Ampstream sent it away and it is expected back."""

    station_id: str
    state: StationState
    protocol: str | None
    vendor: str | None
    model: str | None
    firmware: str | None
    serial_number: str | None
    iccid: str | None
    imsi: str | None
    meter_type: str | None
    meter_serial_number: str | None
    name: str | None
    group: str | None
    registration: Registration
    booted_at: Instant | None
    last_seen_at: Instant | None
    """Last sign of life, exact to a third of the presence TTL."""
    heartbeat_interval_s: int | None
    flags: list[str]
    """Deviations from the standard that it showed."""
    flagged_at: dict[str, Instant]
    """When it showed each of them first."""
    statuses: dict[str, str]
    """Last reported statuses of firmware, diagnostics and logs."""
    provisioned: bool
    """Whether an operator created it; else it dialled in unknown and was accepted."""
    created_at: Instant | None
    connectors: list[Connector]
    session: Session
    settings: StationSettings


class StationWithKey(Station, frozen=True, kw_only=True):
    """A station, and the key that was made for it: it is shown this once."""

    key: str | None = None


def station_fields(found: StationNow, settings: Settings) -> dict[str, Any]:
    """Return the fields of a `Station`."""
    record, session = found.station, found.session
    return {
        "station_id": record.station_id,
        "state": found.state,
        "protocol": session.subprotocol or None,
        "vendor": record.vendor or None,
        "model": record.model or None,
        "firmware": record.firmware or None,
        "serial_number": record.serial_number or None,
        "iccid": record.iccid or None,
        "imsi": record.imsi or None,
        "meter_type": record.meter_type or None,
        "meter_serial_number": record.meter_serial_number or None,
        "name": record.name or None,
        "group": record.group or None,
        "registration": record.registration,
        "booted_at": iso(record.booted_at),
        "last_seen_at": iso(last_seen(found, settings)),
        "heartbeat_interval_s": record.heartbeat_interval_s or None,
        "flags": list(record.flags),
        "flagged_at": {flag: instant(since) for flag, since in record.flags.items()},
        "statuses": record.statuses,
        "provisioned": record.provisioned,
        "created_at": iso(record.created_at),
        "connectors": Connector.of_station(found),
        "session": _session(found),
        "settings": _settings(found),
    }


def station_view(found: StationNow, settings: Settings) -> Station:
    """Show a station."""
    return Station(**station_fields(found, settings))


def last_seen(found: StationNow, settings: Settings) -> int:
    """Return the time (ms) of a station's last touch; 0: never seen.

    A touch sets the presence to its full TTL, so what is left of it tells how long ago that was.
    """
    session = found.session
    if session.connection != "open":
        return session.closed_at
    if not found.presence_ttl_ms:
        return session.opened_at
    full = presence.ttl_ms(found.station.heartbeat_interval_s, settings)
    if settings.ping_interval_s and found.door.ping != "0":
        # With pings the TTL may be the shorter one; where more than that is left, it is not.
        shorter = presence.ttl_ms(settings.ping_interval_s, settings)
        full = shorter if found.presence_ttl_ms <= shorter < full else full
    ago = max(full - found.presence_ttl_ms, 0)
    return max(found.read_at - ago, session.opened_at)


def _session(found: StationNow) -> Session:
    session = found.session
    return Session(
        connection=session.connection,
        epoch=session.epoch,
        node=session.node or None,
        address=session.address or None,
        security_profile=session.security_profile,
        opened_at=iso(session.opened_at),
        closed_at=iso(session.closed_at),
        close_reason=session.close_reason or None,
    )


def _settings(found: StationNow) -> StationSettings:
    record, door = found.station, found.door
    return StationSettings(
        has_key=bool(door.key),
        minimum_profile=int(door.minimum_profile or 0),
        subprotocol=door.subprotocol or None,
        ping=door.ping != "0",
        blocked=door.blocked == "1",
        boot_policy=record.boot_policy,
        certificate_name=door.certificate_name or None,
        time_zone=record.time_zone or None,
        quirk_profile=record.quirk_profile,
    )
