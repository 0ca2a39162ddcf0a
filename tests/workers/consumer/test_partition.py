"""A partition's consumer with the real dispatch and a real Valkey: answers, crashes, poison, lost entries."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from shared import envelopes, metrics
from shared.bus import keys, streams
from shared.bus.lane import Lane
from shared.envelopes import Answer, Canary, Item, Kind, Pong, SessionOpened, Uplink
from shared.policy import Policy
from shared.settings import Settings
from tests.support import wait_until
from workers.consumer import batch as batches
from workers.consumer.batch import Batch
from workers.consumer.partition import PartitionConsumer
from workers.dispatch import Entry, decide
from workers.store.draft import Draft
from workers.store.view import StationView

POLICY = Policy(unknown_stations="accept")
BOOT = {"chargePointVendor": "V", "chargePointModel": "M"}


@pytest.fixture(autouse=True)
def actions() -> None:
    """Name the actions that these tests count."""
    metrics.register_actions(["Heartbeat", "BootNotification"], [])


@pytest.fixture
async def lane(lane: Lane) -> Lane:
    """A lane, and the downlink of a node."""
    await lane.one("XADD", keys.downlink("edge"), "*", "e", envelopes.encode([]))
    return lane


async def append(lane: Lane, kind: Kind, body: bytes, *, station: str = "CP1", seq: int = 0) -> str:
    """Put an entry on the uplink as an edge does."""
    entry = Uplink(envelopes.VERSION, kind, station, "edge", 7, seq, body)
    entry_id: bytes = await lane.one("XADD", keys.uplink(0), "*", "e", envelopes.encode(entry))
    return entry_id.decode()


async def open_session(lane: Lane) -> None:
    """A station dials in and boots."""
    await append(lane, Kind.OPENED, envelopes.encode(SessionOpened("ocpp1.6")))
    await call(lane, 1, "BootNotification", BOOT)


async def call(lane: Lane, seq: int, action: str, payload: dict[str, Any]) -> str:
    """A station's CALL."""
    return await append(lane, Kind.CALL, msgspec.json.encode([2, str(seq), action, payload]), seq=seq)


async def items(lane: Lane) -> list[Item]:
    """Every item on the edge's downlink."""
    found = await lane.one("XRANGE", keys.downlink("edge"), "-", "+")
    return [item for _, fields in found for item in envelopes.decode_downlink(fields[1])]


async def answers(lane: Lane) -> dict[int, list[Any]]:
    """Answers by call_seq."""
    return {i.call_seq: msgspec.json.decode(i.frame) for i in await items(lane) if isinstance(i, Answer)}


async def event_ids(lane: Lane) -> list[str]:
    """The ids of all events, in order."""
    found = await lane.one("XRANGE", keys.EVENTS, "-", "+")
    return [event["id"] for _, fields in found for event in msgspec.msgpack.decode(fields[1])]


@asynccontextmanager
async def consuming(settings: Settings, lane: Lane, name: str = "w1") -> AsyncIterator[PartitionConsumer]:
    """A consumer that runs."""
    consumer = PartitionConsumer(settings, POLICY, 0, name, lane)
    task = asyncio.create_task(consumer.run())
    try:
        yield consumer
    finally:
        consumer.stop()
        await task
        await consumer.close()


async def settled(lane: Lane) -> bool:
    """Tell whether nothing waits and nothing is pending."""
    pending = await lane.one("XPENDING", keys.uplink(0), keys.GROUP)
    return bool(pending[0] == 0 and await lane.one("XLEN", keys.uplink(0)) == 0)


async def test_call_is_answered_and_settled(settings: Settings, lane: Lane) -> None:
    """A boot is answered Accepted over the node's downlink, and its entries leave the stream."""
    async with consuming(settings, lane):
        await open_session(lane)
        await wait_until(lambda: settled_and(lane, 1))
    kind, message_id, payload = (await answers(lane))[1]
    assert (kind, message_id, payload["status"]) == (3, "1", "Accepted")
    assert len(await event_ids(lane)) == len(set(await event_ids(lane))) >= 2


