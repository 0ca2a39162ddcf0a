"""What stations know to be true: every logical start, meter value and stop, and every answer that reached them.

A ledger is a file of JSON lines, appended and synced before the message that a line is about goes out; the syncs of one
turn of the event loop are one. `Book` is the same in memory, by transaction: `read(path)` makes one from a file, whose
last line may be torn by a crash. A fleet that is started again on its ledger goes on where it stopped.

Times are the station's own, in ms since 1970; meters in Wh.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, Protocol, TypeAlias

import msgspec


class LedgerError(ValueError):
    """A ledger holds what cannot be one; says where."""


class Run(msgspec.Struct, frozen=True, tag="run", tag_field="t"):
    """A fleet was started on this ledger."""

    seed: str
    at: int


class Start(msgspec.Struct, frozen=True, tag="start", tag_field="t"):
    """A transaction began; `key` names it in the whole ledger (`station/connector/n`)."""

    key: str
    station: str
    connector: int
    id_tag: str
    at: int
    meter_wh: int


class Meter(msgspec.Struct, frozen=True, tag="meter", tag_field="t"):
    """The register was read for a periodic or triggered MeterValues; `n` counts them from 1."""

    key: str
    n: int
    at: int
    meter_wh: int


class Stop(msgspec.Struct, frozen=True, tag="stop", tag_field="t"):
    """A transaction ended."""

    key: str
    at: int
    meter_wh: int
    reason: str


class Sent(msgspec.Struct, frozen=True, tag="sent", tag_field="t"):
    """A message is about to be written; `what` is `start`, `stop` or the meter value's number."""

    key: str
    what: str
    message_id: str


class Acked(msgspec.Struct, frozen=True, tag="acked", tag_field="t", omit_defaults=True):
    """A CALLRESULT reached the station; of a start with the transaction id and the tag's status."""

    key: str
    what: str
    transaction_id: int = 0
    status: str = ""


class Dropped(msgspec.Struct, frozen=True, tag="dropped", tag_field="t"):
    """The station gave a message up after its attempts (OCPP 1.6 §3.7.1)."""

    key: str
    what: str


Entry: TypeAlias = Run | Start | Meter | Stop | Sent | Acked | Dropped

START: Final = "start"
STOP: Final = "stop"


class Logical:
    """All that a ledger tells of one transaction."""

    __slots__ = ("acked", "dropped", "ids", "meters", "sent", "start", "status", "stop")

    def __init__(self, start: Start) -> None:
        self.start = start
        self.meters: dict[int, Meter] = {}
        self.stop: Stop | None = None
        self.sent: dict[str, int] = {}
        """How often each message was written."""
        self.acked: set[str] = set()
        self.dropped: set[str] = set()
        self.ids: list[int] = []
        """The transaction ids that starts were answered with, in order."""
        self.status = ""

    @property
    def energy_wh(self) -> int:
        """Energy up to the stop, 0 without one."""
        return self.stop.meter_wh - self.start.meter_wh if self.stop else 0

    @property
    def last_meter_wh(self) -> int:
        """The last reading that the station noted."""
        if self.stop:
            return self.stop.meter_wh
        return self.meters[max(self.meters)].meter_wh if self.meters else self.start.meter_wh

    def pending(self) -> list[str]:
        """Return what still has to reach the CSMS, in order."""
        done = self.acked | self.dropped
        order = [START, *(str(n) for n in sorted(self.meters)), *([STOP] if self.stop else [])]
        return [what for what in order if what not in done]


class Book:
    """A ledger in memory."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self.transactions: dict[str, Logical] = {}
        self.runs = 0
        for entry in entries:
            self.add(entry)

    def add(self, entry: Entry) -> None:
        """Take one entry; raises `LedgerError` where it is about a transaction that never started."""
        if isinstance(entry, Run):
            self.runs += 1
            return
        if isinstance(entry, Start):
            if entry.key in self.transactions:
                raise LedgerError(f"{entry.key} starts twice")
            self.transactions[entry.key] = Logical(entry)
            return
        logical = self.transactions.get(entry.key)
        if logical is None:
            raise LedgerError(f"{entry.key} has no start")
        _ADD[type(entry)](logical, entry)

    def of_station(self, station: str) -> list[Logical]:
        """Return a station's transactions in the order of their starts."""
        return [logical for logical in self.transactions.values() if logical.start.station == station]

    @property
    def energy_wh(self) -> int:
        """The energy of all transactions that have a stop."""
        return sum(logical.energy_wh for logical in self.transactions.values())

    def settled(self) -> bool:
        """Tell whether nothing waits for an answer and every transaction has ended."""
        return all(logical.stop and not logical.pending() for logical in self.transactions.values())


