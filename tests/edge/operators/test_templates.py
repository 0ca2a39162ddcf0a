"""Templates over the API: checked, versioned, and who stands how to them."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from shared.bus import keys
from shared.envelopes import Reply
from shared.records.configuration import KeyValue, Snapshot
from shared.records.packing import pack
from shared.records.requests import ApplyTemplates
from shared.records.templates import Wish, basis_of
from shared.records.tuning import ALL, Applied, KeyMemory, Reboot, Run, Tuned, TuningState, index_member
from tests.edge.operators.stage import T0, Stage

GOOD: dict[str, Any] = {
    "priority": 10,
    "match": {"vendor": "nord.*", "firmware": r"2\..*"},
    "keys": {"heartbeatinterval": "60", "VendorThing": "any text"},
    "meter_data": {"sampled": ["Energy.Active.Import.Register", "Voltage.L1"], "sampled_interval_s": 60},
}


async def put(stage: Stage, name: str = "base", **more: Any) -> dict[str, Any]:
    """Write a template and return it."""
    status, body = await stage.ask("PUT", f"/templates/{name}", json=GOOD | more)
    assert status in (200, 201), body
    found: dict[str, Any] = body
    return found


async def test_a_template_lives_and_goes(stage: Stage) -> None:
    """Created once, shown, replaced, listed by priority, deleted; standard keys get the standard's spelling."""
    status, made = await stage.ask("POST", "/templates", json=GOOD | {"name": "base"})
    assert (status, made["version"]) == (201, 1)
    assert made["keys"] == {"HeartbeatInterval": "60", "VendorThing": "any text"}
    assert (await stage.ask("POST", "/templates", json=GOOD | {"name": "base"}))[0] == 409
    await put(stage, "strong", priority=500)
    assert [one["name"] for one in (await stage.get("/templates"))["items"]] == ["strong", "base"]
    assert (await stage.get("/templates/base"))["match"]["vendor"] == "nord.*"
    assert (await stage.ask("DELETE", "/templates/base"))[0] == 204
    assert (await stage.ask("DELETE", "/templates/base"))[0] == 404
    assert (await stage.ask("GET", "/templates/base"))[0] == 404


async def test_the_version_rises_only_where_something_else_is_wanted(stage: Stage) -> None:
    """A new note changes nothing for stations; a new value does."""
    first = await put(stage)
    noted = await put(stage, note="for Anna")
    assert (noted["version"], noted["updated_at"], noted["note"]) == (1, first["updated_at"], "for Anna")
    changed = await put(stage, keys={"VendorThing": "else"})
    assert changed["version"] == 2
    assert changed["updated_at"] > first["updated_at"]


async def test_two_operators_at_once_lose_nothing(stage: Stage) -> None:
    """Writes at the same time all happen."""
    await asyncio.gather(*(put(stage, f"t{n}") for n in range(20)))
    assert len((await stage.get("/templates"))["items"]) == 20


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({"match": {"model": "("}}, "match.model", "no regular expression"),
        ({"match": {"vendor": "(a+)+"}}, "match.vendor", "for ever"),
        ({"keys": {"NumberOfConnectors": "2"}}, "keys.NumberOfConnectors", "read-only"),
        ({"keys": {"HeartbeatInterval": "soon"}}, "keys.HeartbeatInterval", "whole number (s)"),
        ({"keys": {"LocalPreAuthorize": "yes"}}, "keys.LocalPreAuthorize", "`true` or `false`"),
        ({"keys": {"AuthorizationKey": "x"}}, "keys.AuthorizationKey", "own password"),
        ({"keys": {"MeterValuesSampledData": "SoC"}}, "keys.MeterValuesSampledData", "meter_data.sampled"),
        ({"keys": {"a": "1", "A": "2"}}, "keys.A", "twice"),
        ({"keys": {"x" * 51: "1"}}, f"keys.{'x' * 50}", "1 to 50"),
        ({"keys": {"X": "1" * 501}}, "keys.X", "500"),
        ({"meter_data": {"sampled": ["Volts"]}}, "meter_data.sampled", "no measurand"),
        ({"meter_data": {"aligned": ["SoC", "soc"]}}, "meter_data.aligned", "twice"),
        (
            {"keys": {"MeterValueSampleInterval": "1"}, "meter_data": {"sampled_interval_s": 2}},
            "meter_data.sampled_interval_s",
            "too",
        ),
        ({"keys": {}, "meter_data": {}}, "keys", "nothing"),
        ({"reboot": "now"}, "reboot", "wrong"),
        ({"keyz": {}}, "keyz", "no field"),
    ],
)
async def test_what_no_station_could_take_is_refused(
    stage: Stage, body: dict[str, Any], field: str, words: str
) -> None:
    """422 names the field, and nothing is written."""
    status, problem = await stage.ask("PUT", "/templates/bad", json=GOOD | body)
    assert status == 422
    assert [one["name"] for one in problem["errors"]] == [field]
    assert words in problem["errors"][0]["message"]
    assert (await stage.get("/templates"))["items"] == []


