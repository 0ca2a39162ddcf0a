"""Decisions committed and emitted on a real Valkey: what a station's life leaves behind."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from shared import envelopes
from shared.bus import keys
from shared.bus.lane import Lane
from shared.envelopes import Kind, Uplink
from shared.policy import Policy
from shared.records.requests import CreateStation, DeleteStation, DropQuarantined, Request, SendCommand
from workers.consumer.batch import Batch
from workers.consumer.emission import Settled, emit_and_settle
from workers.dispatch import Entry
from workers.store.commit import Result

BOOT = {"chargePointVendor": "Volt", "chargePointModel": "One"}
STATUS = {"connectorId": 1, "status": "Available", "errorCode": "NoError"}
START = {"connectorId": 1, "idTag": "TAG", "meterStart": 5, "timestamp": "2023-11-14T22:13:20Z"}
NODE = "edge-1"


class Line:
    """Lets entries of one station be decided, committed and emitted, one at a time."""

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        policy = Policy(unknown_tags="accept", boot_hold_ms=0)
        self._batch = Batch(lane, policy, lambda _phase, _seconds: None, kept=10)
        self.epoch, self.call_seq, self._entries = 1_700_000_000_000, 0, 0

    async def feed(self, kind: Kind, frame: bytes, *, epoch: int | None = None, call_seq: int = 0) -> Any:
        """Run one entry through; returns its draft."""
        self._entries += 1
        entry_id = f"{1_700_000_000_000 + self._entries}-0"
        epoch = self.epoch if epoch is None else epoch
        uplink = Uplink(envelopes.VERSION, kind, "CP1", NODE, epoch, call_seq, frame)
        (done,) = await self._batch.run([Entry.read(0, entry_id, envelopes.encode(uplink))])
        assert done.outcome.result is Result.COMMITTED
        assert await emit_and_settle(self.lane, 0, [Settled(entry_id, "CP1", done.outcome)]) == []
        return done.draft

    async def request(self, request: Request) -> int:
        """Let an operator's request be decided; returns the status of its reply."""
        draft = await self.feed(Kind.REQUEST, envelopes.encode(request), epoch=0)
        (reply,) = [item for _, item in draft.deliveries if isinstance(item, envelopes.Reply)]
        return int(reply.status)

    async def call(self, action: str, payload: Any) -> Any:
        """Let the station send a CALL; returns the decoded answer."""
        self.call_seq += 1
        frame = msgspec.json.encode([2, str(self.call_seq), action, payload])
        draft = await self.feed(Kind.CALL, frame, call_seq=self.call_seq)
        return msgspec.json.decode(draft.answer)


@pytest.fixture
async def line(redis_url: str) -> AsyncIterator[Line]:
    """A line to an empty Valkey with the node's downlink in it."""
    lane = await Lane.open(redis_url, name="test")
    await lane.one("XADD", keys.downlink(NODE), "*", "e", b"")
    yield Line(lane)
    await lane.close()


async def test_a_life(line: Line, redis_client: Any) -> None:
    """A station is made, connects, boots, charges, is commanded and deleted: what stays is meant to stay."""
    assert await line.request(CreateStation(request_id="1", key_hash="h")) == 201
    await line.feed(Kind.OPENED, envelopes.encode(envelopes.SessionOpened("ocpp1.6", "10.0.0.1", 1)))
    assert (await line.call("BootNotification", BOOT))[2]["status"] == "Accepted"
    assert (await line.call("StatusNotification", STATUS))[0] == 3
    assert await redis_client.hgetall(keys.CONNECTORS) == {b"CP1/1": b"Available"}
    assert await redis_client.hgetall(keys.ONLINE) == {b"CP1": b"ocpp1.6"}
    assert (await redis_client.hgetall(keys.door("CP1")))[b"interval"] == b"60"

    number = (await line.call("StartTransaction", START))[2]["transactionId"]
    assert (await line.call("Launch", {}))[2] == "NotImplemented"
    ((quarantined, _),) = await redis_client.zrange(keys.QUARANTINE, 0, -1, withscores=True)
    assert await line.request(DropQuarantined(request_id="2", quarantine_id=quarantined.decode().split("/")[1])) == 200
    assert (await line.call("DataTransfer", {"vendorId": "x"}))[2]["status"] == "UnknownVendorId"

    assert await line.request(SendCommand(request_id="3", command_id="c1", action="Reset", payload="{}")) == 202
    await line.feed(Kind.ANSWER, b'[3,"c1",{"status":"Accepted"}]')
    assert await redis_client.pttl(keys.command("CP1", "c1")) > 0

    assert await line.request(DeleteStation(request_id="4")) == 409
    assert await line.request(DeleteStation(request_id="5", force=True)) == 200
    left = {key.decode() for key in await redis_client.keys("s:{CP1}:*")}
    kept = {key for key in left if await redis_client.pttl(key) == -1}
    assert kept == {keys.transaction("CP1", number), keys.transactions("CP1"), keys.starts("CP1")}
    assert await redis_client.zcard(keys.STATIONS) == await redis_client.hlen(keys.ONLINE) == 0
    assert await redis_client.zcard(keys.TRANSACTIONS_OPEN) == await redis_client.zcard(keys.QUARANTINE) == 0


async def test_fences_of_old_sessions_go(line: Line, redis_client: Any) -> None:
    """However often a station reconnects, its state holds no more than eight fences and outboxes."""
    await line.request(CreateStation(request_id="1"))
    for _ in range(12):
        line.epoch += 1000
        line.call_seq = 0
        await line.feed(Kind.OPENED, envelopes.encode(envelopes.SessionOpened("ocpp1.6")))
        await line.call("Heartbeat", {})
    fields = [field for field in await redis_client.hkeys(keys.state("CP1")) if field[:2] in (b"f:", b"o:")]
    assert len(fields) == 16
