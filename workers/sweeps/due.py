"""Turns due timers and passed presence deadlines into uplink entries.

The entry is appended first and the member removed after it, so that a crash between the two repeats the entry and never
loses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import hiredis
import structlog

from shared import envelopes
from shared.bus import keys
from shared.bus.lane import Command, Lane
from shared.bus.scripts import REMOVE_DUE
from shared.envelopes import Kind, Uplink, Wakeup
from shared.presence import ttl_ms
from shared.records.packing import unpack
from shared.settings import Settings

log = structlog.get_logger(__name__)

AT_ONCE: Final = 500
PAUSE_MS: Final = 5000
"""A sweep that is later than this saw nothing meanwhile: stations touched since may not have been able to say so."""

Due = list[tuple[bytes, int]]
"""Members and their scores."""


class Sweep:
    """One round at a time; remembers when the last one was, to notice its own pauses and those of nodes."""

    def __init__(self, lane: Lane, settings: Settings, partitions: int) -> None:
        self._lane = lane
        self._settings = settings
        self._partitions = partitions
        self._last_ms = 0
        self._heard: dict[str, int] = {}
        """Node -> its last heartbeat as this sweep saw it (Redis ms)."""

    async def run(self) -> int:
        """Sweep once and return how many entries were appended; raises `LaneLost` and ReplyError."""
        seconds, micros = await self._lane.one("TIME")
        now_ms = int(seconds) * 1000 + int(micros) // 1000
        paused = now_ms - self._last_ms > PAUSE_MS
        swept = 0
        for partition in range(self._partitions):
            swept += await self._timers(partition, now_ms)
        swept += await self._deadlines(now_ms, paused)
        self._last_ms = now_ms
        return swept

    async def _timers(self, partition: int, now_ms: int) -> int:
        swept = 0
        while found := await self._due(keys.wakeups(partition), now_ms):
            entries = []
            for member, score in found:
                station, name, subject = unpack(member, tuple[str, str, str])
                body = envelopes.encode(Wakeup(name, subject, score))
                entries.append(Uplink(envelopes.VERSION, Kind.WAKEUP, station, "", 0, 0, body))
            await self._append_and_remove(keys.wakeups(partition), entries, found)
            swept += len(found)
            if len(found) < AT_ONCE:
                break
        return swept

    async def _deadlines(self, now_ms: int, paused: bool) -> int:
        swept = 0
        nodes = await self._lane.one("ZRANGE", keys.NODES, 0, -1, "WITHSCORES")
        for name, heartbeat in zip(nodes[::2], nodes[1::2], strict=True):
            node, heard = name.decode(), int(float(heartbeat))
            before = self._heard.get(node, heard)
            self._heard[node] = heard
            # A node that was silent and is back could not touch its stations meanwhile; a dead one can't come back.
            held = paused or heard - before > PAUSE_MS
            swept += await self._node(node, now_ms, held)
            if now_ms - heard > self._settings.node_ttl_s * 1000:
                await self._bury(node)
        return swept

    async def _node(self, node: str, now_ms: int, held: bool) -> int:
        swept, key = 0, keys.deadlines(node)
        while found := await self._due(key, now_ms):
            if held:
                await self._hold(key, found, now_ms)
            else:
                await self._append_and_remove(key, [_expired(node, member) for member, _ in found], found)
                swept += len(found)
            if len(found) < AT_ONCE:
                break
        return swept

    async def _hold(self, key: str, found: Due, now_ms: int) -> None:
        """Give each station one TTL more to be heard."""
        stations = [_owner(member)[0] for member, _ in found]
        intervals = await self._lane.execute([("HGET", keys.door(station), "interval") for station in stations])
        command: list[str | int | bytes] = ["ZADD", key, "XX"]
        for (member, _), interval in zip(found, intervals, strict=True):
            command += (now_ms + ttl_ms(int(interval or 0), self._settings), member)
        await self._lane.one(*command)
        log.warning("presence held for one TTL after a pause", stations=len(found))

    async def _bury(self, node: str) -> None:
        """Forget a dead node once none of its stations is waited for any more."""
        if await self._lane.one("ZCARD", keys.deadlines(node)):
            return
        await self._lane.execute([("DEL", keys.downlink(node)), ("ZREM", keys.NODES, node)])
        self._heard.pop(node, None)
        log.info("dead node forgotten", node=node)

    async def _due(self, key: str, now_ms: int) -> Due:
        found = await self._lane.one("ZRANGEBYSCORE", key, "-inf", now_ms, "WITHSCORES", "LIMIT", 0, AT_ONCE)
        return [(member, int(float(score))) for member, score in zip(found[::2], found[1::2], strict=True)]

    async def _append_and_remove(self, key: str, entries: Sequence[Uplink], found: Due) -> None:
        commands: list[Command] = []
        for entry in entries:
            stream = keys.uplink(keys.partition_of(entry.station, self._partitions))
            commands.append(("XADD", stream, "*", envelopes.FIELD, envelopes.encode(entry)))
        for reply in await self._lane.execute(commands):
            if isinstance(reply, hiredis.ReplyError):
                raise reply
        arguments = [part for member, score in found for part in (member, score)]
        await self._lane.one(*REMOVE_DUE.command([key], arguments))


def _owner(member: bytes) -> tuple[str, int]:
    station, _, epoch = member.decode().rpartition("/")
    return station, int(epoch)


def _expired(node: str, member: bytes) -> Uplink:
    station, epoch = _owner(member)
    return Uplink(envelopes.VERSION, Kind.EXPIRED, station, node, epoch, 0, b"")
