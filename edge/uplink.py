"""Appends to the uplinks: all that one turn of the event loop brings goes to Redis in one pipeline.

While `MAX_BATCHES` pipelines are under way, what comes gathers for the next, on a busy node `LINGER_S` at least: the
busier the node, the larger its batches, and with `appendfsync always` a batch costs one sync. Nothing is ever appended
twice: where an outcome is not known, the entry's owner is told, and closes (docs/architecture.md).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final, Protocol

import hiredis

from edge.stations.failclosed import FailClosed
from shared import envelopes, metrics
from shared.bus.lane import Command, Lane, LaneLost
from shared.clock import Clock
from shared.logs import get_logger

MAX_BATCHES: Final = 2
"""Pipelines under way at once; more would only make each of them smaller."""
MAX_BATCH_ENTRIES: Final = 1024
BUSY_ENTRIES: Final = 16
"""A node whose last pipeline had so many is busy."""
LINGER_S: Final = 0.003
"""So long a busy node gathers; what comes to any other goes at once."""

_log = get_logger("edge.uplink")


class Owner(Protocol):
    """Who is told when an entry may not have been appended."""

    def append_failed(self) -> None:
        """The entry was refused, or its outcome is unknown."""


class _Batch:
    """Entries of one pipeline, with their owners and what follows their success."""

    __slots__ = ("at", "commands", "followers", "owners")

    def __init__(self, at: float) -> None:
        self.at = at
        self.commands: list[Command] = []
        self.owners: list[Owner | None] = []
        self.followers: list[tuple[int, Callable[[], None]]] = []


class Appender:
    """Gathers entries and appends them; `append` never waits."""

    def __init__(self, lane: Lane, gate: FailClosed, clock: Clock) -> None:
        self._lane = lane
        self._gate = gate
        self._monotonic = clock.monotonic
        self._gathering: _Batch | None = None
        self._under_way: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._scheduled = False
        self._busy = False
        self._ingest = metrics.EDGE_INGEST_SECONDS.labels()
        self._refused = metrics.REDIS_ERRORS

    def append(self, stream: str, entry: bytes, owner: Owner | None, then: Callable[[], None] | None = None) -> None:
        """Append a packed envelope; `then` runs once Redis has it, `owner.append_failed` where that is not sure."""
        self.send(("XADD", stream, b"*", envelopes.FIELD, entry), owner, then)

    def send(self, command: Command, owner: Owner | None = None, then: Callable[[], None] | None = None) -> None:
        """Run any command in the order of the appends."""
        batch = self._gathering
        if batch is None:
            batch = self._gathering = _Batch(self._monotonic())
        if then is not None:
            batch.followers.append((len(batch.commands), then))
        batch.commands.append(command)
        batch.owners.append(owner)
        if not self._scheduled:
            self._scheduled = True
            if self._busy:
                self._loop.call_later(LINGER_S, self._flush)
            else:
                self._loop.call_soon(self._flush)

    async def flush(self, timeout_s: float) -> None:
        """Wait until everything appended so far has its outcome, at most `timeout_s`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self._gathering is not None or self._under_way:
                    self._flush()
                    await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)

    def _flush(self) -> None:
        self._scheduled = False
        batch = self._gathering
        if batch is None or len(self._under_way) >= MAX_BATCHES:
            return
        self._gathering = None
        self._busy = len(batch.commands) >= BUSY_ENTRIES
        task = self._loop.create_task(self._send(batch))
        self._under_way.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if self._gathering is not None and not self._scheduled:
            self._flush()

    async def _send(self, batch: _Batch) -> None:
        for start in range(0, len(batch.commands), MAX_BATCH_ENTRIES):
            await self._send_some(batch, start, batch.commands[start : start + MAX_BATCH_ENTRIES])

    async def _send_some(self, batch: _Batch, start: int, commands: list[Command]) -> None:
        owners = batch.owners[start : start + len(commands)]
        try:
            replies = await self._lane.execute(commands)
        except LaneLost as error:
            _log.warning("appends with unknown outcome", entries=len(commands), reason=str(error))
            self._fail(owners, "connection")
            return
        now = self._monotonic()
        failed: set[int] = set()
        for n, reply in enumerate(replies):
            if type(reply) is hiredis.ReplyError:
                failed.add(n)
                _log.warning("append refused", reason=str(reply))
                self._fail([owners[n]], _kind(str(reply)))
        if len(failed) < len(replies):
            self._gate.append_succeeded()
        for owner in owners:
            if owner is not None:
                self._ingest.observe(now - batch.at)
        for n, then in batch.followers:
            if start <= n < start + len(commands) and n - start not in failed:
                then()

    def _fail(self, owners: list[Owner | None], kind: str) -> None:
        self._gate.append_failed(self._monotonic())
        self._refused.labels(kind).inc()
        for owner in owners:
            if owner is not None:
                owner.append_failed()


_KINDS: Final = {"OOM": "out_of_memory", "READONLY": "readonly", "LOADING": "loading"}


def _kind(text: str) -> str:
    return _KINDS.get(text.partition(" ")[0], "other")
