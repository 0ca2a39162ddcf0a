"""Stations of a job from one place to the next: begun, taken back, ended; the rest is `workers.jobs.works`."""

from __future__ import annotations

from typing import Final

from shared import metrics
from shared.bus import keys
from shared.bus.lane import Lane
from shared.records.events import JobDone
from shared.records.jobs import Job, JobNow, JobResult
from shared.records.queries import jobs
from workers.jobs.works import Kind, Site, Work

from .kinds import KINDS

WORK: Final = Kind(
    records=jobs.WORKS,
    runner=keys.BULK_JOBS_RUNNER,
    over=keys.BULK_JOBS_ENDED,
    results=keys.job_results,
    ended=keys.job_ended,
    waits=("waiting", "offline"),
    result=JobResult,
    counted=metrics.BULK_JOB_RESULTS,
)


def of(lane: Lane, job: Job) -> Work[JobResult]:
    """Return the stations of a job."""
    return Work(WORK, lane, job.job_id)


async def begin(site: Site, job: Job, count: int, most: int, now: int) -> int:
    """Begin up to `count` waiting stations that are online, while no more than `most` are active; returns how many.

    -1: another worker advances jobs, or the job was paused or cancelled.
    """
    work, kind = of(site.lane, job), KINDS[job.kind]
    chosen = await work.choose(count, now)
    if not chosen:
        return 0
    return await work.start(site, "waiting", [(name, kind.begin(job, name, now)) for name in chosen], most, now)


async def take_back(site: Site, job: Job) -> int:
    """Ask each station that was begun to cancel what was not sent; returns how many were asked. May be repeated."""
    work, kind = of(site.lane, job), KINDS[job.kind]
    return sum([await work.ask(site, place, lambda name: kind.stop(job, name)) for place in ("active", "queued")])


async def finish(lane: Lane, now: JobNow, at: int) -> bool:
    """End a job whose stations have all ended; False where one has not."""
    job_id = now.job.job_id
    event = JobDone(
        station_id="",
        at=at,
        id=f"job:{job_id}:done",
        job_id=job_id,
        state="cancelled" if now.state == "cancelled" else "done",
        total=now.job.total,
        outcomes={name: count for name, count in now.outcomes.items() if count},
    )
    return await of(lane, now.job).finish(at, event)
