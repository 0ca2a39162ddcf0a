"""The live feed: order, resuming, gaps, filters, slow readers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from aiohttp import ClientResponse

from edge.operators import feed as feed_module
from edge.operators.feed import EventFeed
from edge.operators.resources import events as events_module
from shared.bus import keys
from shared.bus.lane import Lane
from shared.records.events import ConnectorStatus, StationBooted, StationOffline, TransactionStarted
from shared.records.packing import pack
from shared.records.queries import events
from shared.records.queries.events import BEGINNING, EventPosition
from tests.edge.operators.contract import validate
from tests.edge.operators.stage import T0, Stage
from tests.support import PATIENCE_S, wait_until


def offline(n: int, station_id: str = "CP1") -> StationOffline:
    return StationOffline(station_id=station_id, at=T0 + n, id=f"{station_id}:1:{n}:0", epoch=1, cause="close")


class Reader:
    """A client of the feed that keeps what it has read."""

    def __init__(self, response: ClientResponse) -> None:
        self._response = response

    async def next(self, timeout_s: float = PATIENCE_S) -> dict[str, Any]:
        """Return the next event as id, event and decoded data."""
        found: dict[str, Any] = {}
        async with asyncio.timeout(timeout_s):
            while True:
                line = (await self._response.content.readline()).decode()
                if not line:
                    raise EOFError
                name, _, value = line.rstrip("\n").partition(": ")
                if name in {"id", "event", "data"}:
                    found[name] = msgspec.json.decode(value) if name == "data" else value
                if line == "\n" and "data" in found:
                    return found

    async def several(self, count: int) -> list[dict[str, Any]]:
        return [await self.next() for _ in range(count)]


@asynccontextmanager
async def following(stage: Stage, after: str = "", **params: str) -> AsyncIterator[Reader]:
    """Follow the feed for the length of the block."""
    headers = {**stage.headers(), **({"Last-Event-ID": after} if after else {})}
    async with stage.http.get(f"{stage.url}/api/v1/events", headers=headers, params=params) as response:
        assert response.status == 200, await response.text()
        assert response.content_type == "text/event-stream"
        await response.content.readline()
        yield Reader(response)


async def test_events_come_as_they_happen(stage: Stage) -> None:
    """From now on, in order, each with its position as `id:` and its own id in the body."""
    await stage.emit(offline(0))
    async with following(stage) as reader:
        entry = await stage.emit(offline(1), offline(2))
        first, second = await reader.several(2)
    assert (first["id"], second["id"]) == (f"{entry}.0", f"{entry}.1")
    assert first["event"] == "station.offline"
    assert first["data"] == {
        "id": "CP1:1:1:0", "type": "station.offline", "version": 1, "station_id": "CP1",
        "at": "2026-01-01T00:00:00.001Z", "epoch": 1, "cause": "close",
    }  # fmt: skip


async def test_events_have_the_form_that_the_document_says(stage: Stage) -> None:
    """Defaults are spelled out, times are ISO-8601."""
    async with following(stage) as reader:
        await stage.emit(
            TransactionStarted(
                station_id="CP1", at=T0, id="x", transaction_id=1, connector_id=1, id_tag="A", started_at=T0,
                meter_start_wh=0, authorization="Accepted",
            ),
            ConnectorStatus(station_id="CP1", at=T0, id="y", connector_id=1, status="Charging"),
        )  # fmt: skip
        for event in await reader.several(2):
            validate({"$ref": f"#/components/schemas/Event.{event['event']}"}, event["data"])
            assert event["data"]["at"] == "2026-01-01T00:00:00.000Z"


async def test_a_reader_resumes_behind_what_it_saw(stage: Stage) -> None:
    """Last-Event-ID goes on within an entry too; nothing twice, nothing left out."""
    entry = await stage.emit(offline(1), offline(2), offline(3))
    await stage.emit(offline(4))
    async with following(stage, after=f"{entry}.1") as reader:
        await stage.emit(offline(5))
        assert [event["data"]["id"] for event in await reader.several(3)] == [f"CP1:1:{n}:0" for n in (3, 4, 5)]


async def test_after_0_begins_with_the_oldest(stage: Stage) -> None:
    """The whole retention can be read, without a gap being claimed."""
    for n in range(250):
        await stage.emit(offline(n))
    async with following(stage, after="0") as reader:
        found = await reader.several(250)
    assert [event["data"]["id"] for event in found] == [f"CP1:1:{n}:0" for n in range(250)]


async def test_a_reader_behind_the_retention_gets_a_gap(stage: Stage) -> None:
    """What was trimmed is announced, then everything that is left comes."""
    seen = await stage.emit(offline(0))
    for n in range(1, 5):
        await stage.emit(offline(n))
    await stage.write(("XTRIM", keys.EVENTS, "MAXLEN", 2))
    async with following(stage, after=f"{seen}.0") as reader:
        gap, first, _ = await reader.several(3)
    assert (gap["event"], gap["data"]["type"], gap["data"]["after"]) == ("gap", "gap", f"{seen}.0")
    assert "id" not in gap
    assert gap["data"]["first"] == first["id"]
    assert first["data"]["id"] == "CP1:1:3:0"


async def test_a_reader_that_saw_the_newest_has_no_gap_when_all_is_trimmed(stage: Stage) -> None:
    """An empty stream hides nothing from who was up to date, and something from who was not."""
    first = await stage.emit(offline(0))
    last = await stage.emit(offline(1))
    await stage.write(("XTRIM", keys.EVENTS, "MAXLEN", 0))
    assert not (await events.following(stage.lane, EventPosition.parse(f"{last}.0"), 10)).gap
    assert (await events.following(stage.lane, EventPosition.parse(f"{first}.0"), 10)).gap
    assert not (await events.following(stage.lane, BEGINNING, 10)).gap


async def test_a_position_of_another_stream_is_a_gap(stage: Stage) -> None:
    """After a loss of Redis old positions are ahead: the reader learns it at once and gets everything."""
    await stage.emit(offline(0), entry_id="5-0")
    async with following(stage, after="9999999999999-0.0") as reader:
        gap, first = await reader.several(2)
    assert gap["event"] == "gap"
    assert first["id"] == "5-0.0"


async def test_filters_by_type_and_station(stage: Stage) -> None:
    """Only what is asked for comes."""
    async with following(stage, type="station.booted,transaction.*", station_id="CP2") as reader:
        booted = StationBooted(station_id="CP2", at=T0, id="b", status="Accepted", vendor="V", model="M")
        await stage.emit(offline(1, "CP2"), msgspec.structs.replace(booted, station_id="CP1"), booted)
        assert (await reader.next())["data"]["id"] == "b"


async def test_an_unknown_event_is_passed_on(stage: Stage) -> None:
    """A newer worker may write types that this process does not know."""
    async with following(stage) as reader:
        raw = pack([{"type": "car.flew", "station_id": "CP1", "at": T0, "id": "z", "height": 3}])
        await stage.write(("XADD", keys.EVENTS, "*", "v", raw))
        event = await reader.next()
    assert event["event"] == "car.flew"
    assert (event["data"]["height"], event["data"]["at"]) == (3, "2026-01-01T00:00:00.000Z")


async def test_what_is_no_event_stops_nobody(stage: Stage) -> None:
    """Foreign writing in the stream is passed over, by live readers and by those who catch up."""
    async with following(stage) as reader:
        begin = await stage.emit(offline(0))
        await stage.write(
            ("XADD", keys.EVENTS, "*", "other", "x"),
            ("XADD", keys.EVENTS, "*", "v", b"\xc1"),
            ("XADD", keys.EVENTS, "*", "v", pack([1, "text", {"at": "noon"}, {"station_id": "CP1", "at": T0}])),
        )
        await stage.emit(offline(1))
        live = [(await reader.next())["data"].get("id") for _ in range(3)]
    async with following(stage, after=f"{begin}.0") as reader:
        late = [(await reader.next())["data"].get("id") for _ in range(2)]
    assert live == ["CP1:1:0:0", "", "CP1:1:1:0"]
    assert late == ["", "CP1:1:1:0"]


async def test_a_slow_reader_loses_nothing_and_holds_nothing(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who falls out of the ring reads on from the stream."""
    monkeypatch.setattr(feed_module, "RING_EVENTS", 10)
    found = EventFeed(stage.lane, stage.node.settings.redis_url.reveal())
    try:
        position = await found.now()
        for n in range(400):
            await stage.emit(offline(n))
        await wait_until(lambda: str(found._head) != str(position) and len(found._ring) == 10)
        seen: list[str] = []
        while len(seen) < 400:
            batch = await found.following(position, 1.0)
            assert not batch.gap
            seen += [msgspec.json.decode(event.data)["id"] for event in batch.events]
            position = batch.position
        assert seen == [f"CP1:1:{n}:0" for n in range(400)]
    finally:
        await found.close()


