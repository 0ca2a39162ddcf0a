"""How stations connect, frame and answer (quirks 1, 2, 10 to 13, 20, 24, 27, 29, 30, 32): served, flagged, counted."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from typing import NamedTuple

import msgspec
import pytest

from ampstream.simulate import wsframes
from ampstream.simulate.station import CallFailed, Station
from tests.chaos.harness.charger import now_ms
from tests.chaos.harness.system import TTL_S, System
from tests.e2e.field import Field, iso, scrape
from tests.support import PATIENCE_S, wait_until


async def test_a_reconnect_without_boot(system: System) -> None:
    """Quirk 1: registration outlives the connection; whatever frame comes first begins the session."""
    async with Field(system, "Q1") as field:
        await field.boot()
        await field.again()
        number = await field.start()
        await field.again()
        await field.stop(number)
        shown = await field.shown()
        assert (shown["registration"], shown["state"], shown["flags"]) == ("accepted", "online", [])
        assert (await field.transaction(number))["energy_wh"] == 1000


async def test_a_station_that_never_boots(system: System) -> None:
    """Quirk 1: a station that never sends BootNotification is served like any other, and flagged."""
    async with Field(system, "Q1-NEVER") as field, field.flagged("unbooted"):
        number = await field.start()
        await field.stop(number)
        assert (await field.shown())["registration"] == "none"


async def test_commands_wait_for_the_boot(system: System) -> None:
    """Quirks 2 and 3: no command before the boot is answered; BootNotification is never triggered after Accepted."""
    async with Field(system, "Q2") as field:
        await field.boot()
        await field.start()
        opened = now_ms()
        await field.again()
        call = await field.command()
        # No boot came, so the commands were held for BOOT_HOLD_S (half a second here).
        assert now_ms() - opened >= 500
        assert (call.action, call.payload["requestedMessage"]) == ("TriggerMessage", "StatusNotification")
        field.station.answer(call, {"status": "Accepted"})
        triggered = (await field.command()).payload["requestedMessage"]
        assert triggered == "MeterValues"


async def test_an_unknown_error_code(system: System) -> None:
    """Quirk 10: a CALLERROR of any code ends the command, which keeps what the station said."""
    async with Field(system, "Q10") as field:
        await field.boot()
        await field.start()
        await field.again()
        call = await field.command()
        async with field.flagged("error_code"):
            field.station.answer_error(call, "CouldNotBeBothered", "try later")
        path = f"/stations/{field.id}/commands/{call.message_id}"
        command = await field.operator.get(path)
        assert (command["state"], command["error"]) == ("error", "CouldNotBeBothered: try later")


async def test_frames_that_are_none(system: System) -> None:
    """Quirk 11: an empty text, one cut off, one that is no array: kept for a person, and the socket stays open."""
    async with Field(system, "Q11") as field:
        await field.boot()
        async with field.flagged("quarantined:not_json", "quarantined:bad_envelope"):
            for text in ("", "  \n", "hello", '{"no":"array"}'):
                field.station.send_raw(text)
            answer = await field.raw('[2,"cut","Heartbeat",{"a":')
        assert answer[:3] == [4, "cut", "FormationViolation"]
        await field.say("Heartbeat")
        kept = await field.quarantine()
        assert sorted(one["reason"] for one in kept) == ["bad_envelope", *["not_json"] * 4]
        assert [one["action"] for one in kept if one["action"]] == ["Heartbeat"]


async def test_transaction_messages_cut_off(system: System) -> None:
    """Quirk 11: a StartTransaction that is cut off gets an id and Invalid, a stop and meter values their answer."""
    async with Field(system, "Q11-CUT") as field:
        await field.boot()
        async with field.flagged("quarantined:not_json", "unreadable_start"):
            first = await field.raw('[2,"7","StartTransaction",{"connectorId":1,"idTag":"A"')
        number = first[2]["transactionId"]
        assert first == [3, "7", {"idTagInfo": {"status": "Invalid"}, "transactionId": number}]
        assert await field.raw('[2,"8","StopTransaction",{"transactionId":') == [3, "8", {}]
        assert await field.raw('[2,"9","MeterValues",{"connectorId"') == [3, "9", {}]
        (only,) = await field.transactions()
        assert (only["id"], only["state"], only["authorization"]) == (number, "open", "Invalid")
        assert "unreadable_start" in only["flags"]
        assert {one["action"]: one["transaction_id"] for one in await field.quarantine()} == {
            "StartTransaction": number,
            "StopTransaction": None,
            "MeterValues": None,
        }


async def test_odd_but_readable_frames(system: System) -> None:
    """Quirk 11: a frame over several lines is one, a `null` payload is an empty one."""
    async with Field(system, "Q11-ODD") as field:
        await field.boot()
        assert (await field.raw('[\n  2,\r\n\t"a b",\n "Heartbeat" ,\n{\n}\n]\n'))[:2] == [3, "a b"]
        async with field.flagged("null:payload"):
            assert (await field.raw('[2,"n","Heartbeat",null]'))[:2] == [3, "n"]
        assert await field.quarantine() == []


async def test_an_unknown_message_type(system: System) -> None:
    """Quirk 11: frames of message type 1, or 99, are not answered; the next CALL is."""
    async with Field(system, "Q11-TYPE") as field:
        await field.boot()
        heard = len(field.station.received_frames)
        before = await scrape(system, "ampstream_edge_invalid_frames_total", 'reason="unknown_type"')
        for kind in (1, 99):
            field.station.send_raw(f'[{kind},"x","Heartbeat",{{}}]')
        await field.say("Heartbeat")
        assert len(field.station.received_frames) == heard + 1
        after = await scrape(system, "ampstream_edge_invalid_frames_total", 'reason="unknown_type"')
        assert after - before == 2


async def test_a_stray_subprotocol(system: System) -> None:
    """Quirk 12: without a common one the socket is closed; a default for the station serves it, flagged."""
    field = Field(system, "Q12", subprotocols="")
    assert (await field.operator.request("POST", "/stations", json={"station_id": "Q12"}))[0] == 201
    for offered in ("", "ocpp1.5", "ocpp2.0.1", "ocpp2.1, ocpp2.0.1"):
        field.station.subprotocols = offered
        await field.station.connect()
        assert field.station.subprotocol == ""
        assert await field.station.closed_with(PATIENCE_S) == 1002
    assert (await field.shown())["state"] == "never_seen"
    await field.patch(subprotocol="ocpp1.6")
    async with field.flagged("subprotocol"), field:
        await field.boot()

        async def known() -> bool:  # A CALL may be served before the report of its session.
            return bool((await field.shown())["protocol"] == "ocpp1.6")

        await wait_until(known)


async def test_a_subprotocol_in_capitals(system: System) -> None:
    """Quirk 12: `OCPP1.6` is understood, echoed as it came, and flagged."""
    field = Field(system, "Q12-CAPITALS", subprotocols="OCPP1.6")
    async with field.flagged("subprotocol"), field:
        await field.boot()
        assert field.station.subprotocol == "OCPP1.6"


@contextlib.asynccontextmanager
async def _dialled(system: System, target: str, header: str = "Connection: Upgrade") -> AsyncIterator[_Socket]:
    """Dial with a request target and a header as they are, without a client that knows the rules."""
    host, port = system.station_url().removeprefix("ws://").partition("/")[0].split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    key = base64.b64encode(b"0123456789abcdef").decode()
    head = f"GET {target} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n{header}\r\nSec-WebSocket-Version: 13\r\n"
    try:
        writer.write(f"{head}Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: ocpp1.6\r\n\r\n".encode())
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        yield _Socket(reader, writer)
    finally:
        writer.close()
        await writer.wait_closed()


class _Socket(NamedTuple):
    """A WebSocket that does only what it is told: pings stay unanswered."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def call(self, action: str, payload: str = "{}") -> None:
        """Send a CALL and wait for its answer."""
        self.writer.write(wsframes.encode(wsframes.TEXT, f'[2,"{action}","{action}",{payload}]'.encode(), 0))
        async with asyncio.timeout(PATIENCE_S):
            await self.reader.readuntil(f'[3,"{action}",'.encode())


