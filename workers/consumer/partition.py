"""One partition's consumer: reads, hands to the batch, settles; survives a lost Redis.

It reads three kinds of entries, in this order: what this incarnation was given and never settled (after a lost
connection), what dead or hung consumers hold (each alone: one of them may have killed its worker), and what is new.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Final

import hiredis
import msgspec

from shared import metrics
from shared.bus import keys, streams
from shared.bus.barrier import Barrier
from shared.bus.lane import Lane, LaneLost
from shared.bus.scripts import REMOVE_CONSUMER
from shared.bus.streams import DELETED
from shared.logs import get_logger
from shared.policy import Policy
from shared.settings import Settings
from shared.tracing import Tracer
from workers.dispatch import Entry

from .batch import Batch, Done, rounds
from .counting import count
from .emission import Settled, emit_and_settle
from .following import Following
from .poison import SPOILT_KEPT, Lone, bury
from .waiting import Asks, Waiting

log = get_logger("worker.consumer")

BLOCK_MS: Final = 500
CLAIM_COUNT: Final = 64
CLAIM_EVERY_S: Final = 1.0
RETRY_S: Final = (0.05, 0.1, 0.2, 0.5, 1.0)


class PartitionConsumer:
    """Serves one partition with two lanes: one that may block on reading, one shared by all partitions for the rest."""

    def __init__(
        self,
        settings: Settings,
        policy: Policy,
        partition: int,
        consumer: str,
        lane: Lane,
        tracer: Tracer | None = None,
        authorizer: Asks | None = None,
        *,
        partitions: int = 1,
    ) -> None:
        self.partition = partition
        self.consumer = consumer
        self.stream = keys.uplink(partition)
        self._settings = settings
        self._lane = lane
        self._reader = Lane(settings.redis_url, name=f"reader-{partition}", timeout_s=settings.redis_timeout_s)
        barrier = Barrier(settings.replica_barrier, round(settings.replica_barrier_timeout_s * 1000))
        self._following = Following(tracer, verbose=settings.log_level == "debug")
        observe = self._following.observe
        self._waiting = Waiting(authorizer, self._resume) if authorizer is not None else None
        self._waited = Batch(lane, policy, lambda _phase, _seconds: None, barrier=barrier)
        park = self._waiting.park if self._waiting is not None else None
        kept = settings.kept_stations // partitions
        self._batch = Batch(lane, policy, observe, barrier=barrier, kept=kept, park=park)
        burial = Batch(lane, policy, observe, bury, barrier)
        self._lone = Lone(lane, partition, self._batch, burial, settings.lone_attempts)
        self._stopping = False
        self._next_claim = 0.0
        self.reading = False
        """True while Redis answers this consumer."""

    async def run(self) -> None:
        """Serve until `stop`; a lost or refusing Redis is waited for."""
        failures = 0
        while not self._stopping:
            try:
                await streams.create_group(self._lane, self.stream)
                await self._history()
                self.reading, failures = True, 0
                while not self._stopping:
                    await self._turn()
            except (LaneLost, hiredis.ReplyError) as error:
                self.reading = False
                metrics.REDIS_ERRORS.labels(_kind(error)).inc()
                log.warning("partition waits for Redis", partition=self.partition, error=str(error))
                await asyncio.sleep(RETRY_S[min(failures, len(RETRY_S) - 1)])
                failures += 1
        if self._waiting is not None:
            await self._waiting.settled()

    def stop(self) -> None:
        """Let `run` end after the batch at hand."""
        self._stopping = True

    async def close(self) -> None:
        """Leave the group where nothing is pending, and close the reader; what waits is left to others."""
        if self._waiting is not None:
            self._waiting.cancel()
        try:
            await self._lane.one(*REMOVE_CONSUMER.command([self.stream], [keys.GROUP, self.consumer]))
        except (LaneLost, hiredis.ReplyError) as error:
            log.info("consumer left to the reaper", partition=self.partition, error=str(error))
        await self._reader.close()

    async def _turn(self) -> None:
        if time.monotonic() >= self._next_claim:
            await self._claim()
            self._next_claim = time.monotonic() + CLAIM_EVERY_S
        found = await streams.read_new(self._reader, self.stream, self.consumer, self._settings.batch_frames, BLOCK_MS)
        if found:
            await self._process(await self._entries(found))

    async def _history(self) -> None:
        """Process what this incarnation was given and did not settle: Redis was away, so that no entry is suspected."""
        count = self._settings.batch_frames
        while found := self._unparked(await streams.read_own(self._lane, self.stream, self.consumer, count)):
            await self._process(await self._entries(found))

    async def _claim(self) -> None:
        cursor, idle_ms = "0-0", int(self._settings.claim_idle_s * 1000)
        while not self._stopping:
            cursor, found, gone = await streams.claim(
                self._lane, self.stream, self.consumer, idle_ms, cursor, CLAIM_COUNT
            )
            if gone:
                metrics.STREAM_DELETED_PENDING.labels().inc(len(gone))
                log.error("pending entries are gone from the stream", partition=self.partition, entries=gone[:10])
            if found:
                metrics.WORKER_CLAIMS.labels().inc(len(found))
                log.warning("entries taken over", partition=self.partition, count=len(found))
                for entry in await self._entries(self._unparked(found)):
                    with self._following.round([entry]):
                        await self._alone(entry)
            if cursor == "0-0":
                return

    async def _process(self, entries: Sequence[Entry]) -> None:
        metrics.WORKER_BATCH_FRAMES.labels().observe(len(entries))
        for some in rounds(entries):
            with self._following.round(some):
                await self._round(some)

    async def _round(self, some: Sequence[Entry]) -> None:
        try:
            done = await self._batch.run(some)
        except (LaneLost, hiredis.ReplyError):
            raise
        except Exception:
            log.exception("batch failed; its entries are tried alone", partition=self.partition, count=len(some))
            for entry in some:
                await self._alone(entry)
        else:
            await self._settle(done)

    async def _alone(self, entry: Entry) -> None:
        done = await self._lone.run(entry)
        if done is not None:
            await self._settle([done], lone=True)

    async def _resume(self, entry: Entry) -> None:
        """Decide an entry that has what it waited for, beside whatever the partition does."""
        await self._settle(await self._waited.run([entry]), lone=True)

    def _unparked(self, found: Sequence[streams.Entry]) -> list[streams.Entry]:
        """Leave out what waits here already."""
        return [one for one in found if self._waiting is None or one[0] not in self._waiting]

    async def _settle(self, done: Sequence[Done], lone: bool = False) -> None:
        if not done:
            return  # All of them wait for something slow.
        started = time.perf_counter()
        settled = [Settled(one.entry.origin.entry_id, one.entry.station, one.outcome) for one in done]
        await emit_and_settle(self._lane, self.partition, settled, lone)
        self._following.observe("settle", time.perf_counter() - started)
        for one in done:
            count(one, one.draft.now)
        self._following.settled(done)

    async def _entries(self, found: Sequence[streams.Entry]) -> list[Entry]:
        """Read envelopes; what is gone or no envelope of ours is counted, logged and settled at once."""
        entries: list[Entry] = []
        spoilt: list[str] = []
        for entry_id, data in found:
            if data == DELETED:
                metrics.STREAM_DELETED_PENDING.labels().inc()
                log.error("a pending entry is gone from the stream", partition=self.partition, entry=entry_id)
                spoilt.append(entry_id)
                continue
            try:
                entries.append(Entry.read(self.partition, entry_id, data))
            except msgspec.MsgspecError as error:
                log.error("no envelope", partition=self.partition, entry=entry_id, error=str(error))  # noqa: TRY400
                await self._lane.one("XADD", keys.SPOILT, "MAXLEN", "~", SPOILT_KEPT, "*", "e", data)
                spoilt.append(entry_id)
        if spoilt:
            await self._lane.execute([("XACK", self.stream, keys.GROUP, *spoilt), ("XDEL", self.stream, *spoilt)])
        return entries


def _kind(error: Exception) -> str:
    if isinstance(error, LaneLost):
        return "connection"
    word = str(error).partition(" ")[0]
    return {"LOADING": "loading", "READONLY": "readonly", "OOM": "out_of_memory"}.get(word, "other")
