"""Real partition consumers on a real Valkey, and stations that speak to them as an edge would forward it.

    async with stage(settings, lane) as system:
        station = await system.dial("CP1")
        answer = await station.call("Heartbeat", {})

The uplink entries, the scripts and the downlink are the real ones; only sockets are missing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from shared import envelopes
from shared.bus import keys
from shared.bus.lane import Lane
from shared.bus.scripts import CLOSE_SESSION, REGISTER_SESSION, SET_DEADLINES, TOUCH_PRESENCE
from shared.envelopes import Answer, Kind, Reply, SessionClosed, SessionOpened, Uplink
from shared.policy import Policy
from shared.records.requests import Request
from shared.settings import Settings
from tests.support import wait_until
from workers.consumer.partition import PartitionConsumer

BOOT = {"chargePointVendor": "V", "chargePointModel": "M"}
NODE = "edge-1"


class System:
    """What stands behind the sockets: appends as an edge does, and reads that edge's downlink."""

    def __init__(self, lane: Lane, partitions: int, node: str = NODE) -> None:
        self.lane = lane
        self.partitions = partitions
        self.node = node

    async def append(self, kind: Kind, station: str, epoch: int, seq: int, body: bytes) -> None:
        """Put an entry on the station's uplink."""
        entry = Uplink(envelopes.VERSION, kind, station, self.node, epoch, seq, body)
        stream = keys.uplink(keys.partition_of(station, self.partitions))
        await self.lane.one("XADD", stream, "*", envelopes.FIELD, envelopes.encode(entry))

    async def items(self) -> list[Any]:
        """Return every item on the downlink."""
        found = await self.lane.one("XRANGE", keys.downlink(self.node), "-", "+")
        return [item for _, fields in found for item in envelopes.decode_downlink(fields[1])]

    async def request(self, station: str, request: Request) -> int:
        """Ask for a change as an operator does; returns the reply's status."""
        await self.append(Kind.REQUEST, station, 0, 0, envelopes.encode(request))

        async def reply() -> Reply | None:
            found = [item for item in await self.items() if isinstance(item, Reply)]
            return next((item for item in found if item.request_id == request.request_id), None)

        found = await wait_until(reply)
        assert found is not None
        return found.status

    async def dial(self, station: str, ttl_ms: int = 60_000) -> Station:
        """Register a session as an edge does, and boot."""
        command = REGISTER_SESSION.command([keys.session(station), keys.presence(station)], [self.node, ttl_ms, "::1"])
        epoch = int((await self.lane.one(*command))[0])
        await self.lane.one(*SET_DEADLINES.command([keys.deadlines(self.node)], [f"{station}/{epoch}", ttl_ms]))
        await self.append(Kind.OPENED, station, epoch, 0, envelopes.encode(SessionOpened("ocpp1.6")))
        dialled = Station(self, station, epoch)
        await dialled.call("BootNotification", BOOT)
        return dialled

    async def settle(self) -> None:
        """Wait until every uplink is empty."""

        async def empty() -> bool:
            return not any([await self.lane.one("XLEN", keys.uplink(number)) for number in range(self.partitions)])

        await wait_until(empty)


class Station:
    """One session."""

    def __init__(self, system: System, name: str, epoch: int) -> None:
        self.system = system
        self.name = name
        self.epoch = epoch
        self.seq = 0

    async def call(self, action: str, payload: Any) -> Any:
        """Send a CALL and return the answer's frame."""
        return await self.send(msgspec.json.encode([2, f"{self.epoch}-{self.seq + 1}", action, payload]))

    async def send(self, text: bytes) -> Any:
        """Send a text as a CALL and return the answer's frame."""
        self.seq += 1
        await self.system.append(Kind.CALL, self.name, self.epoch, self.seq, text)

        async def answer() -> Answer | None:
            wanted = (self.name, self.epoch, self.seq)
            found = [item for item in await self.system.items() if isinstance(item, Answer)]
            return next((item for item in found if (item.station, item.epoch, item.call_seq) == wanted), None)

        found = await wait_until(answer)
        assert found is not None
        return msgspec.json.decode(found.frame)

    async def start(self, tag: str, connector: int = 1, meter: int = 0) -> int:
        """Start a transaction and return its id."""
        at = "2026-01-01T00:00:00Z"
        payload = {"connectorId": connector, "idTag": tag, "meterStart": meter, "timestamp": at}
        return int((await self.call("StartTransaction", payload))[2]["transactionId"])

    async def stop(self, number: int, meter: int) -> None:
        """Stop a transaction."""
        payload = {"transactionId": number, "meterStop": meter, "timestamp": "2026-01-01T01:00:00Z"}
        await self.call("StopTransaction", payload)

    async def status(self, connector: int, status: str) -> None:
        """Report a connector's status."""
        payload = {"connectorId": connector, "errorCode": "NoError", "status": status}
        await self.call("StatusNotification", payload)

    async def close(self, *, ours: bool = False) -> None:
        """End the session, by the station itself or by the edge."""
        body = envelopes.encode(SessionClosed("drain" if ours else "station", 1012 if ours else 1000, ours))
        await self.system.append(Kind.CLOSED, self.name, self.epoch, 0, body)
        if not ours:
            node, name = self.system.node, self.name
            await self.system.lane.execute(
                [
                    CLOSE_SESSION.command([keys.session(name), keys.presence(name)], [self.epoch]),
                    ("ZREM", keys.deadlines(node), f"{name}/{self.epoch}"),
                ]
            )

    async def touch(self, *ttls_ms: int) -> None:
        """Give signs of life, at one moment.

        Each key is set after its deadline: where Redis stands still in between, it runs out after that, not before.
        """
        node, name = self.system.node, self.name
        commands = []
        for ttl_ms in ttls_ms:
            commands += [
                SET_DEADLINES.command([keys.deadlines(node)], [f"{name}/{self.epoch}", ttl_ms]),
                TOUCH_PRESENCE.command([keys.session(name), keys.presence(name)], [node, self.epoch, ttl_ms]),
            ]
        assert set((await self.system.lane.execute(commands))[1::2]) == {1}


async def make_downlink(lane: Lane, node: str = NODE) -> None:
    """Create a node's downlink: workers append to nothing that no node made."""
    await lane.one("XADD", keys.downlink(node), "*", envelopes.FIELD, envelopes.encode([]))


@asynccontextmanager
async def stage(
    settings: Settings, lane: Lane, policy: Policy | None = None, partitions: int = 2
) -> AsyncIterator[System]:
    """Run a consumer per partition for the length of the block."""
    policy = policy or Policy(unknown_stations="accept", unknown_tags="accept")
    await make_downlink(lane)
    serving = await Lane.open(settings.redis_url.reveal(), name="worker")
    consumers = [
        PartitionConsumer(settings, policy, number, "w1", serving, partitions=partitions)
        for number in range(partitions)
    ]
    tasks = [asyncio.create_task(consumer.run()) for consumer in consumers]
    try:
        yield System(lane, partitions)
    finally:
        for consumer in consumers:
            consumer.stop()
        await asyncio.gather(*tasks)
        for consumer in consumers:
            await consumer.close()
        await serving.close()
