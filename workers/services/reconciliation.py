"""Looks at the open transactions of a station that came back, and ends those that are provably over.

    on_return ──> record + timer ──ask──> StatusNotification, MeterValues by TriggerMessage ──deadline──> verdict

The record is in the station's state, its timer wakes `reconcile`; a job that finds an overdue record may wake it too.
Provably over: the connector was reported Available after the transaction's last sign of life, and no stop came within
`reconcile_after_ms`. (A newer start on the connector ends it at once, see `transactions`.) A boot alone proves nothing:
what is not provably over stays open, and the next return looks again. The station's own stop, however late, replaces
the estimate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from shared.records.commands import CommandRecord
from shared.records.events import ReconciliationStarted
from shared.records.transactions import Charging, Reconciliation, Transaction
from workers.store.draft import Draft

from . import commands, flags
from .closing import assume_over
from .wakeups import wakes

TIMER: Final = "reconcile"
ORIGIN: Final = "reconciliation"
AVAILABLE: Final = "Available"
UNSUPPORTED: Final = "unsupported"
"""Flag of a station, with the action: it does not know it, and is not asked again."""
MAX_WAITS: Final = 3
"""A station that keeps coming back puts the deadline off, up to so many times the setting."""
_REFUSALS: Final = ("NotImplemented", "NotSupported")

Asker = Callable[[int], Iterable[tuple[str, dict[str, Any]]]]
"""Connector id -> the commands (action, payload) that ask for its status and meter values, in a version's words."""
ASKERS: Final[dict[str, Asker]] = {}
"""Subprotocol -> how its stations are asked; handlers fill it."""


def asks(subprotocol: str) -> Callable[[Asker], Asker]:
    """Register how stations of a subprotocol are asked."""

    def register(asker: Asker) -> Asker:
        ASKERS[subprotocol] = asker
        return asker

    return register


def on_return(draft: Draft, trigger: str) -> None:
    """Begin to look at each open transaction; `trigger` is `boot` or `reconnect`."""
    now, wait = draft.now, draft.policy.reconcile_after_ms
    for transaction_id in draft.charging.open:
        running = draft.charging.reconciliations.get(transaction_id)
        started_at = running.started_at if running is not None else now
        record = Reconciliation(
            transaction_id=transaction_id,
            started_at=started_at,
            deadline_at=min(now + wait, started_at + MAX_WAITS * wait),
            trigger=trigger,
            available_at=running.available_at if running is not None else 0,
        )
        _put(draft, record)
        ask_at = now + draft.policy.reconcile_ask_ms
        draft.wake(TIMER, str(transaction_id), min(ask_at, record.deadline_at))
        if running is None:
            draft.emit(
                ReconciliationStarted(
                    station_id=draft.station_id, at=now, transaction_id=transaction_id, trigger=trigger
                )
            )


def on_status(draft: Draft, connector_id: int, status: str) -> None:
    """Note whether the connector of a transaction that is looked at is Available."""
    charging = draft.charging
    for record in charging.reconciliations.values():
        transaction = charging.open.get(record.transaction_id)
        if transaction is None or transaction.connector_id != connector_id:
            continue
        since = (record.available_at or draft.origin.received_at) if status == AVAILABLE else 0
        if since != record.available_at:
            _put(draft, msgspec.structs.replace(record, available_at=since))


@wakes(TIMER)
def reconcile(draft: Draft, subject: str) -> None:
    """Take the next step for the transaction `subject`: ask, or conclude; early, late and repeated calls do no harm."""
    record = draft.charging.reconciliations.get(int(subject)) if subject.isdecimal() else None
    if record is None:
        return
    transaction = draft.charging.open.get(record.transaction_id)
    if transaction is None:
        _drop(draft, record)
    elif draft.now >= record.deadline_at:
        _conclude(draft, record, transaction)
    else:
        if not record.asked:
            _ask(draft, record, transaction)
        draft.wake(TIMER, subject, record.deadline_at)


def due(charging: Charging, now: int) -> list[int]:
    """Return the transactions whose reconciliation is past its deadline: for a job that looks at stored records."""
    return [one.transaction_id for one in charging.reconciliations.values() if one.deadline_at <= now]


def _ask(draft: Draft, record: Reconciliation, transaction: Transaction) -> None:
    """Ask for status and meter values by TriggerMessage, where the station is there and not known to refuse it."""
    asker = ASKERS.get(draft.session.subprotocol)
    if asker is None or draft.session.connection != "open" or transaction.connector_id < 1:
        return
    station = draft.station
    known = station.flags if station is not None else {}
    asked = tuple(
        commands.enqueue(draft, action, payload, ORIGIN, expires_at=record.deadline_at)
        for action, payload in asker(transaction.connector_id)
        if f"{UNSUPPORTED}:{action}" not in known
    )
    if asked:
        _put(draft, msgspec.structs.replace(record, asked=asked))


@commands.when_ended(ORIGIN)
def answered(draft: Draft, command: CommandRecord) -> None:
    """Remember where a station does not know what it was asked by."""
    response = command.response if isinstance(command.response, dict) else {}
    if command.error.startswith(_REFUSALS) or response.get("status") in _REFUSALS:
        draft.flag(UNSUPPORTED, command.action)


def _conclude(draft: Draft, record: Reconciliation, transaction: Transaction) -> None:
    """End the transaction where it is provably over; either way the look at it ends."""
    _drop(draft, record)
    if draft.session.connection != "open":
        return  # It may hold a stop that it can't deliver: its return begins again.
    since = record.available_at or _available_since(draft, transaction.connector_id)
    if since > transaction.last_activity_at:
        waited = draft.policy.reconcile_after_ms // 1000
        evidence = f"connector {transaction.connector_id} is Available and no stop came within {waited:g} s"
        assume_over(draft, transaction, "reconciled", flags.ESTIMATED, evidence)


def _available_since(draft: Draft, connector_id: int) -> int:
    status = draft.connectors.by_id.get(connector_id)
    return status.received_at if status is not None and status.status == AVAILABLE else 0


def _put(draft: Draft, record: Reconciliation) -> None:
    charging = draft.charging
    records = {**charging.reconciliations, record.transaction_id: record}
    draft.put(msgspec.structs.replace(charging, reconciliations=records))


def _drop(draft: Draft, record: Reconciliation) -> None:
    charging = draft.charging
    left = {key: one for key, one in charging.reconciliations.items() if key != record.transaction_id}
    draft.put(msgspec.structs.replace(charging, reconciliations=left))
