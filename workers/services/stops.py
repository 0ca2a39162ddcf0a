"""StopTransaction: ends the transaction that it means, at most once, and is always answered (OCPP 1.6 section 4.10).

    the id of an open transaction        ends it
    the id of an ended one               a repetition; or it replaces an estimate; or it differs, and is kept beside
    no id of this station (-1, 0, ...)   a repetition of one seen before; else the open transaction that fits, else one
                                         whose end was estimated; else a lost start's, built from it; else an orphan

A station that never got a transaction id sends -1 (errata 3.18: "The Central System SHALL respond as if these messages
refer to a valid transactionId").
"""

from __future__ import annotations

import msgspec

from shared.bus import keys
from shared.records.events import TransactionOrphanStop
from shared.records.history import Fact
from shared.records.transactions import Reading, Stop, TagAnswer, Transaction
from workers.store.draft import Draft
from workers.store.wants import Want, WantReadings, WantStart, WantTransaction, WantTransactionId

from . import authorization, flags, registers
from .clocks import TOLERANCE_MS, is_plausible
from .closing import End, correct, end, enter, file
from .configuration import firmware
from .metering import absorb, read, record_late
from .quirks import Quirks, quirks_of
from .reported import StopReport
from .transactions import MAX_NUMBER, digest

ORPHAN = "0"
"""What a stop's business key leads to where no transaction came of it."""


def wants(report: StopReport) -> tuple[Want, ...]:
    """Return what a decision about this stop will most likely look at."""
    return authorization.wants(report.id_tag)


def stop(draft: Draft, report: StopReport) -> TagAnswer | None:
    """Take in a StopTransaction; returns what the station is told of the tag, None where it named none."""
    rules = quirks_of(draft.station)
    report = msgspec.structs.replace(report, id_tag=rules.id_tag(report.id_tag))
    answer = authorization.look(draft, report.id_tag) if report.id_tag else None
    readings = read(report.readings, rules, draft, 0)
    firmware.showed_measurands(draft, readings)
    named = _named(draft, report)
    if named is not None:
        if named.state == "open":
            _close(draft, named, report, readings, answer)
            return answer
        return _again(draft, named, report, readings, answer)
    key = stop_key(report)
    seen = draft.get(WantStart(key))
    if seen is not None:
        return _seen_again(draft, seen, answer)
    match = _match(draft, report, readings, rules)
    if match is None:
        number = _from_lost_start(draft, report, readings, answer)
        draft.write("HSET", keys.starts(draft.station_id), key, number or ORPHAN)
        return answer
    draft.write("HSET", keys.starts(draft.station_id), key, match.transaction_id)
    match = msgspec.structs.replace(match, flags=flags.union(match.flags, flags.STOP_MATCHED))
    draft.flag(flags.STOP_MATCHED)
    if match.state == "open":
        _close(draft, match, report, readings, answer)
        return answer
    return _again(draft, match, report, readings, answer)


def stop_key(report: StopReport) -> str:
    """Return the digest of a stop's own business key, for stops that name no transaction of the station."""
    tag = authorization.key_of(report.id_tag)
    return digest("stop", str(report.transaction_id), tag, report.stopped_at, report.meter_stop)


def _named(draft: Draft, report: StopReport) -> Transaction | None:
    """Return the station's transaction of the stop's id; another station's is unknown here (lookups are scoped)."""
    number = report.transaction_id
    if number is None or not 0 < number <= MAX_NUMBER:
        return None
    found: Transaction | None = draft.charging.open.get(number) or draft.get(WantTransaction(number))
    return found


def _close(
    draft: Draft, transaction: Transaction, report: StopReport, readings: list[Reading], answer: TagAnswer | None
) -> None:
    rules = quirks_of(draft.station)
    before = transaction.energy_wh
    sampled = absorb(draft, transaction, readings, rules) if readings else transaction
    ended, ending = _judge(draft, sampled, report, readings, answer)
    end(draft, ended, ending, before)


def _again(
    draft: Draft, closed: Transaction, report: StopReport, readings: list[Reading], answer: TagAnswer | None
) -> TagAnswer | None:
    """Take in a stop of a transaction that has ended."""
    own_at_last = flags.STOP_MATCHED in closed.flags and closed.transaction_id == report.transaction_id
    if closed.estimated or (own_at_last and not _is_same_stop(closed, report)):
        if not closed.estimated:
            _keep(draft, "stop_replaced", closed)
        _correct(draft, closed, report, readings, answer)
        return answer
    if not _is_same_stop(closed, report):
        _conflict(draft, closed, report, readings)
        return answer
    if readings:
        record_late(draft, closed, readings)
    return closed.stop_answer if report.id_tag else None


def _is_same_stop(closed: Transaction, report: StopReport) -> bool:
    return closed.reported_stop == _reported(report)


def _reported(report: StopReport) -> tuple[int, int]:
    return report.stopped_at, registers.bounded(report.meter_stop)


