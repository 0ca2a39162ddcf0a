"""Opening and ending a transaction's record: the one place where it enters or leaves the station's state.

An end is the station's own (`end`), Ampstream's estimate (`assume_over`), or the station's own that replaces an
estimate (`correct`). Indexes follow from each.
"""

from __future__ import annotations

import msgspec

from shared.bus import keys
from shared.records.events import TransactionCorrected, TransactionEnded, TransactionStarted
from shared.records.packing import pack
from shared.records.transactions import Estimate, Transaction, sort_time
from workers.store.draft import Draft

from . import authorization_refused, flags, watching
from .authorization import key_of
from .metering import count_energy, keep_open
from .probing import running as probing
from .smartcharging import assigning
from .tuning import delivery, rebooting

BY_OPERATOR = "operator"
"""Reason of an end that an operator ordered: nobody else will report it."""
MAX_ESTIMATED = 8
"""Ends by estimate that a stop without a transaction's id may still be matched with."""


class End(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an end."""

    stopped_at: int
    meter_stop_wh: int
    reason: str
    energy_wh: int


def enter(draft: Draft, transaction: Transaction) -> None:
    """Make a new transaction known: business key, indexes, event. Its state is put by `keep_open` or `file`."""
    number = transaction.transaction_id
    at = sort_time(transaction)
    draft.write("HSET", keys.starts(draft.station_id), transaction.start_key, number)
    draft.write("ZADD", keys.transactions(draft.station_id), at, number)
    draft.effect("HSET", keys.TRANSACTION_OWNERS, number, draft.station_id)
    draft.effect("ZADD", keys.TRANSACTIONS, at, number)
    if transaction.state == "open":
        draft.effect("ZADD", keys.TRANSACTIONS_OPEN, at, number)
        keep_open(draft, transaction)
    watching.started(draft, transaction)
    for flag in transaction.flags:
        draft.flag(flag)
    draft.emit(
        TransactionStarted(
            station_id=draft.station_id,
            at=draft.origin.received_at,
            transaction_id=number,
            connector_id=transaction.connector_id,
            id_tag=transaction.id_tag,
            started_at=transaction.started_at,
            meter_start_wh=transaction.meter_start_wh,
            authorization=transaction.authorization,
            flags=transaction.flags,
        )
    )


def end(draft: Draft, transaction: Transaction, ending: End, energy_before: int = 0) -> Transaction:
    """Close an open transaction: record, indexes, place under the tag's limit, event. Returns the closed record."""
    closed = msgspec.structs.replace(
        transaction,
        state="closed",
        stopped_at=ending.stopped_at,
        stop_received_at=draft.origin.received_at,
        stop_reason=ending.reason,
        meter_stop_wh=ending.meter_stop_wh,
        energy_wh=ending.energy_wh,
    )
    number = closed.transaction_id
    charging = draft.charging
    draft.put(
        msgspec.structs.replace(
            charging,
            open={key: one for key, one in charging.open.items() if key != number},
            reconciliations={key: one for key, one in charging.reconciliations.items() if key != number},
            estimated=(number, *charging.estimated)[:MAX_ESTIMATED] if closed.estimated else charging.estimated,
        )
    )
    closed = authorization_refused.judge(draft, delivery.judge(draft, closed))
    file(draft, closed)
    if draft.limits.by_slot:
        assigning.transaction_over(draft, closed)
    probing.transaction_over(draft, closed)
    draft.effect("ZREM", keys.TRANSACTIONS_OPEN, number)
    if closed.holder:
        draft.release(key_of(closed.id_tag), closed.holder)
    draft.count("transactions_ended_total", closed.stop_reason)
    count_energy(draft, closed.energy_wh - energy_before)
    draft.emit(
        TransactionEnded(
            station_id=draft.station_id,
            at=draft.origin.received_at,
            transaction_id=number,
            connector_id=closed.connector_id,
            id_tag=closed.id_tag,
            started_at=closed.started_at,
            stopped_at=closed.stopped_at,
            energy_wh=closed.energy_wh,
            meter_stop_wh=closed.meter_stop_wh,
            reason=closed.stop_reason,
            estimated=closed.estimated,
            flags=closed.flags,
        )
    )
    delivery.tell(draft, closed)
    rebooting.freed(draft)
    return closed


def assume_over(draft: Draft, transaction: Transaction, reason: str, flag: str, evidence: str) -> None:
    """End a transaction that is over and whose stop has not come, with the last known meter value.

    `reason`: `superseded`, `reconciled` or `operator`. The estimate stays in the record whatever comes later.
    """
    meter = transaction.last_meter_wh if transaction.last_meter_wh is not None else transaction.meter_start_wh
    stopped_at = max(transaction.started_at, transaction.last_sample_at)
    energy = max(meter - transaction.meter_start_wh, 0)
    estimate = Estimate(
        made_at=draft.now,
        stopped_at=stopped_at,
        meter_stop_wh=meter,
        energy_wh=energy,
        reason=reason,
        evidence=evidence,
    )
    assumed = msgspec.structs.replace(
        transaction,
        estimated=True,
        estimates=(*transaction.estimates, estimate),
        flags=flags.union(transaction.flags, flag, flags.ESTIMATED),
    )
    ending = End(stopped_at=stopped_at, meter_stop_wh=meter, reason=reason, energy_wh=energy)
    for one in dict.fromkeys((flag, flags.ESTIMATED)):
        draft.flag(one)
    end(draft, assumed, ending, transaction.energy_wh)


def correct(draft: Draft, transaction: Transaction, ending: End, energy_before: int) -> Transaction:
    """Replace an estimated end by the station's own: meter, time and reason. Returns the new record."""
    number = transaction.transaction_id
    corrected = msgspec.structs.replace(
        transaction,
        estimated=False,
        stopped_at=ending.stopped_at,
        stop_received_at=draft.origin.received_at,
        stop_reason=ending.reason,
        meter_stop_wh=ending.meter_stop_wh,
        energy_wh=ending.energy_wh,
        flags=flags.union(transaction.flags, flags.CORRECTED),
    )
    corrected = delivery.judge(draft, corrected)
    file(draft, corrected)
    charging = draft.charging
    if number in charging.estimated:
        left = tuple(one for one in charging.estimated if one != number)
        draft.put(msgspec.structs.replace(charging, estimated=left))
    count_energy(draft, ending.energy_wh - energy_before)
    draft.emit(
        TransactionCorrected(
            station_id=draft.station_id,
            at=draft.origin.received_at,
            transaction_id=number,
            connector_id=corrected.connector_id,
            energy_wh=corrected.energy_wh,
            previous_energy_wh=energy_before,
            stopped_at=corrected.stopped_at,
            reason=corrected.stop_reason,
        )
    )
    return corrected


def file(draft: Draft, closed: Transaction) -> None:
    """Write the record of a closed transaction."""
    draft.write("SET", keys.transaction(draft.station_id, closed.transaction_id), pack(closed))
