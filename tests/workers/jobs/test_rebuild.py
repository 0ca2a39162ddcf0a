"""The indexes that commits keep are those that the stations' own records give, and damage to them is mended."""

from typing import Any

import msgspec
import pytest

from shared.bus import keys
from shared.bus.lane import Lane
from shared.envelopes import Command, Kind, SessionOpened
from shared.records.authorization import AuthorizationPolicy, Policies
from shared.records.packing import pack
from shared.records.queries import tags, templates
from shared.records.requests import (
    CancelCommand,
    CreateStation,
    DeleteStation,
    ReadConfiguration,
    SendCommand,
    SyncLocalList,
)  # fmt: skip
from shared.records.tags import IdTag
from shared.records.templates import Template
from shared.settings import Settings
from tests.support import wait_until
from tests.workers.jobs.stage import System, stage
from workers.jobs import indexes, places, rebuild
from workers.jobs.indexes import INDEXES, Form

pack_json = msgspec.json.encode
CHECKED = (*INDEXES, keys.TAGS)
RESERVE = '{"connectorId":1,"expiryDate":"2100-01-01T00:00:00Z","idTag":"Anna","reservationId":1}'


async def dump(lane: Lane) -> dict[str, Any]:
    """Return the whole content of every index."""
    found: dict[str, Any] = {}
    for index in CHECKED:
        form = INDEXES.get(index, Form.SORTED)
        if form is Form.SET:
            found[index] = set(await lane.one("SMEMBERS", index))
            continue
        command = ("HGETALL", index) if form is Form.HASH else ("ZRANGE", index, 0, -1, "WITHSCORES")
        pairs = await lane.one(*command)
        found[index] = dict(zip(pairs[::2], pairs[1::2], strict=True))
    return found


async def life(system: System) -> None:
    """Stations of all kinds: never seen, online, gone, sent away, deleted, misunderstood; with transactions."""
    await tags.put(system.lane, [IdTag(id_tag="Anna", concurrent_limit=2), IdTag(id_tag="Bob")])
    assert await system.request("OP1", CreateStation(request_id="1")) == 201
    assert await system.request("OP2", CreateStation(request_id="2")) == 201
    assert await system.request("OP2", DeleteStation(request_id="3")) == 200
    first = await system.dial("CP1")
    for connector, status in ((0, "Available"), (1, "Charging"), (2, "Available"), (2, "Faulted")):
        await first.status(connector, status)
    await first.stop(await first.start("anna"), 500)
    await first.start("ANNA", 1, 500)
    await first.start("Bob", 2)
    gone = await system.dial("CP2")
    await gone.status(1, "Preparing")
    await gone.start("nobody's")
    await gone.close()
    await (await system.dial("CP3")).close(ours=True)
    odd = await system.dial("CP4")
    assert (await odd.call("StartTransaction", {"connectorId": "x"}))[0] == 3
    assert (await odd.call("Unheard", {}))[0] == 4
    deleted = await system.dial("CP5")
    await deleted.status(1, "Charging")
    await deleted.start("Bob")
    assert await system.request("CP5", DeleteStation(request_id="4", force=True)) == 200
    await system.dial("CP6")
    await system.dial("CP6")
    for number in range(3):
        send = SendCommand(request_id=f"c{number}", command_id=f"c{number}", action="ClearCache", payload="{}")
        assert await system.request("CP6", send) == 202
        assert await system.request("OP1", msgspec.structs.replace(send, command_id=f"o{number}")) == 202
    assert await system.request("OP1", CancelCommand(request_id="c4", command_id="o1")) == 200
    reserve = SendCommand(request_id="r", command_id="reserve-1", action="ReserveNow", payload=RESERVE)
    assert await system.request("OP1", reserve) == 202
    assert await templates.REGISTER.create(system.lane, Template(name="every", updated_at=1))
    await drift(system)
    reset = SendCommand(request_id="5", command_id="reset-1", action="Reset", payload='{"type":"Soft"}')
    assert await system.request("CP1", reset) == 202

    async def sent() -> int:  # Once the answer to the boot has settled, with any decision.
        await first.call("Heartbeat", {})
        return int(await system.lane.one("SCARD", keys.COMMANDS_INFLIGHT))

    await wait_until(sent, interval_s=0.2)
    await system.settle()


