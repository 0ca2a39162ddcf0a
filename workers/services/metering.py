"""Samples: where they belong, which of them are new, and what they tell of a transaction.

A sample's business key is its stream (the transaction, or the connector without one), timestamp, measurand, phase,
location, context, unit and format. The same key with an equal value is a repetition; another value is kept and flagged.
Samples newer than every one before them need no look at the history; all others are merged against all of it, so that
repetition and order never change the result.

Limit: a station that spreads one timestamp over many messages, or whose clock stands still, has its history read each
time.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from shared.bus import keys
from shared.records.events import TransactionUpdated
from shared.records.packing import pack
from shared.records.transactions import Charging, Reading, Sample, Transaction
from workers.store.draft import Draft
from workers.store.wants import WantReadings, WantTransaction

from . import flags, registers
from .clocks import is_ahead
from .configuration import firmware
from .probing import running as probing
from .quirks import Quirks, quirks_of
from .reported import MeterReport, ReadingReport, SampleReport
from .smartcharging import obeying
from .units import normalise

KEEP_WITHOUT_TRANSACTION = 10_000
"""Readings kept of a station's samples without a transaction."""
MAX_CONNECTORS = 100
"""Connectors whose newest sample is remembered: a station that makes numbers up can't fill its record."""
MAX_NUMBER = 2**31
_LOOK = 8
"""Within a transaction the measurands are looked at once in so many messages: what is sampled rarely changes."""
Slot = tuple[int, str, str, str, str, str, str]
"""A sample's business key within its stream."""


def record(draft: Draft, report: MeterReport) -> None:
    """Take in a MeterValues message (OCPP 1.6 section 4.7); it is never refused."""
    rules = quirks_of(draft.station)
    if not 0 <= report.connector_id < MAX_NUMBER:
        draft.flag(flags.VALUE_RANGE, "connectorId")
        report = msgspec.structs.replace(report, connector_id=-1)
    owner, explicit = _owner(draft, report, rules)
    readings = read(report.readings, rules, draft, report.connector_id)
    if owner is None or not owner.last_sample_at or draft.origin.received_at % _LOOK == 0:
        firmware.showed_measurands(draft, readings)
    if owner is not None and not explicit and flags.CLOCK_SUSPECT not in owner.flags:
        # A clock-aligned value from before the start is none of the transaction's (errata 3.16).
        since = owner.started_at
        earlier = [reading for reading in readings if reading.taken_at < since]
        if earlier:
            _record_without(draft, report.connector_id, earlier)
            readings = [reading for reading in readings if reading.taken_at >= since]
    if owner is None:
        _record_without(draft, report.connector_id, readings)
    elif owner.state == "closed":
        record_late(draft, owner, readings)
    elif readings:
        _record_open(draft, owner, readings, rules, explicit)


def absorb(draft: Draft, transaction: Transaction, readings: list[Reading], rules: Quirks) -> Transaction:
    """Write what is new of `readings` to the transaction's samples, and return what it then is.

    The same object comes back where nothing is new. At most once per draft and transaction.
    """
    received_at = draft.origin.received_at
    history: tuple[Reading, ...] | None = None
    fresh = readings
    if not _are_newer(readings, transaction.last_sample_at, received_at):
        history = draft.get(WantReadings(transaction.transaction_id))
        fresh = new_readings(readings, history)
    if not fresh:
        return transaction
    key = keys.meter(draft.station_id, transaction.transaction_id)
    for reading in fresh:
        draft.write("XADD", key, "*", "m", pack(reading))
    if history is None:
        changed = registers.advance(transaction, fresh, rules, received_at)
    else:
        changed = registers.derive(transaction, history, fresh, rules, received_at)
    for flag in changed.flags:
        if flag not in transaction.flags:
            draft.flag(flag)
    return changed


