"""The figures in README.md and docs/performance.md: from `docs/bench.json`; none is typed by hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from ampstream.bench.load import Measured
from ampstream.bench.outcome import Outcome
from ampstream.bench.report import Report, loads_of
from ampstream.bench.targets import Target

FIGURES = Path(__file__).resolve().parent.parent / "docs" / "bench.json"
_NONE_YET = """\
`ampstream bench --json docs/bench.json` makes the figures and `make generate` this section of them; that has not been
done for this version."""
_VERDICT = {True: "reached", False: "**missed**", None: "-"}
_CPU = ("edge", "worker", "redis")


def section(path: Path = FIGURES) -> str:
    """Return the figures as tables; a sentence where there are none."""
    if not path.exists():
        return _NONE_YET
    report = msgspec.json.decode(path.read_bytes(), type=Report)
    if report.environment.quick:
        raise ValueError(
            f"{path} is of a quick run, whose figures are no measure: run `ampstream bench` without --quick"
        )
    words = "  \n".join(line for part in report.outcome.parts for line in part.lines())
    parts = [_where(report), _targets(report.targets), _loads(report.outcome), words, _verified(report.outcome)]
    return "\n\n".join(part for part in parts if part)


def performance(path: Path = FIGURES) -> str:
    """Return the part about commands and metrics; a sentence where they were not measured."""
    report = msgspec.json.decode(path.read_bytes(), type=Report) if path.exists() else None
    parts = report.outcome.parts if report is not None else []
    if report is None or not parts:
        return _NONE_YET
    targets = [one for part in parts for one in part.targets()]
    loads = {name: one for part in parts for name, one in part.loads.items()}
    words = [f"- {line}" for part in parts for line in part.lines()]
    return "\n\n".join([_beside(report), _targets(targets), _table(loads), "\n".join(words)])


def _beside(report: Report) -> str:
    """Say how busy the machine was: those figures may come of another run than the others."""
    averages = ", ".join(f"{name} {average:g}" for name, average in report.outcome.load_average.items())
    begun = f" The machine's load average when each began: {averages}." if averages else ""
    return f"{report.environment.cpus} CPUs, which the load shares.{begun}"


def _where(report: Report) -> str:
    where, disk = report.environment, report.environment.disk
    versions = ", ".join(f"{name} {version}" for name, version in where.versions.items())
    earlier = "".join(
        f" Of an earlier run, on Python {one.environment.python}: {', '.join(one.scenarios)}." for one in report.earlier
    )
    return (
        f"Taken on {where.cpus} CPUs ({where.cpu}), Python {where.python}, {versions}; everything on one machine, the "
        f"load included.{earlier} The disk ({disk.filesystem}) takes {disk.sync_p50_ms:g} ms for an fdatasync "
        f"(p99 {disk.sync_p99_ms:g} ms). `appendfsync always`, Basic authentication, full validation, metrics and INFO "
        "logging are on, and every answer was checked."
    )


def _targets(targets: list[Target]) -> str:
    rows = [
        f"| {one.name} | {_number(one.value)} {one.unit}".rstrip() + f" | {one.wanted} | {_VERDICT[one.met]} |"
        for one in targets
    ]
    return "\n".join(["| figure | measured | wanted | |", "|---|---:|---:|---|", *rows])


def _loads(outcome: Outcome) -> str:
    return _table(loads_of(outcome))


def _table(loads: Mapping[str, Measured]) -> str:
    head = ["| load | stations | calls/s | p50 ms | p99 ms | edge µs | worker µs | Redis µs | sum µs |"]
    return "\n".join([*head, "|---|" + "---:|" * 8, *(_load(name, one) for name, one in loads.items())])


def _load(name: str, one: Measured) -> str:
    cpu = [f"{one.cpu_us[part]:.0f}" if part in one.cpu_us else "" for part in _CPU]
    speed = (f"{one.stations:,}", f"{one.calls_per_s:,.0f}", f"{one.p50_ms:.1f}", f"{one.p99_ms:.1f}")
    return f"| {' | '.join((name, *speed, *cpu, f'{one.total_cpu_us:.0f}'))} |"


def _verified(outcome: Outcome) -> str:
    verdict = outcome.verdict
    if verdict is None:
        return ""
    wh, stored = f"{verdict.energy_wh:,} Wh", f"{verdict.stored_energy_wh:,} Wh"
    return (
        "The µs are CPU time a call. The load's own ledger against what was stored: "
        f"{verdict.transactions:,} transactions, {wh} against {stored}, {verdict.violation_count} violations."
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:g}"
