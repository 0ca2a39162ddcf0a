"""The reader of a node's downlink: answers, commands, closes, replies and pongs that workers put there.

It has a lane of its own, resumes from its last id, and never waits for a socket. What it read is trimmed with the
pulse. An entry that can't be decoded, a stream that vanished or went back in time (a failover lost entries) is a gap:
the sessions that may miss an item are closed.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import hiredis
import msgspec

from shared import envelopes, metrics
from shared.bus import keys
from shared.bus import lane as bus
from shared.bus.lane import Lane, LaneLost
from shared.bus.scripts import REMOVE_DOWNLINK
from shared.envelopes import Answer, Close, Command, Pong, Reply
from shared.logs import get_logger

if TYPE_CHECKING:
    from edge.node import Node

READ_ENTRIES: Final = 32
BLOCK_MS: Final = 2000
RETRY_S: Final = 0.2
REMOVE_RETRY_S: Final = 0.02

StreamId = tuple[int, int]
_log = get_logger("edge.downlink")


class Downlink:
    """Reads one node's downlink into its sink, gate and waiting requests."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.key = keys.downlink(node.name)
        self._lane = Lane(node.settings.redis_url.reveal(), name="downlink", timeout_s=node.settings.redis_timeout_s)
        self._last: StreamId = (0, 0)
        self._trimmed: StreamId = (0, 0)
        self.task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Create the stream (workers append to it only while it exists) and begin to read."""
        await self._create(self._node.lane)
        self.task = asyncio.create_task(self._read(), name="downlink")

    async def stop(self, timeout_s: float) -> None:
        """Read what is there, remove the stream once nothing is left in it, and stop; at most `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    if await self._node.lane.one(*REMOVE_DOWNLINK.command([self.key], [_text(self._last)])):
                        break
                    await asyncio.sleep(REMOVE_RETRY_S)
        except (TimeoutError, LaneLost, hiredis.ReplyError) as error:
            _log.info("downlink left behind", node=self._node.name, reason=str(error))
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
        await self._lane.close()

    def upkeep(self) -> list[bus.Command]:
        """Return the commands that trim what was read and look at the stream; `inspect` takes the last one's reply."""
        inspect = ("XINFO", "STREAM", self.key)
        if self._last == self._trimmed:
            return [inspect]
        self._trimmed = self._last
        milliseconds, number = self._last
        return [("XTRIM", self.key, "MINID", _text((milliseconds, number + 1))), inspect]

    @property
    def position(self) -> StreamId:
        """The id of the last entry that was read."""
        return self._last

    async def inspect(self, info: Any, position: StreamId) -> None:
        """Look for a gap: `info` is XINFO STREAM's reply, `position` where the reader stood before it was asked."""
        if isinstance(info, hiredis.ReplyError):
            if "no such key" in str(info):
                self._gap("the stream is gone")
                await self._create(self._node.lane)
            return
        known = dict(zip(info[::2], info[1::2], strict=False))
        newest = _parse(known[b"last-generated-id"])
        if newest < position:
            self._gap("the stream went back in time")
            self._last = self._trimmed = newest

    async def _create(self, lane: Lane) -> None:
        first = await lane.one("XADD", self.key, "*", envelopes.FIELD, envelopes.encode([]))
        self._last = self._trimmed = _parse(first)

    async def _read(self) -> None:
        while True:
            try:
                await self._read_once()
            except LaneLost as error:
                metrics.REDIS_ERRORS.labels("connection").inc()
                _log.warning("downlink interrupted", reason=str(error))
                await asyncio.sleep(RETRY_S)
            except hiredis.ReplyError as error:
                _log.warning("downlink refused", reason=str(error))
                await asyncio.sleep(RETRY_S)

    async def _read_once(self) -> None:
        read = ("XREAD", "COUNT", READ_ENTRIES, "BLOCK", BLOCK_MS, "STREAMS", self.key, _text(self._last))
        (reply,) = await self._lane.execute([read], timeout_s=BLOCK_MS / 1000 + self._lane.timeout_s)
        if isinstance(reply, hiredis.ReplyError):
            raise reply
        if not reply:
            return
        # Commands last: after a pause the close of a session may stand right behind a command to it, which is then
        # not written at all, rather than carried out on a socket that the station has left.
        commands: list[Command] = []
        for entry_id, fields in reply[0][1]:
            self._last = _parse(entry_id)
            self._deliver(fields[1], commands)
        for command in commands:
            self._node.sink.command(command)

    def _deliver(self, data: bytes, commands: list[Command]) -> None:
        node = self._node
        try:
            items = envelopes.decode_downlink(data)
        except msgspec.MsgspecError as error:
            self._gap(f"an entry can't be read: {error}")
            return
        sink, gate, heard = node.sink, node.gate, False
        for item in items:
            # Answers first: nearly all items are.
            if isinstance(item, Answer):
                sink.answer(item)
                heard = True
            elif isinstance(item, Pong):
                gate.canary_answered(item.partition, item.number, node.clock.monotonic())
            elif isinstance(item, Reply):
                node.replied(item)
            elif isinstance(item, Command):
                commands.append(item)
            elif isinstance(item, Close):
                sink.close(item)
            else:
                sink.adjust(item)
        if heard:
            gate.answered(node.clock.monotonic())

    def _gap(self, reason: str) -> None:
        _log.warning("gap in the downlink", reason=reason)
        self._node.sink.gap()


def _parse(entry_id: bytes) -> StreamId:
    milliseconds, _, number = entry_id.partition(b"-")
    return int(milliseconds), int(number)


def _text(entry_id: StreamId) -> str:
    return f"{entry_id[0]}-{entry_id[1]}"
