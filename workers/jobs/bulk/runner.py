"""Advances every job that has not ended: one worker at a time holds the lease, and loses it when it stops asking.

A beat reads all jobs in one round trip, counts the results that came, and does what each job's state asks for:

    running     stations begin, as the pace allows; those that were offline are taken up when they are back
    cancelled   what was not begun ends; what was begun is taken back where it was not sent
    expired     what was not begun ends
    always      results are counted, late stations looked at; a job without open stations ends
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any, Final

from shared.bus import keys
from shared.bus.clock import ms_of
from shared.bus.lane import Lane
from shared.bus.lease import Lease
from shared.logs import get_logger
from shared.records.jobs import JobNow, JobResult
from shared.records.packing import pack, unpack
from shared.records.queries import jobs
from shared.records.queries.reading import replies
from shared.settings import Settings
from workers.jobs.alone import alone
from workers.jobs.rhythm import Rhythm
from workers.jobs.works import Site, standing

from . import healing, places, rotating
from .pace import Bucket, Pace

log = get_logger(__name__)

HOLD_MS: Final = 3000
"""Another worker takes over so long after the last beat of one that died."""
BUSY_S: Final = 0.2
"""Time between two beats while stations begin or are active."""
IDLE_S: Final = 1.0
TAKE_UP_S: Final = 5.0
HEAL_S: Final = 5.0
HEAL_QUEUED_S: Final = 60.0
TELL_S: Final = 5.0
"""Progress is told no more often than this."""
TAKE_BACK_S: Final = 60.0
MARGIN_MS: Final = 5000


class _Going(Rhythm):
    """What the runner remembers of a job from beat to beat; a runner that begins anew misses nothing."""

    def __init__(self, pace: Pace) -> None:
        super().__init__()
        self.pace = pace


class Runner:
    """One worker's runner; `holder` is the worker's unique name."""

    def __init__(
        self,
        lane: Lane,
        settings: Settings,
        partitions: int,
        holder: str,
        *,
        clock: Callable[[], float] | None = None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.lease = Lease(lane, keys.BULK_JOBS_RUNNER, holder, HOLD_MS)
        self._site = Site(lane, partitions, holder)
        self._lane = lane
        self._settings = settings
        self._clock = clock or asyncio.get_running_loop().time
        self._draw = draw
        self._going: dict[str, _Going] = {}
        self._bucket = Bucket(settings.job_max_rate_per_s)
        self._hold_ms = round(settings.boot_hold_s * 1000) + MARGIN_MS
        """A command that is queued for longer at a station that is there waits for something else than its boot."""

    async def run(self) -> None:
        """Beat until cancelled; raises `LaneLost` and ReplyError."""
        await rotating.prepare(self._lane)
        while True:
            soon = await self.beat()
            await asyncio.sleep(BUSY_S if soon else IDLE_S)

    async def beat(self) -> bool:
        """Advance all jobs by one beat, where this worker holds the lease; tells whether there is more to do soon."""
        if not await self.lease.mine():
            self._going.clear()
            return False
        found, time = await replies(self._lane, [("HKEYS", keys.BULK_JOBS_ACTIVE), ("TIME",)])
        ids = [one.decode() for one in found]
        self._going = {one: going for one, going in self._going.items() if one in ids}
        return await self._advance_all(ids, ms_of(time))

    async def _advance_all(self, ids: list[str], at: int) -> bool:
        # Each beat another one is first: where the bound over all jobs is tight, it goes round.
        random.shuffle(ids)
        every = await standing(self._lane, places.WORK, ids)
        active = sum(one.places["active"] for one, _ in every)
        soon = False
        for one, ended in every:
            with alone(log, "job failed to advance; the others go on", job=one.job.job_id):
                active += await self._advance(one, ended, at, active)
            soon = soon or _is_busy(one)
        return soon

    async def _advance(self, one: JobNow, ended: list[Any], at: int, active: int) -> int:
        """Advance one job; returns how many stations were begun."""
        job, begun = one.job, 0
        going = self._going.get(job.job_id)
        if going is None:
            going = self._going[job.job_id] = _Going(Pace(job.rate_per_s, job.jitter_s, self._draw))
        work = places.of(self._lane, job)
        if ended:
            pairs = zip(ended[::2], ended[1::2], strict=True)
            await work.settle([(name.decode(), unpack(packed, JobResult)) for name, packed in pairs])
        elif not any(one.places.values()):
            await places.finish(self._lane, one, at)
            return 0
        if one.state == "cancelled":
            await self._end(one, going, at)
        elif at >= job.expires_at:
            await work.end_waiting("expired", at)
        elif one.state == "running":
            begun = await self._begin(one, going, at, active)
        if one.state != "running":
            going.pace.drop()
        await self._look(one, going, at)
        await self._tell(one, going, at)
        return begun

    async def _begin(self, one: JobNow, going: _Going, at: int, active: int) -> int:
        job, now, settings = one.job, self._clock(), self._settings
        if one.places["offline"] and going.is_time("take up", now, TAKE_UP_S):
            await places.of(self._lane, job).take_up(at)
        most = min(job.concurrency, one.places["active"] + max(settings.job_max_concurrency - active, 0))
        going.pace.plan(now, max(min(most - one.places["active"], one.places["waiting"]), 0))
        wanted = going.pace.due(now)
        allowed = self._bucket.take(now, wanted)
        going.pace.again(now, wanted - allowed)
        if not allowed:
            return 0
        return max(await places.begin(self._site, job, allowed, most, at), 0)

    async def _end(self, one: JobNow, going: _Going, at: int) -> None:
        await places.of(self._lane, one.job).end_waiting("cancelled", at)
        begun = one.places["active"] + one.places["queued"]
        # Again now and then: what an edge could not write is queued once more.
        if begun and going.is_time("take back", self._clock(), TAKE_BACK_S):
            await places.take_back(self._site, one.job)

    async def _look(self, one: JobNow, going: _Going, at: int) -> None:
        now = self._clock()
        if one.places["active"] and going.is_time("heal", now, HEAL_S):
            await healing.look(self._site, one.job, "active", at, self._hold_ms)
        if one.places["queued"] and going.is_time("heal queued", now, HEAL_QUEUED_S):
            await healing.look(self._site, one.job, "queued", at, self._hold_ms)

    async def _tell(self, one: JobNow, going: _Going, at: int) -> None:
        """Tell that a job went on, now and then."""
        if going.is_news(one.ended, self._clock(), TELL_S):
            await self._lane.one("XADD", keys.EVENTS, "*", "v", pack([jobs.changed(one, at=at)]))


def _is_busy(one: JobNow) -> bool:
    """Tell whether something may change within a moment."""
    return bool(one.places["active"] or one.state == "cancelled" or (one.state == "running" and one.places["waiting"]))