async def stand(
    stage: Stage, station_id: str, revision: int, state: TuningState, template: str = "base", **more: Any
) -> None:
    """Write how a station stands, as its commit would."""
    applied = {template: Applied(revision, state, T0), ALL: Applied(0, state, T0)}
    wish = Wish("HeartbeatInterval", "60", template, revision)
    memory = KeyMemory(
        key=wish.key, template=template, basis=basis_of(wish, "2.1"), wanted="60", state=state, since=T0, held="300"
    )
    tuned = Tuned(keys={"heartbeatinterval": memory}, templates=applied, read_at=T0, **more)
    await stage.station(station_id, vendor="Nordwall", model="Home", firmware="2.1")
    members = [index_member(name, one, station_id) for name, one in applied.items()]
    await stage.write(
        ("HSET", keys.state(station_id), "tu", pack(tuned)),
        *(("ZADD", keys.TUNING, 0, one) for one in members),
    )


def ms(instant: str) -> int:
    """Return a time of the API as it is stored."""
    from datetime import datetime

    return round(datetime.fromisoformat(instant).timestamp() * 1000)


async def test_stations_are_counted_and_listed_by_state(stage: Stage) -> None:
    """One that was looked at before the last change is pending; pages go on where they ended."""
    made = await put(stage, meter_data={}, keys={"HeartbeatInterval": "60"})
    revision = ms(made["updated_at"])
    for n in range(7):
        await stand(stage, f"CP{n}", revision, "in_line" if n < 4 else "refused")
    await stand(stage, "OLD", revision - 5, "in_line")
    await put(stage, "base2")
    shown = await stage.get("/templates/base")
    assert shown["stations"] == {"in_line": 4, "differs": 0, "pending": 1, "refused": 3, "reverting": 0}
    every = await stage.all_of("/templates/base/stations", limit=3)
    assert len(every) == len({one["station_id"] for one in every}) == 8
    refused = await stage.all_of("/templates/base/stations", state="refused", limit=2)
    assert [one["station_id"] for one in refused] == ["CP4", "CP5", "CP6"]
    assert [(one["key"], one["state"]) for one in refused[0]["keys"]] == [("HeartbeatInterval", "refused")]
    (old,) = await stage.all_of("/templates/base/stations", state="pending")
    assert (old["station_id"], old["outdated"]) == ("OLD", True)
    assert await stage.all_of("/templates/base2/stations") == []
    await stage.ask("DELETE", "/templates/base")
    await put(stage, "base")
    anew = await stage.all_of("/templates/base/stations")
    assert {(one["state"], one["outdated"]) for one in anew} == {("pending", True)}


async def test_a_station_shows_what_is_wanted_of_it_and_what_it_holds(stage: Stage) -> None:
    """Each key with its state; what a template has wanted since the last look is pending, with what is held."""
    made = await put(stage, meter_data={}, keys={"HeartbeatInterval": "60"})
    await stand(
        stage,
        "CP1",
        ms(made["updated_at"]),
        "refused",
        run=Run(began_at=T0, key="heartbeatinterval", command_id="c1", todo=("x",)),
        reboot=Reboot(since=T0, asked="soft"),
    )
    shown = await stage.get("/stations/CP1/tuning")
    assert (shown["state"], shown["keys"][0]["state"], shown["keys"][0]["held"]) == ("refused", "refused", "300")
    assert (shown["under_way"]["key"], shown["under_way"]["left"]) == ("HeartbeatInterval", 1)
    assert shown["reboot"]["asked"] == "soft"
    snapshot = Snapshot(read_at=T0, keys={"vendorthing": KeyValue("old")})
    await stage.write(("SET", keys.configuration("CP1"), pack(snapshot)))
    await put(stage, "strong", priority=500, keys={"VendorThing": "new", "HeartbeatInterval": "30"}, meter_data={})
    shown = await stage.get("/stations/CP1/tuning")
    assert [(one["key"], one["wanted"], one["held"], one["state"]) for one in shown["keys"]] == [
        ("HeartbeatInterval", "30", None, "pending"),
        ("VendorThing", "new", "old", "pending"),
    ]
    assert shown["conflicts"] == [{"key": "HeartbeatInterval", "winner": "strong", "loser": "base", "value": "60"}]
    assert [one["name"] for one in shown["templates"]] == ["strong", "base"]
    assert shown["state"] == "pending"
    assert (await stage.ask("GET", "/stations/NOBODY/tuning"))[0] == 404


async def test_a_station_without_templates_has_no_state(stage: Stage) -> None:
    """Nothing is wanted of it."""
    await stage.station("CP1")
    shown = await stage.get("/stations/CP1/tuning")
    assert (shown["state"], shown["keys"], shown["templates"]) == (None, [], [])


async def test_templates_are_applied_on_request(stage: Stage) -> None:
    """A request entry on the station's uplink; a worker's refusal is a conflict."""
    await stage.station("CP1")
    status, body = await stage.ask("POST", "/stations/CP1/configuration/apply", json={"retry": True})
    assert (status, body["status"]) == (202, "accepted")
    ((station, asked),) = stage.node.asked
    assert station == "CP1"
    assert isinstance(asked, ApplyTemplates)
    assert asked.retry is True
    detail = msgspec.json.encode({"detail": "its model is not asked"})
    stage.node.answer = lambda _, request: Reply(request.request_id, 409, detail)
    status, body = await stage.ask("POST", "/stations/CP1/configuration/apply", json={})
    assert (status, body["detail"]) == (409, "its model is not asked")
    assert (await stage.ask("POST", "/stations/NOBODY/configuration/apply", json={}))[0] == 404
