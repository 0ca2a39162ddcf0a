"""The makers of generated pages: what they say follows from the code and from measured figures alone."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from ampstream.bench.disk import Disk
from ampstream.bench.load import Measured
from ampstream.bench.outcome import Outcome, Size
from ampstream.bench.report import Environment, Report
from ampstream.bench.targets import Target
from ampstream.bench.verify import Verdict
from shared.ocpp.actions import actions_of
from shared.ocpp.versions import OCPP16
from tools import bench_section, messages_page

LOAD = Measured(
    stations=500, seconds=20.0, calls=1_000_000, calls_per_s=50_000.4, p50_ms=1.24, p99_ms=3.0,
    cpu_us={"edge": 1.4, "worker": 2.0, "redis": 3.0}, load_cpu_us=9.0,
)  # fmt: skip


def report(*, quick: bool) -> bytes:
    """Return figures that nobody measured."""
    disk = Disk(filesystem="ext4", sync_p50_ms=0.5, sync_p99_ms=1.5)
    environment = Environment(
        cpus=2, cpu="Abacus", system="Linux", python="3.11.9", versions={"msgspec": "0.1"}, disk=disk, size=Size(),
        quick=quick,
    )  # fmt: skip
    targets = [
        Target(name="CPU a call", value=6.4, unit="µs", wanted="≤ 200", met=True),
        Target(name="stations on one edge", value=18_000, unit="", wanted="≥ 20,000", met=False),
    ]
    verdict = Verdict(transactions=12_345, energy_wh=7, stored_energy_wh=7, violations=[], violation_count=0)
    outcome = Outcome(throughput={"transaction": LOAD}, verdict=verdict)
    return msgspec.json.encode(Report(environment=environment, targets=targets, outcome=outcome))


def test_figures_come_from_the_file(tmp_path: Path) -> None:
    """Each figure of the section stands in the file, a missed target is not hidden, and the machine is named."""
    path = tmp_path / "bench.json"
    path.write_bytes(report(quick=False))
    text = bench_section.section(path)
    assert "| CPU a call | 6.4 µs | ≤ 200 | reached |" in text
    assert "| stations on one edge | 18,000 | ≥ 20,000 | **missed** |" in text
    assert "| transaction | 500 | 50,000 | 1.2 | 3.0 | 1 | 2 | 3 | 6 |" in text
    assert "2 CPUs (Abacus)" in text
    assert "12,345 transactions, 7 Wh against 7 Wh, 0 violations" in text


def test_without_figures_none_are_shown(tmp_path: Path) -> None:
    """Where nothing was measured the section says how to measure; the figures of a quick run are refused."""
    path = tmp_path / "bench.json"
    assert "ampstream bench" in bench_section.section(path)
    path.write_bytes(report(quick=True))
    with pytest.raises(ValueError, match="quick"):
        bench_section.section(path)


def test_every_message_of_a_station_is_served() -> None:
    """The table has a row for each message that a 1.6 station may send, and each is served."""
    text = messages_page.section()
    for action in actions_of(OCPP16).from_station:
        assert f"| `{action}` | from the station | yes |" in text


def test_the_tables_do_not_depend_on_what_was_imported_before() -> None:
    """A fresh process makes the same table as this one, which has imported half of the system."""
    script = "from tools import messages_page\nprint(messages_page.section())"
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert output.strip() == messages_page.section()