STRAY = {
    "Q13-SLASHES": ("//ocpp///Q13-SLASHES/", "Connection: Upgrade", "path"),
    "Q13-URI": ("http://127.0.0.1/ocpp/Q13-URI", "Connection: keep-alive, Upgrade", "path"),
    "Q13-HEADER": ("/ocpp/Q13-HEADER?token=x", "X-Model: 1", "upgrade"),
}


@pytest.mark.parametrize("station_id", STRAY)
async def test_a_stray_path(system: System, station_id: str) -> None:
    """Quirk 13: slashes too many, a whole URI, or no `Connection: Upgrade` still reach the station, flagged."""
    target, header, flag = STRAY[station_id]
    async with Field(system, station_id).flagged(flag), _dialled(system, target, header) as socket:
        await socket.call("Heartbeat")


async def test_never_a_pong(system: System) -> None:
    """Quirk 20: a station that answers no ping lives by its other frames, or by TCP alone where it sends none."""
    async with Field(system, "Q20").flagged("no_pong"), _dialled(system, "/ocpp/Q20") as socket:
        await socket.call("BootNotification", '{"chargePointVendor":"Field","chargePointModel":"F1"}')
        begun = now_ms()
        await wait_until(lambda: now_ms() - begun > (TTL_S + 1) * 1000, TTL_S + 3, 0.1)
        assert (await system.operator().station("Q20"))["state"] == "online"
        await socket.call("Heartbeat")


