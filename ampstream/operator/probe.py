"""`ampstream probe`: what a station's smart charging really does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from ampstream.operator.api import ApiError, segment
from ampstream.operator.jobs import many, one_or_many, send_many
from ampstream.operator.session import Session, operator
from ampstream.operator.show import cell, facts, moment, table

LOOK_S: Final = 0.5
UNDER_WAY: Final = ("probing", "restoring")
MARKS: Final = {"passed": "green", "failed": "red", "lacking": "yellow", "untested": "dim"}


class Probes(click.Group):
    """A group that takes a station's id for `start` with that id."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; what is none of them is a station."""
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["start", *args]
        return super().resolve_command(ctx, args)


@click.group(cls=Probes, subcommand_metavar="STATION_ID | COMMAND [ARGS]...")
def probe() -> None:
    """Try what a station's smart charging really does.

    `ampstream probe CP1` runs about a hundred messages on one idle station, puts back what was there, and says what the
    station can do; `ampstream probe report CP1` is a page for its vendor.
    """


@probe.command()
@click.argument("station_id", required=False)
@click.option("--connector", "connector_id", type=click.IntRange(min=1), default=1, show_default=True)
@click.option(
    "--force-test", is_flag=True, help="Also with an open transaction, or where a site manages it: its limits go."
)
@click.option("--with-transaction", is_flag=True, help="A test transaction runs: compare what it draws.")
@click.option("--settle-s", type=click.FloatRange(1, 600), help="How long after a limit its current is looked at.")
@click.option("--no-wait", is_flag=True, help="Begin, and do not wait for the end.")
@many
@operator
async def start(
    session: Session, station_id: str | None, *, connector_id: int, force_test: bool, with_transaction: bool,
    settle_s: float | None, no_wait: bool, **options: Any,
) -> None:  # fmt: skip
    """Probe a station, and wait for the end.

    In place of STATION_ID --stations, --group, --filter or --all say which: a job probes them, a few at a time.
    """
    stations = one_or_many(station_id, options)
    if stations is not None:
        if with_transaction or settle_s is not None or connector_id != 1:
            raise click.UsageError("--connector, --with-transaction and --settle-s are for one station")
        made = {"kind": "probe", "payload": {"force_test": force_test}, **stations}
        await send_many(session, made, options, wait=not no_wait)
        return
    assert station_id is not None, "one_or_many says so"
    body: dict[str, Any] = {
        "connector_id": connector_id, "force_test": force_test, "with_transaction": with_transaction,
    }  # fmt: skip
    if settle_s is not None:
        body["settle_s"] = settle_s
    path = f"/stations/{segment(station_id)}/probe"
    begun = await session.api.ask("POST", path, json=body)
    if no_wait:
        session.done(f"probe of {station_id} begun; `ampstream probe show {station_id}` says how far it is", begun)
        return
    ended = await _watched(session, path, begun)
    if session.as_json:
        session.emit(ended)
    else:
        await _results(session, station_id, ended)
    if ended["state"] != "complete":
        raise SystemExit(1)


@probe.command()
@click.argument("station_id")
@operator
async def show(session: Session, station_id: str) -> None:
    """Show how far a station's probe is, or how the last one ended."""
    found = await session.api.ask("GET", f"/stations/{segment(station_id)}/probe")
    if session.as_json:
        session.emit(found)
        return
    done = f"{found['checks_done']} of {found['checks']}, {found['messages']} messages" if found["messages"] else None
    session.out.print(
        facts(
            [
                ("state", found["state"]),
                ("checks", done),
                ("at", found["check"]),
                ("why", found["why"]),
                ("began", moment(found["began_at"])),
                ("ended", moment(found["ended_at"])),
                ("by", found["by"]),
                ("job", found["job_id"]),
            ]
        )
    )


@probe.command()
@click.argument("station_id")
@operator
async def abort(session: Session, station_id: str) -> None:
    """Try nothing more; the station is put back as it was."""
    found = await session.api.ask("DELETE", f"/stations/{segment(station_id)}/probe")
    session.done(f"probe of {station_id} ends; what was there is put back", found)


@probe.command()
@click.argument("station_id")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write it there.")
@operator
async def report(session: Session, station_id: str, *, output: Path | None) -> None:
    """Print the report of a station's last probe: Markdown for a person or a ticket, or JSON."""
    path, wanted = f"/stations/{segment(station_id)}/probe/report", "json" if session.as_json else "markdown"
    text = b"".join([part async for part in session.api.download(path, {"format": wanted})])
    if output is None:
        click.echo(text)
        return
    try:
        output.write_bytes(text)
    except OSError as error:
        raise click.FileError(str(output), error.strerror or "cannot be written") from None
    session.done(f"report of {station_id} in {output}", {"output": str(output)})


async def _watched(session: Session, path: str, begun: dict[str, Any]) -> dict[str, Any]:
    """Wait for the end of a probe, with a bar where somebody looks."""
    last = begun
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[at]}"))
    hidden = session.as_json or not session.err.is_terminal
    with Progress(*columns, console=session.err, disable=hidden, transient=True) as bar:
        task = bar.add_task("probing", total=begun["checks"], at="")
        async for last in _states(session, path, begun):
            at = last["check"] or ""
            bar.update(task, completed=last["checks_done"], description=last["state"], at=at)
    return last


async def _states(session: Session, path: str, begun: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """Yield the probe's state until it is over; an edge that is away for a moment is asked again."""
    now, failures = begun, 0
    while True:
        yield now
        if now["state"] not in UNDER_WAY or now["probe_id"] != begun["probe_id"]:
            return
        await asyncio.sleep(LOOK_S)
        try:
            now, failures = await session.api.ask("GET", path), 0
        except ApiError:
            failures += 1
            if failures > 20:
                raise


async def _results(session: Session, station_id: str, ended: dict[str, Any]) -> None:
    """Print what each check came to."""
    found = await session.api.ask("GET", f"/stations/{segment(station_id)}/probe/report")
    rows = [(one["title"], one["verdict"], one["found"]) for one in found["checks"]]
    shown = table(("check", "verdict", "~found"), [])
    for title, verdict, text in rows:
        shown.add_row(cell(title), f"[{MARKS[verdict]}]{verdict}[/]", cell(text))
    session.out.print(shown)
    if ended["state"] == "aborted":
        session.out.print(f"[red]aborted:[/] {cell(ended['why'])}; what was there is put back")
    if found["not_put_back"]:
        session.out.print(f"[red]not put back:[/] {cell(found['not_put_back'])}")
    session.out.print(f"[dim]`ampstream probe report {cell(station_id)}` has every message[/]")
