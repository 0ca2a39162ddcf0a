"""The gauges of the whole system: from indexes and streams, a handful of commands a round, never a key scan."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from shared import metrics
from shared.bus import keys
from shared.bus.clock import ms_of
from shared.bus.lane import Command, Lane
from shared.records.local_lists import STATES as LIST_STATES
from shared.records.queries.reading import replies
from shared.records.tuning import ALL, STATES, Applied, index_member
from shared.series import OTHER

DAY_MS: Final = 24 * 3600 * 1000


class Fleet:
    """Refreshes gauges; every worker does, and every worker shows the same figures."""

    def __init__(self, lane: Lane, partitions: int) -> None:
        self._lane = lane
        self._partitions = partitions
        self._protocols: set[str] = set()

    async def refresh(self) -> None:
        """Read and set; raises `LaneLost` and ReplyError."""
        found = await self._ask(
            ("ZCARD", keys.STATIONS),
            ("HVALS", keys.ONLINE),
            ("ZCARD", keys.TRANSACTIONS_OPEN),
            ("HVALS", keys.CONNECTORS),
            ("ZCARD", keys.QUARANTINE),
            ("SCARD", keys.NEVER_SEEN),
            ("SCARD", keys.COMMANDS_INFLIGHT),
            ("GET", keys.STUCK),
            ("ZCARD", keys.JOBS),
            ("HLEN", keys.DRIFTING),
            ("TIME",),
        )
        known, online, active, connectors, quarantined, never_seen, inflight, stuck, jobs, drifting, now = found
        self._stations(int(known), Counter(protocol.decode() for protocol in online), int(never_seen))
        metrics.TRANSACTIONS_ACTIVE.labels("ocpp1.6").set(active)
        metrics.TRANSACTIONS_STUCK.labels().set(int(stuck or 0))
        metrics.COMMANDS_INFLIGHT.labels().set(inflight)
        metrics.STATIONS_DRIFT.labels().set(drifting)
        metrics.WORKER_QUEUE_JOBS.labels(keys.JOBS).set(jobs)
        metrics.QUARANTINE_MESSAGES.labels().set(quarantined)
        statuses = Counter(status.decode() for status in connectors)
        for status in metrics.CONNECTORS.label_sets["status"] or ():
            metrics.CONNECTORS.labels(status).set(statuses.pop(status, 0))
        metrics.CONNECTORS.labels(OTHER).set(sum(statuses.values()))
        await self._jobs()
        await self._tuned()
        await self._listed()
        now_ms = ms_of(now)
        await self._certificates(now_ms)
        for partition in range(self._partitions):
            await self._stream(keys.uplink(partition), now_ms)

    async def _tuned(self) -> None:
        begins = [index_member(ALL, Applied(0, state, 0), "") for state in STATES]
        ends = [b"(" + begin.encode() + b"\xff" for begin in begins]
        asked = zip(begins, ends, strict=True)
        counts = await self._ask(*(("ZLEXCOUNT", keys.TUNING, f"[{begin}", end) for begin, end in asked))
        for state, count in zip(STATES, counts, strict=True):
            metrics.STATIONS_TUNED.labels(state).set(count)

    async def _listed(self) -> None:
        (names,) = await self._ask(("SMEMBERS", keys.LOCAL_LIST_NAMES))
        totals: Counter[str] = Counter()
        for name in names:
            begins = [name + b"/" + state.encode() + b"/" for state in LIST_STATES]
            counts = await self._ask(
                *(("ZLEXCOUNT", keys.LOCAL_LISTS, b"[" + one, b"(" + one + b"\xff") for one in begins)
            )
            totals.update(dict(zip(LIST_STATES, counts, strict=True)))
        for state in LIST_STATES:
            metrics.STATIONS_LISTED.labels(state).set(totals[state])

    async def _certificates(self, now_ms: int) -> None:
        ends = {"expired": 0, "7d": 7 * DAY_MS, "30d": 30 * DAY_MS}
        asked = (("ZCOUNT", keys.CERTIFICATES, now_ms if end else "-inf", now_ms + end) for end in ends.values())
        for window, count in zip(ends, await self._ask(*asked), strict=True):
            metrics.CERTIFICATES_EXPIRING.labels(window).set(count)

    def _stations(self, known: int, online: Counter[str], never_seen: int) -> None:
        for protocol in self._protocols - set(online):
            metrics.STATIONS.labels("online", protocol).set(0)
        for protocol, count in online.items():
            metrics.STATIONS.labels("online", protocol).set(count)
        self._protocols |= set(online)
        # Of those offline no index keeps the protocol.
        metrics.STATIONS.labels("offline", "none").set(max(known - online.total() - never_seen, 0))
        metrics.STATIONS.labels("never_seen", "none").set(never_seen)

    async def _jobs(self) -> None:
        (found,) = await self._ask(("HVALS", keys.BULK_JOBS_ACTIVE))
        states = Counter(state.decode() for state in found)
        for state in metrics.BULK_JOBS.label_sets["state"] or ():
            metrics.BULK_JOBS.labels(state).set(states[state])

    async def _stream(self, stream: str, now_ms: int) -> None:
        length, pending, groups = await self._ask(
            ("XLEN", stream), ("XPENDING", stream, keys.GROUP), ("XINFO", "GROUPS", stream)
        )
        last = _field(groups[0], b"last-delivered-id")
        unread = await self._lane.one("XRANGE", stream, b"(" + last, "+", "COUNT", 1)
        count, oldest = int(pending[0]), pending[1]
        labels = (stream, keys.GROUP)
        metrics.STREAM_LENGTH.labels(stream).set(length)
        # Settled entries are deleted: what is in the stream is pending or unread. (XINFO's own lag is null after XDEL.)
        metrics.STREAM_LAG.labels(*labels).set(max(int(length) - count, 0))
        metrics.STREAM_LAG_SECONDS.labels(*labels).set(_age_s(unread[0][0], now_ms) if unread else 0)
        metrics.STREAM_PENDING.labels(*labels).set(count)
        metrics.STREAM_PENDING_SECONDS.labels(*labels).set(_age_s(oldest, now_ms) if oldest else 0)

    async def _ask(self, *commands: Command) -> list[Any]:
        return await replies(self._lane, commands)


def _field(pairs: list[Any], name: bytes) -> bytes:
    value: bytes = pairs[pairs.index(name) + 1]
    return value


def _age_s(entry_id: bytes, now_ms: int) -> float:
    return max(now_ms - int(entry_id.partition(b"-")[0]), 0) / 1000
