"""Demand response events and prices over the API: made, refused by field, listed, cancelled, reported."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from shared.bus import keys
from shared.records.demand import DemandEvent, DemandStation
from shared.records.packing import pack
from shared.records.queries import demand
from shared.records.site_history import FIELD, Minute, Point
from shared.records.sites import Amount
from tests.edge.operators.stage import Stage

HOUR = {"start": "2099-01-01T17:00:00+01:00", "end": "2099-01-01T17:00:00Z"}
SITE = {"circuits": [{"name": "main", "capacity": {"amps": 63}}], "stations": []}


async def test_an_event_is_made_listed_and_cancelled(stage: Stage) -> None:
    """It is scheduled at its time with its limit; a repetition makes no other; cancelled twice is a conflict."""
    await stage.ask("PUT", "/sites/depot", json=SITE)
    body = HOUR | {"site": "depot", "circuit": "main", "limit": {"kw": 40.5}, "name": "peak"}
    key = {"Idempotency-Key": "peak-2099"}
    status, made = await stage.ask("POST", "/demand-events", json=body, headers=key)
    assert (status, made["state"], made["start_at"]) == (201, "scheduled", "2099-01-01T16:00:00.000Z")
    assert (made["limit"]["kw"], made["site"], made["circuit"]) == (40.5, "depot", "main")
    assert (await stage.ask("POST", "/demand-events", json=body, headers=key))[0] == 200
    assert await stage.all_of("/demand-events?state=scheduled") == [made]
    status, gone = await stage.ask("POST", f"/demand-events/{made['id']}/cancel")
    assert (status, gone["state"], bool(gone["changed_by"])) == (200, "cancelled", True)
    assert (await stage.ask("POST", f"/demand-events/{made['id']}/cancel"))[0] == 409
    assert (await stage.ask("GET", "/demand-events/nobody"))[0] == 404


BAD: list[tuple[dict[str, Any], str]] = [
    ({"site": "nowhere"}, "site"),
    ({"stations": ["NOBODY"]}, "stations[0]"),
    ({}, "site"),
    ({"filter": {}, "stations": ["X"]}, "site"),
    ({"filter": {}, "circuit": "main"}, "circuit"),
    ({"filter": {}, "limit": {}}, "limit"),
    ({"filter": {}, "limit": None}, "limit"),
    ({"filter": {}, "limit": {"kw": 1, "percent": 5}}, "limit"),
    ({"filter": {}, "limit": {"percent": 5}, "together": True}, "together"),
    ({"filter": {}, "end": "2099-01-01T15:00:00Z"}, "end"),
    ({"filter": {}, "duration_s": 600}, "end"),
    ({"filter": {}, "start": "2001-01-01T00:00:00Z", "end": "2001-01-02T00:00:00Z"}, "end"),
    ({"filter": {}, "end": "2101-01-01T00:00:00Z"}, "end"),
]


@pytest.mark.parametrize(("body", "field"), BAD)
async def test_a_bad_event_names_its_field(stage: Stage, body: dict[str, Any], field: str) -> None:
    """What can't be right is 422 with the field that is wrong."""
    status, problem = await stage.ask("POST", "/demand-events", json=HOUR | {"limit": {"kw": 1}} | body)
    assert status == 422, problem
    assert [one["name"] for one in problem["errors"]] == [field]


