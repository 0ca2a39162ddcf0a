"""Tells Redis which stations of this node gave a sign of life.

A touch refreshes the presence key (its expiry wakes the sweeper) and the deadline in this node's set (the sweep is the
guarantee). Touches of one tick go in one pipeline.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import hiredis

from shared.bus import keys
from shared.bus.lane import LaneLost
from shared.bus.scripts import CLOSE_SESSION, SET_DEADLINES, TOUCH_PRESENCE
from shared.logs import get_logger

if TYPE_CHECKING:
    from edge.node import Node

MAX_TOUCHES: Final = 500
"""Touches in one pipeline."""

_log = get_logger("edge.presence")


class Presence:
    """Tells Redis which stations of this node gave a sign of life; `stale` is called for those that moved on."""

    def __init__(self, node: Node, stale: Callable[[str, int], None]) -> None:
        self._node = node
        self._stale = stale
        self._deadlines = keys.deadlines(node.name)
        self._touches: list[tuple[str, int, int]] = []
        self._task: asyncio.Task[None] | None = None

    def touch(self, station_id: str, epoch: int, ttl_ms: int) -> None:
        """Note a sign of life; `flush` sends it."""
        self._touches.append((station_id, epoch, ttl_ms))

    def flush(self) -> None:
        """Send the noted touches, unless the last ones are still under way."""
        if self._touches and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._send(), name="touches")

    def let_go(self, station_id: str, epoch: int, *, gone: bool) -> None:
        """Let go of a station: `gone` at once where it left by itself, else it is expected back until its TTL ends.

        Where this is lost, its CLOSED is on the uplink already, and what stays behind runs out by itself.
        """
        send = self._node.appender.send
        send(CLOSE_SESSION.command([keys.session(station_id), keys.presence(station_id)], [epoch, int(gone)]))
        if gone:
            send(("ZREM", self._deadlines, f"{station_id}/{epoch}"))

    async def _send(self) -> None:
        while self._touches:
            batch, self._touches = self._touches[:MAX_TOUCHES], self._touches[MAX_TOUCHES:]
            name = self._node.name
            commands = [
                TOUCH_PRESENCE.command([keys.session(station), keys.presence(station)], [name, epoch, ttl_ms])
                for station, epoch, ttl_ms in batch
            ]
            pairs = [part for station, epoch, ttl_ms in batch for part in (f"{station}/{epoch}", ttl_ms)]
            commands.append(SET_DEADLINES.command([self._deadlines], pairs))
            try:
                replies = await self._node.lane.execute(commands)
            except LaneLost as error:
                # The next sign of life touches again: a third of the TTL is gone at most.
                _log.warning("touches lost", stations=len(batch), reason=str(error))
                return
            for (station, epoch, _), reply in zip(batch, replies, strict=False):
                if reply == 0:
                    self._stale(station, epoch)
                elif isinstance(reply, hiredis.ReplyError):
                    _log.warning("touch refused", station=station, reason=str(reply))
