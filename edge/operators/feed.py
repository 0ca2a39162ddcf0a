"""The live event feed: one blocking reader per process, however many listen.

The reader keeps the newest entries in a bounded ring. Who listens asks for what follows its position: from the ring
where that reaches back far enough, else from the stream itself. So a slow listener holds no memory here: it falls out
of the ring, reads from the stream, and where the stream was trimmed meanwhile it is told that there is a gap.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import deque
from operator import attrgetter
from typing import Any, Final, NamedTuple

import hiredis

from edge.operators.eventdata import FeedEvent, events_of
from shared.bus import keys
from shared.bus.lane import Lane, LaneLost
from shared.logs import get_logger
from shared.records.queries import events
from shared.records.queries.events import WHOLE, EventPosition

log = get_logger("feed")

RING_EVENTS: Final = 4096
RING_BYTES: Final = 8 * 1024 * 1024
CHUNK_ENTRIES: Final = 100
CHUNK_EVENTS: Final = 512
BLOCK_MS: Final = 2000
RETRY_S: Final = 0.5
IDLE_S: Final = 30.0
"""The reader ends when nobody has listened for so long: reading for nobody costs the loop that carries frames."""
_place = attrgetter("position")


class Following(NamedTuple):
    """What follows a position. `gap`: events in between are lost. `position`: where to go on."""

    events: list[FeedEvent]
    position: EventPosition
    gap: bool = False


class EventFeed:
    """Follows the event stream while somebody listens."""

    def __init__(self, lane: Lane, url: str) -> None:
        self._lane = lane
        self._url = url
        self._ring: deque[FeedEvent] = deque()
        self._bytes = 0
        self._floor: EventPosition | None = None
        """Every event behind it is in the ring; None before the reader runs."""
        self._head = EventPosition(0, 0, WHOLE)
        self._news = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._listening = 0
        self._heard_at = 0.0
        self.closed = False

    async def now(self) -> EventPosition:
        """Return the position of the newest event, and begin to follow."""
        await self._begin()
        return self._head

    async def following(self, position: EventPosition, wait_s: float) -> Following:
        """Return the events behind `position`, waiting up to `wait_s` for one; raises `LaneLost` as the lane does."""
        self._listening += 1
        try:
            return await self._following(position, wait_s)
        finally:
            self._listening -= 1
            self._heard_at = asyncio.get_running_loop().time()

    async def _following(self, position: EventPosition, wait_s: float) -> Following:
        await self._begin()
        if self._floor is None or position < self._floor or position.entry > self._head.entry:
            # Before the ring, or ahead of this reader, or of a stream that is no more.
            found = await self._from_stream(position)
            if found is not None:
                return found
            position = max(position, self._floor or position)
        if position >= self._head:
            await self._wait(position, wait_s)
        return self._from_ring(position)

    async def close(self) -> None:
        """Stop reading and let every listener go."""
        self.closed = True
        self._news.set()
        reader = self._reader
        if reader is not None:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)

    async def _begin(self) -> None:
        async with self._starting:
            if self._reader is None and not self.closed:
                self._head = self._floor = await events.tail(self._lane)
                self._heard_at = asyncio.get_running_loop().time()
                self._reader = asyncio.create_task(self._read(), name="event feed")

    async def _wait(self, position: EventPosition, wait_s: float) -> None:
        try:
            async with asyncio.timeout(wait_s):
                while position >= self._head and not self.closed:
                    await self._news.wait()
        except TimeoutError:
            return

    def _from_ring(self, position: EventPosition) -> Following:
        if self._floor is None or position < self._floor:
            return Following([], position)  # overtaken while waiting: the next call reads from the stream
        ring = self._ring
        begin = bisect_right(ring, position, key=_place)
        found = [ring[n] for n in range(begin, min(begin + CHUNK_EVENTS, len(ring)))]
        return Following(found, found[-1].position if found else max(position, self._head))

    async def _from_stream(self, position: EventPosition) -> Following | None:
        """Return what the stream holds behind `position`; None where it holds nothing more."""
        read = await events.following(self._lane, position, CHUNK_ENTRIES)
        found = [event for entry in read.entries for event in events_of(entry)]
        if read.entries:
            last = EventPosition(read.entries[-1].ms, read.entries[-1].seq, WHOLE)
        else:
            last = await events.tail(self._lane) if read.gap else position
        if read.gap:
            return Following(found, last, gap=True)
        found = [event for event in found if event.position > position]
        return Following(found, last) if found or last.entry > position.entry else None

    async def _read(self) -> None:
        lane, clock = Lane(self._url, name="feed"), asyncio.get_running_loop().time
        try:
            while self._listening or clock() - self._heard_at < IDLE_S:
                try:
                    await self._read_once(lane)
                except (LaneLost, hiredis.ReplyError) as error:
                    log.warning("event feed waits for Redis", error=str(error))
                    await asyncio.sleep(RETRY_S)
        finally:
            self._reader, self._floor, self._bytes = None, None, 0
            self._ring.clear()
            await lane.close()

    async def _read_once(self, lane: Lane) -> None:
        after = f"{self._head.ms}-{self._head.seq}"
        command = ("XREAD", "COUNT", CHUNK_ENTRIES, "BLOCK", BLOCK_MS, "STREAMS", keys.EVENTS, after)
        (reply,) = await lane.execute([command], timeout_s=BLOCK_MS / 1000 + lane.timeout_s)
        if isinstance(reply, hiredis.ReplyError):
            raise reply
        if reply:
            self._take(reply[0][1])

    def _take(self, entries: list[Any]) -> None:
        for entry in entries:
            read = events.read_entry(*entry)
            for event in events_of(read):
                self._ring.append(event)
                self._bytes += len(event.data)
            self._head = EventPosition(read.ms, read.seq, WHOLE)
        while self._ring and (len(self._ring) > RING_EVENTS or self._bytes > RING_BYTES):
            oldest = self._ring.popleft()
            self._bytes -= len(oldest.data)
            self._floor = oldest.position
        news, self._news = self._news, asyncio.Event()
        news.set()
