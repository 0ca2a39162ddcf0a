"""Pages of lists: nothing lost, nothing twice, whatever is written meanwhile."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.bus import keys
from shared.bus.lane import Lane
from shared.records.packing import pack
from shared.records.queries import cursors, stations, transactions
from shared.records.queries.cursors import CursorError, Position
from shared.records.queries.reading import newest
from shared.records.queries.stations import StationFilter
from shared.records.queries.transactions import TransactionFilter
from shared.records.stations import StationRecord
from shared.records.transactions import Transaction

LENIENT = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
NAMES = st.text(alphabet="ab0Ü-~", min_size=1, max_size=4)


def run(url: str, body: Callable[[Lane], Coroutine[Any, Any, None]]) -> None:
    """Run a coroutine with a lane on an empty Valkey."""

    async def whole() -> None:
        lane = await Lane.open(url, name="test")
        try:
            await lane.one("FLUSHALL")
            await body(lane)
        finally:
            await lane.close()

    asyncio.run(whole())


def transaction(number: int, started_at: int, id_tag: str = "A") -> Transaction:
    return Transaction(
        transaction_id=number, station_id=f"CP{number % 3}", connector_id=1, id_tag=id_tag, started_at=started_at,
        received_at=1, meter_start_wh=0, start_key="k", state="closed",
    )  # fmt: skip


async def add(lane: Lane, *records: Transaction) -> None:
    for one in records:
        await lane.execute(
            [
                ("SET", keys.transaction(one.station_id, one.transaction_id), pack(one)),
                ("HSET", keys.TRANSACTION_OWNERS, one.transaction_id, one.station_id),
                ("ZADD", keys.TRANSACTIONS, one.started_at, one.transaction_id),
            ]
        )


@LENIENT
@given(
    before=st.dictionaries(st.integers(1, 10_000), st.integers(1, 5), min_size=1, max_size=40),
    during=st.lists(st.tuples(st.integers(10_001, 20_000), st.integers(1, 5)), max_size=10),
    limit=st.integers(1, 7),
    tagged=st.booleans(),
)
def test_what_was_there_is_listed_once_while_others_come(
    redis_url: str, before: dict[int, int], during: list[tuple[int, int]], limit: int, tagged: bool
) -> None:
    """Every transaction that existed from the first page to the last is on exactly one page, in order."""

    async def body(lane: Lane) -> None:
        await add(lane, *(transaction(number, start) for number, start in before.items()))
        arriving = list(during)
        seen: list[tuple[int, int]] = []
        after: Position | None = None
        while True:
            wanted = TransactionFilter(id_tag="a" if tagged else "")
            found, after = await transactions.page(lane, wanted, after, limit)
            assert len(found) <= limit
            seen += [(one.started_at, one.transaction_id) for one in found]
            if after is None:
                break
            if arriving:
                await add(lane, transaction(*arriving.pop()))
        old = [number for _, number in seen if number <= 10_000]
        assert sorted(old) == sorted(before)
        assert len(seen) == len(set(seen))
        assert [start for start, _ in seen] == sorted((start for start, _ in seen), reverse=True)

    run(redis_url, body)


@LENIENT
@given(
    members=st.dictionaries(NAMES, st.integers(-3, 3), min_size=1, max_size=30),
    removed=st.data(),
    limit=st.integers(1, 5),
)
def test_a_page_goes_on_behind_a_member_that_is_gone(
    redis_url: str, members: dict[str, int], removed: st.DataObject, limit: int
) -> None:
    """The position's own member may be deleted between two pages; equal scores go by the bytes of their members."""

    async def body(lane: Lane) -> None:
        await lane.execute([("ZADD", "z", score, name) for name, score in members.items()])
        expected = sorted(((score, name.encode()) for name, score in members.items()), reverse=True)
        seen: list[tuple[int, bytes]] = []
        after: Position | None = None
        while True:
            found = await newest(lane, "z", after, limit)
            seen += [(one.score, one.member.encode()) for one in found]
            if len(found) < limit:
                break
            after = found[-1]
            if removed.draw(st.booleans()):
                await lane.one("ZREM", "z", after.member)
        assert seen == expected

    run(redis_url, body)


@LENIENT
@given(
    ids=st.sets(NAMES, min_size=1, max_size=30), prefix=st.text(alphabet="ab0Ü", max_size=2), limit=st.integers(1, 5)
)
def test_stations_by_prefix(redis_url: str, ids: set[str], prefix: str, limit: int) -> None:
    """A prefix selects what begins with it, whatever its characters, and pages cover all of it."""

    async def body(lane: Lane) -> None:
        for name in ids:
            record = pack(StationRecord(station_id=name, created_at=1))
            await lane.execute([("HSET", keys.state(name), "st", record), ("ZADD", keys.STATIONS, 0, name)])
        seen: list[str] = []
        after = ""
        while True:
            found, after = await stations.page(lane, StationFilter(q=prefix), after, limit)
            seen += [one.station.station_id for one in found]
            if not after:
                break
        assert seen == sorted((name for name in ids if name.startswith(prefix)), key=str.encode)

    run(redis_url, body)


def test_a_filter_that_finds_nothing_looks_at_a_bounded_number(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page may be empty and go on: no request scans the whole fleet."""
    monkeypatch.setattr(stations, "SCAN_BUDGET", 20)
    monkeypatch.setattr(stations, "CHUNK", 10)

    async def body(lane: Lane) -> None:
        for n in range(45):
            record = pack(StationRecord(station_id=f"{n:03}", created_at=1, vendor="V" if n == 44 else "X"))
            await lane.execute([("HSET", keys.state(f"{n:03}"), "st", record), ("ZADD", keys.STATIONS, 0, f"{n:03}")])
        after, pages, found = "", 0, []
        while True:
            items, after = await stations.page(lane, StationFilter(vendor="V"), after, 10)
            found += [one.station.station_id for one in items]
            pages += 1
            if not after:
                break
        assert (found, pages) == (["044"], 3)

    run(redis_url, body)


@given(member=st.text(max_size=50), score=st.integers(-(2**62), 2**62), query=st.integers(0, 2**32 - 1))
def test_cursors_read_back(member: str, score: int, query: int) -> None:
    """A cursor is URL-safe text that holds its position."""
    text = cursors.encode(query, Position(member, score))
    assert text.isascii()
    assert not set(text) & set("+/=&? ")
    assert cursors.decode(query, text) == Position(member, score)
    with pytest.raises(CursorError):
        cursors.decode(query ^ 1, text)


@given(text=st.text(max_size=40))
def test_nonsense_is_no_cursor(text: str) -> None:
    """Whatever a client sends as a cursor, it is decoded or refused."""
    with contextlib.suppress(CursorError):
        assert isinstance(cursors.decode(1, text), Position)
