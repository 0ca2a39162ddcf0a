"""Sites over the API: one document, what is wrong with it field by field, base loads, and how a site stands."""

from __future__ import annotations

from typing import Any

import pytest

from shared.bus import keys
from shared.records.packing import pack
from shared.records.requests import PlanTransaction
from shared.records.sites import CircuitState, ConnectorState, SiteState
from tests.edge.operators.stage import T0, Stage, transaction

MAIN: dict[str, Any] = {"name": "main", "capacity": {"amps": 63, "kw": 43.4}, "base_load": {"fixed": {"kw": 2}}}
ROW: dict[str, Any] = {"name": "row", "parent": "main", "capacity": {"amps": [32, 32, 25.5]}}
GOOD: dict[str, Any] = {
    "circuits": [MAIN, ROW],
    "stations": [{"id": "CP1", "circuit": "row", "rotation": "STR"}],
    "strategy": "deadline",
    "time_zone": "Europe/Berlin",
    "price_area": "DE-LU",
}


async def put(stage: Stage, name: str = "yard", query: str = "", **more: Any) -> tuple[int, Any]:
    """Write a site whose stations are known."""
    await stage.write(("ZADD", keys.STATIONS, 0, "CP1", 0, "CP2"))
    found: tuple[int, Any] = await stage.ask("PUT", f"/sites/{name}{query}", json=GOOD | more)
    return found


async def test_a_site_lives_and_goes(stage: Stage) -> None:
    """Written whole and shown as it was written; its version rises; deleted it is gone, and its stations are free."""
    status, made = await put(stage)
    assert (status, made["version"], made["updated_by"]) == (201, 1, made["updated_by"])
    assert made["circuits"][0]["capacity"] == {"amps": 63, "kw": 43.4}
    assert made["circuits"][1]["capacity"]["amps"] == [32, 32, 25.5]
    assert (made["stations"][0]["rotation"], made["price_area"]) == ("STR", "DE-LU")
    again = {name: made[name] for name in made if name not in ("name", "version", "updated_at", "updated_by")}
    status, second = await put(stage, query="?if_version=1", **again)
    assert (status, second["version"]) == (200, 2)
    assert (await put(stage, query="?if_version=1"))[0] == 409
    (listed,) = (await stage.get("/sites"))["items"]
    assert (listed["name"], listed["circuits"], listed["stations"]) == ("yard", 2, 1)
    status, body = await put(stage, "other")
    assert (status, body["detail"]) == (409, "station CP1 is in site yard; take it out there first")
    assert (await stage.ask("DELETE", "/sites/yard"))[0] == 204
    assert (await stage.ask("DELETE", "/sites/yard"))[0] == 404
    assert (await stage.ask("GET", "/sites/yard"))[0] == 404
    assert (await stage.get("/sites"))["items"] == []
    assert (await put(stage, "other"))[0] == 201


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({"circuits": [ROW]}, "circuits[0].parent", "is no circuit of this site: main"),
        ({"circuits": [MAIN, MAIN]}, "circuits[1].name", "is there twice"),
        ({"circuits": [MAIN, ROW | {"parent": None}]}, "circuits", "must have one root"),
        ({"circuits": [MAIN, ROW | {"parent": "row"}]}, "circuits[1].parent", "makes a ring: row > row"),
        (
            {"circuits": [MAIN | {"parent": "row"}, ROW]},
            "circuits[0].parent",
            "makes a ring: main > row > main",
        ),
        ({"circuits": [MAIN | {"capacity": {}}]}, "circuits[0].capacity", "needs `amps` (of each phase) or `kw`"),
        ({"circuits": [MAIN | {"capacity": {"amps": [1, 2]}}]}, "circuits[0].capacity.amps", "length"),
        ({"circuits": [MAIN | {"capacity": {"mw": 2}}]}, "circuits[0].capacity.mw", "is no field here"),
        ({"circuits": [MAIN | {"base_load": {}}]}, "circuits[0].base_load", "needs `fixed` or `hours`"),
        ({"circuits": [MAIN | {"base_load": {"fixed": {}}}]}, "circuits[0].base_load.fixed", "needs `amps`"),
        ({"stations": [{"id": "CP9", "circuit": "row"}]}, "stations[0].id", "is no station that is known: CP9"),
        ({"stations": [{"id": "CP1", "circuit": "no"}]}, "stations[0].circuit", "is no circuit of this site"),
        ({"stations": [GOOD["stations"][0]] * 2}, "stations[1].id", "is in two places"),
        ({"stations": [{"id": "CP1", "circuit": "row", "rotation": "RRT"}]}, "stations[0].rotation", "RRT"),
        ({"stations": [{"id": "CP1", "circuit": "row", "min_amps": 40}]}, "stations[0].min_amps", "above max_amps"),
        ({"time_zone": "Mars"}, "time_zone", "no IANA time zone"),
        ({"strategy": "best"}, "strategy", "best"),
        ({"price_area": "no/area"}, "price_area", "match"),
    ],
)
async def test_what_is_wrong_is_said(stage: Stage, body: dict[str, Any], field: str, words: str) -> None:
    """Every fault is named with its place; nothing is written."""
    status, problem = await put(stage, **body)
    assert status == 422
    found = {error["name"]: error["message"] for error in problem["errors"]}
    assert words in found[field], found
    assert (await stage.get("/sites"))["items"] == []


