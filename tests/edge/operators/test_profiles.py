"""Charging profiles over the API: the library, what is refused and why, and the schedule that comes of them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from shared.bus import keys
from shared.envelopes import Reply
from shared.records.configuration import KeyValue, Snapshot
from shared.records.packing import pack
from shared.records.profiles import Assigned, Limits, Period, Profile
from shared.records.requests import AssignProfile, Request
from tests.edge.operators.stage import Stage

NIGHT = {
    "kind": "recurring", "recurrence": "daily", "start_at": "2026-01-01T23:00:00+01:00",
    "periods": [{"limit": 32}, {"start_s": 25200, "limit": 10.5, "phases": 1}],
}  # fmt: skip


async def test_a_profile_of_the_library_lives_and_goes(stage: Stage) -> None:
    """Written, shown, written again as the next version, listed, deleted."""
    status, made = await stage.ask("PUT", "/profiles/night", json=NIGHT)
    assert (status, made["version"], made["start_at"]) == (201, 1, "2026-01-01T22:00:00.000Z")
    assert made["periods"] == [
        {"start_s": 0, "limit": 32.0, "phases": None},
        {"start_s": 25200, "limit": 10.5, "phases": 1},
    ]
    status, made = await stage.ask("PUT", "/profiles/night", json=NIGHT | {"note": "quieter"})
    assert (status, made["version"], made["note"]) == (200, 2, "quieter")
    assert await stage.get("/profiles/night") == made
    await stage.ask("PUT", "/profiles/Day", json={"periods": [{"limit": 16}]})
    assert [one["name"] for one in await stage.all_of("/profiles", limit=1)] == ["Day", "night"]
    assert (await stage.ask("DELETE", "/profiles/night"))[0] == 204
    assert (await stage.ask("DELETE", "/profiles/night"))[0] == 404
    assert (await stage.ask("GET", "/profiles/night"))[0] == 404


BAD: list[tuple[dict[str, Any], str]] = [
    ({"periods": []}, "periods"),
    ({"periods": [{"limit": -1}]}, "periods[0].limit"),
    ({"periods": [{"start_s": 5, "limit": 1}]}, "periods[0].start_s"),
    ({"periods": [{"limit": 1, "phases": 4}]}, "periods[0].phases"),
    ({"kind": "recurring", "periods": [{"limit": 1}]}, "recurrence"),
    ({"kind": "relative", "start_at": "2026-01-01T00:00:00Z", "periods": [{"limit": 1}]}, "start_at"),
    ({"start_at": "2026-01-01T00:00:00", "periods": [{"limit": 1}]}, "start_at"),
    ({"limits": 3, "periods": [{"limit": 1}]}, "limits"),
]


@pytest.mark.parametrize(("body", "field"), BAD)
async def test_a_bad_profile_names_its_field(stage: Stage, body: dict[str, Any], field: str) -> None:
    """What can't be right is 422 with the field that is wrong."""
    status, problem = await stage.ask("PUT", "/profiles/bad", json=body)
    assert status == 422, problem
    assert field in str(problem), problem


async def test_what_a_station_does_not_take_is_refused(stage: Stage) -> None:
    """The station's configuration tells its limits; nothing is sent that is beyond them."""
    await stage.station("CP1")
    held = {"ChargeProfileMaxStackLevel": "2", "ChargingScheduleAllowedChargingRateUnit": "Power",
            "ChargingScheduleMaxPeriods": "1", "NumberOfConnectors": "1"}  # fmt: skip
    snapshot = Snapshot(read_at=1, keys={name: KeyValue(value) for name, value in held.items()})
    await stage.write(("SET", keys.configuration("CP1"), pack(snapshot)))
    profile = {"periods": [{"limit": 16}, {"start_s": 60, "limit": 10}]}
    body = {"profile": profile, "connector_id": 2, "stack_level": 3}
    status, problem = await stage.ask("POST", "/stations/CP1/charging-profiles", json=body)
    assert status == 422
    assert {error["name"] for error in problem["errors"]} == {
        "connector_id",
        "stack_level",
        "profile.unit",
        "profile.periods",
    }
    for wrong in ({}, {"name": "night", "profile": profile}, {"name": "unknown"}):
        assert (await stage.ask("POST", "/stations/CP1/charging-profiles", json=wrong))[0] in (404, 422)


