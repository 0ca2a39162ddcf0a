"""The stations' ledger against what the system stored: every difference is a violated invariant.

    I1  acknowledged, so durable: what was answered is there, as it was said
    I2  unique: one stored transaction per logical start, ended once
    I3  energy: Wh per transaction and in total equal the ledger's
    I5  stable answers: a repeated start gets the transaction id of the first
    I6  no phantoms: nothing is stored that no station said

Pure: `audit(book, snapshot)`. What was sent but never answered may be stored or not; what was never sent must not be.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Final, Literal, TypeAlias

import msgspec

from ampstream.simulate.ledger import START, STOP, Book, Logical, Stop

Invariant: TypeAlias = Literal["I1", "I2", "I3", "I5", "I6"]

ESTIMATED: Final = "estimat"
"""What the flag of an end that the system assumed begins with: such a stop is no phantom."""


class Violation(msgspec.Struct, frozen=True):
    """One broken promise."""

    invariant: Invariant
    station: str
    subject: str
    """The ledger's key of the transaction, or `#id` of one that no ledger knows."""
    detail: str

    def __str__(self) -> str:
        return f"{self.invariant} {self.station} {self.subject}: {self.detail}"


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction as the system tells it; times in ms since 1970."""

    id: int
    station_id: str
    connector_id: int
    id_tag: str
    state: str
    started_at: int
    stopped_at: int | None = None
    meter_start_wh: int
    meter_stop_wh: int | None = None
    energy_wh: int = 0
    stop_reason: str = ""
    flags: tuple[str, ...] = ()

    @property
    def business_key(self) -> BusinessKey:
        """What identifies the start."""
        return self.station_id, self.connector_id, self.id_tag, self.started_at, self.meter_start_wh


class Reading(msgspec.Struct, frozen=True):
    """One stored register reading of a transaction."""

    taken_at: int
    meter_wh: int


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What the system holds; parts that were not fetched are None and not audited."""

    transactions: tuple[Stored, ...]
    readings: dict[int, tuple[Reading, ...]] | None = None
    """The periodic register readings by transaction id."""
    ended: dict[int, int] | None = None
    """How many distinct `transaction.ended` events there are, by transaction id."""


BusinessKey: TypeAlias = tuple[str, int, str, int, int]


def audit(book: Book, snapshot: Snapshot) -> list[Violation]:
    """Return every violation, ordered by station; an empty list means that system and stations agree."""
    return sorted(_violations(book, snapshot), key=lambda v: (v.station, v.subject, v.invariant))


def _violations(book: Book, snapshot: Snapshot) -> Iterator[Violation]:
    stored: dict[BusinessKey, list[Stored]] = defaultdict(list)
    for transaction in snapshot.transactions:
        stored[transaction.business_key].append(transaction)
    yield from _shared_ids(book, snapshot)
    known: set[BusinessKey] = set()
    for logical in book.transactions.values():
        key = _business_key(logical)
        known.add(key)
        yield from _one(logical, stored.get(key, []), snapshot)
    orphans = [t for key, found in stored.items() if key not in known for t in found]
    yield from _phantoms(book, orphans)
    yield from _total(book, snapshot)


def _business_key(logical: Logical) -> BusinessKey:
    start = logical.start
    return start.station, start.connector, start.id_tag, start.at, start.meter_wh


def _violation(invariant: Invariant, logical: Logical, detail: str) -> Violation:
    return Violation(invariant, logical.start.station, logical.start.key, detail)


def _shared_ids(book: Book, snapshot: Snapshot) -> Iterator[Violation]:
    """Ids that stand for two transactions, stored or answered."""
    stored = Counter(transaction.id for transaction in snapshot.transactions)
    for transaction in snapshot.transactions:
        if stored[transaction.id] > 1:
            yield Violation("I2", transaction.station_id, f"#{transaction.id}", "transaction id stored twice")
    owner: dict[int, Logical] = {}
    for logical in book.transactions.values():
        for number in set(logical.ids):
            other = owner.setdefault(number, logical)
            if other is not logical:
                yield _violation("I2", logical, f"answered with id {number} of {other.start.key}")


def _one(logical: Logical, found: list[Stored], snapshot: Snapshot) -> Iterator[Violation]:
    """All that can be wrong with one logical transaction."""
    if len(set(logical.ids)) > 1:
        yield _violation("I5", logical, f"the start was answered with ids {sorted(set(logical.ids))}")
    if not found:
        if START in logical.acked:
            yield _violation("I1", logical, f"the start was answered with id {logical.ids[-1]} and is not stored")
        return
    if START not in logical.sent:
        yield _violation("I6", logical, "the start is stored and was never sent")
    if len(found) > 1:
        yield _violation("I2", logical, f"stored {len(found)} times: ids {sorted(t.id for t in found)}")
    stored = next((t for t in found if t.id in logical.ids), found[0])
    if logical.ids and stored.id not in logical.ids:
        yield _violation("I5", logical, f"answered with id {logical.ids[-1]}, stored as {stored.id}")
    yield from _end(logical, stored)
    if snapshot.ended is not None and snapshot.ended.get(stored.id, 0) > 1:
        yield _violation("I2", logical, f"ended {snapshot.ended[stored.id]} times")
    if snapshot.readings is not None:
        yield from _readings(logical, snapshot.readings.get(stored.id, ()))


