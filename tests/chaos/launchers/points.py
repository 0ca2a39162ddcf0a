"""Pause points: exact places at which a process may kill or stop itself.

    edge    before_append   a station's entry is at hand, nothing of it went to Redis
            after_append    Redis has the entry, nobody has answered it yet
    worker  before_commit   read, loaded and decided; nothing written
            after_commit    committed; nothing emitted, not acknowledged

The data that a point is matched with is the entry as it is on the uplink (station id and frame in clear).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from shared import envelopes
from tests.chaos.harness.points import passing


def apply() -> None:
    """Wrap what this process has of them; the last argument of its command line tells which it is."""
    if "worker" in sys.argv:
        _worker()
    else:
        _edge()


def _edge() -> None:
    from edge import uplink
    from shared.bus.lane import Lane

    append = uplink.Appender.append
    execute = Lane.execute

    def before(self: uplink.Appender, stream: str, entry: bytes, owner: Any, then: Any = None) -> None:
        passing("before_append", entry)
        append(self, stream, entry, owner, then)

    async def after(self: Lane, commands: Sequence[Any], timeout_s: float | None = None) -> list[Any]:
        replies = await execute(self, commands, timeout_s)
        for command in commands:
            if command[0] == "XADD":
                passing("after_append", command[-1])
        return replies

    uplink.Appender.append = before  # type: ignore[method-assign]
    Lane.execute = after  # type: ignore[method-assign]


def _worker() -> None:
    from workers.consumer.batch import Batch
    from workers.consumer.partition import PartitionConsumer

    decided: Callable[..., Any] = Batch._decided
    settle: Callable[..., Any] = PartitionConsumer._settle

    async def before(self: Batch, turns: Any) -> Any:
        found = await decided(self, turns)
        for turn, _ in found[0]:
            passing("before_commit", envelopes.encode(turn.entry.uplink))
        return found

    async def after(self: PartitionConsumer, done: Sequence[Any], lone: bool = False) -> None:
        for one in done:
            passing("after_commit", envelopes.encode(one.entry.uplink))
        await settle(self, done, lone)

    Batch._decided = before  # type: ignore[method-assign]
    PartitionConsumer._settle = after  # type: ignore[method-assign]