async def drift(system: System) -> None:
    """A station whose configuration is read twice, and differs."""
    station = await system.dial("CP7")

    async def asked() -> Command | None:  # Once the answer to the boot has settled, with any decision.
        await station.call("Heartbeat", {})
        sent = [one for one in await system.items() if isinstance(one, Command) and one.station == "CP7"]
        return sent[-1] if len(sent) == number else None

    for number in (1, 2):
        assert await system.request("CP7", ReadConfiguration(request_id=f"d{number}")) == 202
        command = await wait_until(asked, interval_s=0.2)
        assert command is not None
        answer = {"configurationKey": [{"key": "A", "readonly": False, "value": str(number)}]}
        await system.append(Kind.ANSWER, "CP7", station.epoch, 0, pack_json([3, command.command_id, answer]))
        await system.settle()


async def listing(system: System) -> None:
    """A station that is to hold a local list."""
    policy = AuthorizationPolicy(name="lists", mode="hybrid")
    await system.lane.one("SET", keys.AUTHORIZATION, pack(Policies({"lists": policy})))
    assert await system.request("CP7", SyncLocalList(request_id="l1")) == 202


async def proving(system: System) -> None:
    """A station that dials in with a certificate."""
    station = await system.dial("CP7")
    opened = SessionOpened("ocpp1.6", certificate="AB/commonName=Root", certificate_ends_at=4_000_000_000_000)
    await system.append(Kind.OPENED, "CP7", station.epoch, 0, msgspec.msgpack.encode(opened))
    await system.settle()


async def test_commits_keep_the_indexes_that_the_records_give(settings: Settings, lane: Lane) -> None:
    """After a life of all kinds nothing is to be mended, and every index has something in it."""
    async with stage(settings, lane) as system:
        await life(system)
        await listing(system)
        await proving(system)
    before = await dump(lane)
    report = await rebuild.mend_all(lane)
    assert report.total == 0, str(report)
    assert await dump(lane) == before
    assert all(before.values()), before
    assert report.stations == 8  # OP2 was deleted before it had any record that outlives it.


