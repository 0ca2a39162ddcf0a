"""Takes the limit of what the kernel takes out: it swallows megabytes for a station that reads nothing of them."""

from __future__ import annotations

from edge.stations import listener


def apply() -> None:
    """Let the kernel take what it likes."""
    assert isinstance(listener._UNSENT, int)
    listener._UNSENT = 1 << 30  # type: ignore[misc]
