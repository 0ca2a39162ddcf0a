"""What a node does by the clock: canaries, its heartbeat, Redis's time and memory, durability, the downlink's upkeep.

`tick` runs ten times a second and never waits, so that failing closed does not depend on Redis answering. Once per
`canary_interval_s` it sends a canary to each partition and starts a beat, unless the last one still waits.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import hiredis

from shared import durability, envelopes, metrics
from shared.bus import keys
from shared.bus.lane import LaneLost
from shared.bus.scripts import BEAT_NODE
from shared.envelopes import Canary, Kind, Uplink
from shared.logs import get_logger

if TYPE_CHECKING:
    from edge.node import Node

TICK_S: Final = 0.1
INFO: Final = ("INFO", "server", "memory", "replication")
MEMORY_HYSTERESIS: Final = 0.05
"""Appends begin again once memory is this share of maxmemory below the limit."""

_log = get_logger("edge.pulse")


class NotDurable(Exception):
    """Redis is not what Ampstream needs; the message has a line for each problem."""


class Pulse:
    """Keeps one node's promises to Redis, and its knowledge of Redis fresh."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._number = 0
        self._canary_due = 0.0
        self._task: asyncio.Task[None] | None = None
        self._beat_task: asyncio.Task[None] | None = None
        self._run_id = ""
        self._role = ""
        self._redis_ms = 0
        self._redis_at = 0.0
        self.problems: list[str] = []
        """Why Redis is not to be trusted at the moment; empty when it is."""

    async def start(self) -> None:
        """Beat once, so that the node is known and Redis is checked, then go on by the clock.

        Raises `NotDurable` where Redis could lose what was answered, LaneLost where it can't be reached.
        """
        await self.beat()
        if self.problems:
            raise NotDurable("; ".join(self.problems))
        self._task = asyncio.create_task(self._run(), name="pulse")

    async def stop(self) -> None:
        """Stop; the node's last heartbeat stays, for the sweeper finds its stations by it."""
        for task in (self._task, self._beat_task):
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
        known = _read_info(info)
        self._watch_memory(known)
        await self._watch_durability(known)
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

    async def _watch_durability(self, info: dict[str, str]) -> None:
        """Check Redis's settings where another server answers than before, or the same one in another role."""
        node, run_id, role = self._node, info.get("run_id", ""), info.get("role", "")
        if (run_id, role) == (self._run_id, self._role) and not self.problems:
            return
        config = await node.lane.execute([("CONFIG", "GET", key) for key in durability.CONFIG_KEYS])
        found = {reply[0]: reply[1] for reply in config if isinstance(reply, list) and len(reply) == 2}
        checked = durability.check(info, found)
        blocking = durability.blocking(checked, require_durable=node.settings.require_durable)
        self.problems = [str(problem) for problem in blocking]
        node.gate.not_durable = bool(blocking)
        self._run_id, self._role = run_id, role
        for problem in checked:
            _log.warning("Redis is not as it should be", problem=str(problem), serves=problem not in blocking)
        _log.info("Redis", server=durability.server_name(info), run_id=run_id, role=role, durable=not blocking)


def _read_info(reply: Any) -> dict[str, str]:
    """Read INFO's text into its fields."""
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else str(reply)
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line and not line.startswith("#"))
