"""`docs/metrics.md`: the catalogue of `shared.metrics` as a table per area."""

from collections.abc import Collection, Iterator
from importlib import import_module

from shared import metrics
from shared.series import AnyFamily

AREAS = (
    "edge",
    "streams",
    "workers",
    "presence",
    "commands",
    "authorization",
    "configuration",
    "charging",
    "smartcharging",
    "demand",
    "operators",
    "files",
    "platform",
)
"""The files of `shared.metrics` that declare families, in the order of the page."""


def markdown() -> str:
    """Return the page; raises `ValueError` when a family is declared in a file that is no area."""
    lines = [
        "# Metrics",
        "",
        "Generated from `shared/metrics`. Every process serves its own at `/metrics`; beside them come the",
        "process's own (`process_*`, `python_gc_*`). No label ever holds a station, an id tag or an address.",
    ]
    found: set[str] = set()
    for area in AREAS:
        module = import_module(f"shared.metrics.{area}")
        families = [each for each in vars(module).values() if each in metrics.REGISTRY.families.values()]
        found.update(family.name for family in families)
        lines += ["", f"## {area.capitalize()}", "", module.__doc__ or "", "", *_table(families)]
    if missing := set(metrics.REGISTRY.families) - found:
        raise ValueError(f"{sorted(missing)} stand in no area of the page; add the file to AREAS")
    return "\n".join(lines) + "\n"


def _table(families: list[AnyFamily]) -> Iterator[str]:
    yield "| metric | type | labels | what it tells, and what a rise means |"
    yield "|---|---|---|---|"
    for family in families:
        labels = "; ".join(_label(label, values) for label, values in family.label_sets.items())
        yield f"| `{family.name}` | {family.kind} | {labels} | {family.text} |"


def _label(label: str, values: Collection[str] | None) -> str:
    return f"`{label}`: {', '.join(values)}" if isinstance(values, tuple) else f"`{label}`"
