"""What a node does by the clock: canaries, its heartbeat, Redis's time and memory, durability, the downlink's upkeep.

`tick` runs ten times a second and never waits, so that failing closed does not depend on Redis answering. Once per
`canary_interval_s` it sends a canary to each partition and starts a beat, unless the last one still waits.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import hiredis

from shared import envelopes, metrics
from shared.bus import keys
from shared.bus.lane import LaneLost
from shared.bus.scripts import BEAT_NODE
from shared.bus.server import Unfit, parse_info, verify
from shared.envelopes import Canary, Kind, Uplink
from shared.logs import get_logger

if TYPE_CHECKING:
    from edge.node import Node

TICK_S: Final = 0.1
INFO: Final = ("INFO", "server", "memory", "replication")
MEMORY_HYSTERESIS: Final = 0.05
"""Appends begin again once memory is this share of maxmemory below the limit."""

_log = get_logger("edge.pulse")


class Pulse:
    """Keeps one node's promises to Redis, and its knowledge of Redis fresh."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._number = 0
        self._canary_due = 0.0
        self.task: asyncio.Task[None] | None = None
        self._beat_task: asyncio.Task[None] | None = None
        self._server = ("", "")
        """Run id and role of the Redis that was checked last."""
        self._redis_ms = 0
        self._redis_at = 0.0
        self.problems: list[str] = []
        """Why Redis is not to be trusted at the moment; empty when it is."""

    async def start(self) -> None:
        """Beat once, so that the node is known and Redis is checked, then go on by the clock.

        Raises LaneLost where Redis can't be reached. One that is not durable closes the gate (`problems` says why).
        """
        await self.beat()
        self.task = asyncio.create_task(self._run(), name="pulse")

    async def stop(self) -> None:
        """Stop; the node's last heartbeat stays, for the sweeper finds its stations by it."""
        for task in (self.task, self._beat_task):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    def redis_ms(self) -> int:
        """Estimate Redis's time; never behind it by more than the clocks drift apart in a second."""
        return self._redis_ms + int((self._node.clock.monotonic() - self._redis_at) * 1000)

    def tick(self) -> None:
        """Do what is due, without waiting for anything."""
        node = self._node
        now = node.clock.monotonic()
        if now >= self._canary_due:
            self._canary_due = now + node.settings.canary_interval_s
            self._send_canaries(now)
            if self._beat_task is None or self._beat_task.done():
                self._beat_task = asyncio.create_task(self._beat_safely(), name="beat")
        transition = node.gate.tick(now)
        if transition == "close":
            metrics.EDGE_FAIL_CLOSED.labels().inc()
            _log.error("failed closed: stations are sent away until it is answered again", reason=node.gate.reason)
            node.sink.fail_closed(node.gate.reason)
        elif transition == "open":
            _log.info("open again", after=node.gate.reason)
            node.sink.reopened()

    async def beat(self) -> None:
        """Say that the node lives; learn Redis's time and memory; look after the downlink.

        Raises `LaneLost`, and `hiredis.ReplyError` where Redis refuses the heartbeat.
        """
        node = self._node
        begun, position = node.clock.monotonic(), node.downlink.position
        commands = [BEAT_NODE.command([keys.NODES], [node.name]), INFO, *node.downlink.upkeep()]
        time, info, *upkeep = await node.lane.execute(commands)
        for reply in (time, info):
            if isinstance(reply, hiredis.ReplyError):
                raise reply
        self._redis_ms, self._redis_at = int(time), begun
        known = parse_info(info)
        self._watch_memory(known)
        await self._watch_server(known)
        await node.downlink.inspect(upkeep[-1], position)

    async def _run(self) -> None:
        while True:
            await self._node.clock.sleep(TICK_S)
            self.tick()

    async def _beat_safely(self) -> None:
        try:
            await self.beat()
        except (LaneLost, hiredis.ReplyError) as error:
            _log.warning("heartbeat failed", reason=str(error))

    def _send_canaries(self, now: float) -> None:
        node = self._node
        self._number += 1
        for partition in range(node.partitions):
            body = envelopes.encode(Canary(partition, self._number))
            entry = Uplink(envelopes.VERSION, Kind.CANARY, "", node.name, 0, 0, body)
            node.gate.canary_sent(partition, self._number, now)
            node.appender.append(keys.uplink(partition), envelopes.encode(entry), None)

    def _watch_memory(self, info: dict[str, str]) -> None:
        limit, used = int(info.get("maxmemory", "0")), int(info.get("used_memory", "0"))
        share = self._node.settings.memory_limit_percent / 100
        gate = self._node.gate
        if limit == 0 or used < limit * (share - MEMORY_HYSTERESIS):
            gate.memory_full = False
        elif used >= limit * share:
            gate.memory_full = True

    async def _watch_server(self, info: dict[str, str]) -> None:
        """Check Redis where another one answers than before, or the same one in another role."""
        node, now_is = self._node, (info.get("run_id", ""), info.get("role", ""))
        if now_is == self._server and not self.problems:
            return
        try:
            server = await verify(node.lane, node.settings)
        except Unfit as unfit:
            found = [str(problem) for problem in unfit.problems]
            if found != self.problems:
                _log.error("Redis could lose what is answered: not serving", problems=found)
            self.problems = found
        else:
            self.problems = []
            _log.info("Redis may be trusted", server=server.name, run_id=server.run_id, role=server.role)
        node.gate.not_durable = bool(self.problems)
        self._server = now_is