async def test_an_answer_after_the_time(system: System) -> None:
    """Quirk 24: an answer that comes after the command timed out is kept with it, and the state stays."""
    async with Field(system, "Q24") as field:
        await field.boot()
        await field.start()
        await field.again()
        call = await field.command()
        path = f"/stations/{field.id}/commands/{call.message_id}"

        async def timed_out() -> bool:
            return bool((await field.operator.get(path))["state"] == "timed_out")

        await wait_until(timed_out, interval_s=0.1)
        async with field.flagged("late_answer:TriggerMessage"):
            field.station.answer(call, {"status": "Accepted"})
        command = await field.operator.get(path)
        assert (command["state"], command["response"]) == ("timed_out", {"status": "Accepted"})


async def test_status_floods(system: System) -> None:
    """Quirk 27: every one of many equal reports is answered, and one of them is written and announced."""
    async with Field(system, "Q27") as field:
        await field.boot()
        report = {"connectorId": 1, "errorCode": "NoError", "status": "Preparing", "timestamp": iso()}
        calls = [field.station.start_call("StatusNotification", report, f"f{n}") for n in range(40)]
        calls += [field.station.start_call("Heartbeat", {}, f"h{n}") for n in range(10)]
        async with field.flagged("flood"):
            await asyncio.gather(*calls)
        announced = [one for one in await field.events("connector.status") if one["connector_id"] == 1]
        assert len(announced) == 1


async def test_available_before_the_stop(system: System) -> None:
    """Quirk 27: a connector that is Available before its transaction's stop is flagged, and the stop is taken."""
    async with Field(system, "Q27-AVAILABLE") as field:
        await field.boot()
        await field.status("Charging")
        number = await field.start()
        async with field.flagged("available_early"):
            await field.status("Available")
        await field.stop(number)
        assert (await field.transaction(number))["state"] == "closed"


async def test_available_before_a_queued_stop(system: System) -> None:
    """Quirk 27: a station that comes back may report Available first and replay its queue then: no flag for that."""
    async with Field(system, "Q27-QUEUED") as field:
        await field.boot()
        await field.status("Charging")
        number = await field.start()
        await field.again()
        await field.status("Available")
        await field.stop(number)
        await field.unflagged()


