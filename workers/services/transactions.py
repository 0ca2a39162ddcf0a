"""StartTransaction: one transaction per logical start, whatever is repeated, lost, late or not understood.

The business key of a start is (connector, idTag, timestamp, meterStart). Equal to an open transaction's it is a
repetition; equal to an ended one's only where its time can be right: a station whose clock begins anew at each boot
sends equal starts that are none. Every start gets a transaction, the refused one too: the station may have begun.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec

from shared.records.transactions import TagAnswer, Transaction
from workers.store.draft import Draft
from workers.store.wants import Want, WantStart, WantTransaction, WantTransactionId

from . import authorization, flags, reservations
from . import authorization_refused as refused
from .clocks import is_plausible
from .closing import assume_over, enter, file
from .metering import keep_open
from .quirks import Quirks, quirks_of
from .registers import in_wh
from .reported import StartReport

MAX_NUMBER = 2**31 - 1


class Started(msgspec.Struct, frozen=True):
    """What a start is answered with."""

    transaction_id: int
    answer: TagAnswer


def wants(report: StartReport) -> Iterable[Want]:
    """Return what a decision about this start will most likely look at."""
    return (
        *authorization.wants(report.id_tag),
        WantStart(start_key(report, report.id_tag.strip())),
        WantTransactionId(),
    )


def start_key(report: StartReport, id_tag: str) -> str:
    """Return the digest of a start's business key; `id_tag` as the station's rules read it."""
    return digest("start", report.connector_id, authorization.key_of(id_tag), report.started_at, report.meter_start)


def digest(*parts: str | int) -> str:
    """Return a short name for a business key."""
    text = "\x1f".join(map(str, parts)).encode(errors="surrogatepass")
    return hashlib.blake2b(text, digest_size=12).hexdigest()


def start(draft: Draft, report: StartReport) -> Started:
    """Take in a StartTransaction (OCPP 1.6 section 4.8); the same logical start always gets the same answer."""
    rules = quirks_of(draft.station)
    id_tag = rules.id_tag(report.id_tag)
    key = start_key(report, id_tag)
    marks = _marks(draft, report)
    earlier = _same_start(draft, key)
    if earlier is not None:
        if earlier.state == "open" or flags.CLOCK_SUSPECT not in marks:
            return _answer(earlier)
        marks = flags.union(marks, flags.START_KEY_REUSED)
    number = draft.get(WantTransactionId())
    opened = _opened(draft, report, rules, number, key, marks)
    reserved = _reserved(draft, number)
    if reserved is not None:
        return _fill(draft, reserved, opened)
    newer = _make_way(draft, opened)
    holder = f"{draft.station_id}/{key}"
    if flags.START_KEY_REUSED in marks:
        holder += f"#{number}"  # The ended one's place is given back after this one takes its own.
    if newer:
        admission = authorization.Admission(authorization.look(draft, id_tag) or TagAnswer("Invalid"))
    else:
        admission = authorization.admit(draft, id_tag, holder, report.started_at)
    answer = admission.answer
    marks = flags.union(opened.flags, *admission.marks, *refused.marks(draft, answer.status, report.started_at))
    opened = reservations.claim(draft, _answered(opened, answer, admission.held, marks))
    enter(draft, opened)
    refused.tell(draft, opened)
    if newer:
        evidence = "the connector's next transaction had started before it came"
        assume_over(draft, opened, "superseded", flags.OUT_OF_ORDER, evidence)
    return Started(number, answer)


def start_unreadable(draft: Draft, hint: StartReport, text: bytes) -> Started:
    """Answer a StartTransaction that nobody understands: a durable new id, `Invalid`, and a flagged record.

    `hint` holds what could be made out of it, `text` tells a repetition from another start.
    """
    key = digest("unreadable", hashlib.blake2b(text, digest_size=12).hexdigest())
    earlier = _same_start(draft, key)
    if earlier is not None:
        return _answer(earlier)
    marks = flags.union(_marks(draft, hint), flags.UNREADABLE_START)
    if not hint.connector_id and len(connectors := [one for one in draft.connectors.by_id if one]) == 1:
        hint = msgspec.structs.replace(hint, connector_id=connectors[0])
    number = draft.get(WantTransactionId())
    opened = _opened(draft, hint, quirks_of(draft.station), number, key, marks)
    answer = TagAnswer("Invalid")
    draft.count("authorizations_total", answer.status)
    enter(draft, _answered(opened, answer, "", opened.flags))
    return Started(number, answer)


def _opened(
    draft: Draft, report: StartReport, rules: Quirks, number: int, key: str, marks: tuple[str, ...]
) -> Transaction:
    meter = in_wh(report.meter_start, rules)
    if meter < 0:
        marks = flags.union(marks, flags.METER_START_INVALID)
    received_at = draft.origin.received_at
    return Transaction(
        transaction_id=number,
        station_id=draft.station_id,
        connector_id=report.connector_id if 0 <= report.connector_id <= MAX_NUMBER else 0,
        id_tag=rules.id_tag(report.id_tag),
        started_at=report.started_at,
        received_at=received_at,
        meter_start_wh=max(meter, 0),
        start_key=key,
        reservation_id=report.reservation_id if 0 <= report.reservation_id <= MAX_NUMBER else 0,
        flags=marks,
        last_activity_at=received_at,
    )


def _answered(opened: Transaction, answer: TagAnswer, holder: str, marks: tuple[str, ...]) -> Transaction:
    return msgspec.structs.replace(
        opened,
        authorization=answer.status,
        expires_at=answer.expires_at,
        group=answer.group,
        holder=holder,
        flags=marks,
    )


def _answer(transaction: Transaction) -> Started:
    """Answer a repetition as its first was answered."""
    answer = TagAnswer(transaction.authorization, transaction.expires_at, transaction.group)
    return Started(transaction.transaction_id, answer)


def _marks(draft: Draft, report: StartReport) -> tuple[str, ...]:
    marks: tuple[str, ...] = ()
    if not is_plausible(report.started_at, draft.origin.received_at):
        marks = (flags.CLOCK_SUSPECT,)
    if not (0 <= report.connector_id <= MAX_NUMBER and 0 <= report.reservation_id <= MAX_NUMBER):
        marks = (*marks, flags.VALUE_RANGE)
    return marks


def _same_start(draft: Draft, key: str) -> Transaction | None:
    """Return the transaction of this business key, open or ended."""
    for transaction in draft.charging.open.values():
        if transaction.start_key == key:
            return transaction
    number = draft.get(WantStart(key))
    if not number:
        return None
    found: Transaction | None = draft.charging.open.get(number) or draft.get(WantTransaction(number))
    return found


def _reserved(draft: Draft, number: int) -> Transaction | None:
    """Return the record of an unreadable start that this one is the replay of: it got this id when it came."""
    if draft.origin.call_seq:
        return None  # A station's own CALL always has a new id.
    found: Transaction | None = draft.charging.open.get(number) or draft.get(WantTransaction(number))
    return found


def _fill(draft: Draft, reserved: Transaction, opened: Transaction) -> Started:
    """Complete the record of an unreadable start by what it is now understood to say; its answer and its end stand."""
    meter = reserved.last_meter_wh if reserved.state == "open" else reserved.meter_stop_wh
    energy = max(meter - opened.meter_start_wh, 0) if meter is not None else 0
    filled = msgspec.structs.replace(
        reserved,
        connector_id=opened.connector_id,
        id_tag=opened.id_tag,
        started_at=opened.started_at,
        meter_start_wh=opened.meter_start_wh,
        reservation_id=opened.reservation_id,
        energy_wh=energy,
        flags=flags.union(tuple(one for one in reserved.flags if one not in _OF_START), *opened.flags),
    )
    if filled.state == "open":
        keep_open(draft, filled)
    else:
        file(draft, filled)
    return _answer(filled)


_OF_START = (flags.METER_START_INVALID, flags.CLOCK_SUSPECT, flags.VALUE_RANGE)


def _make_way(draft: Draft, opened: Transaction) -> bool:
    """End what is open on the connector of a start; returns True where that is newer than the start itself.

    A start of an older epoch may come after those of the session that replaced it: then it is the one that is over.
    """
    others = [one for one in draft.charging.open.values() if one.connector_id == opened.connector_id]
    if draft.late and any(one.started_at > opened.started_at for one in others):
        return True
    for other in others:
        evidence = f"transaction {opened.transaction_id} started on the connector"
        assume_over(draft, other, "superseded", flags.SUPERSEDED, evidence)
    return False
