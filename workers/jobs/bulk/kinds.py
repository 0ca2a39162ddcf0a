"""What a job does at a station, by its kind: how it is begun, how it is stopped, and how to see what became of it.

A kind's result comes from the station's own commits (`workers.services.bulk.report`). What is begun for a station must
be idempotent by job and station.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Literal, NamedTuple

from shared.bus import keys
from shared.bus.lane import Lane
from shared.records.commands import TERMINAL, CommandRecord
from shared.records.jobs import Job, JobKind, JobResult, command_id
from shared.records.packing import unpack
from shared.records.queries.reading import replies
from shared.records.requests import CancelCommand, Request, SendCommand
from workers.services.bulk import result_of

Seen = JobResult | Literal["queued", "sent"] | None
"""What became of a station: its result, where its command is, or no trace of it."""


class Kind(NamedTuple):
    """One kind of job."""

    begin: Callable[[Job, str, int], Request]
    """(job, station, now in ms): what goes onto the station's uplink."""
    stop: Callable[[Job, str], Request]
    """(job, station): what takes back what has not been sent."""
    look: Callable[[Lane, Job, Sequence[str]], Awaitable[list[Seen]]]
    """What became of stations that were begun."""


def _send(job: Job, station_id: str, now: int) -> Request:
    return SendCommand(
        request_id=f"{job.origin}:{station_id}",
        by=job.created_by,
        action=job.action,
        payload=job.payload,
        command_id=command_id(job.job_id, station_id),
        expires_in_ms=max(job.expires_at - now, 1),
        job=job.job_id,
    )


def _cancel(job: Job, station_id: str) -> Request:
    return CancelCommand(
        request_id=f"{job.origin}:cancel", by=job.origin, command_id=command_id(job.job_id, station_id)
    )


async def _look(lane: Lane, job: Job, stations: Sequence[str]) -> list[Seen]:
    found = await replies(lane, [("GET", keys.command(one, command_id(job.job_id, one))) for one in stations])
    return [_seen(unpack(packed, CommandRecord)) if packed is not None else None for packed in found]


def _seen(command: CommandRecord) -> Seen:
    if command.state in TERMINAL:
        return result_of(command)
    return "queued" if command.state == "queued" else "sent"


KINDS: Final[dict[JobKind, Kind]] = {"command": Kind(_send, _cancel, _look)}
"""Every kind of job that workers know."""
