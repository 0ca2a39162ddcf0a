"""4. How it is committed, once.

Redis may hand an entry to two workers: one died, or only seemed to. A commit is one script that asks two questions
before it writes. The *fence*: was this CALL committed already? The *version token*: is the state still the one that the
decision was made on? Then state and outcome are written together, and with `appendfsync always` its reply means that
they are on disk.
"""

from __future__ import annotations

from shared.bus.lane import Lane
from shared.policy import Policy
from shared.records.stations import StationRecord
from workers.store.commit import Outcome, Result, commit_many
from workers.store.draft import Draft, Origin
from workers.store.loading import Loader


async def decided(lane: Lane, name: str, call_seq: int, epoch: int = 7) -> Draft:
    """Decide, on the present state, that CALL `call_seq` gives the station a name."""
    view = (await Loader(lane).load(["CP1"], [])).views["CP1"]
    draft = Draft(view, Origin(f"1-{call_seq}", 0, 1, "edge-a", epoch, call_seq), 1, Policy())
    draft.put(StationRecord(station_id="CP1", created_at=1, name=name))
    draft.answer = f'[3,"{call_seq}",{{}}]'.encode()
    return draft


async def commit(lane: Lane, draft: Draft) -> Outcome:
    """Commit one decision."""
    (outcome,) = await commit_many(lane, [draft])
    return outcome


async def name_of(lane: Lane) -> str:
    """Return the name that is stored."""
    station = (await Loader(lane).load(["CP1"], [])).views["CP1"].station
    return station.name if station else ""


async def test_the_fence_lets_a_call_through_once(lane: Lane) -> None:
    """Delivered again, a CALL is a duplicate: nothing is written, and the first outcome comes back to be sent out."""
    assert (await commit(lane, await decided(lane, "first", 1))).result is Result.COMMITTED
    again = await commit(lane, await decided(lane, "second", 1))
    assert again.result is Result.DUPLICATE
    assert again.outbox is not None
    assert await name_of(lane) == "first"


async def test_what_was_settled_long_ago_is_dropped(lane: Lane) -> None:
    """The station's next CALL proves that it has the previous answer: what comes below is stale."""
    for number in (1, 2):
        await commit(lane, await decided(lane, str(number), number))
    assert (await commit(lane, await decided(lane, "zombie", 1))).result is Result.STALE
    assert await name_of(lane) == "2"


async def test_a_decision_on_an_old_state_is_refused(lane: Lane) -> None:
    """Two workers decide on one state: the second commit is a conflict, to be loaded and decided again."""
    first, second = await decided(lane, "first", 1), await decided(lane, "second", 1, epoch=8)
    assert (await commit(lane, first)).result is Result.COMMITTED
    assert (await commit(lane, second)).result is Result.CONFLICT
    assert (await commit(lane, await decided(lane, "second", 1, epoch=8))).result is Result.COMMITTED
