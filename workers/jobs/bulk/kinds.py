"""What a job does at a station, by its kind: how it is begun, how it is stopped, and how to see what became of it.

    command             look at the command's record
    read_configuration  look at the station's sections `cf`, `cm`            } both wait in `Configured.jobs`
    apply_templates     the same, and `tu`: a read, then what templates set  }
    rotate_keys         section `ke` (`rotating`)
    probe               look at section `pr`
    sync_local_lists    look at its section `ll`, where they wait

A kind's result comes from the station's own commits (`workers.services.bulk.report`). What is begun for a station must
be idempotent by job and station.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Literal, NamedTuple

import msgspec

from shared.bus import keys
from shared.bus.lane import Lane
from shared.records.commands import TERMINAL, CommandRecord, Commands
from shared.records.configuration import Configured
from shared.records.jobs import Job, JobKind, JobResult, command_id
from shared.records.local_lists import SETTLED, LocalList
from shared.records.packing import unpack
from shared.records.probes import Probing
from shared.records.queries.reading import replies
from shared.records.requests import (
    ApplyTemplates,
    CancelCommand,
    LeaveJob,
    ReadConfiguration,
    Request,
    SendCommand,
    StartProbe,
    SyncLocalList,
)
from shared.records.tuning import Tuned
from workers.services.bulk import result_of
from workers.services.tuning import concluding

from . import rotating

Seen = JobResult | Literal["queued", "sent"] | None
"""What became of a station: its result, where its command is, or no trace of it."""
Begun = Sequence[tuple[str, int]]
"""Stations, and when each was begun (ms)."""


class Kind(NamedTuple):
    """One kind of job."""

    begin: Callable[[Job, str, int], Request]
    """(job, station, now in ms): what goes onto the station's uplink."""
    stop: Callable[[Job, str], Request]
    """(job, station): what takes back what has not been sent."""
    look: Callable[[Lane, Job, Begun, int], Awaitable[list[Seen]]]
    """(lane, job, stations that were begun, now): what became of each."""


# ── a command ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _send(job: Job, station_id: str, now: int) -> Request:
    return SendCommand(
        request_id=_name(job, station_id),
        by=job.created_by,
        action=job.action,
        payload=job.payload,
        command_id=command_id(job.job_id, station_id),
        expires_in_ms=_left_ms(job, now),
        job=job.job_id,
    )


def _cancel(job: Job, station_id: str) -> Request:
    return CancelCommand(
        request_id=f"{job.origin}:cancel", by=job.origin, command_id=command_id(job.job_id, station_id)
    )


async def _look(lane: Lane, job: Job, begun: Begun, _now: int) -> list[Seen]:
    found = await replies(lane, [("GET", keys.command(one, command_id(job.job_id, one))) for one, _ in begun])
    return [_seen(unpack(packed, CommandRecord)) if packed is not None else None for packed in found]


def _seen(command: CommandRecord) -> Seen:
    if command.state in TERMINAL:
        return result_of(command)
    return "queued" if command.state == "queued" else "sent"


# ── the configuration, and what templates want of it ─────────────────────────────────────────────────────────────────


def _read(job: Job, station_id: str, now: int) -> Request:
    return ReadConfiguration(
        request_id=_name(job, station_id), by=job.created_by, job=job.job_id, expires_in_ms=_left_ms(job, now)
    )


def _apply(job: Job, station_id: str, now: int) -> Request:
    return ApplyTemplates(
        request_id=_name(job, station_id),
        by=job.created_by,
        retry=bool(msgspec.json.decode(job.payload).get("retry")),
        job=job.job_id,
        expires_in_ms=_left_ms(job, now),
    )


def _leave(job: Job, station_id: str) -> Request:
    return LeaveJob(request_id=f"{_name(job, station_id)}:leave", by=job.origin, job=job.job_id)


async def _look_configured(lane: Lane, job: Job, begun: Begun, now: int) -> list[Seen]:
    found = await replies(lane, [("HMGET", keys.state(name), "cf", "cm", "tu") for name, _ in begun])
    seen: list[Seen] = []
    for (_, at), (configured, waiting, tuned) in zip(begun, found, strict=True):
        state = _State(
            unpack(configured, Configured) if configured else Configured(),
            unpack(waiting, Commands) if waiting else Commands(),
            unpack(tuned, Tuned) if tuned else Tuned(),
        )
        seen.append(_waits(state, job, now) if job.job_id in state.configured.jobs else _ended(state, job, at, now))
    return seen


