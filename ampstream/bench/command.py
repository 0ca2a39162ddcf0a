"""`ampstream bench`: what runs, in which order, and what is printed."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

import click
import msgspec
from rich.console import Console

from ampstream import loop
from ampstream.bench import report
from ampstream.bench.disk import Disk, NotADisk, measure
from ampstream.bench.load import TooSlow
from ampstream.bench.mixes import MIXES
from ampstream.bench.outcome import QUICK, Outcome, Size
from ampstream.bench.registry import AFTER, BEFORE, ECHO
from ampstream.bench.scenarios import Bench
from ampstream.simulate.fleet import TooManyStations, allow_sockets

SCENARIOS: Final = (*MIXES, ECHO, *BEFORE, *AFTER)
_PLAIN_WIDTH: Final = 120


@click.command(short_help="Measure a system that is started for it.")
@click.option(
    "--scenario",
    "scenarios",
    multiple=True,
    type=click.Choice(("all", *SCENARIOS)),
    default=("all",),
    show_default=True,
    help="What to measure; repeat it for several.",
)
@click.option("--stations", type=click.IntRange(1, 18_000), help="Of the mixes, in a closed loop.  [default: 500]")
@click.option(
    "--seconds", type=click.FloatRange(1, 3600), help="Of each mix; latency and echo take half.  [default: 20]"
)
@click.option("--connections", type=click.IntRange(1, 60_000), help="Of that scenario.  [default: 18000]")
@click.option("--storm", type=click.IntRange(1, 60_000), help="Stations of that scenario.  [default: 10000]")
@click.option("--quick", is_flag=True, help="A small run of everything in 20 s: whether it works, not how fast.")
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="Where the system keeps its files meanwhile: a disk, never memory.  [default: here]",
)
@click.option("--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures there.")
@click.option("--add", is_flag=True, help="Keep what that file has of scenarios that do not run now.")
def bench(
    scenarios: tuple[str, ...],
    stations: int | None,
    seconds: float | None,
    connections: int | None,
    storm: int | None,
    quick: bool,
    data: Path,
    json_path: Path | None,
    add: bool,
) -> None:
    """Measure a system that is started for it.

    Starts Valkey (fsync always), one worker and one edge with production's settings, loads them, checks every answer
    and every Wh, and prints what a call costs, beside a bare aiohttp echo under the same load.
    """
    before = _before(json_path, quick=quick) if add else None
    base = QUICK if quick else Size()
    given = {"stations": stations, "seconds": seconds, "connections": connections, "storm": storm}
    size = msgspec.structs.replace(base, **{name: value for name, value in given.items() if value is not None})
    wanted = set(SCENARIOS if "all" in scenarios else scenarios)
    console = Console(width=None if sys.stdout.isatty() else _PLAIN_WIDTH)
    try:
        disk = measure(data)
        allow_sockets(_most_sockets(wanted, size))
        outcome = _measure(data, size, wanted)
    except (NotADisk, TooManyStations, TooSlow, OSError) as error:
        raise click.ClickException(str(error)) from None
    _report(outcome, disk, size, console, quick=quick, json_path=json_path, before=before)
    violations = outcome.verdict.violation_count if outcome.verdict is not None else 0
    if outcome.problem_count or violations:
        raise click.ClickException(f"{outcome.problem_count} wrong answers, {violations} violations")


def _most_sockets(wanted: set[str], size: Size) -> int:
    by_scenario = {"connections": size.connections, "storm": size.storm}
    return max((by_scenario.get(name, size.stations) for name in wanted), default=size.stations)


def _measure(data: Path, size: Size, wanted: set[str]) -> Outcome:
    made = Bench(data, size, lambda text: click.echo(f"  {text} ...", err=True))

    def begin(*names: str) -> None:
        load = round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else 0.0
        made.outcome.load_average |= dict.fromkeys(names, load)

    async def run() -> None:
        async with made:
            for name, scenario in BEFORE.items():
                if name in wanted:
                    begin(name)
                    await scenario(made)
            mixes, yardstick = [name for name in MIXES if name in wanted], ECHO in wanted
            if mixes or yardstick:
                begin(*(["throughput"] if mixes else []), *([ECHO] if yardstick else []))
                await made.throughput(mixes, yardstick=yardstick)
            for name, scenario in AFTER.items():
                if name in wanted:
                    begin(name)
                    await scenario(made)

    loop.run(run())
    return made.outcome


def _before(path: Path | None, *, quick: bool) -> report.Report | None:
    """Return the figures that a run adds to; raises `click.UsageError` where it can't."""
    if path is None or quick:
        raise click.UsageError("--add needs --json, and figures of a whole run: not --quick.")
    try:
        return msgspec.json.decode(path.read_bytes(), type=report.Report)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as error:
        raise click.UsageError(f"{path} holds no figures of this version: {error}") from None


def _report(
    outcome: Outcome,
    disk: Disk,
    size: Size,
    console: Console,
    *,
    quick: bool,
    json_path: Path | None,
    before: report.Report | None,
) -> None:
    whole = report.Report(
        environment=report.environment(disk, size, quick=quick),
        targets=report.targets(outcome, quick=quick),
        outcome=outcome,
    )
    report.show(whole, console)
    if before is not None:
        whole = report.together(before, whole)
    if json_path is not None:
        json_path.write_bytes(report.to_json(whole) + b"\n")
