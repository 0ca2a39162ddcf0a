"""Metrics that are declared are fed."""

import re
from pathlib import Path

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
    constants = {
        constant: family.name.removeprefix("ampstream_")
        for constant, family in vars(metrics).items()
        if family in metrics.REGISTRY.families.values()
    }
    assert len(constants) == len(metrics.REGISTRY.families)
    unfed = [
        name
        for constant, name in constants.items()
        if not re.search(rf'\b{THROUGH.get(constant, constant)}\b|"{name}"', sources)
    ]
    assert not unfed
