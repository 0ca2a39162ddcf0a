"""How stations report transactions and energy (quirks 14 to 19, 26, 27, 31): billed right, kept, flagged, counted."""

from __future__ import annotations

from typing import Any

import pytest

from tests.chaos.harness.operator import milliseconds
from tests.chaos.harness.system import System
from tests.e2e.field import ENERGY, Field, iso


def _energy(value: float, **more: str) -> dict[str, str]:
    return {"value": str(value), "measurand": ENERGY, "unit": "Wh"} | more


@pytest.mark.parametrize("named", [0, -1, None, 2_000_000_000])
async def test_a_stop_that_names_nothing(system: System, named: int | None) -> None:
    """Quirk 14: a stop with 0, -1, null or an id that nobody gave ends the open transaction, flagged."""
    async with Field(system, f"Q14-{named}") as field:
        await field.boot()
        number = await field.start(idTag="TAG14")
        flags = ["stop_matched", "null:transactionId"] if named is None else ["stop_matched"]
        async with field.flagged(*flags):
            said = {"timestamp": iso(), "idTag": "TAG14"}
            assert await field.stop(named, **said) == {"idTagInfo": {"status": "Accepted"}}
        (only,) = await field.transactions()
        assert (only["id"], only["state"], only["energy_wh"]) == (number, "closed", 1000)
        assert "stop_matched" in only["flags"]
        # Said again, it changes nothing.
        assert await field.stop(named, **said) == {"idTagInfo": {"status": "Accepted"}}
        assert len(await field.transactions()) == 1


async def test_a_stop_with_the_id_of_another_station(system: System) -> None:
    """Quirk 14: another station's transaction can't be ended; the own open one that fits is."""
    async with Field(system, "Q14-THIEF") as thief, Field(system, "Q14-OWNER") as owner:
        await thief.boot()
        await owner.boot()
        theirs, own = await owner.start(), await thief.start()
        async with thief.flagged("stop_matched"):
            await thief.stop(theirs)
        assert (await thief.transaction(own))["state"] == "closed"
        assert (await owner.transaction(theirs))["state"] == "open"
        await owner.stop(theirs)


async def test_a_stop_without_anything_open(system: System) -> None:
    """Quirk 14: a stop that fits nothing is answered and kept as an orphan, once however often it is said."""
    async with Field(system, "Q14-ORPHAN") as field:
        await field.boot()
        at = iso(-60)
        for _ in range(2):
            assert await field.stop(77, 5000, timestamp=at) == {}
        (event,) = await field.events("transaction.orphan_stop")
        assert event["meter_stop_wh"] == 5000
        facts = await field.operator.items(f"/stations/{field.id}/history")
        found = await field.transactions()
        assert found or any(one["kind"] == "orphan_stop" for one in facts), (facts, found)


async def test_everything_twice(system: System) -> None:
    """Quirk 15: start, samples and stop said again under new message ids count once and get the same answers."""
    async with Field(system, "Q15") as field:
        await field.boot()
        start = {"timestamp": iso(-60), "idTag": "TAG15"}
        number = await field.start(**start)
        assert await field.start(**start) == number
        at = iso(-30)
        for _ in range(2):
            await field.meter(_energy(1500), at=at, transactionId=number)
        stop = {"timestamp": iso(), "idTag": "TAG15"}
        answers = [await field.stop(number, **stop) for _ in range(2)]
        # A retry of the start that comes after the end is still the same start.
        assert await field.start(**start) == number
        assert answers[0] == answers[1] == {"idTagInfo": {"status": "Accepted"}}
        (only,) = await field.transactions()
        assert (only["energy_wh"], only["sample_count"], only["flags"]) == (1000, 1, [])
        assert len(await field.events("transaction.started")) == len(await field.events("transaction.ended")) == 1


async def test_another_stop_for_the_same_transaction(system: System) -> None:
    """Quirk 15: a second stop that differs changes no energy; it is kept in the history, flagged."""
    async with Field(system, "Q15-OTHER") as field:
        await field.boot()
        number = await field.start()
        await field.stop(number, 2000)
        async with field.flagged("stop_conflict"):
            await field.stop(number, 9000)
        assert (await field.transaction(number))["energy_wh"] == 1000
        facts = await field.operator.items(f"/stations/{field.id}/history")
        assert [one["data"]["meter_stop_wh"] for one in facts if one["kind"] == "second_stop"] == [9000]


