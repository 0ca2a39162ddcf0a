"""Entries that are no CALL and come again after their commit: what they owe goes out, with nothing left to change."""

from shared.bus import keys
from shared.bus.lane import Lane
from shared.policy import Policy
from shared.records.events import StationUpdated
from shared.records.stations import StationRecord
from workers.store.commit import Result, commit_many
from workers.store.draft import Draft, Origin
from workers.store.loading import Loader


async def _decided(lane: Lane, station: str = "CP1") -> Draft:
    """Decide an entry that gives the station a name, unless it has it."""
    view = (await Loader(lane).load([station], [])).views[station]
    draft = Draft(view, Origin("5-1", 0, 5, "", 0, 0), 5, Policy())
    if draft.station is None or draft.station.name != "Gate":
        draft.put(StationRecord(station_id=station, created_at=1, name="Gate"))
        draft.emit(StationUpdated(station_id=station, at=5, fields=("name",)))
    return draft


async def test_a_stored_outcome_is_owed_although_nothing_changes_any_more(lane: Lane) -> None:
    """Committed and never emitted: the second delivery, which finds all done, gets the first one's outcome to emit."""
    (first,) = await commit_many(lane, [await _decided(lane)])
    assert first.result is Result.COMMITTED
    again = await _decided(lane)
    assert not again.changed
    (second,) = await commit_many(lane, [again])
    assert second.result is Result.DUPLICATE
    assert second.outbox is not None
    assert len(second.outbox.events) == 1
    assert second.outbox_field == "o:5-1"


async def test_an_emitted_outcome_is_not_owed_again(lane: Lane) -> None:
    """Once its outbox field is gone, an entry that changes nothing owes only what it decided itself."""
    await commit_many(lane, [await _decided(lane)])
    await lane.one("HDEL", keys.state("CP1"), "o:5-1")
    (outcome,) = await commit_many(lane, [await _decided(lane)])
    assert outcome.result is Result.COMMITTED
    assert outcome.outbox is not None
    assert not outcome.outbox.events
    assert outcome.outbox_field == ""
    assert await lane.one("HEXISTS", keys.state("CP1"), "o:5-1") == 0
