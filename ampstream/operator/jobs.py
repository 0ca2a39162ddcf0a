"""`ampstream jobs`, and what `ampstream send` and `ampstream config` do for many stations."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Final, get_args

import click
import msgspec
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ampstream.operator.api import segment
from ampstream.operator.listing import limited, listed
from ampstream.operator.session import Session, operator
from ampstream.operator.show import cell, facts, moment, plural, when
from shared.records.jobs import OUTCOMES, PLACES, JobState

STATES: Final = click.Choice(list(get_args(JobState)))
ANY_OUTCOME: Final = click.Choice([*OUTCOMES, *PLACES])
LOOK_S: Final = 0.5
TITLES: Final = {
    "read_configuration": "reading configurations",
    "apply_templates": "applying templates",
    "sync_local_lists": "local lists",
    "probe": "probing",
    "rotate_keys": "rotating keys",
}
"""Kind of a job that sends no command of its own -> words."""


@click.group()
def jobs() -> None:
    """Show, pause, resume and cancel jobs over many stations."""


@jobs.command("list")
@click.option("--state", type=STATES, help="Only these.")
@limited(50)
@operator
async def list_jobs(session: Session, *, state: str | None, limit: int) -> None:
    """List jobs, the newest first."""
    await listed(
        session,
        session.api.items("/jobs", {"state": state}, limit),
        ("id", "created", "~job", "state", "#stations", "#ended", "~outcomes"),
        lambda one: (
            one["id"], when(one["created_at"]), one["name"] or _title(one), one["state"], one["total"], one["ended"],
            _outcomes(one),
        ),
        "job", limit=limit,
    )  # fmt: skip


@jobs.command()
@click.argument("job_id")
@click.option("--wait", is_flag=True, help="Wait until it has ended; exit status 1 unless all stations accepted.")
@operator
async def show(session: Session, job_id: str, *, wait: bool) -> None:
    """Show one job and how far it is."""
    if wait:
        await until_ended(session, job_id)
        return
    item = await session.api.ask("GET", f"/jobs/{segment(job_id)}")
    if session.as_json:
        session.emit(item)
    else:
        session.out.print(facts(_facts(item)))


@jobs.command()
@click.argument("job_id")
@click.option("--outcome", type=ANY_OUTCOME, help="Only stations that ended so, or are there.")
@limited(100)
@operator
async def results(session: Session, job_id: str, *, outcome: str | None, limit: int) -> None:
    """List a job's stations with what came of each."""
    await listed(
        session,
        session.api.items(f"/jobs/{segment(job_id)}/results", {"outcome": outcome}, limit),
        ("station", "outcome", "~detail", "ended", "command"),
        lambda one: (
            one["station_id"], one["outcome"], one["detail"], when(one["ended_at"]), one["command_id"],
        ),
        "station", limit=limit,
    )  # fmt: skip


@jobs.command()
@click.argument("job_id")
@operator
async def pause(session: Session, job_id: str) -> None:
    """Let no further station begin."""
    item = await session.api.ask("POST", f"/jobs/{segment(job_id)}/pause")
    session.done(f"paused; {_left(item)}", item)


@jobs.command()
@click.argument("job_id")
@operator
async def resume(session: Session, job_id: str) -> None:
    """Let stations begin again."""
    item = await session.api.ask("POST", f"/jobs/{segment(job_id)}/resume")
    session.done(f"running; {_left(item)}", item)


@jobs.command()
@click.argument("job_id")
@operator
async def cancel(session: Session, job_id: str) -> None:
    """Let no further station begin, and take back what was not sent."""
    item = await session.api.ask("POST", f"/jobs/{segment(job_id)}/cancel")
    session.done(f"cancelled; {item['ended']} of {plural(item['total'], 'station')} had ended", item)


# ── ampstream send and config, to many ───────────────────────────────────────────────────────────────────────────────


def many(command: Any) -> Any:
    """Add the options that choose many stations, and how fast they have their turn; `target` reads the first."""
    for option in (
        click.option("--paused", is_flag=True, help="Many: make the job, and begin with `ampstream jobs resume`."),
        click.option("--name", help="Many: what people call the job."),
        click.option("--jitter", "jitter_s", type=click.FloatRange(0), help="Many: each up to so many s later."),
        click.option("--rate", "rate_per_s", type=click.FloatRange(0, min_open=True), help="Many: begun per second."),
        click.option("--concurrency", type=click.IntRange(1), help="Many: stations at a time."),
        click.option("--all", "everywhere", is_flag=True, help="Every station."),
        click.option(
            "--filter",
            "filters",
            multiple=True,
            metavar="NAME=VALUE",
            help="Stations with this vendor, model, firmware, group, state, registration or flag, "
            "or ids that begin with q; may be repeated.",
        ),
        click.option("--group", help="The stations of this group."),
        click.option("--stations", metavar="A,B", help="These stations; @FILE: one a line."),
    ):
        command = option(command)
    return command


def target(options: dict[str, Any]) -> dict[str, Any] | None:
    """Return which stations the options name, as a job's body has it; None: they name none. Empties `options` of them.

    Raises `click.UsageError`.
    """
    named, group = options.pop("stations"), options.pop("group")
    filters, everywhere = options.pop("filters"), options.pop("everywhere")
    found = dict(_pair(text) for text in filters)
    if group is not None:
        found["group"] = group
    if named is None and not found and not everywhere:
        return None
    if sum((named is not None, bool(found), everywhere)) > 1:
        raise click.UsageError("give --stations, --all, or filters (--filter, --group): one of them")
    return {"stations": _names(named)} if named is not None else {"filter": found}


