"""Jobs over many stations: made, listed, shown, paused, resumed, cancelled; what came of each station."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from edge.operators.call import Call
from edge.operators.models import jobs as models
from edge.operators.models.base import Cursor, Limit, Page, StationId
from edge.operators.models.jobs import JobStation
from edge.operators.problems import ProblemError, missing
from edge.operators.resources import sending
from edge.operators.resources.asking import request_id
from edge.operators.resources.commands import MAX_EXPIRY_S, Action
from edge.operators.resources.lists import member, page, position, shown
from edge.operators.resources.stations import Text
from edge.operators.resources.writing import room
from edge.operators.routes import Table
from edge.operators.serving import Answer
from shared.bus.clock import now_ms
from shared.bus.lane import Lane
from shared.ocpp.versions import Version
from shared.records.jobs import Job, JobKind, JobNow, JobState, Outcome, Place, make_job_id
from shared.records.queries import jobs, stations
from shared.records.queries.stations import StationFilter, StationNow, StationState
from shared.records.stations import Registration
from shared.settings import Settings

TABLE: Final = Table("jobs")
_route = TABLE.route

MAX_NAMED: Final = 10_000
PAGE: Final = 500
"""Stations looked at in one go when a job is made: the loop carries frames too."""


class Target(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which stations, as the list of stations filters them; empty: every one."""

    q: Annotated[Text, Meta(description="Beginning of the station's id.")] = ""
    state: StationState | None = None
    registration: Registration | None = None
    vendor: Annotated[Text, Meta(description="Whole, in any case.")] = ""
    model: Annotated[Text, Meta(description="Whole, in any case.")] = ""
    firmware: Annotated[Text, Meta(description="Whole, in any case.")] = ""
    group: Annotated[Text, Meta(description="Whole, in any case.")] = ""
    flag: Annotated[Text, Meta(description="A flag, or its part before the colon.")] = ""


class Retry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The payload of a job that applies templates."""

    retry: bool = False


class Force(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The payload of a job that probes."""

    force_test: bool = False


