"""The commit script: the fence, the token and the outbox, against a real Valkey."""

import hiredis
import msgspec
import pytest

from shared.bus import keys
from shared.bus.lane import Lane
from shared.policy import Policy
from shared.records.stations import StationRecord
from workers.store.commit import MOST_A_CALL, Outcome, Result, commit_many
from workers.store.draft import Draft, Origin
from workers.store.loading import Loader
from workers.store.view import StationView
from workers.store.wants import WantSlot, WantTransactionId


async def view_of(lane: Lane, station: str = "CP1") -> StationView:
    """Load a station's state as a worker does."""
    return (await Loader(lane).load([station], [])).views[station]


def draft_on(view: StationView, entry: str = "1-1", epoch: int = 0, seq: int = 0) -> Draft:
    """A decision that comes from an entry."""
    origin = Origin(entry_id=entry, partition=0, received_at=1, node="n", epoch=epoch, call_seq=seq)
    return Draft(view, origin, 1, Policy())


async def commit(lane: Lane, draft: Draft) -> Outcome:
    """Commit one decision."""
    (outcome,) = await commit_many(lane, [draft])
    return outcome


async def name_of(lane: Lane) -> str:
    """The station's name as it is stored."""
    station = (await view_of(lane)).station
    assert station is not None
    return station.name


async def create(lane: Lane, station: str = "CP1") -> None:
    """Make a station known."""
    draft = draft_on(await view_of(lane, station), entry="0-1")
    draft.put(StationRecord(station_id=station, created_at=1))
    assert (await commit(lane, draft)).result is Result.COMMITTED


async def renamed(lane: Lane, name: str, **where: int | str) -> Draft:
    """A decision on the present state that renames the station."""
    draft = draft_on(await view_of(lane), **where)  # type: ignore[arg-type]
    assert draft.station is not None
    draft.put(msgspec.structs.replace(draft.station, name=name))
    return draft


async def test_call_commits_once(lane: Lane) -> None:
    """The same CALL delivered twice is a duplicate that carries the first one's outcome."""
    await create(lane)
    first = await renamed(lane, "one", epoch=7, seq=1)
    first.answer = b"[3]"
    assert (await commit(lane, first)).result is Result.COMMITTED
    second = await renamed(lane, "two", epoch=7, seq=1)
    outcome = await commit(lane, second)
    assert outcome.result is Result.DUPLICATE
    assert outcome.outbox is not None
    assert outcome.outbox.deliveries[0].node == "n"
    assert await name_of(lane) == "one"


async def test_call_below_the_fence_is_stale(lane: Lane) -> None:
    """An entry whose successor is committed was settled long ago: nothing happens and nothing is emitted."""
    await create(lane)
    for seq in (1, 2):
        assert (await commit(lane, await renamed(lane, str(seq), epoch=7, seq=seq))).result is Result.COMMITTED
    outcome = await commit(lane, await renamed(lane, "late", epoch=7, seq=1))
    assert outcome == Outcome(Result.STALE, None)
    assert await name_of(lane) == "2"


async def test_each_epoch_has_its_own_fence(lane: Lane) -> None:
    """An older epoch's entry above its own fence still commits: whether it counts is the decider's affair."""
    await create(lane)
    assert (await commit(lane, await renamed(lane, "new", epoch=8, seq=5))).result is Result.COMMITTED
    assert (await commit(lane, await renamed(lane, "old", epoch=7, seq=1))).result is Result.COMMITTED


async def test_decision_on_an_older_state_conflicts(lane: Lane) -> None:
    """Of two decisions on one state the second is refused and leaves no trace."""
    await create(lane)
    first, second = await renamed(lane, "one", epoch=7, seq=1), await renamed(lane, "two", entry="5-1")
    second.write("SET", keys.command("CP1", "x"), b"1")
    assert [outcome.result for outcome in await commit_many(lane, [first, second])] == [
        Result.COMMITTED,
        Result.CONFLICT,
    ]
    assert await lane.one("EXISTS", keys.command("CP1", "x")) == 0
    assert await lane.one("HEXISTS", keys.state("CP1"), "o:5-1") == 0


async def test_creation_conflicts_with_creation(lane: Lane) -> None:
    """Two workers that find no station can't both create it."""
    drafts = [draft_on(await view_of(lane), entry=f"{n}-1") for n in (1, 2)]
    for draft in drafts:
        draft.put(StationRecord(station_id="CP1", created_at=1))
    assert [outcome.result for outcome in await commit_many(lane, drafts)] == [Result.COMMITTED, Result.CONFLICT]


async def test_token_is_new_with_each_change(lane: Lane) -> None:
    """No two commits share a token, and one that only answers leaves it as it is."""
    await create(lane)
    tokens = [(await view_of(lane)).token]
    for seq in range(1, 20):
        await commit(lane, await renamed(lane, "same", epoch=7, seq=seq))
        tokens.append((await view_of(lane)).token)
    assert len(set(tokens)) == len(tokens)
    only_answers = draft_on(await view_of(lane), epoch=7, seq=20)
    only_answers.answer = b"[3]"
    await commit(lane, only_answers)
    assert (await view_of(lane)).token == tokens[-1]


async def test_next_call_takes_the_outbox_field_over(lane: Lane) -> None:
    """A session has one outbox field however many CALLs it makes; other entries' fields are named for deletion."""
    await create(lane)
    for seq in (1, 2, 3):
        assert (await commit(lane, await renamed(lane, str(seq), epoch=7, seq=seq))).outbox_field == ""
    wakeup = await renamed(lane, "woken", entry="9-1")
    assert (await commit(lane, wakeup)).outbox_field == "o:9-1"
    fields = [field for field in await lane.one("HKEYS", keys.state("CP1")) if field.startswith(b"o:")]
    assert set(fields) == {b"o:7", b"o:0-1", b"o:9-1"}


