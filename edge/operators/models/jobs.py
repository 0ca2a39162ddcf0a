"""Jobs over many stations as operators see them."""

from __future__ import annotations

from typing import Any

import msgspec

from edge.operators.models.other import shown_payload
from edge.operators.times import Instant, instant, iso
from shared.records.jobs import JobKind, JobNow, JobState, Outcome, Place
from shared.records.queries.jobs import StationResult


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """Where a job's stations are that have not ended."""

    waiting: int
    """Not begun: it is not their turn."""
    offline: int
    """Not begun: they are offline. Back again, they wait for their turn."""
    active: int
    """Begun, and counted against the job's stations at a time."""
    queued: int
    """Begun, and their command waits: they left, are not accepted, or did not answer yet. They count no more."""


class Outcomes(msgspec.Struct, frozen=True, kw_only=True):
    """How many of a job's stations ended how."""

    accepted: int
    rejected: int
    error: int
    timed_out: int
    expired: int
    """The job's time was over before the station had it."""
    cancelled: int
    refused: int
    """Never queued: the station is no more, its queue was full, or its configuration may not be read."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A job over many stations, and how far it is."""

    id: str
    kind: JobKind
    name: str | None
    action: str
    """Empty where the job sends no command."""
    payload: Any
    filter: dict[str, str] | None
    """How its stations were found when it was made; null where they were named."""
    state: JobState
    """`done`: all stations have ended. A cancelled one stays `cancelled`, and has ended once `ended_at` is there."""
    total: int
    ended: int
    """Stations with an outcome."""
    progress: Progress
    outcomes: Outcomes
    concurrency: int
    rate_per_s: float
    jitter_s: float
    created_at: Instant
    created_by: str
    changed_at: Instant
    """When somebody made, paused, resumed or cancelled it."""
    changed_by: str
    expires_at: Instant
    ended_at: Instant | None

    @classmethod
    def of(cls, now: JobNow) -> Job:
        """Show a job."""
        job = now.job
        return cls(
            id=job.job_id,
            kind=job.kind,
            name=job.name or None,
            action=job.action,
            payload=shown_payload(job.action, job.payload),
            filter=None if job.named else job.filter,
            state=now.state,
            total=job.total,
            ended=now.ended,
            progress=Progress(**now.places),
            outcomes=Outcomes(**now.outcomes),
            concurrency=job.concurrency,
            rate_per_s=job.rate_per_s,
            jitter_s=job.jitter_s,
            created_at=instant(job.created_at),
            created_by=job.created_by,
            changed_at=instant(now.changed_at),
            changed_by=now.changed_by,
            expires_at=instant(job.expires_at),
            ended_at=iso(now.ended_at),
        )


class JobStation(msgspec.Struct, frozen=True, kw_only=True):
    """A station of a job: what came of it, or where it is."""

    station_id: str
    outcome: Outcome | Place
    """Its outcome; for one that has not ended: `waiting`, `offline`, `active` or `queued`."""
    command_id: str | None
    detail: str | None
    """The status that it answered, how it stands to its templates, or why it failed."""
    ended_at: Instant | None

    @classmethod
    def of(cls, one: StationResult) -> JobStation:
        """Show a station."""
        result = one.result
        return cls(
            station_id=one.station_id,
            outcome=result.outcome if result else one.place or "waiting",
            command_id=one.command_id or None,
            detail=(result.detail or None) if result else None,
            ended_at=iso(result.at) if result else None,
        )
