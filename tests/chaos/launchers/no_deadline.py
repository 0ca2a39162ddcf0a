"""Takes the deadline of commands out: an edge writes whatever it is handed, however late."""

from __future__ import annotations

from edge.stations.hub import Hub


def apply() -> None:
    """Let no command be late."""
    assert callable(Hub.is_late)
    Hub.is_late = lambda self, item: False  # type: ignore[method-assign]
