"""Configuration of Prometheus and Alertmanager for a world where their time runs faster.

Scrapes, evaluations, the windows of expressions, `for` and Alertmanager's waits are all divided by one factor, so that
they stay in proportion: a window of a minute holds four scrapes here as there. Numbers that alerts compare with are no
durations of Prometheus's and stay. `questions` and the judgement use the rules as they are, but for their windows.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

FACTOR: Final = 15
"""A scrape a second instead of every 15 s."""
_UNITS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_PART: Final = re.compile(r"(\d+)(ms|[smhd])")
_WINDOW: Final = re.compile(rf"(?<=\[)(?:{_PART.pattern})+(?=\])")
_WAITS: Final = ("group_wait", "group_interval", "repeat_interval")


def milliseconds(duration: str) -> int:
    """Read a duration as Prometheus writes it; ValueError for what is none."""
    parts = _PART.findall(duration)
    if not parts or "".join(number + unit for number, unit in parts) != duration:
        raise ValueError(f"{duration!r} is no duration")
    return sum(int(number) * _UNITS[unit] for number, unit in parts)


def shorter(duration: str, factor: int = FACTOR) -> str:
    """Return a duration divided by the factor, never below a millisecond unless it was 0."""
    length = milliseconds(duration)
    return f"{max(length // factor, 1) if length else 0}ms"


def expression(text: str, factor: int = FACTOR) -> str:
    """Return an expression with shorter windows; ValueError for what this cannot scale."""
    if ":]" in text or re.search(r"\boffset\b|\[[^\]]*:", text):
        raise ValueError(f"subqueries and offsets are not scaled: {text}")
    return _WINDOW.sub(lambda match: shorter(match[0], factor), text)


def rules(document: Mapping[str, Any], factor: int = FACTOR) -> dict[str, Any]:
    """Return rules.yaml with shorter intervals, windows and `for`."""
    made = copy.deepcopy(dict(document))
    for group in made["groups"]:
        if "interval" in group:
            group["interval"] = shorter(group["interval"], factor)
        for rule in group["rules"]:
            rule["expr"] = expression(rule["expr"], factor)
            if "for" in rule:
                rule["for"] = shorter(rule["for"], factor)
    return made


def prometheus(
    document: Mapping[str, Any], rules_file: Path, targets: Mapping[str, list[str]], alertmanager: str
) -> dict[str, Any]:
    """Return prometheus.yml with shorter intervals and these targets by job; KeyError for a job without targets."""
    made = copy.deepcopy(dict(document))
    every = shorter(made["global"]["scrape_interval"])
    # A scrape may take all of its interval: machines do not run faster.
    made["global"] |= {"scrape_interval": every, "scrape_timeout": every}
    made["global"]["evaluation_interval"] = shorter(document["global"]["evaluation_interval"])
    made["rule_files"] = [str(rules_file)]
    made["alerting"]["alertmanagers"] = [{"static_configs": [{"targets": [alertmanager]}]}]
    for job in made["scrape_configs"]:
        del job["file_sd_configs"]
        job["static_configs"] = [{"targets": targets[job["job_name"]]}]
    return made


def alertmanager(document: Mapping[str, Any], hook: str) -> dict[str, Any]:
    """Return alertmanager.yaml with shorter waits and receivers at `<hook>/<name>`; routes and inhibitions stay."""
    made = copy.deepcopy(dict(document))
    routes = [made["route"]]
    while routes:
        route = routes.pop()
        routes += route.get("routes", [])
        route |= {name: shorter(route[name]) for name in _WAITS if name in route}
    made["receivers"] = [
        {"name": each["name"], "webhook_configs": [{"url": f"{hook}/{each['name']}", "send_resolved": True}]}
        for each in made["receivers"]
    ]
    return made
