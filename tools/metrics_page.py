"""`docs/metrics.md`: the catalogue of `shared.metrics` as a table."""

from collections.abc import Collection

from shared import metrics
from shared.series import AnyFamily


def markdown() -> str:
    """Return the page."""
    lines = [
        "# Metrics",
        "",
        "Generated from `shared/metrics.py`. Every process serves its own at `/metrics`; beside them come the",
        "process's own (`process_*`, `python_gc_*`). No label ever holds a station, an id tag or an address.",
        "",
        "| metric | type | labels | what it tells |",
        "|---|---|---|---|",
    ]
    return "\n".join([*lines, *(_row(family) for family in metrics.REGISTRY.families.values())]) + "\n"


def _row(family: AnyFamily) -> str:
    labels = "; ".join(_label(label, values) for label, values in family.label_sets.items())
    return f"| `{family.name}` | {family.kind} | {labels} | {family.text} |"


def _label(label: str, values: Collection[str] | None) -> str:
    return f"`{label}`: {', '.join(values)}" if isinstance(values, tuple) else f"`{label}`"
