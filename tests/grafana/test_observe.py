"""The cheap part of `make observe`: what it asks, and how it makes Prometheus's time run faster."""

import subprocess
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from shared import metrics
from tests.observe import questions, scaling

from .reading import ALERTS, ROOT, alerts, dashboards, panels, recorded, selectors, tool


def written(*path: str) -> Any:
    """A configuration of this repository, read."""
    return yaml.safe_load((ROOT / "grafana").joinpath(*path).read_text(encoding="utf-8"))


def windows(expression: str) -> list[int]:
    """The windows of an expression, in milliseconds, as the parser reads them."""
    found: list[int] = []

    def visit(node: promql_parser.Expr) -> bool:
        if isinstance(node, promql_parser.MatrixSelector):
            found.append(round(node.range.total_seconds() * 1000))
        return True

    promql_parser.walk(promql_parser.parse(expression), visit)
    return found


@pytest.mark.parametrize(("text", "length"), [("5m", 300_000), ("1h30m", 5_400_000), ("250ms", 250), ("0s", 0)])
def test_durations_are_read(text: str, length: int) -> None:
    """A duration is read as Prometheus does."""
    assert scaling.milliseconds(text) == length


@pytest.mark.parametrize("text", ["", "5", "5 m", "m5", "5y"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """What this does not know is an error, not a wrong length."""
    with pytest.raises(ValueError, match="is no duration"):
        scaling.milliseconds(text)


def test_rules_keep_their_proportions() -> None:
    """Every window, `for` and interval is a fifteenth, as the parser reads them, and nothing else has changed."""
    before, after = written("alerts", "rules.yaml"), scaling.rules(written("alerts", "rules.yaml"))
    pairs = [
        (old, new)
        for a, b in zip(before["groups"], after["groups"], strict=True)
        for old, new in zip(a["rules"], b["rules"], strict=True)
    ]
    assert len(pairs) > 30
    for old, new in pairs:
        assert windows(new["expr"]) == [each // scaling.FACTOR for each in windows(old["expr"])]
        assert [str(each) for each in selectors(new["expr"])] == [str(each) for each in selectors(old["expr"])]
        assert scaling.milliseconds(new.get("for", "0s")) == scaling.milliseconds(old.get("for", "0s")) // 15
        assert old | {"expr": "", "for": ""} == new | {"expr": "", "for": ""}
    assert after["groups"][0]["interval"] == "1000ms"


def test_what_cannot_be_scaled_is_refused() -> None:
    """A subquery or an offset in a rule is an error until somebody teaches the scaler."""
    for text in ("max_over_time(rate(x[5m])[1h:1m])", "x offset 5m", "rate(x[5m])[1h:]"):
        with pytest.raises(ValueError, match="not scaled"):
            scaling.expression(text)


def test_scaled_configurations_are_accepted(tmp_path: Path) -> None:
    """Promtool and amtool accept what the run loads; jobs, routes and inhibitions are those of production."""
    rules = tmp_path / "rules.yaml"
    rules.write_text(yaml.safe_dump(scaling.rules(written("alerts", "rules.yaml"))))
    document = written("prometheus", "prometheus.yml")
    targets = {job["job_name"]: ["127.0.0.1:1"] for job in document["scrape_configs"]}
    made = scaling.prometheus(document, rules, targets, "127.0.0.1:2")
    assert made["global"]["scrape_interval"] == "1000ms"
    manager = scaling.alertmanager(written("alerts", "alertmanager.yaml"), "http://127.0.0.1:3")
    assert manager["inhibit_rules"] == yaml.safe_load((ALERTS / "alertmanager.yaml").read_text())["inhibit_rules"]
    for name, content in (("prometheus.yml", made), ("alertmanager.yaml", manager)):
        (tmp_path / name).write_text(yaml.safe_dump(content))
    for command in (
        [tool("promtool", "prometheus"), "check", "config", str(tmp_path / "prometheus.yml")],
        [tool("amtool", "prometheus-alertmanager"), "check-config", str(tmp_path / "alertmanager.yaml")],
    ):
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_everything_is_asked() -> None:
    """Each target of each panel, each variable, each recording rule and each selector of each alert is a question."""
    asked = list(questions.of_dashboards())
    assert len(asked) == sum(len(panel["targets"]) for board in dashboards().values() for panel in panels(board))
    assert not [each for each in asked if "$" in each.expression]
    for each in (*asked, *questions.of_annotations(), *questions.of_recordings(), *questions.of_alerts()):
        promql_parser.parse(each.expression)
    assert {each.expression for each in questions.of_recordings()} == recorded()
    assert {each.asker.removeprefix("alert ") for each in questions.of_alerts()} == set(alerts()) - {"Watchdog"}
    assert {label for _, _, label in questions.of_variables()} == {"job", "instance"}


def test_exceptions_name_what_is_there() -> None:
    """What may be empty in health is still on a dashboard, and what may stay 0 is still a metric."""
    assert set(questions.STILL) <= set(metrics.REGISTRY.families)
    assert set(questions.EMPTY_IN_HEALTH) <= {each.asker for each in questions.of_dashboards()}