async def test_only_the_stop_arrives(system: System) -> None:
    """Quirk 16: the start was lost, the stop brings its data along: the transaction is built from it, flagged."""
    async with Field(system, "Q16") as field:
        await field.boot()
        await field.status("Available")
        begin, end = iso(-3600), iso(-60)
        data: list[dict[str, Any]] = [
            {"timestamp": begin, "sampledValue": [_energy(7000, context="Transaction.Begin")]},
            {"timestamp": end, "sampledValue": [_energy(19000, context="Transaction.End")]},
        ]
        async with field.flagged("built_from_stop"):
            for _ in range(2):
                await field.stop(-1, 19000, timestamp=end, idTag="TAG16", transactionData=data)
        (built,) = await field.transactions()
        assert (built["meter_start_wh"], built["energy_wh"], built["id_tag"]) == (7000, 12000, "TAG16")
        assert milliseconds(built["started_at"]) == milliseconds(begin)
        assert built["connector_id"] == 1


async def test_samples_after_the_stop(system: System) -> None:
    """Quirk 17: samples that name an ended transaction are kept with it; it neither reopens nor changes its energy."""
    async with Field(system, "Q17") as field:
        await field.boot()
        number = await field.start()
        await field.stop(number)
        async with field.flagged("late_samples"):
            await field.meter(_energy(2500), transactionId=number)
        closed = await field.transaction(number)
        assert (closed["state"], closed["energy_wh"], closed["sample_count"]) == ("closed", 1000, 1)
        assert "late_samples" in closed["flags"]
        assert await field.operator.items("/transactions", station_id=field.id, state="open") == []


async def test_samples_without_transaction(system: System) -> None:
    """Quirk 18: without transactionId the connector's open transaction gets them; else they are the station's."""
    async with Field(system, "Q18") as field:
        await field.boot()
        for connector in (1, 2):
            await field.status("Available", connector)
        await field.meter(_energy(900))
        number = await field.start(timestamp=iso(-60))
        await field.meter(_energy(1400), at=iso(-30))
        await field.meter(_energy(77), connectorId=2)
        # The main meter of a station with two connectors says nothing of one transaction.
        await field.meter(_energy(5_000_000), connectorId=0)
        async with field.flagged("unknown_transaction"):
            await field.meter(_energy(1600), transactionId=-1)
        assert [one["value"] for one in await field.samples(number)] == [1400, 1600]
        assert [one["value"] for one in await field.samples()] == [900, 77, 5_000_000]
        assert (await field.transaction(number))["energy_wh"] == 600


@pytest.mark.parametrize("rule", [False, True])
async def test_the_main_meter(system: System, rule: bool) -> None:
    """Quirk 18: connector 0 stands for the only connector, or by rule for the only open transaction."""
    async with Field(system, f"Q18-MAIN-{rule}") as field:
        await field.boot(chargePointVendor="KEBA AG" if rule else "Other")
        for connector in (1, 2) if rule else (1,):
            await field.status("Available", connector)
        number = await field.start()
        await field.meter(_energy(1400), connectorId=0)
        assert (await field.transaction(number))["energy_wh"] == 400


async def test_tags_with_the_readers_number(system: System) -> None:
    """Quirk 18: a reader that appends `_serial` to id tags means the tag before it, by rule."""
    async with Field(system, "Q18-SUFFIX") as field:
        body = {"id_tag": "Q18CARD", "status": "blocked"}
        assert (await field.operator.request("POST", "/tags", json=body))[0] == 201
        await field.boot()
        assert (await field.say("Authorize", idTag="Q18CARD_4711"))["idTagInfo"]["status"] == "Accepted"
        await field.patch(quirk_profile={"id_tag": "strip_suffix"})
        assert (await field.say("Authorize", idTag="Q18CARD_4711"))["idTagInfo"]["status"] == "Blocked"


