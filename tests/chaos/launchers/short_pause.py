"""Scales what no setting scales: how late a sweep must be to know that nobody could tell it anything meanwhile."""

from __future__ import annotations

from workers.sweeps import due

PAUSE_MS = 1500


def apply() -> None:
    """Take a third of the time."""
    assert due.PAUSE_MS > PAUSE_MS
    due.PAUSE_MS = PAUSE_MS  # type: ignore[misc]