async def test_nobody_listening_costs_nothing(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader ends when the last listener has left, and begins again with the next, who misses nothing."""
    monkeypatch.setattr(feed_module, "IDLE_S", 0.1)
    monkeypatch.setattr(feed_module, "BLOCK_MS", 50)
    found = EventFeed(stage.lane, stage.node.settings.redis_url.reveal())
    try:
        position = await found.now()
        await wait_until(lambda: found._reader is None)
        for n in range(3):
            await stage.emit(offline(n))
        seen: list[str] = []
        while len(seen) < 3:
            batch = await found.following(position, 1.0)
            seen += [msgspec.json.decode(event.data)["id"] for event in batch.events]
            position = batch.position
        assert seen == [f"CP1:1:{n}:0" for n in range(3)]
    finally:
        await found.close()


async def test_all_readers_share_one_connection(stage: Stage) -> None:
    """Twenty listeners cost Redis one blocked client."""
    readers = [following(stage) for _ in range(20)]
    opened = [await one.__aenter__() for one in readers]
    await stage.emit(offline(1))
    for reader in opened:
        assert (await reader.next())["data"]["id"] == "CP1:1:1:0"

    async def alone() -> bool:
        clients: bytes = await stage.lane.one("CLIENT", "LIST")
        return clients.count(b"name=ampstream-feed") == 1

    await wait_until(alone)
    for one in readers:
        await one.__aexit__(None, None, None)


async def test_the_feed_survives_a_lost_connection(stage: Stage) -> None:
    """Redis goes and comes back: the reader sees every event."""
    async with following(stage) as reader:
        await stage.emit(offline(1))
        await reader.next()
        await stage.write(("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"))
        await stage.emit(offline(2))
        assert (await reader.next())["data"]["id"] == "CP1:1:2:0"


async def test_a_quiet_feed_keeps_the_connection_alive(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A comment comes, and a position that moves past what the filter hid."""
    monkeypatch.setattr(events_module, "KEEP_ALIVE_S", 0.2)
    async with following(stage, type="station.booted") as reader:
        entry = await stage.emit(offline(1))
        line = ""
        async with asyncio.timeout(PATIENCE_S):
            while line != ": keep-alive\n":
                line = (await reader._response.content.readline()).decode()
            while not line.startswith(f"id: {entry}."):
                line = (await reader._response.content.readline()).decode()


async def test_a_revoked_token_ends_the_stream(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Following needs a good token all the time."""
    monkeypatch.setattr(events_module, "KEEP_ALIVE_S", 0.2)
    token = await stage.make_token("read")
    headers = stage.headers(token)
    async with stage.http.get(f"{stage.url}/api/v1/events", headers=headers) as response:
        items = (await stage.get("/tokens"))["items"]
        (name,) = [one["id"] for one in items if one["name"] == "test-read"]
        await stage.ask("DELETE", f"/tokens/{name}")
        async with asyncio.timeout(PATIENCE_S):
            while await response.content.readline():
                pass


async def test_too_many_listeners_are_turned_away(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process protects itself."""
    monkeypatch.setattr(events_module, "MAX_LISTENERS", 1)
    async with following(stage):
        status, body = await stage.ask("GET", "/events")
        assert (status, body["type"]) == (503, "urn:ampstream:problem:unavailable")


async def test_a_deploy_ends_every_stream(stage: Stage) -> None:
    """When the feed closes the listeners are let go."""
    lane = await Lane.open(stage.node.settings.redis_url.reveal(), name="x")
    found = EventFeed(lane, stage.node.settings.redis_url.reveal())
    waiting = asyncio.create_task(found.following(await found.now(), 60))
    await asyncio.sleep(0)
    await found.close()
    assert (await asyncio.wait_for(waiting, PATIENCE_S)).events == []
    await lane.close()


def test_positions_compare_and_read_back() -> None:
    """A position is text outside and ordered inside."""
    assert EventPosition.parse("5-1.2") == EventPosition(5, 1, 2)
    assert str(EventPosition(5, 1, 2)) == "5-1.2"
    assert EventPosition.parse("0") == BEGINNING
    assert EventPosition.parse("5-1") > EventPosition.parse("5-1.7")
    assert EventPosition.parse(str(EventPosition.parse("5-1"))) == EventPosition.parse("5-1")
    for wrong in ("", "5", "5-", "a-b.c", "5-1.-1", "-1-1.0"):
        with pytest.raises(ValueError, match="is no position"):
            EventPosition.parse(wrong)
