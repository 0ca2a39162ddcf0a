"""A node: one incarnation of an edge process, as Redis and the workers know it.

It owns what both listeners share: the lane, the appender to the uplinks, the reader of this node's downlink, the pulse
(heartbeat, canaries, Redis's clock), and the operators' requests that wait for a worker's reply.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import Final

import hiredis

from edge.downlink import Downlink
from edge.pulse import Pulse
from edge.security import SecurityLog
from edge.sink import NoStations, Sink
from edge.stations.failclosed import FailClosed
from edge.uplink import Appender
from shared import envelopes, metrics, tracing
from shared.bus import keys, streams
from shared.bus.lane import Lane
from shared.clock import Clock, SystemClock
from shared.envelopes import Kind, Reply, Uplink
from shared.records.packing import pack
from shared.records.requests import Request
from shared.settings import Settings

STOP_S: Final = 5.0
"""How long a stopping node waits for its last appends."""


class Node:
    """One incarnation: `name` is unique, `lane` the connection that appends and looks up, `partitions` their number."""

    def __init__(self, settings: Settings, lane: Lane, partitions: int, *, clock: Clock | None = None) -> None:
        self.name = f"edge-{secrets.token_hex(6)}"
        self.settings = settings
        self.lane = lane
        self.partitions = partitions
        self.metrics = metrics
        self.clock = clock or SystemClock()
        self.draining = False
        self.tracer = tracing.open_tracer(settings, "ampstream-edge", self.name)
        self.sink: Sink = NoStations()
        """Where items for stations go; the stations' listener puts itself here."""
        self.gate = FailClosed(
            partitions=partitions,
            silence_s=settings.silence_close_s,
            append_s=settings.append_close_s,
            reopen=settings.reopen_canaries,
        )
        self.appender = Appender(lane, self.gate, self.clock)
        self.downlink = Downlink(self)
        self.pulse = Pulse(self)
        self.security = SecurityLog(lane, self.clock)
        self._uplinks = [keys.uplink(partition) for partition in range(partitions)]
        self._replies: dict[str, asyncio.Future[Reply]] = {}

    @classmethod
    async def start(cls, settings: Settings, *, clock: Clock | None = None) -> Node:
        """Connect and begin to read; raises `LaneLost` where Redis can't be reached."""
        lane = await Lane.open(settings.redis_url.reveal(), name="edge", timeout_s=settings.redis_timeout_s)
        node = cls(settings, lane, await streams.partitions(lane, settings.partitions), clock=clock)
        await node.downlink.start()
        await node.pulse.start()
        return node

    def uplink_of(self, station_id: str) -> str:
        """Return the uplink stream of a station."""
        return self._uplinks[keys.partition_of(station_id, self.partitions)]

    async def request(self, station_id: str, request: Request, timeout_s: float) -> Reply:
        """Put an operator's request on the station's uplink and return the worker's reply.

        Raises `TimeoutError` where no worker replied in time (the request may still be carried out; it is idempotent
        by its `request_id`), `LaneLost` where Redis is lost, and `hiredis.ReplyError` where it refused the entry.
        """
        reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._replies[request.request_id] = reply
        entry = Uplink(
            envelopes.VERSION, Kind.REQUEST, station_id, self.name, 0, 0, pack(request), trace=tracing.current()
        )
        command = ("XADD", self.uplink_of(station_id), "*", envelopes.FIELD, envelopes.encode(entry))
        try:
            async with asyncio.timeout(timeout_s):
                (appended,) = await self.lane.execute([command])
                if isinstance(appended, hiredis.ReplyError):
                    raise appended
                return await reply
        finally:
            self._replies.pop(request.request_id, None)

    def replied(self, reply: Reply) -> None:
        """Hand a worker's reply to whoever waits for it."""
        waiting = self._replies.get(reply.request_id)
        if waiting is not None and not waiting.done():
            waiting.set_result(reply)

    def not_ready(self) -> list[str]:
        """Say why no work should be sent here; empty when all is well."""
        reasons = ["draining"] if self.draining else []
        return reasons + self.sink.not_ready() + self.gate.reasons(self.clock.monotonic()) + self.pulse.problems

    @property
    def tasks(self) -> tuple[asyncio.Task[None] | None, ...]:
        """What must run as long as the node serves."""
        return (self.downlink.task, self.pulse.task)

    async def stop(self) -> None:
        """Finish the appends, then leave: the downlink goes when nothing is left in it."""
        self.draining = True
        await self.pulse.stop()
        await self.security.stop()
        await self.appender.flush(STOP_S)
        await self.downlink.stop(STOP_S)
        await self.lane.close()
        if self.tracer is not None:
            await asyncio.to_thread(self.tracer.close)