def _correct(
    draft: Draft, closed: Transaction, report: StopReport, readings: list[Reading], answer: TagAnswer | None
) -> None:
    """Let the station's own stop, however late, replace an estimate (meter, time, reason)."""
    rules = quirks_of(draft.station)
    before = closed.energy_wh
    sampled = absorb(draft, closed, readings, rules) if readings else closed
    judged, ending = _judge(draft, sampled, report, readings, answer)
    draft.flag(flags.CORRECTED)
    correct(draft, judged, ending, before)


def _conflict(draft: Draft, closed: Transaction, report: StopReport, readings: list[Reading]) -> None:
    """Keep a second stop that differs: the transaction is closed at most once."""
    changed = msgspec.structs.replace(closed, flags=flags.union(closed.flags, flags.STOP_CONFLICT))
    draft.flag(flags.STOP_CONFLICT)
    _keep(draft, "second_stop", _as_stop(report))
    merged = record_late(draft, changed, readings) if readings else changed
    if merged is changed:
        file(draft, changed)


def _judge(
    draft: Draft, transaction: Transaction, report: StopReport, readings: list[Reading], answer: TagAnswer | None
) -> tuple[Transaction, End]:
    """Weigh a stop against what is known; returns the flagged transaction and its end."""
    meter, start, marks = _meter_stop(draft, transaction, report, readings)
    if not is_plausible(report.stopped_at, draft.origin.received_at):
        marks = (*marks, flags.CLOCK_SUSPECT)
    elif flags.CLOCK_SUSPECT not in transaction.flags and report.stopped_at < transaction.started_at:
        marks = (*marks, flags.STOPPED_BEFORE_START)
    tag = report.id_tag
    if tag and not authorization.same_holder(draft, tag, transaction.id_tag, transaction.group):
        marks = (*marks, flags.STOP_TAG_DIFFERS)
    started_at = 0 if flags.CLOCK_SUSPECT in (*transaction.flags, *marks) else transaction.started_at
    if meter - start > registers.most_energy(started_at, report.stopped_at):
        marks = (*marks, flags.ENERGY_IMPLAUSIBLE)
    for mark in marks:
        if mark not in transaction.flags:
            draft.flag(mark)
    judged = msgspec.structs.replace(
        transaction,
        meter_start_wh=start,
        flags=flags.union(transaction.flags, *marks),
        stop_id_tag=tag,
        stop_answer=answer,
        reported_stop=_reported(report),
    )
    return judged, End(stopped_at=report.stopped_at, meter_stop_wh=meter, reason=report.reason, energy_wh=meter - start)


def _meter_stop(
    draft: Draft, transaction: Transaction, report: StopReport, readings: list[Reading]
) -> tuple[int, int, tuple[str, ...]]:
    """Return meter stop and start in Wh, and flags: a register that never goes back decides (quirk 19)."""
    rules = quirks_of(draft.station)
    start, last = transaction.meter_start_wh, transaction.last_meter_wh
    meter = registers.in_wh(report.meter_stop, rules)
    marks: tuple[str, ...] = ()
    if meter < 0:
        return (start if last is None else last), start, (flags.METER_STOP_INVALID,)
    if last is None and flags.METER_START_INVALID in transaction.flags:
        start = meter
    if rules.session_register:
        meter, marks = meter + start, (flags.SESSION_REGISTER,)
    if meter < start:
        marks = (*marks, flags.REGISTER_BACK)
    if last is not None and meter < last:
        last = _last_until(draft, transaction, report, readings)
    if last is not None and meter < last:
        return last, start, (*marks, flags.METER_STOP_LOW)
    return max(meter, start), start, marks


def _last_until(draft: Draft, transaction: Transaction, report: StopReport, readings: list[Reading]) -> int | None:
    """Return the last register value until the stop: a sample from after it is the next session's."""
    received_at = draft.origin.received_at
    suspect = flags.CLOCK_SUSPECT in transaction.flags or not is_plausible(report.stopped_at, received_at)
    if suspect or transaction.last_sample_at <= report.stopped_at + TOLERANCE_MS:
        return transaction.last_meter_wh
    history: tuple[Reading, ...] = draft.get(WantReadings(transaction.transaction_id))
    until = [one for one in (*history, *readings) if one.taken_at <= report.stopped_at + TOLERANCE_MS]
    return registers.derive(transaction, until, (), quirks_of(draft.station), received_at).last_meter_wh


def _match(draft: Draft, report: StopReport, readings: list[Reading], rules: Quirks) -> Transaction | None:
    """Return the transaction that a stop without a usable id fits: an open one, or one whose end was estimated."""
    begin = registers.first_register(readings, report.stopped_at)
    candidates = [one for one in draft.charging.open.values() if _fits(draft, one, report, begin, rules)]
    for number in draft.charging.estimated:
        ended = draft.get(WantTransaction(number))
        if ended is not None and ended.estimated and _fits(draft, ended, report, begin, rules):
            candidates.append(ended)
    meter = registers.in_wh(report.meter_stop, rules)
    tag = authorization.key_of(report.id_tag)

    def distance(one: Transaction) -> tuple[bool, bool, bool, int, int]:
        # Several connectors may be charging: the clock tells, then the tag, then the register that is next below.
        known = one.meter_start_wh if one.last_meter_wh is None else one.last_meter_wh
        contradicts = flags.CLOCK_SUSPECT not in one.flags and report.stopped_at < one.started_at
        other_tag = authorization.key_of(one.id_tag) != tag
        return (contradicts, other_tag, one.estimated, abs(meter - known), -one.received_at)

    return min(candidates, key=distance, default=None)


