"""What stations write into their payloads (quirk 4 to 9, 21, 28, 33): understood, kept, flagged and counted."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from tests.chaos.harness.charger import now_ms
from tests.chaos.harness.operator import milliseconds
from tests.chaos.harness.system import System
from tests.e2e.field import ENERGY, Field, iso, scrape
from tests.support import wait_until


def _wall(zone: dt.tzinfo) -> str:
    """Return the time that a clock on a wall of this zone shows, to the second."""
    return dt.datetime.now(zone).strftime("%Y-%m-%dT%H:%M:%S")


def _is_now(text: str) -> bool:
    return abs(milliseconds(text) - now_ms()) < 5000


async def test_times_without_zone(system: System) -> None:
    """Quirk 4: a time without zone is UTC, or in the zone that was set for the station; flagged."""
    async with Field(system, "Q4") as field:
        await field.boot()
        async with field.flagged("no_zone:timestamp"):
            number = await field.start(timestamp=_wall(dt.UTC))
        assert _is_now((await field.transaction(number))["started_at"])
        await field.patch(time_zone="Asia/Shanghai")
        shanghai = dt.timezone(dt.timedelta(hours=8))
        async with field.flagged("no_zone:meterValue.timestamp"):
            await field.meter({"value": "1100"}, at=_wall(shanghai), transactionId=number)
        (sample,) = await field.samples(number)
        assert _is_now(sample["timestamp"])
        await field.stop(number, timestamp=_wall(shanghai))
        assert _is_now((await field.transaction(number))["stopped_at"])


@pytest.mark.parametrize(("offset", "hours"), [("+02", 2), ("-0330", -3.5)])
async def test_short_offsets(system: System, offset: str, hours: float) -> None:
    """Quirk 5: an offset without minutes, or without its colon, is read as meant."""
    flag = {"+02": "short_offset:timestamp", "-0330": "loose_time:timestamp"}[offset]
    async with Field(system, f"Q5{offset}") as field:
        await field.boot()
        async with field.flagged(flag):
            number = await field.start(timestamp=_wall(dt.timezone(dt.timedelta(hours=hours))) + offset)
        assert _is_now((await field.transaction(number))["started_at"])


@pytest.mark.parametrize("year", ["1970", "0001", "2099"])
async def test_clocks_that_were_never_set(system: System, year: str) -> None:
    """Quirk 6: a transaction of an impossible time is served like any other; `received_at` stands beside."""
    async with Field(system, f"Q6-{year}") as field:
        await field.boot()
        async with field.flagged("implausible:timestamp", "clock_suspect"):
            number = await field.start(timestamp=f"{year}-01-01T00:00:10Z")
        await field.meter({"value": "1500"}, at=f"{year}-01-01T00:05:00Z", transactionId=number)
        await field.stop(number, timestamp=f"{year}-01-01T00:10:00Z")
        closed = await field.transaction(number)
        assert (closed["state"], closed["energy_wh"]) == ("closed", 1000)
        assert closed["started_at"].startswith(f"{year}-01-01T00:00:10")
        assert _is_now(closed["received_at"])
        assert _is_now(closed["stop_received_at"])
        assert "clock_suspect" in closed["flags"]


async def test_local_time_labelled_as_utc(system: System) -> None:
    """Quirk 6: a clock that is hours ahead is no reason to refuse: the transaction runs and its energy counts."""
    async with Field(system, "Q6-AHEAD") as field:
        await field.boot()
        number = await field.start(timestamp=iso(7200))
        await field.meter({"value": "1500"}, at=iso(7201), transactionId=number)
        await field.stop(number, timestamp=iso(7202))
        closed = await field.transaction(number)
        assert (closed["energy_wh"], closed["flags"]) == (1000, [])
        assert milliseconds(closed["started_at"]) - milliseconds(closed["received_at"]) > 7_000_000


async def test_answers_say_z(system: System) -> None:
    """Quirk 7: every time in an answer ends in Z."""
    async with Field(system, "Q7") as field:
        body = {"id_tag": "Q7-TAG", "expires_at": "2099-01-01T02:00:00+02:00"}
        assert (await field.operator.request("POST", "/tags", json=body))[0] == 201
        answers: list[str] = [(await field.boot())["currentTime"], (await field.say("Heartbeat"))["currentTime"]]
        answers.append((await field.say("Authorize", idTag="Q7-TAG"))["idTagInfo"]["expiryDate"])
        assert all(text.endswith("Z") and "+" not in text for text in answers), answers
        assert milliseconds(answers[-1]) == milliseconds("2099-01-01T00:00:00Z")


async def test_overlong_fields(system: System) -> None:
    """Quirk 8: a serial number of 33 characters and an id tag of 21 are taken whole."""
    serial, tag = "S" * 33, "T" * 21
    async with Field(system, "Q8") as field:
        async with field.flagged("overlong:chargePointSerialNumber"):
            assert (await field.boot(chargePointSerialNumber=serial))["status"] == "Accepted"
        assert (await field.shown())["serial_number"] == serial
        async with field.flagged("overlong:idTag"):
            assert (await field.say("Authorize", idTag=tag))["idTagInfo"]["status"] == "Accepted"
            number = await field.start(idTag=tag)
        assert (await field.transaction(number))["id_tag"] == tag


async def test_stray_enum_values(system: System) -> None:
    """Quirk 9: values that no list has are kept as they came; a known misspelling is put right."""
    async with Field(system, "Q9") as field:
        await field.boot()
        async with field.flagged("enum:errorCode", "enum:status"):
            await field.status("Error", errorCode="Error")
        (connector,) = await field.connectors()
        assert (connector["status"], connector["error_code"]) == ("Error", "Error")
        number = await field.start()
        flags = ("enum:meterValue.sampledValue.unit", "enum:meterValue.sampledValue.context")
        async with field.flagged(*flags, "enum:meterValue.sampledValue.measurand"):
            await field.meter(
                {"value": "50", "measurand": "Frequency", "unit": "Hz"},
                {"value": "21.5", "measurand": "Temperature", "unit": "Celcius"},
                {"value": "1200", "measurand": "Request.Energy", "unit": "Wh", "context": "Request"},
                transactionId=number,
            )
        found = {one["measurand"]: one for one in await field.samples(number)}
        assert (found["Frequency"]["value"], found["Frequency"]["unit"]) == (50, "Hz")
        assert (found["Temperature"]["value"], found["Temperature"]["unit"]) == (21.5, "Celsius")
        assert found["Request.Energy"]["context"] == "Request"
        await field.stop(number, reason="Weather")
        assert (await field.transaction(number))["stop_reason"] == "Weather"


async def test_a_connector_beyond_reason(system: System) -> None:
    """Quirk 21: a connector numbered 1634030126 is answered, kept in the history, and not shown as a connector."""
    async with Field(system, "Q21") as field:
        await field.boot()
        async with field.flagged("connector_range:connectorId"):
            await field.status("Available", 1634030126)
        assert await field.connectors() == []
        (fact,) = await field.operator.items(f"/stations/{field.id}/history")
        assert fact["data"]["connector_id"] == 1634030126


async def test_hexadecimal_tags(system: System) -> None:
    """Quirk 28: a reader that writes tags with separators or 0x means the tag that the operator knows, by rule."""
    async with Field(system, "Q28") as field:
        body = {"id_tag": "04a1b2c3", "parent": "FLEET"}
        assert (await field.operator.request("POST", "/tags", json=body))[0] == 201
        await field.boot()
        await field.patch(quirk_profile={"id_tag": "hex"})
        for spelling in ("04:A1:B2:C3", "0x04A1B2C3", "04 a1 b2 c3"):
            answer = await field.say("Authorize", idTag=spelling)
            assert answer["idTagInfo"] == {"status": "Accepted", "parentIdTag": "FLEET"}
        assert (await field.transaction(await field.start(idTag="04-A1-B2-C3")))["id_tag"] == "04a1b2c3"


async def test_free_vending(system: System) -> None:
    """Quirk 28: a start without id tag is Invalid, yet a transaction; where the rule allows it, it is accepted."""
    async with Field(system, "Q28-FREE") as field:
        await field.boot()
        start: dict[str, Any] = {"connectorId": 1, "meterStart": 0}
        async with field.flagged("missing:idTag"):
            refused = await field.say("StartTransaction", **start, timestamp=iso())
        assert refused["idTagInfo"]["status"] == "Invalid"
        assert (await field.transaction(refused["transactionId"]))["id_tag"] == ""
        await field.patch(quirk_profile={"free_vend": "accept"})
        number = await field.start(idTag="", connectorId=2)
        assert (await field.transaction(number))["authorization"] == "Accepted"


async def test_unknown_fields_and_letter_case(system: System) -> None:
    """Quirk 33: fields that nobody knows are passed over, values in another letter case are understood."""
    async with Field(system, "Q33") as field:
        async with field.flagged("unknown:wifiSsid"):
            await field.boot(wifiSsid="garage")
        async with field.flagged("case:status", "case:errorCode"):
            await field.status("charging", errorCode="noerror")
        (connector,) = await field.connectors()
        assert (connector["status"], connector["error_code"]) == ("Charging", "NoError")
        number = await field.start()
        async with field.flagged("case:meterValue.sampledValue.unit"):
            await field.meter({"value": "1.5", "measurand": ENERGY, "unit": "KWH"}, transactionId=number)
        (sample,) = await field.samples(number)
        assert (sample["value"], sample["unit"]) == (1500, "Wh")
        async with field.flagged("case:reason"):
            await field.stop(number, reason="evdisconnected")
        assert (await field.transaction(number))["stop_reason"] == "EVDisconnected"


async def test_types_that_are_not_the_schemas(system: System) -> None:
    """Numbers as text, whole floats, null and one object instead of an array are read as meant."""
    async with Field(system, "Q-TYPES") as field:
        await field.boot()
        async with field.flagged("number:connectorId", "number:meterStart", "text:idTag"):
            number = await field.start(connectorId="1", meterStart=1000.0, idTag=12345)
        started = await field.transaction(number)
        assert (started["connector_id"], started["meter_start_wh"], started["id_tag"]) == (1, 1000, "12345")
        async with field.flagged("single:meterValue", "text:meterValue.sampledValue.value"):
            await field.say(
                "MeterValues",
                connectorId=1,
                transactionId=number,
                meterValue={"timestamp": iso(), "sampledValue": [{"value": 1250}]},
            )
        assert (await field.transaction(number))["energy_wh"] == 250


async def test_numbers_beyond_every_record(system: System) -> None:
    """Integers of any length are answered and kept within what a record holds; none of them makes a handler fail."""
    huge = 10**30
    async with Field(system, "Q-HUGE") as field:
        await field.boot()
        for number in (2**64, -huge, huge):
            await field.status("Available", number)
            await field.say("SignedFirmwareStatusNotification", status="Downloading", requestId=number)
            await field.say("LogStatusNotification", status="Uploading", requestId=number)
            await field.say("SignedFirmwareStatusNotification", status="Downloaded", requestId=number)
            started = await field.start(connectorId=number, meterStart=number, reservationId=number, timestamp=iso())
            await field.meter({"value": str(number)}, connectorId=number, transactionId=number)
            await field.stop(number, number, timestamp=iso())
            await field.transaction(started)
        assert await field.quarantine() == []
        facts = await field.operator.items("/stations/Q-HUGE/history")
        assert str(huge) in [str(one["data"].get("connector_id")) for one in facts]
        # The answer to a command is any JSON.
        await field.start(connectorId=1)
        await field.again()
        call = await field.command()
        field.station.answer(call, {"status": "Accepted", "vendor": [huge]})

        async def answered() -> bool:
            found = await field.operator.get(f"/stations/{field.id}/commands/{call.message_id}")
            return bool(found["response"] == {"status": "Accepted", "vendor": [str(huge)]})

        await wait_until(answered)


async def test_a_good_station_has_no_flags(system: System) -> None:
    """A station that keeps to the standard carries no flag, and counts none."""
    async with Field(system, "Q-NONE") as field:
        before = await scrape(system, "ampstream_quirks_total")
        await field.boot()
        await field.status("Preparing")
        number = await field.start()
        await field.meter({"value": "1500", "unit": "Wh", "measurand": ENERGY}, transactionId=number)
        await field.stop(number)
        await field.status("Available")
        await field.unflagged()
        assert await scrape(system, "ampstream_quirks_total") == before