def record_late(draft: Draft, transaction: Transaction, readings: list[Reading]) -> Transaction:
    """Keep samples that came after the end, with the closed record; nothing reopens (quirk 17).

    Returns the record as written, or the same object where nothing was new.
    """
    changed = absorb(draft, transaction, readings, quirks_of(draft.station))
    if changed is transaction:
        return transaction
    # The end stands as the station reported it, or as it was estimated: a late sample is no stop.
    changed = msgspec.structs.replace(
        changed,
        meter_start_wh=transaction.meter_start_wh,
        energy_wh=transaction.energy_wh,
        flags=flags.union(changed.flags, flags.LATE_SAMPLES),
    )
    draft.write("SET", keys.transaction(draft.station_id, changed.transaction_id), pack(changed))
    draft.flag(flags.LATE_SAMPLES)
    return changed


def read(reports: Iterable[ReadingReport], rules: Quirks, draft: Draft, connector_id: int) -> list[Reading]:
    """Normalise what came, one `Reading` a timestamp, by time; repetitions within it are dropped."""
    received_at = draft.origin.received_at
    made: list[Reading] = []
    for report in reports:
        samples = tuple([_sample(sample, rules, draft) for sample in report.samples])
        if samples:
            made.append(Reading(report.taken_at, samples, received_at, connector_id))
    if len(made) == 1 and _are_distinct(made[0].samples):
        return made
    return new_readings(_by_time(made), ())


def new_readings(readings: Iterable[Reading], history: Iterable[Reading]) -> list[Reading]:
    """Return what of `readings` is not in `history` nor twice among themselves; another value for a key is flagged."""
    known: dict[Slot, list[object]] = {}
    for reading in history:
        for sample in reading.samples:
            known.setdefault(_slot(reading.taken_at, sample), []).append(sample.value)
    fresh: list[Reading] = []
    for reading in readings:
        kept: list[Sample] = []
        for sample in reading.samples:
            values = known.setdefault(_slot(reading.taken_at, sample), [])
            if sample.value in values:
                continue
            if values:
                sample = _flagged(sample, flags.CONFLICTING_SAMPLES)
            values.append(sample.value)
            kept.append(sample)
        if kept:
            fresh.append(msgspec.structs.replace(reading, samples=tuple(kept)))
    return fresh


def _slot(taken_at: int, sample: Sample) -> Slot:
    return (taken_at, sample.measurand, sample.phase, sample.location, sample.context, sample.unit, sample.format)


def _are_distinct(samples: tuple[Sample, ...]) -> bool:
    if len({s.measurand for s in samples}) == len(samples):
        return True
    return len({(s.measurand, s.phase, s.location, s.context, s.unit, s.format) for s in samples}) == len(samples)


def _are_newer(readings: list[Reading], newest: int, received_at: int) -> bool:
    """Tell whether no reading can be a repetition: each is later than all before.

    Readings are in order of time, so the first and the last tell. A time from the future never moves `newest`, so it
    always takes a look.
    """
    return not readings or (readings[0].taken_at > newest and not is_ahead(readings[-1].taken_at, received_at))


def _by_time(readings: list[Reading]) -> list[Reading]:
    grouped: dict[int, list[Sample]] = {}
    for reading in readings:
        grouped.setdefault(reading.taken_at, []).extend(reading.samples)
    return [
        Reading(taken_at, tuple(grouped[taken_at]), readings[0].received_at, readings[0].connector_id)
        for taken_at in sorted(grouped)
    ]


def _sample(report: SampleReport, rules: Quirks, draft: Draft) -> Sample:
    if report.format != "Raw":
        return Sample(
            report.measurand,
            str(report.value),
            report.unit,
            report.phase,
            report.location,
            report.context,
            report.format,
        )
    unit = report.unit
    if rules.samples_in_kwh and unit in ("", "Wh") and report.measurand.startswith("Energy."):
        unit = "kWh"
    value, unit, oddities = normalise(report.value, unit, report.measurand)
    if oddities:
        for oddity in oddities:
            draft.flag(oddity, report.unit[:20] if oddity.startswith("unit_") else "")
        return Sample(
            report.measurand, value, unit, report.phase, report.location, report.context, report.format, oddities
        )
    return Sample(report.measurand, value, unit, report.phase, report.location, report.context)


