"""Takes the sweeper's patience out: after a time without Redis it believes every deadline that passed meanwhile."""

from __future__ import annotations

from collections.abc import Collection

from workers.sweeps.due import Health, Sweep


def apply() -> None:
    """Let every node that is not dead count as one that was heard all the time."""
    ordinary = Sweep._presence

    async def presence(self: Sweep, node: str, now_ms: int, state: Health, expired: Collection[str]) -> int:
        return await ordinary(self, node, now_ms, "dead" if state == "dead" else "alive", expired)

    Sweep._presence = presence  # type: ignore[method-assign]