async def test_entry_that_is_no_call_commits_once(lane: Lane) -> None:
    """A redelivered timer or request finds its outbox and is a duplicate."""
    await create(lane)
    assert (await commit(lane, await renamed(lane, "one", entry="9-1"))).result is Result.COMMITTED
    assert (await commit(lane, await renamed(lane, "two", entry="9-1"))).result is Result.DUPLICATE


async def test_writes_beside_the_state_come_with_it(lane: Lane) -> None:
    """Other keys of the station are written by the same script, with the arguments in their order."""
    await create(lane)
    draft = await renamed(lane, "x", epoch=7, seq=1)
    draft.write("XADD", keys.meter("CP1", 5), "*", "m", b"\x00binary")
    draft.write("HSET", keys.starts("CP1"), "key", 5)
    draft.write("XADD", keys.meter("CP1", 5), "*", "m", b"second")
    await commit(lane, draft)
    entries = await lane.one("XRANGE", keys.meter("CP1", 5), "-", "+")
    assert [fields for _, fields in entries] == [[b"m", b"\x00binary"], [b"m", b"second"]]
    assert await lane.one("HGET", keys.starts("CP1"), "key") == b"5"


async def test_deleted_station_leaves_only_its_outbox(lane: Lane) -> None:
    """Forgetting a station removes its sections and its token; a late CALL brings nothing back."""
    await create(lane)
    draft = draft_on(await view_of(lane), entry="9-1")
    draft.forget()
    assert (await commit(lane, draft)).result is Result.COMMITTED
    view = await view_of(lane)
    assert (view.token, view.station) == (None, None)
    late = draft_on(view, epoch=7, seq=1)
    late.answer = b"[3]"
    assert (await commit(lane, late)).result is Result.STALE
    assert await lane.one("HEXISTS", keys.state("CP1"), "f:7") == 0


async def test_each_start_gets_its_own_durable_id(lane: Lane) -> None:
    """Two entries of one round have two ids; a lane that reconnected begins a new block."""
    loader = Loader(lane)
    want = WantTransactionId()
    wanted = (await loader.load(["A"], [("1-1", "A", [want]), ("1-2", "A", [want])])).wanted
    assert wanted["1-1"][want] != wanted["1-2"][want]
    first_block = int(await lane.one("GET", keys.META_TRANSACTION_ID))
    with pytest.raises(ConnectionError):
        await lane.execute([("BLPOP", "nothing", 5)], timeout_s=0.01)
    after = (await loader.load(["A"], [("1-3", "A", [want])])).wanted["1-3"][want]
    assert after > first_block


async def test_places_under_a_limit(lane: Lane) -> None:
    """A tag's limit holds, the same holder keeps its place, and 0 is no limit."""

    async def take(holder: str, limit: int) -> bool:
        want = WantSlot("tag", holder, limit)
        granted: bool = (await Loader(lane).load([], [("1-1", "A", [want])])).wanted["1-1"][want]
        return granted

    assert [await take(holder, 2) for holder in ("A/1", "A/2", "A/3", "A/1")] == [True, True, False, True]
    assert await take("A/3", 0)


async def test_many_decisions_keep_their_places(lane: Lane) -> None:
    """Whatever the drafts of a round come to, and however many calls it takes, each has its own outcome."""
    count = 2 * MOST_A_CALL + 5
    views = (await Loader(lane).load([f"CP{n}" for n in range(count)], [])).views
    drafts, expected = [], []
    for n in range(count):
        draft = draft_on(views[f"CP{n}"], entry=f"{n}-1", epoch=7 if n % 5 == 1 else 0, seq=1 if n % 5 == 1 else 0)
        if n % 5 == 0:
            expected.append(Result.COMMITTED)  # Nothing to write: a look.
        elif n % 5 == 1:
            expected.append(Result.STALE)  # A CALL of a station that is deleted.
        else:
            draft.put(StationRecord(station_id=f"CP{n}", created_at=n))
            draft.write("SET", keys.command(f"CP{n}", "x"), n)
            expected.append(Result.CONFLICT if n % 5 == 4 else Result.COMMITTED)
            if n % 5 == 4:
                await lane.one("HSET", keys.state(f"CP{n}"), "v", "another")
        drafts.append(draft)
    outcomes = await commit_many(lane, drafts)
    assert [outcome.result for outcome in outcomes] == expected
    for n, outcome in enumerate(outcomes):
        written = outcome.result is Result.COMMITTED and n % 5 != 0
        assert await lane.one("HGET", keys.state(f"CP{n}"), "v") == (
            outcome.token if written else b"another" if n % 5 == 4 else None
        )
        assert await lane.one("GET", keys.command(f"CP{n}", "x")) == (str(n).encode() if written else None)


async def test_a_refused_decision_does_not_hinder_others(lane: Lane) -> None:
    """Where Redis refuses what one of them writes, that is raised, and those around it are committed."""
    views = (await Loader(lane).load(["CP0", "CP1", "CP2"], [])).views
    drafts = []
    for n, view in enumerate(views.values()):
        drafts.append(draft_on(view, entry=f"{n}-1"))
        drafts[n].put(StationRecord(station_id=view.station_id, created_at=1))
    await lane.one("SET", keys.command("CP1", "x"), "text")
    drafts[1].write("LPUSH", keys.command("CP1", "x"), "a")
    with pytest.raises(hiredis.ReplyError, match="WRONGTYPE"):
        await commit_many(lane, drafts)
    assert [await lane.one("HEXISTS", keys.state(f"CP{n}"), "st") for n in (0, 2)] == [1, 1]