class _State(NamedTuple):
    """What is looked at of a station."""

    configured: Configured
    commands: Commands
    tuned: Tuned


def _waits(state: _State, job: Job, now: int) -> Seen:
    """Tell where a station is that has noted the job; one of which nothing was sent in the job's time is over."""
    outstanding, run = state.commands.outstanding, state.tuned.run
    ours = {one.command_id for one in state.configured.reads.values()} | {run.command_id if run is not None else ""}
    if outstanding is not None and outstanding.command_id in ours:
        return "sent"
    return JobResult(outcome="expired", at=now) if now >= job.expires_at else "queued"


def _ended(state: _State, job: Job, begun_at: int, now: int) -> Seen:
    """Tell what became of a station that waits for no job: its request is not decided, or its result was lost."""
    configured, tuned = state.configured, state.tuned
    if configured.failed_at >= begun_at:
        return JobResult(outcome="error", at=now, detail=configured.failure)
    if configured.read_at < begun_at:
        return None
    if job.kind == "read_configuration":
        return JobResult(outcome="accepted", at=now)
    if tuned.run is not None:
        return "sent"
    outcome, detail = concluding.outcome(tuned)
    return JobResult(outcome=outcome, at=now, detail=detail)


# ── local lists ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _sync(job: Job, station_id: str, _now: int) -> Request:
    full = bool(msgspec.json.decode(job.payload).get("full"))
    return SyncLocalList(request_id=_name(job, station_id), by=job.created_by, full=full, job=job.job_id)


async def _look_listed(lane: Lane, job: Job, begun: Begun, now: int) -> list[Seen]:
    found = await replies(lane, [("HMGET", keys.state(name), "ll", "cm") for name, _ in begun])
    seen: list[Seen] = []
    for (_, at), (listed, waiting) in zip(begun, found, strict=True):
        local = unpack(listed, LocalList) if listed else LocalList()
        outstanding = (unpack(waiting, Commands) if waiting else Commands()).outstanding
        if job.job_id in local.jobs:
            ours = local.run.command_id if local.run is not None else ""
            if outstanding is not None and outstanding.command_id == ours:
                seen.append("sent")
            else:
                seen.append(JobResult(outcome="expired", at=now) if now >= job.expires_at else "queued")
        elif local.state in SETTLED and max(local.verified_at, local.since) >= at:
            seen.append(JobResult(outcome="accepted" if local.state == "in_line" else "rejected", at=now))
        else:
            seen.append(None)
    return seen


# ── probes ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _probe(job: Job, station_id: str, _now: int) -> Request:
    force = bool(msgspec.json.decode(job.payload).get("force_test"))
    return StartProbe(request_id=_name(job, station_id), by=job.created_by, force=force, job=job.job_id)


async def _look_probed(lane: Lane, job: Job, begun: Begun, now: int) -> list[Seen]:
    found = await replies(lane, [("HGET", keys.state(name), "pr") for name, _ in begun])
    return [_probed(unpack(one, Probing) if one else Probing(), job, now) for one in found]


def _probed(probing: Probing, job: Job, now: int) -> Seen:
    """Tell where a station's probe is; one that is under way takes the time that it takes."""
    run, last = probing.run, probing.last
    if run is not None and run.job == job.job_id:
        return "sent"
    if last is not None and last.job == job.job_id:
        return JobResult(outcome="accepted" if last.ended == "complete" else "error", at=last.at, detail=last.why)
    return JobResult(outcome="expired", at=now) if now >= job.expires_at else None


def _name(job: Job, station_id: str) -> str:
    return f"{job.origin}:{station_id}"


def _left_ms(job: Job, now: int) -> int:
    return max(job.expires_at - now, 1)


KINDS: Final[dict[JobKind, Kind]] = {
    "command": Kind(_send, _cancel, _look),
    "read_configuration": Kind(_read, _leave, _look_configured),
    "apply_templates": Kind(_apply, _leave, _look_configured),
    "rotate_keys": Kind(rotating.rotate, rotating.leave, rotating.look),
    "probe": Kind(_probe, _leave, _look_probed),
    "sync_local_lists": Kind(_sync, _leave, _look_listed),
}
"""Every kind of job that workers know."""