class Full(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The payload of a job that brings local lists in step."""

    full: bool = False


class NewJob(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to do at which stations, and how fast; `stations` or `filter` says where."""

    kind: JobKind = "command"
    name: Annotated[Text, Meta(description="For people.")] = ""
    action: Action = ""
    payload: dict[str, Any] = {}
    stations: Annotated[list[StationId], Meta(min_length=1, max_length=MAX_NAMED)] | None = None
    filter: Target | None = None
    concurrency: Annotated[int, Meta(ge=1, description="Stations at a time; else the setting's.")] | None = None
    rate_per_s: Annotated[float, Meta(gt=0, description="Stations begun per second; else the setting's.")] | None = None
    jitter_s: (
        Annotated[float, Meta(ge=0, le=3600, description="Each begins up to so much later; else the setting's.")] | None
    ) = None
    expires_in_s: Annotated[
        int, Meta(ge=1, le=MAX_EXPIRY_S, description="Nothing is sent to any station after so long.")
    ] = 7 * 24 * 3600
    paused: Annotated[bool, Meta(description="Make it, and begin when it is resumed.")] = False


class JobList(msgspec.Struct, frozen=True, kw_only=True):
    """Filters of the list."""

    state: JobState | None = None
    limit: Limit = 100
    cursor: Cursor | None = None


class JobPath(msgspec.Struct, frozen=True, kw_only=True):
    """One job."""

    job_id: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[0-9A-Za-z-]+$")]


class ResultList(JobPath, frozen=True, kw_only=True):
    """Which of a job's stations."""

    outcome: Outcome | Place | None = None
    limit: Limit = 100
    cursor: Cursor | None = None


@_route(
    "POST", "/jobs", "Make a job", scope="operate", body=NewJob, response=models.Job, status=201, also=(200,),
    errors=("conflict",),
)  # fmt: skip
async def create_job(call: Call[Any, NewJob]) -> Answer:
    """Send a command to many stations, or read and tune them, a few at a time. They are fixed now. 200: asked before.

    `kind` `command` takes `action` and `payload`; `read_configuration` takes neither; `apply_templates` takes a payload
    of `{"retry": true}`: also what stations refused, or kept going back on. `probe` takes one of
    `{"force_test": true}`: also where a transaction runs, or a site manages the station.
    `sync_local_lists` takes `{"full": true}`: lists are sent whole.
    """
    body, settings = call.body, call.parts.settings
    digest = hashlib.blake2b(request_id(call).encode(), digest_size=16, person=b"job").hexdigest()
    if before := await jobs.made_by(call.lane, digest):
        return Answer(models.Job.of(await _known(call.lane, before)), 200)
    concurrency, rate = _limits(body, settings)
    sending.check_place(settings, body.action, body.payload)
    targets = await _targets(call.lane, body)
    now = await now_ms(call.lane)
    job = Job(
        job_id=make_job_id(now, secrets.token_hex(12)),
        kind=body.kind,
        name=body.name,
        action=body.action,
        payload=targets.payload,
        named=body.stations is not None,
        filter=msgspec.to_builtins(body.filter) if body.filter is not None else {},
        total=len(targets.names),
        concurrency=concurrency,
        rate_per_s=rate,
        jitter_s=settings.job_jitter_s if body.jitter_s is None else body.jitter_s,
        created_at=now,
        created_by=call.token.name,
        expires_at=now + body.expires_in_s * 1000,
    )
    with room():
        made = await jobs.create(
            call.lane, job, targets.names, state="paused" if body.paused else "running", digest=digest
        )
    return Answer(models.Job.of(await _known(call.lane, made)), 201 if made == job.job_id else 200)


@_route("GET", "/jobs", "List jobs", scope="read", params=JobList, response=Page[models.Job])
async def list_jobs(call: Call[JobList, None]) -> Page[models.Job]:
    """Return jobs over many stations, the newest first, or those in one state."""
    params = call.params
    query = ("jobs", params.state)
    found, after = await jobs.page(call.lane, params.state, position(params.cursor, *query), params.limit)
    return page(await shown(found, models.Job.of), after, *query)


@_route("GET", "/jobs/{job_id}", "Show a job", scope="read", params=JobPath, response=models.Job, errors=("not_found",))
async def show_job(call: Call[JobPath, None]) -> models.Job:
    """Return a job and how far it is, as long as it is kept."""
    return models.Job.of(await _known(call.lane, call.params.job_id))


@_route(
    "GET", "/jobs/{job_id}/results", "List a job's stations", scope="read", params=ResultList,
    response=Page[JobStation], errors=("not_found",),
)  # fmt: skip
async def list_results(call: Call[ResultList, None]) -> Page[JobStation]:
    """Return a job's stations by id with their outcomes, or those with one outcome; where the others are."""
    params = call.params
    known = await _known(call.lane, params.job_id)
    query = ("job results", params.job_id, params.outcome)
    after = member(params.cursor, *query)
    found, after = await jobs.results(
        call.lane, params.job_id, params.outcome, after, params.limit, kind=known.job.kind
    )
    return page(await shown(found, JobStation.of), after, *query)


@_route(
    "POST", "/jobs/{job_id}/pause", "Pause a job", scope="operate", params=JobPath, response=models.Job,
    errors=("not_found", "conflict"),
)  # fmt: skip
async def pause_job(call: Call[JobPath, None]) -> models.Job:
    """Let no further station begin; those that have begun go on. 409 where the job was cancelled or has ended."""
    return await _change(call, "paused")


@_route(
    "POST", "/jobs/{job_id}/resume", "Resume a job", scope="operate", params=JobPath, response=models.Job,
    errors=("not_found", "conflict"),
)  # fmt: skip
async def resume_job(call: Call[JobPath, None]) -> models.Job:
    """Let stations begin again. 409 where the job was cancelled or has ended."""
    return await _change(call, "running")


@_route(
    "POST", "/jobs/{job_id}/cancel", "Cancel a job", scope="operate", params=JobPath, response=models.Job,
    errors=("not_found", "conflict"),
)  # fmt: skip
async def cancel_job(call: Call[JobPath, None]) -> models.Job:
    """Let no further station begin, and cancel commands that were not sent; those that were end. 409 where it ended."""
    return await _change(call, "cancelled")


class _Targets(msgspec.Struct):
    """The stations of a job to be, and the payload as it goes on the wire."""

    names: list[str]
    payload: str


async def _targets(lane: Lane, body: NewJob) -> _Targets:
    """Find the stations and check the payload for each version among them; raises `ProblemError` 422."""
    found, checked = _Targets([], ""), set[str]()
    async for station in chosen(lane, body.stations, body.filter):
        version = sending.version_of(station)
        if version.name not in checked:
            checked.add(version.name)
            found.payload = CHECKS[body.kind](version, body)
        found.names.append(station.station.station_id)
    return found


def _check_command(version: Version, body: NewJob) -> str:
    if not body.action:
        raise ProblemError.of_field("bad_body", "body", "action", "is missing")
    return sending.checked(version, body.action, body.payload)


def _check_read(_version: Version, body: NewJob) -> str:
    _check_no_action(body)
    if body.payload:
        raise ProblemError.of_field("bad_body", "body", "payload", "is for jobs that send a command")
    return "{}"


def _check_options(options: type[msgspec.Struct], example: str, done: str) -> Callable[[Version, NewJob], str]:
    """Return the check of a kind whose payload is `options`, or nothing."""

    def check(_version: Version, body: NewJob) -> str:
        _check_no_action(body)
        try:
            return msgspec.json.encode(msgspec.convert(body.payload, options)).decode()
        except msgspec.ValidationError:
            message = f"may be `{example}` where {done}, and nothing else"
            raise ProblemError.of_field("bad_body", "body", "payload", message) from None

    return check


def _check_no_action(body: NewJob) -> None:
    if body.action:
        raise ProblemError.of_field("bad_body", "body", "action", "is for jobs that send a command")


CHECKS: Final[dict[JobKind, Callable[[Version, NewJob], str]]] = {
    "command": _check_command,
    "read_configuration": _check_read,
    "apply_templates": _check_options(Retry, '{"retry": true}', "templates are applied"),
    "sync_local_lists": _check_options(Full, '{"full": true}', "local lists are brought in step"),
    "rotate_keys": _check_read,
    "probe": _check_options(Force, '{"force_test": true}', "stations are probed"),
}
"""Kind of a job -> its check for stations of a version: returns the payload as workers get it, or raises."""


async def chosen(lane: Lane, names: Sequence[str] | None, target: Target | None) -> AsyncIterator[StationNow]:
    """Yield the stations of a list, or those that a filter takes; raises `ProblemError` where both or none are given.

    Also where one is not known, or the filter takes none.
    """
    if (names is None) == (target is None):
        raise ProblemError.of_field("bad_body", "body", "stations", "or `filter` must be given, and not both")
    none = True
    async for some in matching(lane, target) if target is not None else named(lane, names or []):
        for station in some:
            yield station
            none = False
    if none:
        raise ProblemError.of_field("bad_body", "body", "filter", "matches no station")


async def named(lane: Lane, names: Sequence[str]) -> AsyncIterator[list[StationNow]]:
    """Yield the stations of a list, each once; raises `ProblemError` for one that is not known."""
    places = {name: place for place, name in reversed(list(enumerate(names)))}
    wanted = list(dict.fromkeys(names))
    for begin in range(0, len(wanted), stations.WHOLE_CHUNK):
        some = wanted[begin : begin + stations.WHOLE_CHUNK]
        found = await stations.stations(lane, some)
        for name, station in zip(some, found, strict=True):
            if station is None:
                where = f"stations[{places[name]}]"
                raise ProblemError.of_field("bad_body", "body", where, "is no station that is known")
        yield [station for station in found if station is not None]


async def matching(lane: Lane, target: Target) -> AsyncIterator[list[StationNow]]:
    """Yield the stations that a filter takes."""
    wanted, after = StationFilter(**msgspec.structs.asdict(target)), ""
    while True:
        found, after = await stations.page(lane, wanted, after, PAGE)
        yield found
        if not after:
            return


def _limits(body: NewJob, settings: Settings) -> tuple[int, float]:
    """Return how many stations at a time and per second; raises `ProblemError` where that is more than is allowed."""
    most, fastest = settings.job_max_concurrency, settings.job_max_rate_per_s
    concurrency = min(settings.job_concurrency, most) if body.concurrency is None else body.concurrency
    rate = min(settings.job_rate_per_s, fastest) if body.rate_per_s is None else body.rate_per_s
    if concurrency > most:
        message = f"is more than AMPSTREAM_JOB_MAX_CONCURRENCY allows: {most}"
        raise ProblemError.of_field("bad_body", "body", "concurrency", message)
    if rate > fastest:
        message = f"is more than AMPSTREAM_JOB_MAX_RATE_PER_S allows: {fastest:g}"
        raise ProblemError.of_field("bad_body", "body", "rate_per_s", message)
    return concurrency, rate


async def _change(call: Call[JobPath, None], to: JobState) -> models.Job:
    found = await _known(call.lane, call.params.job_id)
    done = await jobs.change(call.lane, found, to, at=await now_ms(call.lane), by=call.token.name)
    if done == "conflict":
        ended = " and has ended" if found.ended_at else ""
        raise ProblemError("conflict", f"the job is {found.state}{ended}")
    return models.Job.of(await _known(call.lane, call.params.job_id))


async def _known(lane: Lane, job_id: str) -> JobNow:
    found = await jobs.job(lane, job_id)
    if found is None:
        raise missing("job", job_id)
    return found
