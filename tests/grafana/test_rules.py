"""Rules: they ask for what exists, say what to do, fire when they should and not before."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from .reading import ALERTS, RUNBOOKS, alerts, problems, recorded, rules, tool

TESTS = Path(__file__).parent / "rules"


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.get("alert") or rule["record"])
def test_rules_ask_for_what_exists(rule: dict[str, Any]) -> None:
    """Every metric, label and closed value in a rule is declared."""
    assert problems(rule["expr"]) == []


def test_every_recording_rule_is_declared_once() -> None:
    """No name is recorded twice, and none takes the prefix of real metrics."""
    names = [rule["record"] for rule in rules() if "record" in rule]
    assert len(names) == len(recorded())
    assert all(name.startswith("ampstream:") for name in names)


@pytest.mark.parametrize("name", alerts())
def test_alerts_say_what_to_do(name: str) -> None:
    """Every alert has a severity that is routed, a summary, a description, and a runbook that is there."""
    alert = alerts()[name]
    assert alert["labels"]["severity"] in {"critical", "warning", "none"}
    assert set(alert["annotations"]) == {"summary", "description", "runbook_url"}
    assert alert["annotations"]["runbook_url"] == f"docs/runbooks/{name}.md"
    assert (RUNBOOKS / f"{name}.md").is_file()


@pytest.mark.parametrize("name", [name for name in alerts() if "BudgetBurn" in name])
def test_burn_rates_do_not_wait(name: str) -> None:
    """A burn rate has its windows and no `for`, and asks for a minimum of traffic."""
    assert "for" not in alerts()[name]
    assert "ampstream:acks:rate1h >" in alerts()[name]["expr"]


def test_every_alert_is_tried() -> None:
    """Every alert has a case in which it fires, and but for the watchdog a near miss in which it does not."""
    groups = [group for path in TESTS.glob("*.yaml") for group in yaml.safe_load(path.read_text())["tests"]]
    fires: set[str] = set()
    misses: set[str] = set()
    for group in groups:
        for case in group["alert_rule_test"]:
            (fires if case.get("exp_alerts") else misses).add(case["alertname"])
            assert group["name"].startswith(case["alertname"])
    assert fires == set(alerts())
    assert misses == set(alerts()) - {"Watchdog"}


def test_prometheus_accepts_the_rules() -> None:
    """Promtool finds no fault in the rules."""
    command = [tool("promtool", "prometheus"), "check", "rules", "--lint-fatal", str(ALERTS / "rules.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", sorted(TESTS.glob("*.yaml")), ids=lambda path: path.stem)
def test_alerts_fire_when_they_should(path: Path) -> None:
    """Promtool plays the cases of a file: each alert fires, with these words, and its near miss does not."""
    command = [tool("promtool", "prometheus"), "test", "rules", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("ampstream_no_such_total", "is not in shared/metrics"),
        ("ampstream_stations{station='CP-1'}", "has no label station"),
        ("ampstream_stations{state='gone'}", "state is never gone"),
        ("ampstream_edge_ack_duration_seconds", "is a histogram"),
        ("ampstream_edge_ack_duration_seconds_bucket{le='10'}", "has no bucket 10"),
        ("ampstream:no_such:rate5m", "is not in shared/metrics"),
    ],
)
def test_wrong_expressions_are_found(expression: str, problem: str) -> None:
    """The check that holds rules and panels to the catalogue finds each kind of mistake."""
    assert [each for each in problems(expression) if problem in each]