async def test_our_closes_bring_stations_back(system: System) -> None:
    """Quirks 29 and 32: Ampstream closes with 1012, never 1000, and shows who has not come back yet as expected."""
    async with Field(system, "Q29") as field:
        await field.boot()
        assert (await field.operator.request("POST", f"/stations/{field.id}/disconnect"))[0] in (200, 202)
        assert await field.station.closed_with(PATIENCE_S) == 1012

        async def expected() -> bool:
            shown = await field.shown()
            return bool((shown["state"], shown["session"]["connection"]) == ("online", "reconnecting"))

        await wait_until(expected)
        assert not await field.events("station.offline")


async def test_message_ids_begin_again(system: System) -> None:
    """Quirk 30: the id "1" on every connection, and twice on one, is a new message each time, with its own answer."""
    async with Field(system, "Q30") as field:
        await field.boot()
        first = await field.say("StartTransaction", "1", connectorId=1, idTag="A", meterStart=0, timestamp=iso())
        assert "currentTime" in await field.say("Heartbeat", "1")
        await field.again()
        second = await field.say("StartTransaction", "1", connectorId=2, idTag="A", meterStart=0, timestamp=iso())
        assert first["transactionId"] != second["transactionId"]
        for _ in range(2):
            await field.say("DataTransfer", "1", vendorId="V", data="same")
            await field.again()
        assert len(await field.events("station.data_transfer")) == 2


async def test_bad_frames_get_the_code_that_fits(system: System) -> None:
    """Each kind of bad CALL gets its own CALLERROR, in the spelling of 1.6, and only that."""
    async with Field(system, "Q-CODES") as field:
        await field.boot()
        cases = {
            ("Brew", "{}"): "NotImplemented",
            ("RemoteStartTransaction", '{"idTag":"A"}'): "NotSupported",
            ("Authorize", "{}"): "OccurenceConstraintViolation",
            ("Authorize", '{"idTag":{"a":1}}'): "TypeConstraintViolation",
            ("Authorize", "[1]"): "FormationViolation",
            ("Authorize", f'{{"idTag":"{"A" * 5000}"}}'): "PropertyConstraintViolation",
        }
        for (action, payload), code in cases.items():
            answer = await field.raw(f'[2,"c","{action}",{payload}]')
            assert answer[:3] == [4, "c", code], (action, payload)
        assert len(await field.quarantine()) == len(cases)


async def test_too_many_bad_frames_end_the_socket(system: System) -> None:
    """Quirk 11: never closed on the first bad frame, but a stream of nothing else is cut with 1008."""
    async with Field(system, "Q11-FLOOD") as field:
        for n in range(60):
            if field.station.connected:
                field.station.send_raw(f"garbage {n}")
        assert await field.station.closed_with(PATIENCE_S) == 1008


async def test_a_call_is_answered_by_its_own_id(system: System) -> None:
    """Twenty CALLs at once are answered one by one, in order, each under its own id."""
    async with Field(system, "Q-ORDER") as field:
        await field.boot()
        heard = len(field.station.received_frames)
        calls = [field.station.start_call("Heartbeat", {}, f"m{n}") for n in range(20)]
        await asyncio.gather(*calls)
        answered = [msgspec.json.decode(frame)[1] for frame in field.station.received_frames[heard:]]
        assert answered == [f"m{n}" for n in range(20)]


async def test_a_stranger_in_a_good_session(system: System) -> None:
    """A second socket under the same id takes over where no key is set; the first is closed with 1012."""
    async with Field(system, "Q-SECOND") as field:
        await field.boot()
        second = Station(system.station_url(1), "Q-SECOND", timeout_s=10)
        await second.connect()
        # How soon is asked by F18.
        assert await field.station.closed_with(PATIENCE_S) == 1012
        with pytest.raises(CallFailed, match="NotImplemented"):
            await second.call("Brew")
        assert (await field.shown())["state"] == "online"
        await second.close()