async def settled_and(lane: Lane, seq: int) -> bool:
    """Tell whether the CALL is answered and everything settled."""
    return seq in await answers(lane) and await settled(lane)


async def test_canary_is_answered(settings: Settings, lane: Lane) -> None:
    """An edge's probe comes back with its number, without any station."""
    async with consuming(settings, lane):
        await append(lane, Kind.CANARY, envelopes.encode(Canary(0, 42)), station="")
        await wait_until(lambda: settled(lane))
    assert Pong(0, 42) in await items(lane)


async def test_crash_after_the_commit_emits_the_same_once_more(settings: Settings, lane: Lane) -> None:
    """A worker that dies between commit and emission loses nothing: another emits its outcome, with the same ids."""
    async with consuming(settings, lane):
        await open_session(lane)
        await wait_until(lambda: settled_and(lane, 1))
    entry_id = await call(lane, 2, "Heartbeat", {})
    ((found_id, data),) = await streams.read_new(lane, keys.uplink(0), "dead", 10, 100)
    assert found_id == entry_id
    (done,) = await Batch(lane, POLICY, lambda *_: None).run([Entry.read(0, found_id, data)])
    assert 2 not in await answers(lane)
    quick = msgspec.structs.replace(settings, claim_idle_s=0.05)
    async with consuming(quick, lane, "w2"):
        await wait_until(lambda: settled_and(lane, 2))
    assert done.draft.answer is not None
    assert (await answers(lane))[2] == msgspec.json.decode(done.draft.answer)


async def test_poison_goes_to_quarantine_and_the_rest_goes_on(
    settings: Settings, lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frame that fails in every try is quarantined and answered; what came with it is served."""

    def fragile(entry: Entry, view: StationView, now: int, policy: Policy) -> Draft:
        if b"poison" in entry.uplink.frame:
            raise MemoryError("no decision")
        return decide(entry, view, now, policy)

    monkeypatch.setattr(batches, "decide", fragile)
    async with consuming(settings, lane):
        await open_session(lane)
        await wait_until(lambda: settled_and(lane, 1))
        await call(lane, 2, "Heartbeat", {"poison": True})
        await append(lane, Kind.CANARY, envelopes.encode(Canary(0, 1)), station="")
        await call(lane, 3, "Heartbeat", {})
        await wait_until(lambda: settled_and(lane, 3))
    found = await answers(lane)
    assert (found[2][0], found[3][0]) == (4, 3)
    assert await lane.one("HLEN", keys.quarantine("CP1")) == 1
    assert await lane.one("EXISTS", keys.attempts(0)) == 0


async def test_vanished_pending_entry_raises_the_alarm(settings: Settings, lane: Lane) -> None:
    """An entry that was trimmed while it was pending is counted and no longer waited for."""
    await streams.create_group(lane, keys.uplink(0))
    entry_id = await call(lane, 1, "Heartbeat", {})
    await streams.read_new(lane, keys.uplink(0), "dead", 10, 100)
    await lane.one("XDEL", keys.uplink(0), entry_id)
    quick = msgspec.structs.replace(settings, claim_idle_s=0.05)
    async with consuming(quick, lane):
        await wait_until(lambda: metrics.STREAM_DELETED_PENDING.labels().value == 1)
        await wait_until(lambda: settled(lane))


async def test_foreign_entry_is_kept_aside(settings: Settings, lane: Lane) -> None:
    """What is no envelope does not stop the partition, and is kept for a person."""
    async with consuming(settings, lane):
        await lane.one("XADD", keys.uplink(0), "*", "e", b"not msgpack \xff")
        await wait_until(lambda: settled(lane))
    assert await lane.one("XLEN", keys.SPOILT) == 1


async def test_consumer_leaves_the_group_in_order(settings: Settings, lane: Lane) -> None:
    """A consumer that stops with nothing pending removes its name."""
    async with consuming(settings, lane) as consumer:
        await wait_until(lambda: consumer.reading)
        await append(lane, Kind.CANARY, envelopes.encode(Canary(0, 1)), station="")
        await wait_until(lambda: settled(lane))
    assert await lane.one("XINFO", "CONSUMERS", keys.uplink(0), keys.GROUP) == []
