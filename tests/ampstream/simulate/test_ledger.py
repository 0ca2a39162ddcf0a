"""The stations' own record."""

from pathlib import Path

import pytest

from ampstream.simulate.ledger import (
    Acked,
    Book,
    Dropped,
    Entry,
    FileLedger,
    LedgerError,
    Meter,
    Sent,
    Start,
    Stop,
    read,
)
from tests.support import wait_until

KEY = "S1/1/1"
ENTRIES: list[Entry] = [
    Start(KEY, "S1", 1, "TAG", 1000, 500),
    Sent(KEY, "start", "a"),
    Acked(KEY, "start", 77, "Accepted"),
    Meter(KEY, 1, 2000, 600),
    Sent(KEY, "1", "b"),
    Acked(KEY, "1"),
    Stop(KEY, 3000, 750, "Local"),
    Sent(KEY, "stop", "c"),
]


async def test_what_is_written_is_read(tmp_path: Path) -> None:
    """A file gives back the book that its entries make."""
    path = tmp_path / "ledger"
    ledger = FileLedger(path, "seed", 1)
    for entry in ENTRIES:
        ledger.note(entry)
    ledger.close()
    book = read(path)
    logical = book.transactions[KEY]
    assert book.runs == 1
    assert logical.ids == [77]
    assert logical.energy_wh == book.energy_wh == 250
    assert logical.pending() == ["stop"]
    assert not book.settled()
    book.add(Acked(KEY, "stop"))
    assert book.settled()


async def test_on_disk_before_it_is_sent(tmp_path: Path) -> None:
    """A message goes out only when its entry is in the file; one sync serves a whole turn of the loop."""
    path = tmp_path / "ledger"
    ledger = FileLedger(path, "seed", 1)
    seen: list[int] = []
    ledger.note(ENTRIES[0])
    ledger.then(lambda: seen.append(len(read(path).transactions)))
    ledger.then(lambda: seen.append(len(read(path).transactions)))
    assert seen == []
    await wait_until(lambda: seen == [1, 1])
    ledger.close()


async def test_a_torn_line_is_cut(tmp_path: Path) -> None:
    """A line that a crash tore is passed over, and cut off before the next run writes."""
    path = tmp_path / "ledger"
    ledger = FileLedger(path, "seed", 1)
    ledger.note(ENTRIES[0])
    ledger.close()
    whole = path.read_bytes()
    for torn in (b'{"t":"stop","k', b'{"t":"stop"' + b"x" * 9000):
        path.write_bytes(whole + torn)
        assert list(read(path).transactions) == [KEY]
    again = FileLedger(path, "seed", 2)
    again.note(ENTRIES[1])
    again.close()
    book = read(path)
    assert book.runs == 2
    assert book.transactions[KEY].sent == {"start": 1}


@pytest.mark.parametrize(
    ("line", "problem"),
    [(b'{"t":"nonsense"}', "line 2"), (b"{", "line 2"), (b'{"t":"acked","key":"X","what":"start"}', "no start")],
)
def test_a_bad_line_is_named(tmp_path: Path, line: bytes, problem: str) -> None:
    """A line that is no entry, or about nothing, is an error that says where."""
    path = tmp_path / "ledger"
    path.write_bytes(b'{"t":"run","seed":"1","at":1}\n' + line + b"\n")
    with pytest.raises(LedgerError, match=problem):
        read(path)


def test_twice_is_an_error() -> None:
    """No transaction starts or stops twice."""
    book = Book(ENTRIES)
    with pytest.raises(LedgerError, match="starts twice"):
        book.add(ENTRIES[0])
    with pytest.raises(LedgerError, match="stops twice"):
        book.add(Stop(KEY, 4000, 800, "Local"))


def test_given_up_is_not_pending() -> None:
    """What the station gave up waits no more."""
    book = Book([*ENTRIES, Dropped(KEY, "stop")])
    assert book.transactions[KEY].pending() == []
