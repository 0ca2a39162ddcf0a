"""Looks now and then whether the TLS listener's files are others, or the built-in authority's root is; then at once.

A station that is connected feels nothing: only handshakes to come get the new certificates. But one whose own
certificate is revoked by now, by a list in a file or by operators, is told to go. Every look tells, not only one that
found something new: a station may have passed the door right before it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection
from typing import Final

import hiredis

from edge.stations.tls import Tls
from shared.bus import keys
from shared.bus.lane import Lane, LaneLost

FIELD: Final = "certificate"
"""Of `keys.AUTHORITY`: the root, in PEM."""
Expel = Callable[[Collection[str]], None]
"""Is told the ids of all certificates that are revoked."""


class Renewing:
    """The task that looks; `hurry` makes it look now."""

    def __init__(self, tls: Tls, lane: Lane, every_s: float, expel: Expel) -> None:
        self._tls = tls
        self._lane = lane
        self._every_s = every_s
        self._expel = expel
        self._by_operators: frozenset[str] = frozenset()
        self._now = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Look for the first time, then go on."""
        await self._look(anyway=False)
        self._task = asyncio.create_task(self._run(), name="certificates")

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def hurry(self) -> None:
        """Read everything again, changed or not."""
        self._now.set()

    def revoked(self, certificate_id: str) -> bool:
        """Tell whether a certificate is on a revocation list that was read from a file."""
        return certificate_id in self._tls.revoked

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._every_s):
                    await self._now.wait()
            anyway = self._now.is_set()
            self._now.clear()
            await self._look(anyway=anyway)

    async def _look(self, *, anyway: bool) -> None:
        root: str | None = None
        # Without Redis the files count all the same.
        with contextlib.suppress(LaneLost, hiredis.ReplyError):
            found = await self._lane.one("HGET", keys.AUTHORITY, FIELD)
            root = found.decode() if found is not None else ""
            self._by_operators = frozenset(each.decode() for each in await self._lane.one("HKEYS", keys.REVOKED))
        self._tls.refresh(root, anyway=anyway)
        self._expel(self._tls.revoked | self._by_operators)
