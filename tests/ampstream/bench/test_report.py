"""What is printed, and the targets beside the figures."""

import io
from contextlib import chdir
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from rich.console import Console

from ampstream.bench import report
from ampstream.bench.command import bench
from ampstream.bench.commands import Commands
from ampstream.bench.disk import Disk
from ampstream.bench.load import Measured
from ampstream.bench.metering import Metering
from ampstream.bench.outcome import Connections, Outcome, Size, Storm, added
from ampstream.bench.verify import Verdict


def measured(stations: int, p50_ms: float, **cpu_us: float) -> Measured:
    return Measured(
        stations=stations,
        seconds=20,
        calls=100_000,
        calls_per_s=5000,
        p50_ms=p50_ms,
        p99_ms=2 * p50_ms,
        cpu_us=cpu_us,
        load_cpu_us=20,
    )


def outcome() -> Outcome:
    return Outcome(
        throughput={"transaction": measured(500, 80, edge=60, worker=70, redis=65)},
        latency=measured(1, 5.5, edge=90, worker=90, redis=90),
        echo=measured(500, 20, echo=25),
        connections=Connections(stations=18_000, connect_s=50, edge_bytes_each=20_480, edge_rss_bytes=4 << 20),
        storm=Storm(stations=10_000, booted_s=42, refused=9000, cpu_s={"edge": 9.0}),
        commands=Commands(
            beat=measured(1, 3.8, edge=90), one=measured(1, 9.5, edge=900), many=measured(50, 90, edge=400)
        ),
        metering=Metering(
            stations=100,
            counted_us=[102, 104],
            uncounted_us=[100, 100],
            percent=3,
            quartiles=(2, 4),
            operations=20,
            operations_us=3.5,
            empty_call_ns=40,
        ),
        verdict=Verdict(transactions=9, energy_wh=5, stored_energy_wh=5, violations=[], violation_count=0),
    )


def test_targets() -> None:
    """Each target of the issue is beside its figure, met or missed; a quick run decides none."""
    found = {one.name: (one.value, one.met) for one in report.targets(outcome(), quick=False)}
    assert found == {
        "CPU a call, transaction mix": (195, True),
        "CPU a call, by the bare echo's": (7.8, True),
        "p50 with one station": (5.5, False),
        "edge memory a connection": (20, True),
        "stations on one edge": (18_000, True),
        "storm: 10,000 booted again": (42, True),
        "command there and back, p50 with one station": (9.5, True),
        "metrics, of a call's CPU": (3, True),
    }
    assert {one.met for one in report.targets(outcome(), quick=True)} == {None}
    assert report.targets(Outcome(), quick=False) == []


def test_table_and_json() -> None:
    """The table names what matters; the JSON holds everything and reads back."""
    disk = Disk(filesystem="ext4", sync_p50_ms=0.2, sync_p99_ms=1.0)
    whole = report.Report(
        environment=report.environment(disk, Size(), quick=False),
        targets=report.targets(outcome(), quick=False),
        outcome=outcome(),
    )
    out = io.StringIO()
    report.show(whole, Console(file=out, width=120))
    for text in (
        "fdatasync p50 0.2 ms",
        "bare aiohttp echo",
        "20.0 KiB each",
        "missed",
        "command, one station",
        "2.5 times a Heartbeat",
        "+3.0 %",
        "9 transactions",
        "0 violations",
    ):
        assert text in out.getvalue()
    assert msgspec.json.decode(report.to_json(whole), type=report.Report) == whole


def test_a_run_adds_to_an_earlier_one() -> None:
    """Figures of scenarios that did not run stay, those of what ran are the newer, and verdicts add up."""
    newer = Outcome(
        throughput={"heartbeat": measured(500, 10, edge=30)},
        commands=Commands(beat=measured(1, 2, edge=90), one=measured(1, 4, edge=700), many=measured(50, 40, edge=300)),
        verdict=Verdict(transactions=1, energy_wh=2, stored_energy_wh=2, violations=[], violation_count=0),
        load_average={"commands": 0.5},
    )
    both = added(outcome(), newer)
    assert set(both.throughput) == {"transaction", "heartbeat"}
    assert both.commands == newer.commands
    assert both.storm == outcome().storm
    assert both.verdict is not None
    assert (both.verdict.transactions, both.verdict.energy_wh) == (10, 7)
    assert both.load_average == {"commands": 0.5}


def test_each_figure_names_its_run() -> None:
    """The environment is the last run's; scenarios that only earlier ones measured stay with theirs."""
    disk = Disk(filesystem="ext4", sync_p50_ms=0.2, sync_p99_ms=1.0)
    where = report.environment(disk, Size(), quick=False)
    runs = [
        report.Report(
            environment=msgspec.structs.replace(where, python=python),
            targets=[],
            outcome=Outcome(load_average=dict.fromkeys(scenarios, 1.0)),
        )
        for python, scenarios in (("1", ("storm", "echo", "latency")), ("2", ("echo",)), ("3", ("latency",)))
    ]
    both = report.together(report.together(runs[0], runs[1]), runs[2])
    assert both.environment.python == "3"
    assert [(one.environment.python, one.scenarios) for one in both.earlier] == [("1", ["storm"]), ("2", ["echo"])]
    again = report.together(both, runs[0])
    assert again.environment.python == "1"
    assert [(one.environment.python, one.scenarios) for one in again.earlier] == []


def test_what_a_run_can_add_to(tmp_path: Path) -> None:
    """--add needs a file, and none of a quick run or of something else."""
    (tmp_path / "other.json").write_text('{"no": "figures"}')
    for options in (["--add"], ["--add", "--quick", "--json", "x.json"], ["--add", "--json", "other.json"]):
        with chdir(tmp_path):
            result = CliRunner().invoke(bench, options)
        assert result.exit_code == 2, result.output


@pytest.mark.slow
def test_a_whole_run(tmp_path: Path) -> None:
    """A quick run starts a real system, loads it, verifies every Wh and writes its figures."""
    path = tmp_path / "figures.json"
    result = CliRunner().invoke(bench, ["--quick", "--data", str(tmp_path), "--json", str(path)])
    assert result.exit_code == 0, result.output
    figures = msgspec.json.decode(path.read_bytes(), type=report.Report)
    assert set(figures.outcome.throughput) == {"transaction", "metervalues", "heartbeat"}
    assert figures.outcome.commands is not None
    assert figures.outcome.commands.one.calls > 0
    assert figures.outcome.metering is not None
    assert len(figures.outcome.metering.counted_us) == len(figures.outcome.metering.uncounted_us) == 2
    assert figures.outcome.connections is not None
    assert figures.outcome.connections.stations == 300
    assert figures.outcome.storm is not None
    assert figures.outcome.verdict is not None
    assert figures.outcome.verdict.transactions > 50
    assert figures.outcome.verdict.energy_wh == figures.outcome.verdict.stored_energy_wh > 0
    assert figures.environment.quick
    assert [entry.name for entry in tmp_path.iterdir()] == ["figures.json"]


def test_memory_is_no_disk() -> None:
    """A data directory in memory is refused with a word on what to do."""
    if not Path("/dev/shm").is_dir():
        pytest.skip("no tmpfs at hand")
    result = CliRunner().invoke(bench, ["--quick", "--data", "/dev/shm"])
    assert result.exit_code == 1
    assert "choose a directory on a disk" in result.output
