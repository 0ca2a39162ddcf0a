"""Stations of a job from one place to the next: begun, set aside because they are offline, taken up again, ended."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Final

from shared import envelopes, metrics
from shared.bus import keys
from shared.bus.lane import Lane
from shared.bus.scripts import FINISH_JOB, MOVE_STATIONS, SETTLE_STATIONS, START_STATIONS
from shared.records.events import JobDone
from shared.records.jobs import PLACES, Job, JobNow, JobResult, Outcome, Place
from shared.records.packing import pack
from shared.records.queries.reading import replies
from shared.records.requests import Request
from workers.uplinks import append, asking, uplink_of

from .kinds import KINDS

CHUNK: Final = 500
LOOKS: Final = 5
"""Chunks of waiting stations that are looked through in one go for some that are online."""


class Site:
    """Where jobs act: Redis, the partitions, and under which name this worker holds the lease."""

    def __init__(self, lane: Lane, partitions: int, holder: str) -> None:
        self.lane = lane
        self.partitions = partitions
        self.holder = holder

    def uplink(self, station_id: str) -> str:
        """Return the uplink stream of a station."""
        return uplink_of(station_id, self.partitions)

    def entry(self, station_id: str, request: Request) -> bytes:
        """Return the uplink entry that asks a station's commit for something; nobody waits for the reply."""
        return envelopes.encode(asking(station_id, request))


async def begin(site: Site, job: Job, count: int, most: int, now: int) -> int:
    """Begin up to `count` waiting stations that are online, while no more than `most` are active; returns how many.

    -1: another worker advances jobs, or the job was paused or cancelled.
    """
    chosen = await _choose(site.lane, job, count, now)
    if not chosen:
        return 0
    uplinks = sorted({site.uplink(station) for station in chosen})
    arguments: list[Any] = [site.holder, now, most]
    kind = KINDS[job.kind]
    for station in chosen:
        entry = site.entry(station, kind.begin(job, station, now))
        arguments += (station, 5 + uplinks.index(site.uplink(station)), entry)
    places = [keys.job_place(job.job_id, place) for place in ("waiting", "active")]
    touched = [keys.BULK_JOBS_RUNNER, keys.job(job.job_id), *places, *uplinks]
    return int(await site.lane.one(*START_STATIONS.command(touched, arguments)))


async def _choose(lane: Lane, job: Job, count: int, now: int) -> list[str]:
    """Return waiting stations that are online, in the job's order; those passed over are set aside."""
    chosen: list[str] = []
    waiting = keys.job_place(job.job_id, "waiting")
    for _ in range(LOOKS):
        found = await lane.one("ZRANGE", waiting, len(chosen), len(chosen) + max(count, CHUNK) - 1)
        names = [name.decode() for name in found]
        online, offline, unknown = await sort_out(lane, names)
        wanted = count - len(chosen)
        # What stands behind the last one that is wanted may as well wait where it is.
        last = names.index(online[wanted - 1]) if len(online) >= wanted else len(names)
        chosen += online[:wanted]
        passed = set(names[:last])
        await move(lane, job, "waiting", "offline", [name for name in offline if name in passed])
        await refuse(lane, job, [name for name in unknown if name in passed], now)
        if len(chosen) >= count or len(names) < CHUNK:
            break
    return chosen


async def take_up(lane: Lane, job: Job, now: int) -> int:
    """Let stations wait for their turn again that were offline and are back; returns how many."""
    back = 0
    async for names in members(lane, job, "offline"):
        online, _, unknown = await sort_out(lane, names)
        back += await move(lane, job, "offline", "waiting", online)
        await refuse(lane, job, unknown, now)
    return back


async def sort_out(lane: Lane, names: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """Return which stations are online, which are offline, and which are not known, each in the given order."""
    if not names:
        return [], [], []
    protocols, scores = await replies(lane, [("HMGET", keys.ONLINE, *names), ("ZMSCORE", keys.STATIONS, *names)])
    online, offline, unknown = list[str](), list[str](), list[str]()
    for name, protocol, score in zip(names, protocols, scores, strict=True):
        (online if protocol is not None else offline if score is not None else unknown).append(name)
    return online, offline, unknown


async def move(lane: Lane, job: Job, source: Place, to: Place, names: Sequence[str]) -> int:
    """Move stations from one place to another; returns how many were there."""
    if not names:
        return 0
    touched = [keys.job_place(job.job_id, source), keys.job_place(job.job_id, to)]
    return int(await lane.one(*MOVE_STATIONS.command(touched, names)))


async def settle(lane: Lane, job: Job, results: Iterable[tuple[str, JobResult]]) -> int:
    """Count results; returns how many stations had none before."""
    every, counted = list(results), 0
    touched = [keys.job(job.job_id), keys.job_stations(job.job_id), keys.job_results(job.job_id)]
    touched += [keys.job_ended(job.job_id), *(keys.job_place(job.job_id, place) for place in PLACES)]
    for begin_at in range(0, len(every), CHUNK):
        arguments: list[Any] = []
        for station, result in every[begin_at : begin_at + CHUNK]:
            arguments += (station, result.outcome, pack(result))
        for outcome in await lane.one(*SETTLE_STATIONS.command(touched, arguments)):
            metrics.BULK_JOB_RESULTS.labels(outcome.decode()).inc()
            counted += 1
    return counted


async def refuse(lane: Lane, job: Job, names: Sequence[str], now: int) -> None:
    """Give stations that are no more their result."""
    refused = JobResult(outcome="refused", at=now, detail="no such station")
    await settle(lane, job, [(name, refused) for name in names])


async def end_waiting(lane: Lane, job: Job, outcome: Outcome, now: int) -> int:
    """Give every station that was not begun its result; returns how many."""
    ended = 0
    result = JobResult(outcome=outcome, at=now, detail="not begun")
    for place in ("waiting", "offline"):
        while names := await lane.one("ZRANGE", keys.job_place(job.job_id, place), 0, CHUNK - 1):
            ended += await settle(lane, job, [(name.decode(), result) for name in names])
    return ended


async def take_back(site: Site, job: Job) -> int:
    """Ask each station that was begun to cancel what was not sent; returns how many were asked. May be repeated."""
    asked = 0
    for place in ("active", "queued"):
        async for names in members(site.lane, job, place):
            stops = [asking(name, KINDS[job.kind].stop(job, name)) for name in names]
            await replies(site.lane, [append(stop, site.partitions) for stop in stops])
            asked += len(names)
    return asked


async def members(lane: Lane, job: Job, place: Place) -> AsyncIterator[list[str]]:
    """Yield the stations at a place, all that were there at the beginning, in chunks."""
    everything = await lane.one("ZRANGE", keys.job_place(job.job_id, place), 0, -1)
    for begin_at in range(0, len(everything), CHUNK):
        yield [name.decode() for name in everything[begin_at : begin_at + CHUNK]]


async def finish(lane: Lane, now: JobNow, at: int) -> bool:
    """End a job whose stations have all ended; False where one has not."""
    job_id = now.job.job_id
    state = "cancelled" if now.state == "cancelled" else "done"
    event = JobDone(
        station_id="",
        at=at,
        id=f"job:{job_id}:done",
        job_id=job_id,
        state=state,
        total=now.job.total,
        outcomes={name: count for name, count in now.outcomes.items() if count},
    )
    touched = [keys.job(job_id), keys.BULK_JOBS_ACTIVE, keys.BULK_JOBS_ENDED, keys.EVENTS]
    touched += [keys.job_place(job_id, place) for place in PLACES]
    return bool(await lane.one(*FINISH_JOB.command(touched, [job_id, at, pack([event])])))
