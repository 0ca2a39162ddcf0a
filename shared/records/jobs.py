"""Jobs: one thing asked of many stations, a few at a time; a durable record each, and one result per station.

    waiting ──the job's turn──> active ──> a result
      │  ^                        └──its command waits at the station──> queued ──> a result
      v  │
    offline (taken up again when the station is back)

The stations are fixed when the job is made. A station is `active` as long as it counts against the job's limit of
stations at a time; `queued` means that its command waits in the station's own queue, and counts no more.
"""

from __future__ import annotations

import zlib
from typing import Final, Literal

import msgspec

from .commands import made_at, make_id
from .works import WorkNow

JobState = Literal["running", "paused", "cancelled", "done"]
JobKind = Literal["command", "read_configuration", "apply_templates", "sync_local_lists", "rotate_keys", "probe"]
"""What a job does: each kind brings how a station is begun and looked at (see `workers.jobs.bulk.kinds`)."""
Place = Literal["waiting", "offline", "active", "queued"]
Outcome = Literal["accepted", "rejected", "error", "timed_out", "expired", "cancelled", "refused"]
"""How it ended for one station: the terminal state of its command, or `refused`: it was never queued.

A configuration that was read is `accepted`, and a station that is in line with its templates; else it is `rejected`.
"""

PLACES: Final[tuple[Place, ...]] = ("waiting", "offline", "active", "queued")
OUTCOMES: Final[tuple[Outcome, ...]] = (
    *("accepted", "rejected", "error", "timed_out", "expired", "cancelled", "refused"),
)
ORIGIN: Final = "job"
"""What a job began has the origin `job:<id>`."""
SPREAD_MS: Final = 10_000
"""Over so many milliseconds the ids of a job's commands are spread: many of one time would be slow to look up."""
DETAIL_CHARACTERS: Final = 200


class Job(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What is wanted of whom, and how fast; never changes."""

    job_id: str
    kind: JobKind = "command"
    name: str = ""
    """For people."""
    action: str = ""
    """Of kind `command`."""
    payload: str = "{}"
    """JSON text as it goes on the wire; of `apply_templates`: whether to `retry`, of `probe`: whether to force it."""
    named: bool = False
    """Whether the stations were named; else `filter` found them."""
    filter: dict[str, str] = {}
    total: int = 0
    concurrency: int = 1
    """Stations that are active at a time."""
    rate_per_s: float = 1.0
    """Stations begun per second at most."""
    jitter_s: float = 0.0
    """Each is begun up to so much later, at random."""
    created_at: int = 0
    created_by: str = ""
    expires_at: int = 0
    """Nothing is sent to any station after this."""

    @property
    def origin(self) -> str:
        """The origin of what the job begins."""
        return f"{ORIGIN}:{self.job_id}"


class JobNow(WorkNow[JobState, Place, Outcome], frozen=True, kw_only=True):
    """A job as it stands."""

    job: Job


class JobResult(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What came of it at one station."""

    outcome: Outcome
    at: int = 0
    command_id: str = ""
    detail: str = ""
    """The status that it answered, or why it failed."""


def make_job_id(now: int, source: str) -> str:
    """Return the id of a job made at `now` (ms), equal for one source."""
    return make_id(now, f"job:{source}")


def command_id(job_id: str, station_id: str) -> str:
    """Return the id of a job's command to a station: the same however often it is asked for."""
    spread = zlib.crc32(station_id.encode()) % SPREAD_MS
    return make_id(made_at(job_id) + spread, f"{job_id}:{station_id}")


def job_of(origin: str) -> str:
    """Return the job that an origin names; empty where it names none."""
    head, _, job_id = origin.partition(":")
    return job_id if head == ORIGIN else ""
