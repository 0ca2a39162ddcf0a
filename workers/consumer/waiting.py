"""Entries that wait for something slow, beside their partition: nothing else of it waits (ADR 6).

An entry that waits stays pending on the stream, as if it were being decided: where its worker dies it is another's. Its
want is bounded in time below `claim_idle_s`, and it is decided by a batch of its own once that has come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

import hiredis

from shared.bus.lane import LaneLost
from shared.logs import get_logger
from shared.records.tags import Judgement
from workers.dispatch import Entry
from workers.store.wants import WantJudgement

log = get_logger("worker.consumer")


class Asks(Protocol):
    """Whoever is asked."""

    async def ask(self, want: WantJudgement) -> Judgement:
        """Return an answer, or that there is none, in bounded time; raises nothing."""


class Waiting:
    """The entries of one partition that wait; `resume` decides one that has what it waited for."""

    def __init__(self, whom: Asks, resume: Callable[[Entry], Awaitable[None]]) -> None:
        self._whom = whom
        self._resume = resume
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def __contains__(self, entry_id: str) -> bool:
        """Tell whether an entry waits."""
        return entry_id in self._tasks

    def park(self, entry: Entry, want: WantJudgement) -> None:
        """Let an entry wait for `want`; one that waits already goes on waiting."""
        entry_id = entry.origin.entry_id
        if entry_id not in self._tasks:
            task = asyncio.get_running_loop().create_task(self._wait(entry, want))
            self._tasks[entry_id] = task

    async def settled(self) -> None:
        """Wait until nothing waits."""
        while self._tasks:
            await asyncio.wait(list(self._tasks.values()))

    def cancel(self) -> None:
        """Give up: what waits is left to whoever claims it."""
        for task in self._tasks.values():
            task.cancel()

    async def _wait(self, entry: Entry, want: WantJudgement) -> None:
        try:
            entry.given[want] = await self._whom.ask(want)
            await self._resume(entry)
        except (LaneLost, hiredis.ReplyError) as error:
            log.warning("an entry that had waited is left to the next claim", error=str(error), **entry.names)
        except Exception:
            log.exception("an entry that had waited failed; it is claimed and tried alone", **entry.names)
        finally:
            self._tasks.pop(entry.origin.entry_id, None)
