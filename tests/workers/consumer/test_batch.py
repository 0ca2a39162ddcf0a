"""Rounds, conflicts and missing reads of the batch, against a real Valkey with small deciders."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import envelopes
from shared.bus import keys
from shared.bus.lane import Lane
from shared.envelopes import Kind, Uplink
from shared.policy import Policy
from shared.records.packing import pack
from shared.records.stations import StationRecord
from shared.records.tags import IdTag
from workers.consumer.batch import Batch, Decider, Unsettled, rounds
from workers.dispatch import Entry
from workers.store.commit import Result
from workers.store.draft import Draft
from workers.store.view import StationView
from workers.store.wants import WantTag, WantTransactionId


def entry_of(station: str, entry_id: str = "1-1", seq: int = 1) -> Entry:
    """A heartbeat's entry."""
    frame = b'[2,"1","Heartbeat",{}]'
    uplink = Uplink(envelopes.VERSION, Kind.CALL, station, "node", 7, seq, frame)
    return Entry.read(0, entry_id, envelopes.encode(uplink))


@given(st.lists(st.sampled_from(["", "A", "B", "C"]), max_size=30))
def test_rounds_keep_the_order_of_each_station(stations: list[str]) -> None:
    """No entry is lost, no round has a station twice, and each station's entries stay in order."""
    entries = [entry_of(station, f"{n + 1}-1") for n, station in enumerate(stations)]
    split = list(rounds(entries))
    assert sorted(e.origin.entry_id for some in split for e in some) == sorted(e.origin.entry_id for e in entries)
    for some in split:
        named = [e.station for e in some if e.station]
        assert len(named) == len(set(named))
    for station in "ABC":
        assert [e for some in split for e in some if e.station == station] == [
            e for e in entries if e.station == station
        ]


def batch_of(lane: Lane, decider: Decider) -> Batch:
    """A batch with a decider of the test's own."""
    return Batch(lane, Policy(), lambda _phase, _seconds: None, decider)


def create(entry: Entry, view: StationView, now: int, policy: Policy) -> Draft:
    """Count up in the station's name, from nothing."""
    draft = Draft(view, entry.origin, now, policy)
    station = draft.station or StationRecord(station_id=view.station_id, created_at=now, name="0")
    draft.put(msgspec.structs.replace(station, name=str(int(station.name) + 1)))
    return draft


async def test_conflict_is_decided_again_on_the_new_state(lane: Lane) -> None:
    """A decision that another worker's commit overtook is made anew, and both count."""
    interfered = False

    def decide(entry: Entry, view: StationView, now: int, policy: Policy) -> Draft:
        nonlocal interfered
        draft = create(entry, view, now, policy)
        if not interfered:
            interfered = True
            draft.view = StationView(view.station_id, b"another", {})
        return draft

    (done,) = await batch_of(lane, decide).run([entry_of("A")])
    assert (done.outcome.result, done.conflicts) == (Result.COMMITTED, 1)
    (done,) = await batch_of(lane, create).run([entry_of("A", "2-1", seq=2)])
    assert done.draft.station is not None
    assert (done.draft.station.name, done.conflicts) == ("2", 0)


async def test_missing_read_is_loaded_and_decided_again(lane: Lane) -> None:
    """A decider that finds something missing gets it in its next turn."""
    await lane.one("SET", keys.tag("x"), pack(IdTag(id_tag="x", note="found")))
    turns = []

    def decide(entry: Entry, view: StationView, now: int, policy: Policy) -> Draft:
        turns.append(1)
        draft = create(entry, view, now, policy)
        draft.answer = draft.get(WantTag("x")).note.encode()
        return draft

    (done,) = await batch_of(lane, decide).run([entry_of("A")])
    assert (done.draft.answer, len(turns)) == (b"found", 2)


async def test_transaction_id_stays_over_the_turns_of_an_entry(lane: Lane) -> None:
    """An id once taken serves every further turn of its entry; two entries have two."""
    ids: dict[str, set[int]] = {}

    def decide(entry: Entry, view: StationView, now: int, policy: Policy) -> Draft:
        draft = create(entry, view, now, policy)
        ids.setdefault(entry.station, set()).add(draft.get(WantTransactionId()))
        draft.get(WantTag("y"))
        return draft

    await batch_of(lane, decide).run([entry_of("A"), entry_of("B", "1-2")])
    assert [len(found) for found in ids.values()] == [1, 1]
    assert ids["A"] != ids["B"]


async def test_decider_that_never_ends_is_an_error(lane: Lane) -> None:
    """A decision that conflicts for ever is told, not looped on."""

    def decide(entry: Entry, view: StationView, now: int, policy: Policy) -> Draft:
        draft = create(entry, view, now, policy)
        draft.view = StationView(view.station_id, b"another", {})
        return draft

    with pytest.raises(Unsettled):
        await batch_of(lane, decide).run([entry_of("A")])
