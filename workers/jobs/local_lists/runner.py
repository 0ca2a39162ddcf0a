"""Keeps the fleet's local lists in line with the tags: one worker at a time holds the lease.

A beat asks whether a tag or a policy was written since the last look: one round trip. Where one was, and the changes
have settled, every list is derived anew, and stations that lack its newest version get it by a job; where a policy sets
other keys than before, a job brings its stations in line. Every now and then
that is done without a reason: a tag expires, a worker dies between two steps.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from shared.bus import keys
from shared.bus.clock import now_ms
from shared.bus.lane import Lane
from shared.bus.lease import Lease
from shared.logs import get_logger
from shared.records.authorization import Policies
from shared.records.packing import unpack
from shared.records.queries.reading import replies
from shared.settings import Settings

from . import deriving, stations

log = get_logger(__name__)
HOLD_MS: Final = 10_000
BEAT_S: Final = 1.0
ANYWAY_S: Final = 300.0
"""So often lists are looked at without a reason."""
Seen = tuple[Any, Any]


class Runner:
    """One worker's runner; `holder` is the worker's unique name."""

    def __init__(
        self, lane: Lane, settings: Settings, holder: str, *, clock: Callable[[], float] | None = None
    ) -> None:
        self.lease = Lease(lane, keys.LOCAL_LISTS_RUNNER, holder, HOLD_MS)
        self._lane = lane
        self._settings = settings
        self._clock = clock or asyncio.get_running_loop().time
        self._done: Seen | None = None
        self._names: frozenset[str] = frozenset()
        self._settled_at = 0.0
        self._looked_at = 0.0

    async def run(self) -> None:
        """Beat until cancelled; raises `LaneLost` and ReplyError."""
        while True:
            await self.beat()
            await asyncio.sleep(BEAT_S)

    async def beat(self) -> bool:
        """Do what is due, where this worker holds the lease; tells whether lists were derived."""
        if not await self.lease.mine():
            self._done = None
            return False
        changed, packed = await replies(self._lane, [("GET", keys.TAGS_CHANGED), ("GET", keys.AUTHORIZATION)])
        seen, now = (changed, packed), self._clock()
        if seen == self._done and now - self._looked_at < ANYWAY_S:
            return False
        if self._done is not None and seen != self._done and now < self._settled_at:
            return False  # More changes may come: they become one version.
        await self._look(unpack(packed, Policies) if packed is not None else Policies())
        self._done, self._looked_at = seen, now
        self._settled_at = self._clock() + self._settings.local_list_settle_s
        return True

    async def _look(self, policies: Policies) -> None:
        listed = [policy for policy in policies.by_name.values() if policy.has_list]
        now = await now_ms(self._lane)
        for name, some in (await stations.to_configure(self._lane, policies)).items():
            job_id = await stations.configure(self._lane, self._settings, policies.by_name[name], some, now)
            log.info("authorization policy to be set", policy=name, stations=len(some), job=job_id)
        heads = await deriving.derive(self._lane, listed, now) if listed else {}
        gone = await self._forgotten(frozenset(heads))
        if not (listed or gone or await self._lane.one("ZCARD", keys.LOCAL_LISTS)):
            return
        for policy, names in (await stations.out_of_step(self._lane, policies, heads)).items():
            version = heads[policy].version if policy in heads else 0
            job_id = await stations.bring_in_step(self._lane, self._settings, policy, version, names, now)
            log.info("local list out of step", policy=policy, version=version, stations=len(names), job=job_id)

    async def _forgotten(self, names: frozenset[str]) -> bool:
        """Remove lists that no policy wants any more; tells whether there were any."""
        known = frozenset(name.decode() for name in await self._lane.one("SMEMBERS", keys.LOCAL_LIST_NAMES))
        if names - known:
            await self._lane.one("SADD", keys.LOCAL_LIST_NAMES, *sorted(names - known))
        if gone := known - names:
            await deriving.forget(self._lane, gone)
            await self._lane.one("SREM", keys.LOCAL_LIST_NAMES, *sorted(gone))
        return bool(gone)
