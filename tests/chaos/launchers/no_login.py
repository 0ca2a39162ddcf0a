"""Takes the check of keys out of the door: whatever a station shows, it is let in."""

from __future__ import annotations

from typing import Any

from edge.stations.door import Doorkeeper


def apply() -> None:
    """Find every login proved."""

    async def prove(self: Doorkeeper, *_args: Any, **_more: Any) -> str:
        return "proved"

    Doorkeeper._prove = prove  # type: ignore[method-assign]