async def test_a_report_as_json_and_csv(stage: Stage) -> None:
    """Each station with what it drew before and then, whether it complied, and all of them summed up."""
    body = {"filter": {}, "duration_s": 600, "limit": {"kw": 4}}
    _, made = await stage.ask("POST", "/demand-events", json=body)
    rows = {
        "CP1": DemandStation(baseline_w=11_000, limit_w=4000, outcome="taken", drawn_w=3900, energy_wh=650),
        "CP2": DemandStation(baseline_w=7000, limit_w=4000, outcome="refused", drawn_w=7100, detail="=1+1"),
        "CP3": DemandStation(limit_w=4000, outcome="away"),
    }
    await demand.put_stations(stage.lane, made["id"], rows)
    found = await stage.get(f"/demand-events/{made['id']}/report")
    assert (found["complied"], found["exceeded"], found["unknown"], found["final"]) == (1, 1, 1, False)
    assert (found["drawn_kw"], found["reduced_kw"], found["energy_kwh"]) == (11.0, 7.0, 0.65)
    assert [one["reduced_kw"] for one in found["stations"]] == [7.1, -0.1, None]
    status, text = await stage.ask("GET", f"/demand-events/{made['id']}/report?format=csv")
    lines = text.splitlines()
    assert (status, len(lines), lines[0].split(",")[:2]) == (200, 4, ["station_id", "outcome"])
    assert lines[1].startswith("CP1,taken,,11.0,4.0,3.9,")
    assert lines[2].endswith(",'=1+1"), "a station's words are no formula"


async def test_the_circuit_of_a_site(stage: Stage) -> None:
    """An event of a site tells what its circuit carried before and during it, and whether the limit was kept."""
    await stage.ask("PUT", "/sites/depot", json=SITE)
    now = int((await stage.lane.one("TIME"))[0]) * 1000
    event = DemandEvent(
        event_id="e1", start_at=now - 600_000, end_at=now - 60_000, amount=Amount(watts=10_000), site="depot"
    )
    await demand.create(stage.lane, event)
    await demand.change(
        stage.lane, "e1", lambda one: msgspec.structs.replace(one, state="ended", cap=event.amount, changed_at=now)
    )
    for minutes, amps in ((-12, 300), (-8, 120), (-5, 140)):
        at = (now + minutes * 60_000) // 60_000 * 60_000
        minute = Minute(at=at, circuits={"main": Point(drawn=(amps, amps, amps), base=(10, 10, 10))})
        await stage.lane.one("XADD", keys.site_history("depot"), f"{at}-0", FIELD, pack(minute))
    found = (await stage.get("/demand-events/e1/report"))["circuit"]
    assert (found["circuit"], found["complied"], found["limit"]["kw"]) == ("main", True, 10.0)
    assert (found["before"]["amps"], found["carried"]["amps"], found["carried"]["kw"]) == (31.0, 14.0, 9.66)


async def test_prices(stage: Stage) -> None:
    """New prices take the place of what was known for their times; what overlaps or is reversed names its field."""

    def hours(first: int, *given: float) -> list[dict[str, Any]]:
        return [
            {"start": f"2099-01-01T{first + n:02}:00:00Z", "end": f"2099-01-01T{first + n + 1:02}:00:00Z", "price": one}
            for n, one in enumerate(given)
        ]

    status, _ = await stage.ask(
        "PUT", "/prices/default", json={"currency": "EUR", "intervals": hours(0, 0.3, 0.2, 0.1)}
    )
    assert status == 200
    half = [{"start": "2099-01-01T01:30:00Z", "end": "2099-01-01T02:30:00Z", "price": -0.05}]
    _, found = await stage.ask("PUT", "/prices/default", json={"currency": "EUR", "intervals": half})
    assert [one["price"] for one in found["intervals"]] == [0.3, 0.2, -0.05, 0.1]
    assert found["intervals"][1]["end"] == "2099-01-01T01:30:00.000Z"
    some = await stage.get("/prices/default?since=2099-01-01T02:30:00Z")
    assert [one["price"] for one in some["intervals"]] == [0.1]
    assert (await stage.get("/prices"))["items"] == ["default"]
    for bad, field in (
        ([*hours(0, 1.0), *hours(0, 2.0)], "intervals[1].start"),
        ([hours(0, 1.0)[0] | {"end": "2099-01-01T00:00:00Z"}], "intervals[0].end"),
    ):
        status, problem = await stage.ask("PUT", "/prices/default", json={"intervals": bad})
        assert (status, problem["errors"][0]["name"]) == (422, field)
    assert (await stage.ask("DELETE", "/prices/default"))[0] == 204
    assert (await stage.ask("DELETE", "/prices/default"))[0] == 404
