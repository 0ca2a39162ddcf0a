"""Authorization policies and local lists over the API, and the new fields of tags."""

from __future__ import annotations

from typing import Any

import msgspec

from shared.bus import keys
from shared.envelopes import Reply
from shared.records.local_lists import Head, ListRun, LocalList, index_member
from shared.records.packing import pack
from shared.records.requests import SyncLocalList
from tests.edge.operators.stage import T0, Stage

POLICY: dict[str, Any] = {"mode": "hybrid", "match": {"group": "north"}, "list": {"groups": ["fleet"]}}


async def listed(stage: Stage, station: str, local: LocalList) -> None:
    """Let a station stand so to its list."""
    await stage.station(station)
    await stage.lane.one("HSET", keys.state(station), "ll", pack(local))
    await stage.lane.one("ZADD", keys.LOCAL_LISTS, 0, index_member(local, station))


async def test_a_policy_lives_and_goes(stage: Stage) -> None:
    """Created once, shown with what its mode sets, replaced, listed by priority, deleted."""
    status, made = await stage.ask("POST", "/authorization/policies", json=POLICY | {"name": "retail"})
    assert (status, made["wanted_keys"]["AuthorizationCacheEnabled"]) == (201, "true")
    assert (made["local_list"], made["stations"]["in_line"]) == (None, 0)
    assert (await stage.ask("POST", "/authorization/policies", json=POLICY | {"name": "retail"}))[0] == 409
    body = {"mode": "central", "priority": 500, "keys": {"maxenergyoninvalidid": "700", "LocalPreAuthorize": "true"}}
    status, strong = await stage.ask("PUT", "/authorization/policies/strong", json=body)
    assert (status, strong["keys"]["MaxEnergyOnInvalidId"]) == (201, "700")
    assert strong["wanted_keys"]["LocalPreAuthorize"] == "true"
    names = [one["name"] for one in (await stage.get("/authorization/policies"))["items"]]
    assert names == ["strong", "retail"]
    status, same = await stage.ask("PUT", "/authorization/policies/retail", json=POLICY | {"note": "x"})
    assert (status, same["updated_at"]) == (200, made["updated_at"])
    assert (await stage.ask("DELETE", "/authorization/policies/retail"))[0] == 204
    assert (await stage.ask("GET", "/authorization/policies/retail"))[0] == 404


async def test_what_is_wrong_with_a_policy_is_named(stage: Stage) -> None:
    """Each wrong field is named, with what it may be."""
    wrong = {
        "mode": "central",
        "match": {"vendor": "(a+)+"},
        "list": {"prefix": "04"},
        "keys": {"HeartbeatInterval": "5", "LocalPreAuthorize": "perhaps"},
    }
    status, body = await stage.ask("PUT", "/authorization/policies/x", json=wrong)
    assert status == 422
    fields = ["match.vendor", "keys.HeartbeatInterval", "keys.LocalPreAuthorize", "list"]
    assert [one["name"] for one in body["errors"]] == fields


async def test_how_stations_hold_a_list_is_shown(stage: Stage) -> None:
    """Per policy how many are how, per station the version wanted and held and since when; no tag anywhere."""
    await stage.ask("PUT", "/authorization/policies/retail", json=POLICY)
    head = Head(list_id="x", version=3, count=70, changed_at=T0, left_out=2)
    await stage.lane.one("SET", keys.list_head("retail"), pack(head))
    held = LocalList(policy="retail", wanted=3, version=3, state="in_line", number=9, held_since=T0, since=T0, tags=70)
    await listed(stage, "CP1", held)
    await listed(stage, "CP2", msgspec.structs.replace(held, version=2, wanted=2))
    run = ListRun(began_at=T0, sent=40, cursor="0000000003/secrettag\1")
    await listed(stage, "CP3", LocalList(policy="retail", wanted=3, state="pending", run=run, since=T0))
    shown = await stage.get("/authorization/policies/retail")
    assert shown["local_list"]["version"] == 3
    assert (shown["local_list"]["tags"], shown["local_list"]["too_long"]) == (70, 2)
    assert {name: count for name, count in shown["stations"].items() if count} == {
        "in_line": 1, "behind": 1, "pending": 1,
    }  # fmt: skip
    found = {one["station_id"]: one for one in await stage.all_of("/authorization/policies/retail/stations")}
    assert [(name, one["wanted"], one["held"]) for name, one in sorted(found.items())] == [
        ("CP1", 3, 3), ("CP2", 2, 2), ("CP3", 3, None),
    ]  # fmt: skip
    assert found["CP3"]["sent"] == 40
    assert "secrettag" not in str(found)
    (one,) = await stage.all_of("/authorization/policies/retail/stations?state=pending")
    assert one == await stage.get("/stations/CP3/local-list")
    assert (await stage.ask("GET", "/authorization/policies/none/stations"))[0] == 404


async def test_a_list_is_synced_by_the_station_s_commit(stage: Stage) -> None:
    """A sync is asked of a worker; 404 without the station; a job of the kind takes `full` alone."""
    await stage.station("CP1")
    stage.node.answer = lambda _, request: Reply(request.request_id, 202, b'{"detail":""}')
    status, body = await stage.ask("POST", "/stations/CP1/local-list/sync", json={"full": True})
    assert (status, body["detail"]) == (202, "it is asked what it has, and sent what it lacks")
    ((_, asked),) = stage.node.asked
    assert isinstance(asked, SyncLocalList)
    assert asked.full
    assert (await stage.ask("POST", "/stations/NONE/local-list/sync", json={}))[0] == 404
    job = {"kind": "sync_local_lists", "stations": ["CP1"], "payload": {"full": True}}
    assert (await stage.ask("POST", "/jobs", json=job))[0] == 201
    assert (await stage.ask("POST", "/jobs", json=job | {"payload": {"retry": True}}))[0] == 422


async def test_a_tag_has_sites_and_hours(stage: Stage) -> None:
    """Set, shown, changed and imported; a mistake is named, and the tag is not repeated."""
    body = {"id_tag": "A", "sites": ["Yard"], "hours": "mon-fri 08:00-18:00", "time_zone": "Europe/Berlin"}
    status, made = await stage.ask("POST", "/tags", json=body)
    assert (status, made["sites"], made["hours"]) == (201, ["Yard"], "mon-fri 08:00-18:00")
    status, changed = await stage.ask("PATCH", "/tags/A", json={"hours": "", "time_zone": ""})
    assert (changed["hours"], changed["time_zone"], changed["sites"]) == (None, None, ["Yard"])
    for field, value in (("hours", "8-18"), ("time_zone", "Mars/Base"), ("sites", [""])):
        status, problem = await stage.ask("PATCH", "/tags/A", json={field: value})
        assert status == 422, field
        assert problem["errors"][0]["name"].startswith(field)
    text = "id_tag,sites,hours,time_zone\nB,yard; north,07:00-09:00,\nSECRETTAG,,noon,\n"
    headers = {"Content-Type": "text/csv"}
    _, report = await stage.ask("POST", "/tags/import", data=text.encode(), headers=headers)
    assert (report["created"], report["errors"][0]["line"], report["errors"][0]["field"]) == (1, 3, "hours")
    assert "SECRETTAG" not in str(report)
    assert (await stage.get("/tags/B"))["sites"] == ["yard", "north"]