def _add_meter(logical: Logical, entry: Meter) -> None:
    logical.meters[entry.n] = entry


def _add_stop(logical: Logical, entry: Stop) -> None:
    if logical.stop is not None:
        raise LedgerError(f"{entry.key} stops twice")
    logical.stop = entry


def _add_sent(logical: Logical, entry: Sent) -> None:
    logical.sent[entry.what] = logical.sent.get(entry.what, 0) + 1


def _add_acked(logical: Logical, entry: Acked) -> None:
    logical.acked.add(entry.what)
    if entry.what == START:
        logical.ids.append(entry.transaction_id)
        logical.status = entry.status


def _add_dropped(logical: Logical, entry: Dropped) -> None:
    logical.dropped.add(entry.what)


_ADD: Final[dict[type, Callable[..., None]]] = {
    Meter: _add_meter,
    Stop: _add_stop,
    Sent: _add_sent,
    Acked: _add_acked,
    Dropped: _add_dropped,
}

_decode = msgspec.json.Decoder(Entry).decode
_encode = msgspec.json.Encoder().encode


def read(path: Path) -> Book:
    """Read a ledger; a torn last line is passed over. Raises `LedgerError` with file and line, or OSError."""
    book = Book()
    lines = path.read_bytes().split(b"\n")
    # Whatever follows the last newline was never acknowledged as written.
    for number, line in enumerate(lines[:-1], 1):
        try:
            book.add(_decode(line))
        except (msgspec.MsgspecError, LedgerError) as error:
            raise LedgerError(f"{path}, line {number}: {error}") from None
    return book


class Recorder(Protocol):
    """Where stations note what they do."""

    def note(self, entry: Entry) -> None:
        """Take an entry."""

    def then(self, send: Callable[[], None]) -> None:
        """Run `send` once all that was noted is safe."""


class MemoryLedger:
    """A ledger for runs that need not survive a crash of their own process."""

    def __init__(self) -> None:
        self.book = Book()

    def note(self, entry: Entry) -> None:
        """Take an entry."""
        self.book.add(entry)

    def then(self, send: Callable[[], None]) -> None:
        """Run `send` at once."""
        send()


class NoLedger:
    """Keeps nothing."""

    def note(self, entry: Entry) -> None:
        """Forget an entry."""

    def then(self, send: Callable[[], None]) -> None:
        """Run `send` at once."""
        send()


class FileLedger:
    """A ledger on disk. One sync per turn of the loop, in the loop: the fleet waits for it, as a station would."""

    def __init__(self, path: Path, seed: str, now_ms: int) -> None:
        """Open or go on with `path`; a torn last line is cut off. Raises OSError."""
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        _cut_torn_line(self._fd)
        self._lines: list[bytes] = []
        self._sends: list[Callable[[], None]] = []
        self._scheduled = False
        self.note(Run(seed, now_ms))

    def note(self, entry: Entry) -> None:
        """Take an entry; it is on disk before the next `then` runs."""
        self._lines.append(_encode(entry) + b"\n")
        self._schedule()

    def then(self, send: Callable[[], None]) -> None:
        """Run `send` at the end of this turn of the loop, after the sync."""
        self._sends.append(send)
        self._schedule()

    def close(self) -> None:
        """Write what is left and close the file."""
        self.flush()
        os.close(self._fd)

    def flush(self) -> None:
        """Write, sync, then let the messages go."""
        self._scheduled = False
        if self._lines:
            _write_all(self._fd, b"".join(self._lines))
            self._lines.clear()
            _sync(self._fd)
        sends, self._sends = self._sends, []
        for send in sends:
            send()

    def _schedule(self) -> None:
        if not self._scheduled:
            try:
                asyncio.get_running_loop().call_soon(self.flush)
            except RuntimeError:
                return  # no loop yet: the first turn's flush takes it along
            self._scheduled = True


def _sync(fd: int) -> None:
    # macOS has no fdatasync.
    getattr(os, "fdatasync", os.fsync)(fd)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _cut_torn_line(fd: int) -> None:
    size = os.fstat(fd).st_size
    end, block = size, 4096
    while end > 0:
        begin = max(end - block, 0)
        at = os.pread(fd, end - begin, begin).rfind(b"\n")
        if at >= 0:
            end = begin + at + 1
            break
        end = begin
    if end < size:
        os.ftruncate(fd, end)