def one_or_many(station_id: str | None, options: dict[str, Any]) -> dict[str, Any] | None:
    """Return which stations the options name, as `target`; None where it is the one of the argument.

    Raises `click.UsageError` where both are named or neither is, or where a job's options are given for one station.
    """
    stations = target(options)
    if stations is None:
        only_one(options)
        if station_id is None:
            raise click.UsageError("say which station, or which: --stations, --group, --filter, --all")
    elif station_id is not None:
        raise click.UsageError("give a station, or --stations, --group, --filter, --all; not both")
    return stations


def only_one(options: dict[str, Any]) -> None:
    """Refuse options of a job where there is one station; raises `click.UsageError`."""
    if how := [name for name, value in options.items() if value is not None and value is not False]:
        raise click.UsageError(f"{', '.join(how)}: only for many stations (--stations, --group, --filter, --all)")


async def send_many(
    session: Session, body: dict[str, Any], options: dict[str, Any], *, key: str | None = None, wait: bool
) -> None:
    """Make a job, and wait for its end where that is wanted; `options` are those of `many` that say how."""
    given = {name: value for name, value in options.items() if value is not None and value is not False}
    headers = {"Idempotency-Key": key} if key else {}
    job = await session.api.ask("POST", "/jobs", json={**body, **given}, headers=headers)
    if wait:
        await until_ended(session, job["id"])
    elif session.as_json:
        session.emit(job)
    else:
        pace = f"at most {job['concurrency']} at a time, {job['rate_per_s']:g} a second"
        what = f"{_title(job)} {'to' if job['action'] else 'at'} {plural(job['total'], 'station')}"
        session.out.print(f"{cell(what)}, {pace}: {cell(job['state'])}")
        session.out.print(f"[dim]ampstream jobs show {job['id']}[/]")


async def until_ended(session: Session, job_id: str) -> None:
    """Follow a job to its end; ends the command with status 1 unless all of its stations accepted."""
    try:
        job = await _follow(session, job_id)
    except asyncio.CancelledError:
        session.err.print(f"the job goes on: `ampstream jobs show {job_id}`, or `pause`, or `cancel`")
        raise
    if session.as_json:
        session.emit(job)
    else:
        session.out.print(f"{plural(job['total'], 'station')}: {_outcomes(job)}  [dim]{job['id']}[/]")
    if job["outcomes"]["accepted"] != job["total"]:
        raise click.exceptions.Exit(1)


async def _follow(session: Session, job_id: str) -> dict[str, Any]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=session.err, transient=True, disable=session.as_json) as progress:
        bar = progress.add_task("", total=None)
        while True:
            job: dict[str, Any] = await session.api.ask("GET", f"/jobs/{segment(job_id)}")
            places = ", ".join(f"{count} {name}" for name, count in job["progress"].items() if count)
            words = f"{_title(job)}, {job['state']}" + (f": {places}" if places else "")
            progress.update(bar, total=job["total"], completed=job["ended"], description=words)
            if job["ended_at"] is not None:
                return job
            await asyncio.sleep(LOOK_S)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise click.UsageError(f"--filter {text}: write NAME=VALUE")
    return name, value


def _names(text: str) -> list[str]:
    if not text.startswith("@"):
        return [name for name in (part.strip() for part in text.split(",")) if name]
    try:
        lines = Path(text[1:]).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "no text"
        raise click.UsageError(f"--stations: cannot read {text[1:]}: {reason}") from None
    return [name for name in (line.strip() for line in lines) if name]


def _title(job: dict[str, Any]) -> str:
    return str(job["action"] or TITLES.get(job["kind"], job["kind"]))


def _outcomes(job: dict[str, Any]) -> str:
    return ", ".join(f"{count} {name}" for name, count in job["outcomes"].items() if count) or "none ended"


def _left(job: dict[str, Any]) -> str:
    progress = job["progress"]
    waiting = progress["waiting"] + progress["offline"]
    return f"{waiting} of {plural(job['total'], 'station')} not begun, {progress['active']} under way"


def _facts(job: dict[str, Any]) -> list[tuple[str, Any]]:
    where = {name: count for name, count in job["progress"].items() if count}
    ended = {name: count for name, count in job["outcomes"].items() if count}
    filters = job["filter"]
    return [
        ("job", job["id"]),
        ("name", job["name"]),
        ("action", _title(job)),
        ("payload", msgspec.json.encode(job["payload"]).decode()),
        ("stations", "named" if filters is None else filters or "every one"),
        ("state", job["state"]),
        ("progress", f"{job['ended']} of {job['total']} ended"),
        ("not ended", where),
        ("ended", ended),
        ("at a time", job["concurrency"]),
        ("pace", f"{job['rate_per_s']:g} a second, each up to {job['jitter_s']:g} s later"),
        ("created", f"{moment(job['created_at'])} by {job['created_by']}"),
        ("changed", f"{moment(job['changed_at'])} by {job['changed_by']}"),
        ("expires", moment(job["expires_at"])),
        ("ended at", moment(job["ended_at"])),
    ]
