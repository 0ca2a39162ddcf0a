"""Takes out that an edge calls a close its own: the station counts as gone, and nobody expects it back."""

from __future__ import annotations

from edge.stations import session


def apply() -> None:
    """Let no close code be one of ours."""
    assert session.OURS
    session.OURS = frozenset()  # type: ignore[misc]
