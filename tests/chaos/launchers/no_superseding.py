"""Takes superseding out: an edge leaves a station's older socket open whatever it is told."""

from __future__ import annotations

from edge.stations.session import Session


def apply() -> None:
    """Ignore every close with this reason."""
    ordinary = Session.close

    def close(self: Session, code: int, reason: str, label: str) -> None:
        if reason != "superseded":
            ordinary(self, code, reason, label)

    Session.close = close  # type: ignore[method-assign]
