"""5. How the world hears of it.

A commit writes what is owed, the answer, events, index updates, timers, beside the state, in the station's *outbox*.
Only then is it sent out. Whoever finds a committed entry that was not acknowledged sends the same things again, under
the same ids: a crash between commit and answer loses nothing and counts nothing twice.
"""

from __future__ import annotations

import msgspec

from shared import envelopes
from shared.bus import keys, streams
from shared.bus.lane import Lane
from shared.policy import Policy
from shared.records.events import StationCreated
from shared.records.stations import StationRecord
from workers.consumer.emission import Settled, emit_and_settle
from workers.store.commit import Result, commit_many
from workers.store.draft import Draft, Origin
from workers.store.loading import Loader


async def test_a_crash_between_commit_and_answer(lane: Lane) -> None:
    """One worker commits and dies; the next one gets the entry, finds it committed, and sends what is owed."""
    stream = keys.uplink(0)
    await streams.create_group(lane, stream)
    await lane.one("XADD", keys.downlink("edge-a"), "*", "e", envelopes.encode([]))
    entry_id = (await lane.one("XADD", stream, "*", "e", b"the entry")).decode()

    async def decide_and_commit(worker: str) -> Settled:
        (found,) = await streams.read_new(lane, stream, worker, 1, 1) or [(entry_id, b"")]
        view = (await Loader(lane).load(["CP1"], [])).views["CP1"]
        draft = Draft(view, Origin(found[0], 0, 1, "edge-a", 7, 1), 1, Policy())
        draft.put(StationRecord(station_id="CP1", created_at=1))
        draft.emit(StationCreated(station_id="CP1", at=1, by="connect"))
        draft.answer = b'[3,"1",{}]'
        (outcome,) = await commit_many(lane, [draft])
        return Settled(found[0], "CP1", outcome)

    dies = await decide_and_commit("one")
    assert dies.outcome.result is Result.COMMITTED
    assert await lane.one("XLEN", keys.EVENTS) == 0

    takes_over = await decide_and_commit("two")
    assert takes_over.outcome.result is Result.DUPLICATE
    for _ in range(2):  # Even a death after the emission only repeats it.
        await emit_and_settle(lane, 0, [takes_over])

    told = [msgspec.msgpack.decode(fields[1]) for _, fields in await lane.one("XRANGE", keys.EVENTS, "-", "+")]
    assert [event["id"] for batch in told for event in batch] == ["CP1:7:1:0"] * 2
    items = [
        item
        for _, fields in await lane.one("XRANGE", keys.downlink("edge-a"), "-", "+")
        for item in envelopes.decode_downlink(fields[1])
    ]
    assert items == [envelopes.Answer("CP1", 7, 1, b'[3,"1",{}]')] * 2
    assert await lane.one("XLEN", stream) == 0
