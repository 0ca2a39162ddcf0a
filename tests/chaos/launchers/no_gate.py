"""Takes failing closed out: an edge keeps its sockets, and lets stations in, whoever answers or does not."""

from __future__ import annotations

from edge.stations.failclosed import FailClosed


def apply() -> None:
    """Let no silence and no failed append close the gate."""
    assert callable(FailClosed.tick)
    FailClosed.tick = lambda self, now: None  # type: ignore[method-assign]
    FailClosed.overloaded = lambda self, partition, now: False  # type: ignore[method-assign]
