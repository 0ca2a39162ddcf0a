"""Dashboards: built from their source, asking only for what exists, readable, and linked to what to do."""

from typing import Any

import pytest
import yaml

from grafana.__main__ import main
from grafana.builder.queries import fleet, mean, rate, select
from shared import metrics

from .reading import ROOT, RUNBOOKS, alerts, dashboards, expressions, panels, problems

BOARDS = dashboards()
EACH = [(name, panel) for name, board in BOARDS.items() for panel in panels(board)]
each_board = pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
each_panel = pytest.mark.parametrize("panel", [panel for _, panel in EACH], ids=[f"{n}-{p['title']}" for n, p in EACH])


def test_dashboards_are_fresh(capsys: pytest.CaptureFixture[str]) -> None:
    """The committed JSON is what the builder makes of its source."""
    assert main(["--check"]) == 0, capsys.readouterr().out


def test_the_five_are_there() -> None:
    """There is a dashboard for the fleet, the pipeline, the edges, charging and Redis."""
    assert set(BOARDS) == {f"ampstream-{name}" for name in ("fleet", "pipeline", "edge", "charging", "redis")}


@each_board
def test_dashboards_are_whole(board: dict[str, Any]) -> None:
    """A dashboard has a schema that Grafana 10 to 12 read, no edits, variables, the others' links, and deploys."""
    assert 39 <= board["schemaVersion"] <= 42
    assert board["editable"] is False
    assert board["title"]
    assert board["description"]
    variables = {each["name"]: each for each in board["templating"]["list"]}
    assert list(variables) == ["datasource", "job", "instance", "runbooks"]
    assert all(variables[name]["allValue"] == ".+" for name in ("job", "instance"))
    assert {link["type"] for link in board["links"]} == {"dashboards", "link"}
    assert [each["name"] for each in board["annotations"]["list"]] == ["Deploys"]


@each_board
def test_panels_do_not_overlap(board: dict[str, Any]) -> None:
    """No two panels share an id or a place, none leaves the grid, and none is named like another."""
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not taken & cells, panel["title"]
        assert all(0 <= x < 24 for x, _ in cells), panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    assert len({panel["title"] for panel in board["panels"]}) == len(board["panels"])


@each_panel
def test_panels_can_be_read(panel: dict[str, Any]) -> None:
    """A panel has a title, a sentence, a unit, the chosen data source, and thresholds where it is coloured by them."""
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["datasource"]["uid"] == "${datasource}"
    defaults = panel["fieldConfig"]["defaults"]
    assert defaults["unit"]
    if panel["type"] in ("stat", "gauge"):
        assert len(defaults["thresholds"]["steps"]) > 1
    values = [step["value"] for step in defaults["thresholds"]["steps"]]
    assert values[0] is None
    assert values[1:] == sorted(values[1:])


@each_panel
def test_queries_follow_the_screen(panel: dict[str, Any]) -> None:
    """Rates take Grafana's interval, queries the chosen job and instance, and several series have a legend."""
    for target in panel["targets"]:
        expression = target["expr"]
        assert ("rate(" in expression or "increase(" in expression) == ("$__rate_interval" in expression)
        recorded = "ampstream:" in expression or "ALERTS" in expression
        assert recorded or 'job=~"$job",instance=~"$instance"' in expression
        assert target["legendFormat"] or panel["type"] in ("stat", "gauge")
        assert target["datasource"]["uid"] == "${datasource}"


@each_board
def test_dashboards_ask_for_what_exists(board: dict[str, Any]) -> None:
    """Every expression is PromQL, of declared metrics, labels and values only."""
    assert [problem for expression in expressions(board) for problem in problems(expression)] == []


def test_alerts_and_panels_lead_to_each_other() -> None:
    """Each alert is linked from a panel, each link leads to a runbook, and the runbook names the panels."""
    linked: dict[str, set[str]] = {}
    for name, panel in EACH:
        for link in panel["links"]:
            path = link["url"].removeprefix("${runbooks}/")
            assert (RUNBOOKS / path).is_file()
            shown = f"{BOARDS[name]['title'].removeprefix('Ampstream: ')}: {panel['title']}"
            linked.setdefault(path.removesuffix(".md"), set()).add(shown)
    assert set(linked) == set(alerts())
    for name, titles in linked.items():
        text = (RUNBOOKS / f"{name}.md").read_text(encoding="utf-8")
        listed = text.partition("\nPanels:\n\n")[2].partition("\n\n")[0]
        assert {line.removeprefix("- ") for line in listed.splitlines()} == titles, name


def test_wrong_queries_do_not_build() -> None:
    """An unknown label, an impossible value and the wrong part of a metric are errors where the query is written."""
    with pytest.raises(ValueError, match="has no label station"):
        rate(metrics.EDGE_CONNECTS, "station")
    with pytest.raises(ValueError, match="result is never fine"):
        rate(metrics.EDGE_CONNECTS, result="fine")
    with pytest.raises(ValueError, match="has no label x"):
        select(metrics.EDGE_CONNECTS, x="y")
    with pytest.raises(ValueError, match="is a gauge"):
        mean(metrics.STATIONS)


def test_fleet_figures_are_not_added_up() -> None:
    """What every worker shows alike is the largest of them, then summed."""
    shown = fleet(metrics.STATIONS, "state")
    assert shown.startswith("sum by (state) (max by (state, protocol) (")


def test_grafana_is_provisioned() -> None:
    """The data source and the folder of dashboards are provisioned, and nothing is edited in the browser."""
    folder = ROOT / "grafana" / "provisioning"
    source = yaml.safe_load((folder / "datasources" / "prometheus.yaml").read_text())
    provider = yaml.safe_load((folder / "dashboards" / "ampstream.yaml").read_text())["providers"][0]
    assert [(each["type"], each["editable"]) for each in source["datasources"]] == [("prometheus", False)]
    assert (provider["type"], provider["allowUiUpdates"], provider["folder"]) == ("file", False, "Ampstream")
