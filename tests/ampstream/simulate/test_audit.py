"""The audit finds every kind of difference, and nothing where there is none."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from ampstream.simulate.audit import Reading, Snapshot, Stored, audit
from ampstream.simulate.ledger import Acked, Book, Dropped, Entry, Meter, Sent, Start, Stop

Replace = Callable[..., Any]
replace: Replace = msgspec.structs.replace


def entries(number: int, *, acked: bool = True) -> list[Entry]:
    """One transaction of 1,000 Wh + its number, with two readings, as a station notes it."""
    key, base = f"S{number}/1/1", number * 10_000
    out: list[Entry] = [
        Start(key, f"S{number}", 1, "TAG", base, base),
        Sent(key, "start", "a"),
        Acked(key, "start", 100 + number, "Accepted"),
    ]
    for n in (1, 2):
        out += [Meter(key, n, base + n, base + 300 * n), Sent(key, str(n), f"m{n}"), Acked(key, str(n))]
    out += [Stop(key, base + 9, base + 1000 + number, "Local"), Sent(key, "stop", "z")]
    return [*out, Acked(key, "stop")] if acked else out


def stored(number: int) -> Stored:
    """The same transaction as the system should have it."""
    base = number * 10_000
    return Stored(
        id=100 + number,
        station_id=f"S{number}",
        connector_id=1,
        id_tag="TAG",
        state="closed",
        started_at=base,
        stopped_at=base + 9,
        meter_start_wh=base,
        meter_stop_wh=base + 1000 + number,
        energy_wh=1000 + number,
        stop_reason="Local",
    )


def readings(number: int) -> tuple[Reading, ...]:
    base = number * 10_000
    return Reading(base + 1, base + 300), Reading(base + 2, base + 600)


def good(count: int = 3) -> tuple[Book, list[Stored], dict[int, tuple[Reading, ...]]]:
    """A book and what agrees with it."""
    numbers = range(1, count + 1)
    book = Book(entry for n in numbers for entry in entries(n))
    return book, [stored(n) for n in numbers], {100 + n: readings(n) for n in numbers}


def found(book: Book, transactions: list[Stored], **more: Any) -> set[tuple[str, str]]:
    """Audit; return invariants with their subjects."""
    return {(v.invariant, v.subject) for v in audit(book, Snapshot(transactions=tuple(transactions), **more))}


def test_agreement() -> None:
    """Where both agree there is nothing to report."""
    book, transactions, taken = good()
    assert found(book, transactions, readings=taken, ended={101: 1}) == set()


def test_lost_transaction() -> None:
    """An answered start that is not stored breaks I1, and the total I3."""
    book, transactions, _ = good()
    assert found(book, transactions[1:]) == {("I1", "S1/1/1"), ("I3", "total")}


def test_lost_stop() -> None:
    """An answered stop whose transaction is open breaks I1."""
    book, transactions, _ = good()
    transactions[0] = replace(transactions[0], state="open", stopped_at=None, meter_stop_wh=None, energy_wh=600)
    assert ("I1", "S1/1/1") in found(book, transactions)


def test_duplicated_transaction() -> None:
    """One start stored twice breaks I2."""
    book, transactions, _ = good()
    transactions.append(replace(transactions[0], id=555))
    assert ("I2", "S1/1/1") in found(book, transactions)


def test_shared_id() -> None:
    """One id for two transactions breaks I2, stored or answered."""
    book, transactions, _ = good()
    transactions[1] = replace(transactions[1], id=101)
    assert ("I2", "#101") in found(book, transactions)
    book, transactions, _ = good()
    book.transactions["S2/1/1"].ids = [101]
    assert ("I2", "S2/1/1") in found(book, transactions)


def test_ended_twice() -> None:
    """Two ends of one transaction break I2."""
    book, transactions, _ = good()
    assert found(book, transactions, ended={101: 2}) == {("I2", "S1/1/1")}


@pytest.mark.parametrize("change", [{"energy_wh": 1002}, {"meter_stop_wh": 11_002}])
def test_wrong_wh(change: dict[str, int]) -> None:
    """One Wh too much in any field breaks I3."""
    book, transactions, _ = good()
    transactions[0] = replace(transactions[0], **change)
    assert ("I3", "S1/1/1") in found(book, transactions)


def test_wrong_stop() -> None:
    """Another time or reason than the station gave breaks I1."""
    book, transactions, _ = good()
    transactions[0] = replace(transactions[0], stopped_at=10_010)
    transactions[1] = replace(transactions[1], stop_reason="Remote")
    assert found(book, transactions) == {("I1", "S1/1/1"), ("I1", "S2/1/1")}


def test_unstable_answer() -> None:
    """Two answers to one start with different ids break I5, as does an answer that is not what is stored."""
    book, transactions, _ = good()
    book.add(Acked("S1/1/1", "start", 999))
    assert found(book, transactions) == {("I5", "S1/1/1")}
    book, transactions, _ = good()
    transactions[0] = replace(transactions[0], id=999)
    assert found(book, transactions) == {("I5", "S1/1/1")}


def test_phantom() -> None:
    """A stored transaction that no station started breaks I6."""
    book, transactions, _ = good()
    transactions.append(replace(transactions[0], id=7, started_at=1, energy_wh=0))
    assert found(book, transactions) == {("I6", "#7")}


def test_never_sent() -> None:
    """What was noted and never sent must not be stored."""
    book, transactions, _ = good(1)
    book.add(Start("S1/1/2", "S1", 1, "TAG", 50_000, 50_000))
    ghost = replace(transactions[0], id=8, started_at=50_000, meter_start_wh=50_000, state="open", energy_wh=0)
    assert found(book, [*transactions, ghost]) == {("I6", "S1/1/2")}
    assert found(book, transactions) == set()


def test_phantom_stop() -> None:
    """A closed transaction whose station did not stop breaks I6, unless it is flagged as an estimate."""
    book = Book(entries(1)[:-3])
    closed = replace(stored(1), meter_stop_wh=10_600, energy_wh=600)
    assert found(book, [closed]) == {("I6", "S1/1/1")}
    assert found(book, [replace(closed, flags=("estimated",))]) == set()


def test_readings() -> None:
    """Readings lost, made up or doubled are found."""
    book, transactions, taken = good()
    taken[101] = taken[101][:1]
    taken[102] = (*taken[102], Reading(20_005, 20_700))
    taken[103] = (*taken[103], taken[103][0])
    assert found(book, transactions, readings=taken) == {("I1", "S1/1/1"), ("I6", "S2/1/1"), ("I2", "S3/1/1")}


def test_in_doubt() -> None:
    """What was sent and not answered may be stored or not; both are right."""
    book = Book(entries(1, acked=False))
    assert found(book, [stored(1)]) == set()
    still_open = replace(stored(1), state="open", stopped_at=None, meter_stop_wh=None, energy_wh=600)
    assert found(book, [still_open]) == set()
    assert ("I3", "S1/1/1") in found(book, [replace(still_open, energy_wh=1500)])


def test_start_given_up() -> None:
    """The stop of a start that was given up may stand alone."""
    key = "S1/1/1"
    book = Book(
        [
            Start(key, "S1", 1, "TAG", 10_000, 10_000),
            Sent(key, "start", "a"),
            Dropped(key, "start"),
            Stop(key, 10_009, 11_001, "Local"),
            Sent(key, "stop", "b"),
            Acked(key, "stop"),
        ]
    )
    built = replace(stored(1), started_at=10_009, meter_start_wh=11_001, energy_wh=0)
    assert {v[0] for v in found(book, [built])} <= {"I3"}