def _flagged(sample: Sample, flag: str) -> Sample:
    return sample if flag in sample.flags else msgspec.structs.replace(sample, flags=(*sample.flags, flag))


def _owner(draft: Draft, report: MeterReport, rules: Quirks) -> tuple[Transaction | None, bool]:
    """Return the transaction that the samples belong to, and whether the message named it."""
    named = report.transaction_id
    if named is not None and 0 < named < MAX_NUMBER:
        found = draft.charging.open.get(named) or draft.get(WantTransaction(named))
        if found is not None:
            return found, True
    charging = draft.charging
    owner = _of_connector(charging, report.connector_id, draft, rules)
    if named is not None:
        # -1 is the standard's own word for "I never got an id" (errata 3.18), 0 and strangers are quirks.
        draft.flag(flags.UNKNOWN_TRANSACTION)
        if owner is not None:
            owner = msgspec.structs.replace(owner, flags=flags.union(owner.flags, flags.UNKNOWN_TRANSACTION))
    return owner, False


def _of_connector(charging: Charging, connector_id: int, draft: Draft, rules: Quirks) -> Transaction | None:
    """Return the open transaction of a connector; 0 stands for a station's only one, or by rule (quirk 18)."""
    candidates = [one for one in charging.open.values() if one.connector_id == connector_id or not connector_id]
    if len(candidates) != 1:
        return None
    if connector_id == 0 and not rules.main_meter:
        known = [one for one in draft.connectors.by_id if one > 0]
        if len(known) != 1:
            return None
    return candidates[0]


def _record_open(draft: Draft, owner: Transaction, readings: list[Reading], rules: Quirks, explicit: bool) -> None:
    changed = absorb(draft, owner, readings, rules)
    if changed is owner:
        return
    received_at = draft.origin.received_at
    if explicit:
        changed = msgspec.structs.replace(changed, last_activity_at=received_at)
    keep_open(draft, changed)
    if draft.limits.by_slot:
        obeying.look(draft, changed, readings)
    if draft.probing.run is not None:
        probing.look(draft, changed, readings)
    count_energy(draft, changed.energy_wh - owner.energy_wh)
    draft.emit(
        TransactionUpdated(
            station_id=draft.station_id,
            at=received_at,
            transaction_id=changed.transaction_id,
            connector_id=changed.connector_id,
            energy_wh=changed.energy_wh,
            power_w=changed.last_power_w,
            soc_percent=changed.last_soc,
            sampled_at=readings[-1].taken_at,
        )
    )


def keep_open(draft: Draft, transaction: Transaction) -> None:
    """Put an open transaction into the station's state."""
    charging = draft.charging
    draft.put(msgspec.structs.replace(charging, open={**charging.open, transaction.transaction_id: transaction}))


def count_energy(draft: Draft, energy_wh: int) -> None:
    """Count energy as delivered; a counter can't take back what a correction makes less."""
    if energy_wh > 0:
        draft.count("energy_delivered_joules_total", amount=energy_wh * 3600)


def _record_without(draft: Draft, connector_id: int, readings: list[Reading]) -> None:
    """Keep samples of no transaction, bounded per station."""
    charging = draft.charging
    times = charging.last_sample_at
    newest = times.get(connector_id, 0)
    is_kept = connector_id in times or len(times) < MAX_CONNECTORS
    received_at = draft.origin.received_at
    if not (is_kept and _are_newer(readings, newest, received_at)):
        every: tuple[Reading, ...] = draft.get(WantReadings(0))
        readings = new_readings(readings, [one for one in every if one.connector_id == connector_id])
    if not readings:
        return
    for reading in readings:
        key = keys.samples(draft.station_id)
        draft.write("XADD", key, "MAXLEN", "~", KEEP_WITHOUT_TRANSACTION, "*", "m", pack(reading))
    newest = max([newest, *(one.taken_at for one in readings if not is_ahead(one.taken_at, received_at))])
    pool = registers.newest_register(readings) if connector_id == 0 else None
    if is_kept:
        times = {**times, connector_id: newest}
    draft.put(msgspec.structs.replace(charging, last_sample_at=times, pool=charging.pool if pool is None else pool))
