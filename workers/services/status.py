"""Connector statuses: the last one per connector is kept, and only changes are written and announced.

A station may flood (quirk 27): every report is answered, one that changes nothing costs no write.
"""

from __future__ import annotations

from typing import Final

import msgspec

from shared.bus import keys
from shared.records.events import ConnectorStatus
from shared.records.history import Fact
from shared.records.packing import storable
from shared.records.stations import ConnectorRecord, Connectors
from workers.store.draft import Draft

from . import local_lists, reconciliation, reservations
from .configuration import firmware
from .quirks import quirks_of

MAX_CONNECTOR: Final = 128
"""No station has more connectors; greater numbers are garbage (quirk 21)."""
MAX_TEXT: Final = 255
NO_ERROR: Final = "NoError"


class StatusReport(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a station says of a connector; 0 is the station itself. `reported_at` 0: it gave no time."""

    connector_id: int
    status: str
    error_code: str = NO_ERROR
    info: str = ""
    vendor_id: str = ""
    vendor_error_code: str = ""
    reported_at: int = 0


def report(draft: Draft, status: StatusReport) -> None:
    """Take in a status of the present; one of an impossible connector goes to the history alone."""
    connector = status.connector_id
    if not 0 <= connector <= MAX_CONNECTOR:
        draft.flag("connector_range", "connectorId")
        _keep_odd(draft, status)
        return
    if status.reported_at and not draft.late:
        skew_ms = abs(status.reported_at - draft.origin.received_at)
        draft.count("station_clock_skew_seconds", amount=skew_ms / 1000)
    record = _record(draft, status)
    previous = draft.connectors.by_id.get(connector)
    if previous is None or _differs(previous, record, ignore_info=quirks_of(draft.station).ignore_info):
        _change(draft, record, previous)
        firmware.showed_error(draft, record.error_code, record.vendor_error_code)
    if draft.charging.reconciliations:
        reconciliation.on_status(draft, connector, record.status)
    if record.error_code == local_lists.CONFLICT:
        local_lists.conflicted(draft)


def _record(draft: Draft, status: StatusReport) -> ConnectorRecord:
    received_at = draft.origin.received_at
    return ConnectorRecord(
        connector_id=status.connector_id,
        status=status.status[:MAX_TEXT],
        error_code=status.error_code[:MAX_TEXT],
        info=status.info[:MAX_TEXT],
        vendor_id=status.vendor_id[:MAX_TEXT],
        vendor_error_code=status.vendor_error_code[:MAX_TEXT],
        reported_at=status.reported_at or received_at,
        received_at=received_at,
    )


def _differs(previous: ConnectorRecord, record: ConnectorRecord, *, ignore_info: bool) -> bool:
    """Tell whether anything but the times changed: a repeated status keeps the time since which it holds."""
    unchanged = msgspec.structs.replace(
        record,
        reported_at=previous.reported_at,
        received_at=previous.received_at,
        info=previous.info if ignore_info else record.info,
    )
    return unchanged != previous


def _change(draft: Draft, record: ConnectorRecord, previous: ConnectorRecord | None) -> None:
    if record.status == reconciliation.AVAILABLE and previous is not None and _charges(draft, record.connector_id):
        draft.flag("available_early")
    draft.put(Connectors({**draft.connectors.by_id, record.connector_id: record}))
    draft.effect("HSET", keys.CONNECTORS, f"{draft.station_id}/{record.connector_id}", record.status)
    reservations.on_status(draft, record.connector_id, record.status)
    if record.error_code != NO_ERROR and (previous is None or previous.error_code != record.error_code):
        draft.count("station_faults_total", record.error_code)
    draft.emit(
        ConnectorStatus(
            station_id=draft.station_id,
            at=record.received_at,
            connector_id=record.connector_id,
            status=record.status,
            previous=previous.status if previous is not None else "",
            error_code=record.error_code,
            info=record.info,
            vendor_error_code=record.vendor_error_code,
            reported_at=record.reported_at,
        )
    )


def _charges(draft: Draft, connector_id: int) -> bool:
    """Tell whether a transaction is open there; not while a return is looked at: its stop may be queued (quirk 27)."""
    charging = draft.charging
    return not charging.reconciliations and any(
        transaction.connector_id == connector_id for transaction in charging.open.values()
    )


def _keep_odd(draft: Draft, status: StatusReport) -> None:
    fact = Fact(
        kind="odd_status",
        received_at=draft.origin.received_at,
        reported_at=status.reported_at,
        data=storable(msgspec.to_builtins(status)),
    )
    draft.remember(fact, keys.history(draft.station_id), draft.policy.history_entries_per_station)