async def test_meters_that_go_wrong(system: System) -> None:
    """Quirk 19: a register that drops, a stop below the last sample, and one of -1: energy never shrinks, flagged."""
    async with Field(system, "Q19") as field:
        await field.boot()
        number = await field.start(timestamp=iso(-60))
        await field.meter(_energy(3000), at=iso(-40), transactionId=number)
        async with field.flagged("register_went_back"):
            await field.meter(_energy(0), at=iso(-30), transactionId=number)
        assert (await field.transaction(number))["energy_wh"] == 2000
        async with field.flagged("meter_stop_below_sample"):
            await field.stop(number, 2500)
        closed = await field.transaction(number)
        assert (closed["meter_stop_wh"], closed["energy_wh"]) == (3000, 2000)
        second = await field.start(timestamp=iso(), meterStart=3000)
        await field.meter(_energy(3700), transactionId=second)
        async with field.flagged("meter_stop_invalid"):
            await field.stop(second, -1)
        assert (await field.transaction(second))["energy_wh"] == 700


async def test_energy_in_other_units(system: System) -> None:
    """Quirk 19: kWh are turned into Wh exactly; kWh labelled Wh, and a register per session, are rules of a station."""
    async with Field(system, "Q19-UNITS") as field:
        await field.boot()
        number = await field.start(timestamp=iso(-60))
        await field.meter(_energy(1.234, unit="kWh"), at=iso(-30), transactionId=number)
        assert (await field.transaction(number))["energy_wh"] == 234
        await field.patch(quirk_profile={"samples_in": "kwh"})
        await field.meter(_energy(1.5), transactionId=number)
        assert (await field.transaction(number))["energy_wh"] == 500
        await field.stop(number)
        await field.patch(quirk_profile={"register": "session"})
        second = await field.start(meterStart=8000)
        async with field.flagged("session_register"):
            await field.meter(_energy(250), transactionId=second)
        await field.stop(second, 400)
        assert (await field.transaction(second))["energy_wh"] == 400


async def test_available_before_the_stop(system: System) -> None:
    """Quirks 26 and 27: Finishing, Available, then the stop: the transaction is open until its stop, and then exact."""
    async with Field(system, "Q27-EARLY") as field:
        await field.boot()
        number = await field.start()
        for status in ("Charging", "Finishing", "Available"):
            await field.status(status)
        assert (await field.transaction(number))["state"] == "open"
        await field.stop(number)
        closed = await field.transaction(number)
        assert (closed["state"], closed["energy_wh"], closed["estimated"], closed["flags"]) == (
            "closed",
            1000,
            False,
            [],
        )


async def test_a_new_start_on_a_busy_connector(system: System) -> None:
    """A second start on a connector ends the first with its last known meter value; its own late stop corrects that."""
    async with Field(system, "Q-BUSY") as field:
        await field.boot()
        first = await field.start(timestamp=iso(-600))
        await field.meter(_energy(1700), at=iso(-500), transactionId=first)
        async with field.flagged("superseded_by_start", "estimated"):
            second = await field.start(timestamp=iso(), meterStart=1900)
        ended = await field.transaction(first)
        assert (ended["state"], ended["energy_wh"], ended["estimated"]) == ("closed", 700, True)
        async with field.flagged("corrected"):
            await field.stop(first, 1900, timestamp=iso(-10))
        assert (await field.transaction(first))["energy_wh"] == 900
        assert (await field.transaction(second))["state"] == "open"


async def test_decimals_are_exact(system: System) -> None:
    """Quirk 31: numbers are decimals: 8.1 stays 8.1, and a tenth of a Wh is never lost to binary arithmetic."""
    async with Field(system, "Q31") as field:
        await field.boot()
        number = await field.start(meterStart=0)
        current = {"value": "8.1", "measurand": "Current.Import", "unit": "A", "phase": "L1"}
        await field.meter(current, _energy(8.1, unit="kWh"), transactionId=number)
        found = {one["measurand"]: one["value"] for one in await field.samples(number)}
        assert found == {"Current.Import": 8.1, ENERGY: 8100}
        await field.unflagged()
