"""Charging profiles end to end: set over the API, taken by a station, verified, cleared, and obeyed or not."""

from __future__ import annotations

from typing import Any

from ampstream.simulate.behaviours import BEHAVIOURS, PLAIN
from tests.chaos.harness.operator import Operator
from tests.chaos.harness.system import System
from tests.e2e.field import Field
from tests.e2e.test_demand import charging
from tests.e2e.test_tour import _cli
from tests.support import wait_until

ACCEPTED = {"status": "Accepted"}


async def _set(field: Field, limit: float, **more: Any) -> dict[str, Any]:
    body = {"profile": {"periods": [{"limit": limit}]}, **more}
    status, made = await field.operator.request("POST", f"/stations/{field.id}/charging-profiles", json=body)
    assert status == 202, made
    found: dict[str, Any] = made
    return found


async def _states(field: Field) -> list[tuple[int, str]]:
    page = await field.operator.get(f"/stations/{field.id}/charging-profiles")
    return [(one["id"], one["state"]) for one in page["items"]]


def _schedule(limit: float) -> dict[str, Any]:
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}]}
    return {"status": "Accepted", "connectorId": 1, "chargingSchedule": schedule}


async def test_a_profile_is_set_verified_and_cleared(system: System) -> None:
    """It goes out at once, its state follows the station's answers, and it is gone once it is cleared."""
    async with Field(system, "PROFILES") as field:
        await field.boot()
        made = await _set(field, 16)
        assert (made["id"], made["state"]) in ((1, "wanted"), (1, "sent"))
        call = await field.command()
        assert call.action == "SetChargingProfile"
        assert await _states(field) == [(1, "sent")]
        field.station.answer(call, ACCEPTED)
        call = await field.command()
        assert call.action == "GetCompositeSchedule"
        field.station.answer(call, _schedule(16.0))

        async def verified() -> bool:
            return await _states(field) == [(1, "verified")]

        await wait_until(verified)
        found = await field.operator.get(f"/stations/{field.id}/composite-schedule?duration_s=60")
        assert [one["limit"] for one in found["segments"]] == [16.0]
        assert (await field.operator.request("DELETE", f"/stations/{field.id}/charging-profiles/1"))[0] == 202
        call = await field.command()
        assert (call.action, call.payload) == ("ClearChargingProfile", {"id": 1})
        field.station.answer(call, ACCEPTED)

        async def gone() -> bool:
            return await _states(field) == []

        await wait_until(gone)
        changed = await field.events("profile.changed")
        assert [one["state"] for one in changed] == ["wanted", "accepted", "verified"]


async def test_a_station_that_accepts_and_computes_otherwise(system: System) -> None:
    """What it would allow beyond its profiles is told with numbers, and the station is flagged."""
    async with Field(system, "PROFILES-MORE") as field:
        await field.boot()
        await _set(field, 10, connector_id=1)
        field.station.answer(await field.command(), ACCEPTED)
        async with field.flagged("schedule_differs"):
            field.station.answer(await field.command(), _schedule(32.0))
        page = await field.operator.get(f"/stations/{field.id}/charging-profiles")
        assert "it would allow 32 A, its profiles allow 10 A" in page["items"][0]["detail"]


async def test_an_offline_station_gets_it_after_its_boot(system: System) -> None:
    """A profile waits for its station like any command, over a restart of the connection."""
    async with Field(system, "PROFILES-LATER") as field:
        await field.boot()
        field.station.abort()
        await field.station.closed_with()
        made = await _set(field, 16)
        assert made["state"] == "wanted"
        await field.station.connect()
        await field.boot()
        assert (await field.command()).action == "SetChargingProfile"


async def test_a_station_that_accepts_and_does_not_obey(system: System, operator: Operator) -> None:
    """Its meter gives it away: it is flagged, with what it was allowed and what it drew; one that obeys is not."""
    obeys, ignores = "PROFILES-OBEYS", "PROFILES-IGNORES"
    async with charging(system, {obeys: PLAIN, ignores: BEHAVIOURS["ignores-limits"]}):
        for name in (obeys, ignores):
            await _cli(operator, "limits", "set", name, "--amps", "8")

        def exceeded() -> list[dict[str, Any]]:
            return [one for one in operator.events(ignores) if one["type"] == "profile.exceeded"]

        await wait_until(lambda: len(exceeded()) > 1, 40)
        (evidence, *_) = exceeded()
        assert (evidence["allowed"], evidence["unit"]) == (8.0, "A")
        assert evidence["measured"] > 9.5
        for name, expected in ((ignores, True), (obeys, False)):
            shown = await operator.get(f"/stations/{name}")
            assert ("limit_exceeded" in shown["flags"]) is expected
        assert "limit_exceeded" in await _cli(operator, "stations", "show", ignores)
        assert "A were allowed" in await _cli(operator, "limits", "show", ignores)