async def test_units_are_converted_only_where_that_is_asked_for(stage: Stage) -> None:
    """Rounded down, by the voltage and the phases that are given, which stand with the profile; else it is refused."""
    await stage.station("CP1")
    snapshot = Snapshot(read_at=1, keys={"ChargingScheduleAllowedChargingRateUnit": KeyValue("Current")})
    await stage.write(("SET", keys.configuration("CP1"), pack(snapshot)))

    def assigned(_: str, request: Request) -> Reply:
        assert isinstance(request, AssignProfile)
        one = Assigned(profile=request.profile, converted=request.converted)
        return Reply(request.request_id, 202, msgspec.json.encode(one))

    stage.node.answer = assigned
    periods = [{"limit": 11_000}, {"start_s": 60, "limit": 3680, "phases": 1}]
    body = {"profile": {"unit": "W", "periods": periods, "min_rate": 4140}}
    status, problem = await stage.ask("POST", "/stations/CP1/charging-profiles", json=body)
    assert (status, [one["name"] for one in problem["errors"]]) == (422, ["profile.unit"])
    convert = {"unit": "A", "voltage": 230, "phases": 3}
    status, made = await stage.ask("POST", "/stations/CP1/charging-profiles", json=body | {"convert": convert})
    assert (status, made["unit"], [one["limit"] for one in made["periods"]]) == (202, "A", [15.9, 16.0])
    assert (made["min_rate"], made["converted"]) == (6.0, {"voltage": 230, "phases": 3})
    body = {"profile": {"periods": [{"limit": 16}]}, "convert": convert}
    status, made = await stage.ask("POST", "/stations/CP1/charging-profiles", json=body)
    assert (status, made["periods"][0]["limit"], made["converted"]) == (202, 16.0, None)


async def test_the_schedule_of_a_station(stage: Stage) -> None:
    """It is computed from what the station accepted; A and W need a voltage to be combined."""
    await stage.station("CP1")
    amps = Profile(profile_id=1, purpose="default", kind="absolute", unit="A", periods=(Period(0, 160),), start_at=0)
    watts = Profile(
        profile_id=2, purpose="station_max", kind="absolute", unit="W", periods=(Period(0, 69_000),), start_at=0
    )
    refused = Profile(
        profile_id=3, purpose="default", kind="absolute", unit="A", periods=(Period(0, 0),), start_at=0, stack_level=1
    )
    limits = Limits({"a": Assigned(profile=amps, state="verified"), "c": Assigned(profile=refused, state="refused")})
    await stage.write(("HSET", keys.state("CP1"), "sc", pack(limits)))
    found = await stage.get("/stations/CP1/composite-schedule", params={"duration_s": 60})
    assert [(one["limit"], one["profile_id"]) for one in found["segments"]] == [(16.0, 1)]
    limits = Limits(limits.by_slot | {"b": Assigned(profile=watts, state="accepted")})
    await stage.write(("HSET", keys.state("CP1"), "sc", pack(limits)))
    assert (await stage.ask("GET", "/stations/CP1/composite-schedule"))[0] == 409
    found = await stage.get("/stations/CP1/composite-schedule", params={"voltage": 230, "phases": 3})
    assert [(one["limit"], one["profile_id"]) for one in found["segments"]] == [(10.0, 2)]
    assert found["assumed"] == {"voltage": 230, "phases": 3}
    listed = (await stage.get("/stations/CP1/charging-profiles"))["items"]
    assert [(one["id"], one["state"]) for one in listed] == [(1, "verified"), (2, "accepted"), (3, "refused")]


async def test_a_schedule_by_the_clocks_of_a_zone(stage: Stage) -> None:
    """Seven o'clock in winter and in summer are one hour with a zone, and two without: a station may keep to either."""
    await stage.station("CP1")
    since = {1: 1_736_920_800_000, 2: 1_752_555_600_000}  # 7:00 in Berlin, on 2025-01-15 and 2025-07-15.
    daily = {
        str(connector): Assigned(
            profile=Profile(profile_id=connector, purpose="default", kind="recurring", recurrence="daily", unit="A",
                            periods=(Period(0, 100),), connector_id=connector, start_at=start, duration_s=7200),
            state="verified",
        )
        for connector, start in since.items()
    }  # fmt: skip
    await stage.write(("HSET", keys.state("CP1"), "sc", pack(Limits(daily))))

    async def changes(**more: str) -> list[list[str]]:
        path = "/stations/CP1/composite-schedule"
        found = [await stage.get(path, params={"connector_id": connector, **more}) for connector in since]
        return [[one["since"] for one in each["segments"][1:]] for each in found]

    winter, summer = await changes(time_zone="Europe/Berlin")
    assert winter == summer
    winter, summer = await changes()
    assert winter != summer
    wrong = {"time_zone": "Europe/Atlantis"}
    assert (await stage.ask("GET", "/stations/CP1/composite-schedule", params=wrong))[0] == 400
