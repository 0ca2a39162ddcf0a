"""What stations report beside charging: firmware, diagnostics, logs, security events, certificates, vendor data.

Each goes to the station's history, which is bounded, and out as an event; a status that is no news does neither.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from shared.bus import keys
from shared.records.events import (
    DataTransferred,
    DiagnosticsStatus,
    FirmwareStatus,
    SecurityEvent,
)
from shared.records.history import Fact
from shared.records.packing import storable
from shared.records.security_events import ALARMS, SecurityRecord, Source, member, severity_of
from workers.store.draft import Draft

from . import firmware as updates
from .registers import bounded

MAX_TEXT: Final = 255
MAX_DATA: Final = 4096
MAX_REQUEST: Final = 10_000
"""Characters kept of a certificate signing request: 5,500 are allowed."""


def firmware(draft: Draft, status: str, request_id: int | None = None, *, signed: bool = False) -> None:
    """Take in how far a firmware update is; `signed` for the security extension's."""
    request_id = _bounded(request_id)
    updates.progressed(draft, status, request_id)
    if _status(draft, "signed_firmware" if signed else "firmware", status, request_id):
        at = draft.origin.received_at
        draft.count("firmware_updates_total", status)
        draft.emit(FirmwareStatus(station_id=draft.station_id, at=at, status=status[:MAX_TEXT], request_id=request_id))


def diagnostics(draft: Draft, status: str, request_id: int | None = None, *, log: bool = False) -> None:
    """Take in how far an upload of diagnostics is; `log` for the security extension's."""
    request_id = _bounded(request_id)
    updates.told(draft, "log" if log else "diagnostics", status[:MAX_TEXT], request_id)
    if _status(draft, "log" if log else "diagnostics", status, request_id):
        at = draft.origin.received_at
        draft.emit(
            DiagnosticsStatus(station_id=draft.station_id, at=at, status=status[:MAX_TEXT], request_id=request_id)
        )


def security_event(draft: Draft, kind: str, reported_at: int, info: str = "") -> None:
    """Keep a security event and announce it; `reported_at` 0: its time could not be read."""
    kind, info = kind[:MAX_TEXT], info[:MAX_TEXT]
    _remember(draft, "security_event", {"type": kind, "info": info}, reported_at)
    _keep(draft, kind, "station", info, reported_at)


def noticed(draft: Draft, kind: str, info: str = "") -> None:
    """Keep and announce a security event that Ampstream noticed itself (of `records.security_events.OWN`)."""
    _keep(draft, kind, "ampstream", info[:MAX_TEXT])


def _keep(draft: Draft, kind: str, source: Source, info: str, reported_at: int = 0) -> None:
    severity, at = severity_of(kind), draft.origin.received_at
    draft.count("security_events_total", severity)
    if kind in ALARMS:
        draft.count("security_alarms_total", kind)
    event = SecurityEvent(
        station_id=draft.station_id,
        at=at,
        kind=kind,
        reported_at=reported_at or at,
        info=info,
        severity=severity,
        source=source,
    )
    draft.emit(event)
    record = SecurityRecord(
        id=event.id,
        kind=kind,
        severity=severity,
        source=source,
        at=at,
        station_id=draft.station_id,
        reported_at=reported_at,
        info=info,
    )
    draft.effect("ZADD", keys.SECURITY, at, member(record))


def vendor_data(draft: Draft, vendor_id: str, message_id: str, data: str) -> None:
    """Keep a vendor's own message and announce it."""
    found = {"vendor_id": vendor_id[:MAX_TEXT], "message_id": message_id[:MAX_TEXT], "data": data[:MAX_DATA]}
    _remember(draft, "data_transfer", found)
    draft.emit(DataTransferred(station_id=draft.station_id, at=draft.origin.received_at, **found))


def late_report(draft: Draft, action: str, payload: bytes) -> None:
    """Keep what a station reported in a session that is over: it tells nothing of the present."""
    _remember(draft, f"late_{action}"[:MAX_TEXT], _decoded(payload))


def _bounded(request_id: int | None) -> int | None:
    return None if request_id is None else bounded(request_id)


def _decoded(payload: bytes) -> Any:
    try:
        return storable(msgspec.json.decode(payload[:MAX_DATA]))
    except msgspec.MsgspecError:  # Cut off, or never JSON.
        return payload[:MAX_DATA].decode(errors="replace")


def _status(draft: Draft, name: str, status: str, request_id: int | None) -> bool:
    """Remember a status that is no connector's; False where it is no news."""
    station = draft.station
    status = status[:MAX_TEXT]
    if station is None or station.statuses.get(name) == status:
        return False
    draft.put(msgspec.structs.replace(station, statuses={**station.statuses, name: status}))
    _remember(draft, name, {"status": status, "request_id": request_id})
    return True


def signing_request(draft: Draft, csr: str) -> None:
    """Keep a certificate signing request with the station's history."""
    _remember(draft, "sign_certificate", {"csr": csr[:MAX_REQUEST]})


def _remember(draft: Draft, kind: str, data: Any, reported_at: int = 0) -> None:
    fact = Fact(kind=kind, received_at=draft.origin.received_at, reported_at=reported_at, late=draft.late, data=data)
    draft.remember(fact, keys.history(draft.station_id), draft.policy.history_entries_per_station)
