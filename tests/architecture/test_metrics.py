"""Metrics that are declared are fed."""

import re
from pathlib import Path
from typing import Literal

import pytest

from shared import metrics

ROOT = Path(__file__).resolve().parents[2]
THROUGH = {"BUILD_INFO": "set_build_info"}
"""Families that a function of `shared.metrics` feeds: the function."""


def test_every_metric_is_fed() -> None:
    """Each declared family is named outside its declaration, by its constant or, where a decision counts, its name."""
    sources = "\n".join(
        path.read_text(encoding="utf-8")
        for package in ("ampstream", "edge", "shared", "workers")
        for path in (ROOT / package).rglob("*.py")
        if ROOT / "shared" / "metrics" not in path.parents
    )
    constants = _constants()
    assert len(constants) == len(metrics.REGISTRY.families)
    words, quoted = set(re.findall(r"\w+", sources)), set(re.findall(r'"(\w+)"', sources))
    unfed = [
        name
        for constant, name in constants.items()
        if THROUGH.get(constant, constant) not in words and name not in quoted
    ]
    assert not unfed


@pytest.mark.parametrize(("package", "role"), [("edge", "edge"), ("workers", "worker")])
def test_who_counts_shows(package: str, role: Literal["edge", "worker"], request: pytest.FixtureRequest) -> None:
    """What a process counts it shows: else it would be counted for nobody."""
    request.addfinalizer(lambda: metrics.show_as(""))
    metrics.show_as(role)
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / package).rglob("*.py"))
    touched = set(re.findall(r'\bmetrics\.(\w+)|\bcount\(\s*"(\w+)"', sources))
    named = {one for pair in touched for one in pair}
    counted = [name for constant, name in _constants().items() if constant in named or name in named]
    assert len(counted) > 10
    assert not [name for name in counted if not metrics.shows(name)]


def _constants() -> dict[str, str]:
    """Return the families' names, without the prefix, by their constants."""
    return {
        constant: family.name.removeprefix("ampstream_")
        for constant, family in vars(metrics).items()
        if family in metrics.REGISTRY.families.values()
    }
