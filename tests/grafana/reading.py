"""Reads rules and dashboards, and what PromQL expressions ask for."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import promql_parser
import yaml

from shared import metrics
from shared.series import AnyFamily, Family, Labels

ROOT: Final = Path(__file__).resolve().parents[2]
ALERTS: Final = ROOT / "grafana" / "alerts"
RUNBOOKS: Final = ROOT / "docs" / "runbooks"
PROMETHEUS: Final = ("up", "ALERTS")
"""What Prometheus itself makes."""
FOREIGN: Final = ("redis_", "process_", "python_gc_")
"""Metrics of redis_exporter and of prometheus_client's own collectors; `test_foreign` asks them."""


def rules() -> list[dict[str, Any]]:
    """Every rule, recording and alerting."""
    groups = yaml.safe_load((ALERTS / "rules.yaml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def alerts() -> dict[str, dict[str, Any]]:
    """Every alert by its name."""
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def recorded() -> set[str]:
    """The names that recording rules make."""
    return {rule["record"] for rule in rules() if "record" in rule}


def dashboards() -> dict[str, dict[str, Any]]:
    """Every committed dashboard by its file's name."""
    folder = ROOT / "grafana" / "dashboards"
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    """The panels of a dashboard, without headings."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def expressions(board: dict[str, Any]) -> list[str]:
    """Every expression of a dashboard, its variables replaced: those of panels, variables and annotations."""
    found = [target["expr"] for panel in panels(board) for target in panel["targets"]]
    found += [annotation["expr"] for annotation in board["annotations"]["list"]]
    queries = [each["query"]["query"] for each in board["templating"]["list"] if each["type"] == "query"]
    found += [re.sub(r"^label_values\((.+), \w+\)$", r"\1", query) for query in queries]
    return [each.replace("$__rate_interval", "1m").replace("$job", ".+").replace("$instance", ".+") for each in found]


def selectors(expression: str) -> Iterator[promql_parser.VectorSelector]:
    """Yield every selector of an expression; raises ValueError where it is no PromQL."""
    found: list[promql_parser.VectorSelector] = []

    def visit(node: promql_parser.Expr) -> bool:
        if isinstance(node, promql_parser.VectorSelector):
            found.append(node)
        elif isinstance(node, promql_parser.MatrixSelector):
            found.append(node.vector_selector)
        return True

    promql_parser.walk(promql_parser.parse(expression), visit)
    yield from found


def problems(expression: str) -> list[str]:
    """Say which metrics and labels of an expression nothing serves, and which values a closed label never has."""
    found = []
    for selector in selectors(expression):
        name = selector.name or ""
        if name in recorded() or name in PROMETHEUS or name.startswith(FOREIGN):
            continue
        base = next((name.removesuffix(end) for end in ("_bucket", "_count", "_sum") if name.endswith(end)), name)
        family = metrics.REGISTRY.families.get(name) or metrics.REGISTRY.families.get(base)
        if family is None:
            found.append(f"{name} is not in shared/metrics")
            continue
        if (family.kind == "histogram") == (name == family.name):
            found.append(f"{name} is a {family.kind}")
        for matcher in selector.matchers.matchers:
            found += _label_problems(name, family.label_sets, matcher)
            if matcher.name == "le" and matcher.value not in edges(family):
                found.append(f"{name} has no bucket {matcher.value}")
    return found


def edges(family: AnyFamily) -> set[str]:
    """Return the upper edges of a histogram's buckets, as they are exposed."""
    assert isinstance(family, Family)
    return {"+Inf", *(str(edge) for edge in family._make().edges)}


def _label_problems(name: str, labels: Labels, matcher: promql_parser.Matcher) -> list[str]:
    if matcher.name in ("job", "instance", "le"):
        return []
    if matcher.name not in labels:
        return [f"{name} has no label {matcher.name}"]
    values = labels[matcher.name]
    if isinstance(values, tuple) and matcher.op == promql_parser.MatchOp.Equal and matcher.value not in values:
        return [f"{name}: {matcher.name} is never {matcher.value}"]
    return []


def tool(name: str, package: str) -> str:
    """Return the path of a program; fails the test and names the package where it is missing."""
    path = shutil.which(name)
    assert path, f"{name} is missing; on Debian: apt-get install --no-install-recommends {package}"
    return path
