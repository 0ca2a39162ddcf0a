"""Which worker sweeps: a lock that its holder renews well before it expires."""

from __future__ import annotations

from typing import Final

import hiredis

from shared.bus import keys
from shared.bus.lane import Lane

HOLD_MS: Final = 3000


class Leadership:
    """Asked at each round; a holder that stops asking loses the lock within `HOLD_MS`."""

    def __init__(self, lane: Lane, name: str) -> None:
        self._lane = lane
        self._name = name
        self.held = False

    async def mine(self) -> bool:
        """Tell whether this worker sweeps in this round; raises `LaneLost`."""
        taken, holder = await self._lane.execute(
            [("SET", keys.SWEEPER, self._name, "NX", "PX", HOLD_MS), ("GET", keys.SWEEPER)]
        )
        if isinstance(taken, hiredis.ReplyError):
            raise taken
        self.held = holder == self._name.encode()
        if self.held and taken is None:
            await self._lane.one("PEXPIRE", keys.SWEEPER, HOLD_MS)
        return self.held

    async def resign(self) -> None:
        """Let another worker sweep at once; raises `LaneLost`."""
        if self.held and await self._lane.one("GET", keys.SWEEPER) == self._name.encode():
            await self._lane.one("DEL", keys.SWEEPER)
        self.held = False