def _fits(draft: Draft, one: Transaction, report: StopReport, begin: tuple[int, int] | None, rules: Quirks) -> bool:
    received_at = draft.origin.received_at
    clocks = flags.CLOCK_SUSPECT not in one.flags and is_plausible(report.stopped_at, received_at)
    if clocks and report.stopped_at < one.started_at - TOLERANCE_MS:
        return False
    if clocks and one.estimates and report.stopped_at > one.estimates[-1].made_at + TOLERANCE_MS:
        return False  # The connector was free, or another's, by then.
    meter = registers.in_wh(report.meter_stop, rules)
    # 0 and -1 are what a station says that does not know (quirk 19); any other value can't be below the start.
    if meter > 0 and not rules.session_register and meter < one.meter_start_wh:
        return False
    if begin is not None and clocks and begin[0] < one.started_at - TOLERANCE_MS:
        return False
    if begin is not None and not rules.session_register and begin[1] < one.meter_start_wh:
        return False
    return not report.id_tag or authorization.same_holder(draft, report.id_tag, one.id_tag, one.group)


def _seen_again(draft: Draft, number: int, answer: TagAnswer | None) -> TagAnswer | None:
    """Answer the repetition of a stop that named no transaction."""
    closed: Transaction | None = draft.get(WantTransaction(number)) if number else None
    return closed.stop_answer if closed is not None and answer is not None else answer


def _from_lost_start(draft: Draft, report: StopReport, readings: list[Reading], answer: TagAnswer | None) -> int:
    """Build a transaction from the stop alone (quirk 16); returns its id, or 0 where the stop stays an orphan.

    A start was lost where the stop's samples show the begin, or where the station says so: without an id it can only
    have had no answer to its start (errata 3.18). A strange id without either may be anything.
    """
    rules = quirks_of(draft.station)
    begin = registers.first_register(readings, report.stopped_at)
    said_so = report.transaction_id is None or report.transaction_id <= 0
    if begin is None:
        _keep(draft, "orphan_stop", _as_stop(report))
        draft.flag(flags.ORPHAN_STOP)
        draft.emit(
            TransactionOrphanStop(
                station_id=draft.station_id,
                at=draft.origin.received_at,
                transaction_id=registers.bounded(report.transaction_id or 0),
                meter_stop_wh=registers.bounded(report.meter_stop),
            )
        )
        if not said_so:
            return 0
    built = _built(draft, report, begin, rules)
    enter(draft, built)
    _close(draft, built, report, readings, answer)
    return built.transaction_id


def _built(draft: Draft, report: StopReport, begin: tuple[int, int] | None, rules: Quirks) -> Transaction:
    meter = max(registers.in_wh(report.meter_stop, rules), 0)
    started_at, meter_start = begin or (report.stopped_at, 0 if rules.session_register else meter)
    marks = (flags.BUILT_FROM_STOP,) if begin else (flags.BUILT_FROM_STOP, flags.ORPHAN_STOP)
    if not is_plausible(started_at, draft.origin.received_at):
        marks = (*marks, flags.CLOCK_SUSPECT)
    connectors = [one for one in draft.connectors.by_id if one > 0]
    free = [one for one in connectors if one not in {each.connector_id for each in draft.charging.open.values()}]
    connector_id = free[0] if len(free) == 1 else 0
    tag = (authorization.look(draft, report.id_tag) if report.id_tag else None) or TagAnswer("")
    return Transaction(
        transaction_id=draft.get(WantTransactionId()),
        station_id=draft.station_id,
        connector_id=connector_id,
        id_tag=report.id_tag,
        group=tag.group,
        started_at=started_at,
        received_at=draft.origin.received_at,
        meter_start_wh=meter_start,
        start_key=digest("start", connector_id, authorization.key_of(report.id_tag), started_at, meter_start),
        authorization=tag.status,
        expires_at=tag.expires_at,
        flags=marks,
        last_activity_at=draft.origin.received_at,
    )


def _as_stop(report: StopReport) -> Stop:
    return Stop(
        transaction_id=registers.bounded(report.transaction_id or 0),
        id_tag=report.id_tag,
        stopped_at=report.stopped_at,
        meter_stop_wh=registers.bounded(report.meter_stop),
        reason=report.reason,
        data=report.readings or None,
    )


def _keep(draft: Draft, kind: str, data: msgspec.Struct) -> None:
    fact = Fact(kind=kind, received_at=draft.origin.received_at, late=draft.late, data=data)
    draft.remember(fact, keys.history(draft.station_id), draft.policy.history_entries_per_station)
