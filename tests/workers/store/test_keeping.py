"""Kept states: they serve while Redis has their token, and never longer; against a real Valkey."""

from collections.abc import AsyncIterator

import msgspec
import pytest

from shared.bus import keys
from shared.bus.lane import Command, Lane
from shared.policy import Policy
from shared.records.packing import pack
from shared.records.stations import StationRecord
from workers.store.commit import Result, commit_many
from workers.store.draft import Draft, Origin
from workers.store.loading import Loader
from workers.store.view import FIELDS, StationView
from workers.store.wants import WantTransaction


class Watched(Lane):
    """A lane that remembers what it was asked."""

    asked: list[Command]

    async def execute(self, commands, timeout_s=None):  # type: ignore[no-untyped-def]
        """Remember and execute."""
        self.asked = [*getattr(self, "asked", []), *commands]
        return await super().execute(commands, timeout_s)


@pytest.fixture
async def lane(redis_url: str) -> AsyncIterator[Watched]:
    """A lane to an empty Valkey."""
    lane = Watched(redis_url, name="test")
    yield lane
    await lane.close()


async def name(loader: Loader, lane: Lane, vendor: str, entry: str) -> StationView:
    """Give CP1 another vendor through this loader; returns the view that it kept."""
    view = (await loader.load(["CP1"], [])).views["CP1"]
    draft = Draft(view, Origin(entry, 0, 1, "", 0, 0), 1, Policy())
    draft.put(msgspec.structs.replace(view.station or StationRecord(station_id="CP1", created_at=1), vendor=vendor))
    (outcome,) = await commit_many(lane, [draft])
    assert outcome.result is Result.COMMITTED
    assert outcome.token is not None
    view.advance(outcome.token, draft.changed)
    loader.keep(view)
    return view


async def vendor(loader: Loader) -> str:
    """Return the vendor that a decision would see."""
    station = (await loader.load(["CP1"], [])).views["CP1"].station
    return "" if station is None else station.vendor


async def test_a_kept_state_is_not_read_again(lane: Watched) -> None:
    """After a commit the next load asks for the token alone, and serves what the commit left."""
    loader = Loader(lane, kept=10)
    kept = await name(loader, lane, "Volt", "1-1")
    lane.asked.clear()
    assert (await loader.load(["CP1"], [])).views["CP1"] is kept
    assert [command[0] for command in lane.asked] == ["TIME", "EVALSHA"]
    assert await vendor(loader) == "Volt"


async def test_what_another_worker_changed_is_read(lane: Watched) -> None:
    """A kept state whose token Redis no longer has does not serve, and what its entry needs is read after the state."""
    one, other = Loader(lane, kept=10), Loader(lane, kept=10)
    await name(one, lane, "Volt", "1-1")
    await name(other, lane, "Watt", "1-2")
    lane.asked.clear()
    loaded = await one.load(["CP1"], [("1-3", "CP1", [WantTransaction(5)])])
    assert loaded.views["CP1"].station == StationRecord(station_id="CP1", created_at=1, vendor="Watt")
    assert loaded.wanted == {"1-3": {WantTransaction(5): None}}
    assert [command[0] for command in lane.asked] == ["TIME", "EVALSHA", "GET", "TIME", "HMGET", "GET"]


async def test_a_deleted_station_is_gone(lane: Watched) -> None:
    """A state that was removed, or that Redis lost, is not served from memory."""
    loader = Loader(lane, kept=10)
    await name(loader, lane, "Volt", "1-1")
    await lane.one("DEL", keys.state("CP1"))
    view = (await loader.load(["CP1"], [])).views["CP1"]
    assert (view.token, view.station) == (None, None)


async def test_what_is_kept_is_bounded(lane: Watched) -> None:
    """Of more stations than may be kept the oldest goes; with none allowed every state is read."""
    loader = Loader(lane, kept=2)
    for number in range(3):
        await lane.one(
            "HSET", keys.state(f"CP{number}"), "v", "t", "st", pack(StationRecord(station_id="CP1", created_at=number))
        )
        loader.keep((await loader.load([f"CP{number}"], [])).views[f"CP{number}"])
    lane.asked.clear()
    await loader.load(["CP0", "CP1", "CP2"], [])
    assert [command[0] for command in lane.asked] == ["TIME", "EVALSHA", "HMGET"]
    assert lane.asked[2][2:] == FIELDS
    loader = Loader(lane)
    await name(loader, lane, "Volt", "1-1")
    lane.asked.clear()
    assert await vendor(loader) == "Volt"
    assert [command[0] for command in lane.asked] == ["TIME", "HMGET"]
