"""The audit log: who changed what, from where, with which outcome. It is only ever appended to.

Entries form a chain: `hash = sha256(hash before, newline, entry)`, hexadecimal, the entry as the JSON text that is
stored. Whoever alters, removes or inserts one must rewrite every hash behind it, and hashes are kept elsewhere too: in
exports, and in the log line of each change. What retention takes away is itself an entry (`RETENTION`), so a missing
beginning shows as well.

A change is written twice: `begun` before it is carried out, `ended` before it is answered. A `begun` without an end is
a process that died in between; what was turned away at once is one entry, `refused`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, Final, Literal

import msgspec

Phase = Literal["begun", "ended", "refused", "noted"]
"""`noted`: something that Ampstream itself, or somebody with access to Redis, did; it is written when it is done."""
Outcome = Literal["done", "refused", "failed", "unknown"]
Kind = Literal["token", "person", "local", "system"]
RETENTION: Final = "retention"
"""Action of the entry that says which ones left for their age, or for the size of the log."""
START: Final = "0" * 64
"""What the first entry ever continues."""
MAX_PROBLEMS: Final = 100


class Actor(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Who did it: an API token, a person who logged in, a user of this machine, or Ampstream."""

    kind: Kind
    name: str
    id: str = ""
    """Of a token: its id; of a person: the subject that the issuer knows."""
    scope: str = ""


class Entry(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One entry. `seq` counts from 1 without a gap; `at` (ms) never falls."""

    seq: int
    at: int
    phase: Phase
    action: str
    """The operation's id, e.g. `create_token`."""
    who: Actor
    method: str = ""
    route: str = ""
    """The path with the names of its parameters."""
    address: str = ""
    target: dict[str, str] = {}
    """The path's parameters; an id tag as its pseudonym."""
    details: Any = None
    """Query and body, shortened; without secrets, id tags as pseudonyms."""
    status: int = 0
    """HTTP status; 0 for `begun` and `noted`."""
    problem: str = ""
    result: str = ""
    """Id of what was made, e.g. of a command or a job."""
    begun: str = ""
    """Of `ended`: the id of the entry that began it."""
    request_id: str = ""

    @property
    def id(self) -> str:
        """Its place in the log: `<at>-<seq>`."""
        return f"{self.at}-{self.seq}"

    @property
    def outcome(self) -> Outcome:
        """What became of it, as far as this entry tells."""
        if self.phase == "begun":
            return "unknown"
        if self.phase == "refused":
            return "refused"
        if self.status < 400:
            return "done"
        return "unknown" if self.status >= 503 else "failed" if self.status >= 500 else "refused"


class Link(msgspec.Struct, frozen=True):
    """An entry with its hashes, as it is stored and exported."""

    entry: msgspec.Raw
    previous: str
    hash: str

    def read(self) -> Entry:
        """Return the entry; raises `msgspec.MsgspecError` for what is none."""
        return _decode(self.entry)


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Entry).decode


def link(entry: Entry, previous: str) -> Link:
    """Return the entry chained to the hash of the one before."""
    text = _encode(entry)
    return Link(msgspec.Raw(text), previous, digest(text, previous))


def digest(text: bytes | msgspec.Raw, previous: str) -> str:
    """Return the hash of an entry's text behind the hash `previous`."""
    return hashlib.sha256(previous.encode() + b"\n" + bytes(text)).hexdigest()


class Verdict(msgspec.Struct, kw_only=True):
    """What checking a log came to."""

    entries: int = 0
    first: int = 0
    last: int = 0
    """Sequence numbers."""
    hash: str = ""
    """Of the last entry: who notes it can tell later whether anything up to here was altered."""
    problems: list[str] = []
    unknown: list[int] = []
    """Changes that began and have no end: the process died, or they are under way."""

    @property
    def sound(self) -> bool:
        """Whether nothing was found."""
        return not self.problems


class Checker:
    """Checks links in their order, from the oldest that is kept: feed all of them, then ask for the `verdict`."""

    def __init__(self, expected: dict[int, str] | None = None) -> None:
        """Take hashes that were noted before, by sequence number."""
        self._expected = dict(expected or {})
        self._verdict = Verdict()
        self._hash = ""
        self._at = 0
        self._before_first = ""
        self._gone: dict[int, str] = {}
        self._open: dict[str, int] = {}

    def feed(self, links: Iterable[Link]) -> None:
        """Take the next links."""
        for one in links:
            self._one(one)

    def _one(self, one: Link) -> None:
        found = self._verdict
        found.entries += 1
        try:
            entry = one.read()
        except msgspec.MsgspecError as error:
            self._problem(f"behind entry {found.last}: no entry ({error})")
            self._hash = one.hash
            return
        if found.entries == 1:
            found.first, self._before_first = entry.seq, one.previous
        else:
            self._follows(entry, one)
        if digest(one.entry, one.previous) != one.hash:
            self._problem(f"entry {entry.seq}: its hash is another than its text's")
        if self._expected.pop(entry.seq, one.hash) != one.hash:
            self._problem(f"entry {entry.seq}: its hash is another than the one that was noted")
        self._remember(entry)
        found.last, found.hash = entry.seq, one.hash
        self._hash, self._at = one.hash, entry.at

    def _follows(self, entry: Entry, one: Link) -> None:
        if entry.seq != self._verdict.last + 1:
            self._problem(f"entry {entry.seq} follows entry {self._verdict.last}")
        elif one.previous != self._hash:
            self._problem(f"entry {entry.seq} does not continue the hash of entry {self._verdict.last}")
        if entry.at < self._at:
            self._problem(f"entry {entry.seq} is older than the one before")

    def _remember(self, entry: Entry) -> None:
        if entry.phase == "begun":
            self._open[entry.id] = entry.seq
        elif entry.phase == "ended":
            self._open.pop(entry.begun, None)
        elif entry.action == RETENTION and entry.who.kind == "system" and isinstance(entry.details, dict):
            self._gone[int(entry.details.get("through", 0))] = str(entry.details.get("hash", ""))

    def verdict(self) -> Verdict:
        """Return what was found in everything that was fed."""
        found = self._verdict
        if found.entries and found.first == 1 and self._before_first != START:
            self._problem("entry 1 does not begin the chain")
        if found.first > 1 and self._gone.get(found.first - 1) != self._before_first:
            self._problem(f"entries before {found.first} are gone, and no entry says that retention took them")
        lost = sorted(seq for seq in self._expected if seq >= found.first)
        if lost:
            self._problem(f"entry {lost[0]} was noted, and is not there")
        found.unknown = sorted(self._open.values())
        return found

    def _problem(self, text: str) -> None:
        if len(self._verdict.problems) < MAX_PROBLEMS:
            self._verdict.problems = [*self._verdict.problems, text]
