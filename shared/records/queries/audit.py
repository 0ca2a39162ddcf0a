"""The audit log, appended to and read, newest first."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Any, Final

import hiredis
import msgspec

from shared.bus import keys
from shared.bus.lane import Lane, LaneLost
from shared.bus.scripts import APPEND_AUDIT
from shared.clock import Clock, SystemClock
from shared.records.audit import START, Entry, Link, Outcome, link

from .reading import SCAN_BUDGET, replies

AT_ONCE: Final = 64
"""Entries that one script call appends."""
CHUNK: Final = 200
LOOK_AHEAD: Final = 1000
"""How far behind a `begun` its end is looked for, in entries."""
MAX_TRIES: Final = 50


class AuditLog:
    """Appends to the log for one process, in the order of the calls; what other processes append comes in between."""

    def __init__(self, lane: Lane, clock: Clock | None = None) -> None:
        self._lane = lane
        self._clock = clock or SystemClock()
        self._waiting: deque[tuple[Entry, asyncio.Future[tuple[Entry, str]]]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._last: tuple[str, str] | None = None
        """Id and hash of the last entry; None: look first."""
        self._ahead_ms = 0.0
        """Redis's time minus this process's monotonic clock."""

    async def append(self, draft: Entry) -> tuple[Entry, str]:
        """Append an entry and return it as it stands, with its hash, once it is durable; `seq` and `at` are set here.

        Raises `LaneLost` where nobody knows, `hiredis.ReplyError` where Redis refuses.
        """
        done: asyncio.Future[tuple[Entry, str]] = asyncio.get_running_loop().create_future()
        self._waiting.append((draft, done))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._drain(), name="audit log")
        return await done

    async def _drain(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
            try:
                written = await self._write([draft for draft, _ in batch])
            except (LaneLost, hiredis.ReplyError) as error:
                self._last = None
                for _, done in batch:
                    if not done.done():
                        done.set_exception(error)
            else:
                for (_, done), found in zip(batch, written, strict=True):
                    if not done.done():
                        done.set_result(found)

    async def _write(self, drafts: list[Entry]) -> list[tuple[Entry, str]]:
        if self._last is None:
            await self._run("-", [])
        for _ in range(MAX_TRIES):
            assert self._last is not None
            links = self._chain(drafts)
            if await self._run(self._last[0], links):
                written = [(one.read(), one.hash) for one in links]
                self._last = (written[-1][0].id, written[-1][1])
                return written
        raise LaneLost("too many write to the audit log at once")

    def _chain(self, drafts: list[Entry]) -> list[Link]:
        assert self._last is not None
        last_id, previous = self._last
        at, _, seq = (last_id or "0-0").partition("-")
        now = max(int(self._clock.monotonic() * 1000 + self._ahead_ms), int(at))
        links: list[Link] = []
        for number, draft in enumerate(drafts, int(seq) + 1):
            links.append(link(msgspec.structs.replace(draft, seq=number, at=now), previous or START))
            previous = links[-1].hash
        return links

    async def _run(self, last_id: str, links: list[Link]) -> bool:
        """Append where the last entry is `last_id`; otherwise learn which it is."""
        arguments: list[Any] = [last_id]
        for one in links:
            arguments += (one.read().id, bytes(one.entry), one.previous, one.hash)
        found = await self._lane.one(*APPEND_AUDIT.command(keys=[keys.AUDIT], args=arguments))
        self._ahead_ms = int(found[1]) * 1000 + int(found[2]) / 1000 - self._clock.monotonic() * 1000
        if found[0]:
            return True
        self._last = (found[3].decode(), found[4].decode())
        return False


class AuditFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries; empty: all. Times are ms; `target` is a value of any parameter in the path."""

    who: str = ""
    action: str = ""
    target: str = ""
    tag: str = ""
    """An id tag's pseudonym, wherever it stands."""
    outcome: Outcome | None = None
    since: int = 0
    until: int = 0

    def takes(self, entry: Entry) -> bool:
        """Tell whether an entry is wanted."""
        return (
            (not self.who or self.who in (entry.who.name, entry.who.id))
            and (not self.action or self.action == entry.action)
            and (not self.target or self.target in entry.target.values() or self.target == entry.result)
            and (not self.tag or self.tag in entry.target.values() or self.tag in repr(entry.details))
            and (self.outcome is None or self.outcome == entry.outcome)
        )


async def page(lane: Lane, wanted: AuditFilter, after: str, limit: int) -> tuple[list[Entry], str]:
    """Return up to `limit` entries, the newest first, behind the id `after`, and where to go on; empty at the end.

    A change is one entry: the one that ended it, or the one that began it where there is no end.
    """
    kept: list[Entry] = []
    ends: set[str] = set()
    last, seen = after, 0
    while True:
        top = f"({last}" if last else f"{wanted.until}" if wanted.until else "+"
        found = await lane.one("XREVRANGE", keys.AUDIT, top, str(wanted.since or "-"), "COUNT", CHUNK)
        for one in map(_link, found):
            entry = one.read()
            ends.add(entry.begun)
            if wanted.takes(entry) and (entry.phase != "begun" or not await _ended(lane, entry, ends)):
                if len(kept) == limit:
                    return kept, last
                kept.append(entry)
            last = entry.id
        seen += len(found)
        if len(found) < CHUNK:
            return kept, ""
        if seen >= SCAN_BUDGET:
            return kept, last


async def links(lane: Lane, since: int = 0, until: int = 0) -> AsyncIterator[list[Link]]:
    """Yield the links of the log from the oldest on, some at a time; times are ms, 0: all."""
    begin = str(since or "-")
    while found := await lane.one("XRANGE", keys.AUDIT, begin, str(until or "+"), "COUNT", CHUNK):
        yield [_link(one) for one in found]
        begin = f"({found[-1][0].decode()}"


async def retire(lane: Lane, log: AuditLog, through: str, draft: Entry) -> int:
    """Take the entries up to the id `through` away, behind an entry (`draft`) that says so; returns how many."""
    (one,) = await lane.one("XRANGE", keys.AUDIT, through, through)
    last = _link(one)
    entry = last.read()
    (info,) = await replies(lane, [("XRANGE", keys.AUDIT, "-", "+", "COUNT", 1)])
    first = _link(info[0]).read()
    details = {"from": first.seq, "through": entry.seq, "hash": last.hash}
    await log.append(msgspec.structs.replace(draft, details=details))
    return int(await lane.one("XTRIM", keys.AUDIT, "MINID", f"{entry.at}-{entry.seq + 1}"))


async def _ended(lane: Lane, entry: Entry, ends: set[str]) -> bool:
    """Tell whether what this entry began has an end."""
    if entry.id in ends:
        return True
    found = await lane.one("XRANGE", keys.AUDIT, f"({entry.id}", "+", "COUNT", LOOK_AHEAD)
    return any(_link(one).read().begun == entry.id for one in found)


def _link(found: Any) -> Link:
    fields = dict(zip(found[1][::2], found[1][1::2], strict=True))
    return Link(msgspec.Raw(fields[b"e"]), fields[b"p"].decode(), fields[b"h"].decode())
