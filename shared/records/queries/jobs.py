"""Jobs over many stations: made, changed, listed; their results. No station's state, so no commit of a station."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal, cast

import msgspec

from shared.bus import keys
from shared.bus.lane import Command, Lane
from shared.bus.scripts import CHANGE_JOB, CREATE_JOB
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
    turn_of,
)
from shared.records.packing import pack, unpack

from .cursors import Position
from .reading import SCAN_BUDGET, names, page_of, replies, walk

CHUNK: Final = 500
MAX_ACTIVE: Final = 100
"""Jobs that have not ended, at a time."""
STAGED_S: Final = 600
"""Stations of a job that was never made are forgotten after so long."""
REQUEST_KEPT_MS: Final = 24 * 3600 * 1000
"""A repeated request gets its job for so long."""
FROM: Final[dict[JobState, tuple[JobState, ...]]] = {
    "paused": ("running",),
    "running": ("paused",),
    "cancelled": ("running", "paused"),
}
"""State -> the states from which an operator may bring a job there."""
BEGUN: Final[frozenset[Place]] = frozenset({"active", "queued"})

Change = Literal["changed", "unchanged", "conflict", "missing"]


class StationResult(msgspec.Struct, frozen=True):
    """Where a station of a job is, or what came of it."""

    station_id: str
    place: Place | None
    result: JobResult | None
    command_id: str = ""
    """Empty where it was not begun."""


class TooManyError(Exception):
    """So many jobs are under way that no other is taken."""


async def create(lane: Lane, job: Job, stations: Sequence[str], *, state: JobState, digest: str) -> str:
    """Make a job and return its id; a repetition of the same request (`digest`) gets the first one's.

    Raises `TooManyError`. The stations are written first, under a TTL: a job that is there has all of them.
    """
    staged = keys.job_stations(job.job_id), keys.job_place(job.job_id, "waiting")
    for begin in range(0, len(stations), CHUNK):
        await replies(lane, _staging(job.job_id, stations[begin : begin + CHUNK], staged))
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
    touched = [keys.job(job.job_id), *staged, keys.job_request(digest)]
    indexes = [keys.BULK_JOBS, keys.BULK_JOBS_ACTIVE, keys.EVENTS]
    about: list[str | int | bytes] = [job.job_id, job.created_at, state, job.created_by, pack(job)]
    limits = [job.total, MAX_ACTIVE, REQUEST_KEPT_MS]
    result, found = await lane.one(*CREATE_JOB.command([*touched, *indexes], [*about, *limits, pack([event])]))
    if result == 3:
        raise TooManyError(f"{found} jobs are under way; that is the most")
    if result == 4:
        raise RuntimeError(f"job {job.job_id}: {found} of {job.total} stations were staged")
    return str(found.decode())


async def made_by(lane: Lane, digest: str) -> str:
    """Return the id of the job that a request made before; empty where it made none."""
    found = await lane.one("GET", keys.job_request(digest))
    return found.decode() if found else ""


async def change(lane: Lane, now: JobNow, to: JobState, *, at: int, by: str) -> Change:
    """Pause, resume or cancel a job; nothing is begun any more once this has returned for another than `running`."""
    event = changed(msgspec.structs.replace(now, state=to), at=at, by=by)
    job_id = now.job.job_id
    touched = [keys.job(job_id), keys.BULK_JOBS_ACTIVE, keys.EVENTS]
    reply = await lane.one(*CHANGE_JOB.command(touched, [job_id, to, at, by, pack([event]), *FROM[to]]))
    results: dict[int, Change] = {1: "changed", 2: "unchanged", 3: "conflict", 4: "missing"}
    return results[reply[0]]


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


async def job(lane: Lane, job_id: str) -> JobNow | None:
    """Return a job, or None where it is not known."""
    return (await jobs(lane, [job_id]))[0]


async def jobs(lane: Lane, job_ids: Sequence[str]) -> list[JobNow | None]:
    """Return the jobs of these ids in their order, None for what is not known; one round trip."""
    commands = [command for job_id in job_ids for command in reading(job_id)]
    found = await replies(lane, commands) if commands else []
    step = 1 + len(PLACES)
    return [read(found[n : n + step]) for n in range(0, len(found), step)]


def reading(job_id: str) -> list[Command]:
    """Return the commands whose replies `read` makes a job of."""
    return [("HGETALL", keys.job(job_id)), *(("ZCARD", keys.job_place(job_id, place)) for place in PLACES)]


def read(found: Sequence[Any]) -> JobNow | None:
    """Return a job from what Redis holds; None where it holds nothing."""
    pairs, *counts = found
    fields = {name.decode(): value for name, value in zip(pairs[::2], pairs[1::2], strict=True)}
    if "r" not in fields:
        return None
    return JobNow(
        job=unpack(fields["r"], Job),
        state=cast("JobState", fields["state"].decode()),
        changed_at=int(fields["changed_at"]),
        changed_by=fields["changed_by"].decode(),
        ended_at=int(fields.get("ended_at", 0)),
        places={place: int(count) for place, count in zip(PLACES, counts, strict=True)},
        outcomes={outcome: int(fields.get(f"n:{outcome}", 0)) for outcome in OUTCOMES},
    )


async def page(
    lane: Lane, state: JobState | None, after: Position | None, limit: int
) -> tuple[list[JobNow], Position | None]:
    """Return up to `limit` jobs behind `after`, the newest first, and where to go on; None at the end."""

    async def load(positions: list[Position]) -> Sequence[JobNow | None]:
        return await jobs(lane, [at.member for at in positions])

    source = walk(lane, keys.BULK_JOBS, after, min(limit + 1, CHUNK))
    return await page_of(source, load, lambda found: state is None or found.state == state, after, limit)


async def results(
    lane: Lane, job_id: str, outcome: Outcome | Place | None, after: str, limit: int, *, kind: JobKind = "command"
) -> tuple[list[StationResult], str]:
    """Return up to `limit` stations of a job by id behind `after`, and the id to go on behind; empty at the end."""
    kept: list[StationResult] = []
    last, seen = after, 0
    while True:
        ids = await names(lane, keys.job_stations(job_id), "", last, CHUNK)
        for one in await _results(lane, job_id, ids, kind):
            if outcome is None or outcome == (one.result.outcome if one.result else one.place):
                if len(kept) == limit:
                    return kept, last
                kept.append(one)
            last = one.station_id
        seen += len(ids)
        if len(ids) < CHUNK:
            return kept, ""
        if seen >= SCAN_BUDGET:
            return kept, last


async def _results(lane: Lane, job_id: str, ids: Sequence[str], kind: JobKind) -> list[StationResult]:
    if not ids:
        return []
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


def _staging(job_id: str, stations: Sequence[str], staged: tuple[str, str]) -> list[Command]:
    known, waiting = staged
    in_order = [part for station in stations for part in (0, station)]
    in_turn = [part for station in stations for part in (turn_of(job_id, station), station)]
    return [
        ("ZADD", known, *in_order),
        ("ZADD", waiting, *in_turn),
        ("EXPIRE", known, STAGED_S),
        ("EXPIRE", waiting, STAGED_S),
    ]