async def test_base_loads_and_state(stage: Stage) -> None:
    """A base load counts for a circuit that is there; the state is what the allocator wrote last."""
    await put(stage)
    path = "/sites/yard/circuits/{}/base-load"
    assert (await stage.ask("PUT", path.format("no"), json={"kw": 1}))[0] == 404
    assert (await stage.ask("PUT", path.format("main"), json={}))[0] == 422
    status, load = await stage.ask("PUT", path.format("main"), json={"amps": [1.25, 2, 3]})
    assert (status, load["amps"], load["circuit"]) == (200, [1.3, 2, 3], "main")
    state = await stage.get("/sites/yard/state")
    assert (state["at"], state["circuits"], len(state["loads"])) == (None, [], 1)
    circuit = CircuitState(name="main", limit=(630, 630, 630), limit_w=43_400, drawn=(100, 0, 0), base_source="reading")
    connector = ConnectorState(
        station_id="CP1", connector_id=1, circuit="row", state="charging", transaction_id=7, phases=(1, 2, 0),
        wanted=160, limit=155, may_draw=160, drawn=(100, 0, 0), energy_left_wh=1500,
    )  # fmt: skip
    record = SiteState(name="yard", version=1, at=T0, circuits=(circuit,), connectors=(connector,))
    await stage.write(("SET", keys.site_state("yard"), pack(record)), ("SET", keys.site_lease("yard"), "w1"))
    state = await stage.get("/sites/yard/state")
    assert state["worker"] == "w1"
    assert (state["circuits"][0]["limit_kw"], state["circuits"][0]["drawn_kw"]) == (43.4, 2.3)
    (shown,) = state["connectors"]
    assert (shown["phases"], shown["limit_amps"], shown["energy_left_kwh"]) == ("STR", 15.5, 1.5)


async def test_a_transaction_is_planned(stage: Stage) -> None:
    """What it is to get by when is asked of its station's commit; an unknown transaction is 404."""
    assert (await stage.ask("PUT", "/transactions/9/plan", json={}))[0] == 404
    await stage.transactions(transaction(5, state="open"))
    body = {"energy_kwh": 20.5, "departs_at": "2026-03-01T17:00:00Z"}
    assert (await stage.ask("PUT", "/transactions/5/plan", json=body))[0] == 200
    asked = [one for _, one in stage.node.asked if isinstance(one, PlanTransaction)][-1]
    assert (asked.energy_wh, asked.departs_at) == (20_500, 1_772_384_400_000)
