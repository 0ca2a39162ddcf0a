"""Who does something that one process at a time does: a key that its holder renews well before it expires."""

from __future__ import annotations

from .lane import Command, Lane
from .scripts import HOLD_LEASE, LEAVE_LEASE


class Lease:
    """One holder's claim to a key; a holder that stops asking loses it within `hold_ms`.

    `holder` is a name that no other process has, at no time.
    """

    def __init__(self, lane: Lane, key: str, holder: str, hold_ms: int) -> None:
        self._lane = lane
        self._leaving: Command = LEAVE_LEASE.command([key], [holder])
        self.taking: Command = HOLD_LEASE.command([key], [holder, hold_ms])
        """What `mine` asks, for who asks about many leases in one round trip; the reply is 1 or 0."""
        self.held = False
        """What Redis said last; False once a call failed: nobody knows then."""

    async def mine(self) -> bool:
        """Take the lease or renew it, and tell whether it is held; raises `LaneLost` and ReplyError."""
        self.held = await self._ask(self.taking)
        return self.held

    async def resign(self) -> None:
        """Let another have it at once, where it is still ours; raises `LaneLost` and ReplyError."""
        await self._ask(self._leaving)

    async def _ask(self, command: Command) -> bool:
        self.held = False
        return bool(await self._lane.one(*command))
