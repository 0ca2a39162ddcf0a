"""A job that rotates keys: each station gets one of its own, made here, for decisions draw no random numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from shared import credentials
from shared.bus import keys
from shared.bus.lane import Lane
from shared.records.credentials import Credentials, Rotation
from shared.records.jobs import Job, JobResult, Outcome
from shared.records.packing import unpack
from shared.records.queries.reading import replies
from shared.records.requests import LeaveJob, Request, RotateKey

_OUTCOMES: Final[dict[str, Outcome]] = {"done": "accepted", "refused": "rejected", "unknown": "timed_out"}
_pepper = b""


async def prepare(lane: Lane) -> None:
    """Read what keys are hashed with, before the first of them is made."""
    global _pepper
    _pepper = _pepper or await credentials.load_pepper(lane)


def rotate(job: Job, station_id: str, _now: int) -> Request:
    """Return the request that begins a station; begun twice, the first key counts."""
    assert _pepper, "prepare comes first"
    key = credentials.make_key()
    return RotateKey(
        request_id=f"{job.origin}:{station_id}",
        by=job.created_by,
        key=key,
        key_hash=credentials.hash_key(key, _pepper),
        job=job.job_id,
    )


def leave(job: Job, station_id: str) -> Request:
    """Return the request that ends the job's part."""
    return LeaveJob(request_id=f"{job.origin}:{station_id}:leave", by=job.origin, job=job.job_id)


async def look(
    lane: Lane, job: Job, begun: Sequence[tuple[str, int]], now: int
) -> list[JobResult | Literal["queued", "sent"] | None]:
    """Tell what became of stations, by their own records.

    One that has taken its key and not come with it counts no more against the job's stations at a time.
    """
    found = await replies(lane, [("HGET", keys.state(name), "ke") for name, _ in begun])
    seen: list[JobResult | Literal["queued", "sent"] | None] = []
    for (_, at), packed in zip(begun, found, strict=True):
        rotation = unpack(packed, Credentials).rotation if packed else None
        seen.append(_seen(rotation, job, at, now) if rotation is not None else None)
    return seen


def _seen(rotation: Rotation, job: Job, begun_at: int, now: int) -> JobResult | Literal["queued", "sent"] | None:
    if job.job_id in rotation.jobs:
        return "sent" if rotation.state == "sending" else "queued"
    outcome = _OUTCOMES.get(rotation.state)
    if outcome is None or rotation.changed_at < begun_at:
        return None
    return JobResult(outcome=outcome, at=now, command_id=rotation.command_id, detail=rotation.answer)