DAMAGES: dict[str, list[tuple[Any, ...]]] = {
    "lost": [("DEL", index) for index in CHECKED],
    "foreign": [
        ("ZADD", keys.STATIONS, 0, "ghost"),
        ("HSET", keys.ONLINE, "ghost", "ocpp1.6", "OP1", "ocpp1.6"),
        ("SADD", keys.NEVER_SEEN, "ghost", "CP1"),
        ("ZADD", keys.TUNING, 0, "every/1/refused/CP7", 0, "gone/1/in_line/CP1", 0, "every/1/in_line/ghost"),
        ("SADD", keys.COMMANDS_INFLIGHT, "ghost/a", "CP1/b/c"),
        ("HSET", keys.CONNECTORS, "ghost/1", "Available", "CP1/7", "Available"),
        ("ZADD", keys.TRANSACTIONS, 5, "4711"),
        ("ZADD", keys.TRANSACTIONS_OPEN, 5, "4711", 5, "1"),
        ("HSET", keys.TRANSACTION_OWNERS, "4712", "CP1", "4713", "ghost"),
        ("ZADD", keys.QUARANTINE, 5, "CP4/0-5-0", 5, "ghost/0-5-0"),
        ("ZADD", keys.COMMANDS, 5, "CP6/c7", 5, "ghost/c0"),
        ("ZADD", keys.DRIFTS, 5, "CP7/x", 5, "ghost/x"),
        ("HSET", keys.DRIFTING, "CP6", "1", "ghost", "2"),
        ("ZADD", keys.TAGS, 0, "carol"),
    ],
    "other values": [
        ("HSET", keys.ONLINE, "CP1", "ocpp9"),
        ("HSET", keys.CONNECTORS, "CP1/1", "Unavailable"),
        ("ZADD", keys.TRANSACTIONS, 5, "2"),
        ("HSET", keys.TRANSACTION_OWNERS, "2", "CP6"),
        ("ZADD", keys.STATIONS, 7, "CP1"),
        ("ZADD", keys.COMMANDS, 7, "CP6/c1"),
        ("HSET", keys.DRIFTING, "CP7", "9"),
    ],
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_damage_is_mended(settings: Settings, lane: Lane, damage: str) -> None:
    """Lost, foreign and wrong members are put right; a second look finds nothing to do."""
    async with stage(settings, lane) as system:
        await life(system)
    before = await dump(lane)
    await lane.execute(DAMAGES[damage])
    assert await dump(lane) != before
    text = await rebuild.rebuild(settings)
    assert "mended" in text
    assert await dump(lane) == before
    assert (await rebuild.mend_all(lane)).total == 0


async def test_counter_of_transaction_ids_is_raised(settings: Settings, lane: Lane) -> None:
    """A counter that was lost would give ids twice: it is raised above every id that exists."""
    async with stage(settings, lane) as system:
        await life(system)
    highest = max(int(member) for member in await lane.one("ZRANGE", keys.TRANSACTIONS, 0, -1))
    await lane.one("DEL", keys.META_TRANSACTION_ID)
    report = await rebuild.mend_all(lane)
    assert report.ids_raised_by == highest == int(await lane.one("GET", keys.META_TRANSACTION_ID))


async def test_places_follow_open_transactions(settings: Settings, lane: Lane) -> None:
    """A place that no open transaction holds goes, one that is lacking comes back; a recent one is left alone."""
    async with stage(settings, lane) as system:
        await life(system)
    seconds, _ = await lane.one("TIME")
    held = set(await lane.one("HKEYS", keys.holders("anna")))
    assert len(held) == 1
    await lane.one("DEL", keys.holders("anna"))
    await lane.one("HSET", keys.holders("anna"), "CP9/x", 1, "CP9/y", int(seconds) * 1000)
    await lane.one("HSET", keys.holders("gone"), "CP9/x", 1)
    report = await rebuild.mend_all(lane)
    assert set(await lane.one("HKEYS", keys.holders("anna"))) == held | {b"CP9/y"}
    assert await lane.one("EXISTS", keys.holders("gone")) == 0
    mended = report.mended[places.NAME]
    assert (mended.added, mended.removed) == (1, 2)


async def test_a_station_that_changes_meanwhile_is_not_overwritten(settings: Settings, lane: Lane) -> None:
    """What was read of a station is written only while it is still so."""
    async with stage(settings, lane) as system:
        await life(system)
    (held,) = await rebuild._load(lane, {"CP1": None})
    await lane.one("HSET", keys.state("CP1"), "v", b"another")
    assert not await rebuild.write(lane, held, [indexes.remove(keys.ONLINE, ["CP1"])])
    assert await lane.one("HEXISTS", keys.ONLINE, "CP1") == 1


async def test_rebuild_while_stations_come_and_go(settings: Settings, lane: Lane) -> None:
    """Mending a busy system leaves indexes that agree with the records once it is quiet."""
    async with stage(settings, lane) as system:
        await life(system)
        await lane.one("DEL", keys.ONLINE, keys.CONNECTORS)
        for _ in range(5):
            station = await system.dial("CP7")
            await station.status(1, "Charging")
            await rebuild.mend_all(lane)
            await station.close()
            await rebuild.mend_all(lane)
        await system.settle()
    assert (await rebuild.mend_all(lane)).total == 0


async def test_tags_without_their_index_are_found(lane: Lane) -> None:
    """A tag's record that no list shows is listed again."""
    await lane.one("SET", keys.tag("dora"), pack(IdTag(id_tag="Dora")))
    report = await rebuild.mend_all(lane)
    assert report.mended[keys.TAGS].added == 1
    assert await lane.one("ZRANGE", keys.TAGS, 0, -1) == [b"dora"]


async def test_the_present_is_mended_without_a_look_at_the_past(settings: Settings, lane: Lane) -> None:
    """The scheduled job puts the indexes of the present right and touches no other."""
    async with stage(settings, lane) as system:
        await life(system)
    before = await dump(lane)
    await lane.execute(
        [
            ("HSET", keys.ONLINE, "CP2", "ocpp1.6"),
            ("HDEL", keys.ONLINE, "CP1"),
            ("HSET", keys.CONNECTORS, "CP1/1", "Available"),
            ("ZADD", keys.QUARANTINE, 5, "ghost/0-5-0"),
        ]
    )
    assert (await rebuild.mend_present(lane)).total == 4
    assert await dump(lane) == before
    assert (await rebuild.mend_present(lane)).total == 0
