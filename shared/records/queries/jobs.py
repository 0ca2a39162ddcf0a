"""Jobs over many stations: made, changed, listed; their results. No station's state, so no commit of a station."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from shared.bus import keys
from shared.bus.lane import Command, Lane
from shared.records.events import Event, JobChanged, JobCreated
from shared.records.jobs import (
    OUTCOMES,
    PLACES,
    Job,
    JobKind,
    JobNow,
    JobResult,
    JobState,
    Outcome,
    Place,
    command_id,
)
from shared.records.packing import unpack

from .reading import replies
from .works import AtStation, Change, Made, Works

MAX_ACTIVE: Final = 100
"""Jobs that have not ended, at a time."""
FROM: Final[dict[JobState, tuple[JobState, ...]]] = {
    "paused": ("running",),
    "running": ("paused",),
    "cancelled": ("running", "paused"),
}
"""State -> the states from which an operator may bring a job there."""
BEGUN: Final[frozenset[Place]] = frozenset({"active", "queued"})


class StationResult(AtStation[Place, JobResult], frozen=True):
    """Where a station of a job is, or what came of it."""

    command_id: str = ""
    """Empty where it was not begun."""


WORKS: Final = Works(
    nouns="jobs",
    index=keys.BULK_JOBS,
    active=keys.BULK_JOBS_ACTIVE,
    key=keys.job,
    stations=keys.job_stations,
    place=keys.job_place,
    request=keys.job_request,
    places=PLACES,
    outcomes=OUTCOMES,
    most=MAX_ACTIVE,
    sources=FROM,
    now=lambda fields, shared: JobNow(job=unpack(fields["r"], Job), **shared),
)
job, made_by, page = WORKS.one, WORKS.made_by, WORKS.page


async def create(lane: Lane, job: Job, stations: Sequence[str], *, state: JobState, digest: str) -> str:
    """Make a job and return its id: see `Works.create`."""
    event = JobCreated(
        station_id="",
        at=job.created_at,
        id=f"job:{job.job_id}:created",
        job_id=job.job_id,
        action=job.action,
        kind=job.kind,
        total=job.total,
        state=state,
        by=job.created_by,
    )
    made = Made(job.job_id, job, job.total, job.created_at, job.created_by, event)
    return await WORKS.create(lane, made, stations, state=state, digest=digest)


async def change(lane: Lane, now: JobNow, to: JobState, *, at: int, by: str) -> Change:
    """Pause, resume or cancel a job; nothing is begun any more once this has returned for another than `running`."""
    event = changed(msgspec.structs.replace(now, state=to), at=at, by=by)
    return await WORKS.change(lane, now.job.job_id, to, at=at, by=by, event=event)


def changed(now: JobNow, *, at: int, by: str = "") -> Event:
    """Return the event that tells how a job stands."""
    return JobChanged(
        station_id="",
        at=at,
        id=f"job:{now.job.job_id}:{now.state}:{now.ended}:{at}",
        job_id=now.job.job_id,
        state=now.state,
        total=now.job.total,
        ended=now.ended,
        by=by,
    )


async def results(
    lane: Lane, job_id: str, outcome: Outcome | Place | None, after: str, limit: int, *, kind: JobKind = "command"
) -> tuple[list[StationResult], str]:
    """Return up to `limit` stations of a job by id behind `after`, and the id to go on behind; empty at the end."""

    async def load(ids: list[str]) -> list[StationResult]:
        return await _results(lane, job_id, ids, kind)

    return await WORKS.at_stations(lane, job_id, load, outcome, after, limit)


async def _results(lane: Lane, job_id: str, ids: Sequence[str], kind: JobKind) -> list[StationResult]:
    commands: list[Command] = [("ZMSCORE", keys.job_place(job_id, place), *ids) for place in PLACES]
    # Results last: a station that ends between the two reads has one of both.
    commands += [("HMGET", keys.job_ended(job_id), *ids), ("HMGET", keys.job_results(job_id), *ids)]
    *places, ended, counted = await replies(lane, commands)
    found = []
    for n, station_id in enumerate(ids):
        packed = counted[n] or ended[n]
        place = next((place for place, scores in zip(PLACES, places, strict=True) if scores[n] is not None), None)
        result = unpack(packed, JobResult) if packed is not None else None
        begun = command_id(job_id, station_id) if kind == "command" and place in BEGUN and not result else ""
        found.append(
            StationResult(station_id, None if result else place, result, result.command_id if result else begun)
        )
    return found