def _end(logical: Logical, stored: Stored) -> Iterator[Violation]:
    """The stop, and the energy that follows from it."""
    if stored.state != "closed":
        low, high = _energy_range(logical)
        if STOP in logical.acked:
            yield _violation("I1", logical, "the stop was answered and the transaction is open")
        elif not low <= stored.energy_wh <= high:
            yield _violation("I3", logical, f"{stored.energy_wh} Wh while open, the meter says {low} to {high} Wh")
    elif logical.stop is None or STOP not in logical.sent:
        if not any(flag.startswith(ESTIMATED) for flag in stored.flags):
            yield _violation("I6", logical, "closed without a stop, and not flagged as an estimate")
    elif STOP in logical.acked:
        yield from _stop(logical, logical.stop, stored)


def _stop(logical: Logical, stop: Stop, stored: Stored) -> Iterator[Violation]:
    """An answered stop against what is stored of it."""
    if stored.meter_stop_wh != stop.meter_wh:
        yield _violation("I3", logical, f"stopped at {stop.meter_wh} Wh, stored {stored.meter_stop_wh} Wh")
    if stored.energy_wh != logical.energy_wh:
        yield _violation("I3", logical, f"charged {logical.energy_wh} Wh, stored {stored.energy_wh} Wh")
    if stored.stopped_at != stop.at:
        yield _violation("I1", logical, f"stopped at {stop.at}, stored {stored.stopped_at}")
    if stored.stop_reason != stop.reason:
        yield _violation("I1", logical, f"stopped for {stop.reason}, stored {stored.stop_reason}")


def _energy_range(logical: Logical) -> tuple[int, int]:
    """Return the least and the most energy that the system may show: what was answered, and what was sent."""
    base = logical.start.meter_wh
    answered = [m.meter_wh for n, m in logical.meters.items() if str(n) in logical.acked]
    sent = [m.meter_wh for n, m in logical.meters.items() if str(n) in logical.sent]
    if logical.stop and STOP in logical.acked:
        answered.append(logical.stop.meter_wh)
    if logical.stop and STOP in logical.sent:
        sent.append(logical.stop.meter_wh)
    return max(answered, default=base) - base, max(sent, default=base) - base


def _readings(logical: Logical, readings: tuple[Reading, ...]) -> Iterator[Violation]:
    stored = Counter((reading.taken_at, reading.meter_wh) for reading in readings)
    # The values of start and stop may be stored as readings too.
    said = {(m.at, m.meter_wh): str(n) for n, m in logical.meters.items()}
    said[logical.start.at, logical.start.meter_wh] = START
    if logical.stop:
        said[logical.stop.at, logical.stop.meter_wh] = STOP
    for (at, wh), what in said.items():
        if what not in (START, STOP) and what in logical.acked and (at, wh) not in stored:
            yield _violation("I1", logical, f"meter value {what} ({wh} Wh) was answered and is not stored")
    for reading, count in stored.items():
        what = said.get(reading, "")
        if not what:
            yield _violation("I6", logical, f"a reading of {reading[1]} Wh that the station never took")
        elif what not in logical.sent:
            yield _violation("I6", logical, f"meter value {what} is stored and was never sent")
        if count > 1:
            yield _violation("I2", logical, f"the reading of {reading[1]} Wh is stored {count} times")


def _phantoms(book: Book, orphans: list[Stored]) -> Iterator[Violation]:
    """Stored transactions that match no logical start."""
    # A start that the station gave up leaves a transaction that only its stop describes.
    headless = {
        (logical.start.station, logical.stop.at, logical.stop.meter_wh)
        for logical in book.transactions.values()
        if START in logical.dropped and logical.stop and STOP in logical.sent
    }
    for stored in orphans:
        if (stored.station_id, stored.stopped_at, stored.meter_stop_wh) not in headless:
            detail = (
                f"connector {stored.connector_id}, {stored.meter_start_wh} Wh at {stored.started_at}: never started"
            )
            yield Violation("I6", stored.station_id, f"#{stored.id}", detail)


def _total(book: Book, snapshot: Snapshot) -> Iterator[Violation]:
    low = high = 0
    for logical in book.transactions.values():
        least, most = _energy_range(logical)
        low, high = low + (least if START in logical.acked else 0), high + most
    total = sum(transaction.energy_wh for transaction in snapshot.transactions)
    if not low <= total <= high:
        said = f"{low} Wh" if low == high else f"{low} to {high} Wh"
        yield Violation("I3", "*", "total", f"stations: {said}, stored: {total} Wh")
