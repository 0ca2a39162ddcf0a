"""Turns due timers and passed presence deadlines into uplink entries.

The entry is appended first and the member removed after it, so that a crash between the two repeats the entry and never
loses it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, Literal

from shared import envelopes
from shared.bus import keys
from shared.bus.clock import ms_of
from shared.bus.lane import Lane
from shared.bus.scripts import REMOVE_DUE
from shared.envelopes import Expired, Kind, Uplink, Wakeup
from shared.logs import get_logger
from shared.presence import ttl_ms
from shared.records.packing import unpack
from shared.records.queries.reading import replies
from shared.settings import Settings
from workers.uplinks import append

log = get_logger(__name__)

AT_ONCE: Final = 500
HOLD_MS: Final = 3000
"""Another worker sweeps so long after the last round of one that died."""
PAUSE_MS: Final = 5000
"""A sweep that is later than this saw nothing meanwhile: stations touched since may not have been able to say so."""

Due = list[tuple[bytes, int]]
"""Members and their scores."""
Health = Literal["alive", "silent", "back", "dead"]


def health(now_ms: int, heard_ms: int, before_ms: int, since_ms: int, ttl_ms: float) -> Health:
    """Judge a node by its last heartbeat, the one that was seen a round earlier, and since when anybody looks.

    `silent`: it may live and be cut off from Redis, so that nothing is known of its stations. `back`: it was, and could
    not touch them. `dead`: it had its TTL to be heard, since Redis and a sweeper are there.
    """
    if now_ms - max(heard_ms, since_ms) > ttl_ms:
        return "dead"
    if now_ms - heard_ms > PAUSE_MS:
        return "silent"
    return "back" if heard_ms - before_ms > PAUSE_MS else "alive"


class Sweep:
    """One round at a time; Redis remembers when the last one was, whoever swept, so that a pause is noticed."""

    def __init__(self, lane: Lane, settings: Settings, partitions: int) -> None:
        self._lane = lane
        self._settings = settings
        self._partitions = partitions
        self._heard: dict[str, int] = {}
        """Node -> its last heartbeat as this sweep saw it (Redis ms)."""

    async def run(self, expired: Collection[str] = ()) -> int:
        """Sweep once and return how many entries were appended; raises `LaneLost` and ReplyError.

        `expired` are the stations whose presence keys are known to have expired.
        """
        time, (last, since) = await replies(self._lane, [("TIME",), ("HMGET", keys.SWEPT, "last", "since")])
        now_ms = ms_of(time)
        paused = now_ms - int(last or 0) > PAUSE_MS
        since_ms = now_ms if paused else int(since or 0)
        swept = 0
        for partition in range(self._partitions):
            swept += await self._timers(partition, now_ms)
        for node, state in await self._nodes(now_ms, since_ms):
            swept += await self._presence(node, now_ms, "back" if paused and state == "alive" else state, expired)
        await self._lane.one("HSET", keys.SWEPT, "last", now_ms, "since", since_ms)
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

    async def _nodes(self, now_ms: int, since_ms: int) -> list[tuple[str, Health]]:
        found = await self._lane.one("ZRANGE", keys.NODES, 0, -1, "WITHSCORES")
        beats = {name.decode(): int(float(score)) for name, score in zip(found[::2], found[1::2], strict=True)}
        ttl_ms = self._settings.node_ttl_s * 1000
        judged = [
            (node, health(now_ms, heard, self._heard.get(node, heard), since_ms, ttl_ms))
            for node, heard in beats.items()
        ]
        self._heard = beats
        return judged

    async def _presence(self, node: str, now_ms: int, state: Health, expired: Collection[str]) -> int:
        swept, key = 0, keys.deadlines(node)
        if state == "back":
            await self._hold(key, now_ms)
            return 0
        while state != "silent" and (found := await self._due(key, now_ms)):
            entries = [_expired(node, member, due, expired, dead=state == "dead") for member, due in found]
            await self._append_and_remove(key, entries, found)
            swept += len(found)
            if len(found) < AT_ONCE:
                break
        if state == "dead":
            await self._bury(node)
        return swept

    async def _hold(self, key: str, now_ms: int) -> None:
        """Give each station of a node one TTL more to be heard.

        Those too whose deadline is still to come: their touches were lost as well, and the next may come after it.
        """
        members: list[bytes] = await self._lane.one("ZRANGE", key, 0, -1)
        held = 0
        for begin in range(0, len(members), AT_ONCE):
            some = members[begin : begin + AT_ONCE]
            intervals = await self._lane.execute(
                [("HGET", keys.door(_owner(member)[0]), "interval") for member in some]
            )
            command: list[str | int | bytes] = ["ZADD", key, "XX", "GT", "CH"]
            for member, interval in zip(some, intervals, strict=True):
                command += (now_ms + ttl_ms(int(interval or 0), self._settings), member)
            held += int(await self._lane.one(*command))
        if held:
            log.warning("presence held for one TTL after a pause", stations=held)

    async def _bury(self, node: str) -> None:
        """Forget a dead node once none of its stations is waited for any more."""
        if await self._lane.one("ZCARD", keys.deadlines(node)):
            return
        await self._lane.execute([("DEL", keys.downlink(node)), ("ZREM", keys.NODES, node)])
        log.info("dead node forgotten", node=node)

    async def _due(self, key: str, now_ms: int) -> Due:
        found = await self._lane.one("ZRANGEBYSCORE", key, "-inf", now_ms, "WITHSCORES", "LIMIT", 0, AT_ONCE)
        return [(member, int(float(score))) for member, score in zip(found[::2], found[1::2], strict=True)]

    async def _append_and_remove(self, key: str, entries: Sequence[Uplink], found: Due) -> None:
        await replies(self._lane, [append(entry, self._partitions) for entry in entries])
        arguments = [part for member, score in found for part in (member, score)]
        await self._lane.one(*REMOVE_DUE.command([key], arguments))


def _owner(member: bytes) -> tuple[str, int]:
    station, _, epoch = member.decode().rpartition("/")
    return station, int(epoch)


def _expired(node: str, member: bytes, due_ms: int, expired: Collection[str], *, dead: bool) -> Uplink:
    station, epoch = _owner(member)
    cause = "node" if dead else "expiry" if station in expired else "sweep"
    return Uplink(envelopes.VERSION, Kind.EXPIRED, station, node, epoch, 0, envelopes.encode(Expired(cause, due_ms)))
