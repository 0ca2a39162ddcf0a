"""What the README promises an operator, each against a whole system that runs."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
import json
from pathlib import Path
from typing import Any

import aiohttp
import jsonschema
import ocpp
import pytest

from ampstream.simulate.station import CallFailed, Refused, Station
from tests.chaos.harness.system import System
from tests.e2e.field import ENERGY, Field, iso, scrape
from tests.edge.operators import contract
from tests.support import PATIENCE_S, wait_until

SCHEMAS = Path(ocpp.__file__).parent / "v16" / "schemas"
CSR = "-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END CERTIFICATE REQUEST-----"
REPORTS: list[tuple[str, dict[str, Any], dict[str, Any] | None]] = [
    # Action, payload, and the whole answer where it is always the same.
    ("Authorize", {"idTag": "P-TAG"}, {"idTagInfo": {"status": "Accepted"}}),
    ("DataTransfer", {"vendorId": "Acme", "messageId": "m", "data": "x"}, {"status": "UnknownVendorId"}),
    ("DiagnosticsStatusNotification", {"status": "Uploading"}, {}),
    ("FirmwareStatusNotification", {"status": "Downloading"}, {}),
    ("Heartbeat", {}, None),
    ("MeterValues", {"connectorId": 1, "meterValue": [{"timestamp": "2026-01-01T00:00:00Z", "sampledValue": []}]}, {}),
    ("StatusNotification", {"connectorId": 0, "errorCode": "NoError", "status": "Available"}, {}),
    ("LogStatusNotification", {"status": "Uploading", "requestId": 3}, {}),
    ("SecurityEventNotification", {"type": "TamperDetectionActivated", "timestamp": "2026-01-01T00:00:00Z"}, {}),
    ("SignCertificate", {"csr": CSR}, {"status": "Rejected"}),
    ("SignedFirmwareStatusNotification", {"status": "Downloaded", "requestId": 4}, {}),
]


def _validate(action: str, answer: dict[str, Any]) -> None:
    """Fail unless an answer satisfies the schema that the `ocpp` package ships."""
    schema = json.loads((SCHEMAS / f"{action}Response.json").read_text(encoding="utf-8-sig"))
    jsonschema.validate(answer, schema)


async def test_every_message_of_a_station(system: System) -> None:
    """Each message that a 1.6 station may send is answered as its schema says, and shows where an operator looks."""
    async with Field(system, "P-ALL") as field:
        _validate("BootNotification", await field.boot(firmwareVersion="1.2.3"))
        for action, payload, expected in REPORTS:
            answer = await field.say(action, **payload)
            _validate(action, answer)
            assert expected is None or answer == expected, action
        number = await field.start()
        _validate("StopTransaction", await field.stop(number, idTag="P-ALL-T"))
        shown = await field.shown()
        assert shown["firmware"] == "1.2.3"
        assert shown["statuses"] == {
            "diagnostics": "Uploading",
            "firmware": "Downloading",
            "log": "Uploading",
            "signed_firmware": "Downloaded",
        }
        facts = {one["kind"]: one["data"] for one in await field.operator.items("/stations/P-ALL/history")}
        assert facts["sign_certificate"] == {"csr": CSR}
        assert facts["security_event"]["type"] == "TamperDetectionActivated"
        assert facts["data_transfer"]["data"] == "x"
        told = {one["type"] for one in field.operator.events("P-ALL")}
        assert {"station.security_event", "station.certificate_requested", "station.data_transfer"} <= told


@pytest.mark.parametrize("policy", ["pending", "rejected"])
async def test_a_station_that_is_not_accepted(system: System, policy: str) -> None:
    """It is told so with a time to wait; only transactions are taken from it, until its boot is accepted."""
    station_id = f"P-{policy}"
    field = Field(system, station_id)
    body = {"station_id": station_id, "boot_policy": policy}
    assert (await field.operator.request("POST", "/stations", json=body))[0] == 201
    async with field:
        answer = await field.boot()
        assert answer["status"] == policy.capitalize()
        assert answer["interval"] > 0
        for action, payload in (("Heartbeat", {}), ("Authorize", {"idTag": "A"})):
            with pytest.raises(CallFailed, match="SecurityError"):
                await field.say(action, **payload)
        async with field.flagged("unaccepted:StartTransaction", "unaccepted:StopTransaction"):
            number = await field.start()
            await field.stop(number)
        assert (await field.transaction(number))["energy_wh"] == 1000
        await field.patch(boot_policy="accepted")
        assert (await field.boot())["status"] == "Accepted"
        await field.say("Heartbeat")
        assert (await field.shown())["registration"] == "accepted"


BROKEN = [
    "{}",
    "null",
    "[]",
    '{"connectorId":{"a":1},"idTag":["x"],"meterStart":"many","timestamp":5}',
    '{"connectorId":1,"idTag":"' + "A" * 5000 + '","meterStart":0,"timestamp":"x"}',
    '{"connectorId":99999999999999999999999999,"idTag":"A","meterStart":-1e400,"timestamp":null}',
    '{"connectorId":1,"idTag":"\\ud800","meterStart":0,"timestamp":"2026-01-01T00:00:00Z"}',
    '{"connectorId":NaN,"idTag":"A"}',
    '{"a":' + "[" * 200 + "]" * 200 + "}",
    '{"meterValue":[{"sampledValue":[{"value":{}}]}],"transactionData":"none","connectorId":1,"meterStop":true}',
]


@pytest.mark.parametrize("action", ["StartTransaction", "StopTransaction", "MeterValues"])
async def test_transaction_messages_never_get_an_error(system: System, action: str) -> None:
    """Whatever is wrong with one, its answer is a CALLRESULT that satisfies the schema: an error loses it for good."""
    async with Field(system, f"P-BROKEN-{action}") as field:
        await field.boot()
        for n, payload in enumerate(BROKEN):
            frame = await field.raw(f'[2,"b{n}","{action}",{payload}]')
            assert frame[:2] == [3, f"b{n}"], (payload[:80], frame)
            _validate(action, frame[2])
        ids = [one["id"] for one in await field.transactions()]
        assert len(set(ids)) == len(ids)


async def test_answers_to_nothing_are_counted(system: System) -> None:
    """A CALLRESULT or CALLERROR that nobody asked for is counted, and changes and closes nothing."""
    name, label = "ampstream_edge_invalid_frames_total", 'reason="unsolicited_answer"'
    async with Field(system, "P-UNASKED") as field:
        await field.boot()
        before = await scrape(system, name, label)
        field.station.send_raw('[3,"nobody",{}]')
        field.station.send_raw('[4,"nobody","GenericError","",{}]')
        await field.say("Heartbeat")
        assert await scrape(system, name, label) - before == 2


async def test_a_replay_that_fails_again(system: System) -> None:
    """A quarantined frame that is still not understood stays, with the try counted; dropped, it is gone."""
    async with Field(system, "P-REPLAY") as field:
        await field.boot()
        await field.raw('[2,"1","Authorize",{"idTag":{}}]')
        (kept,) = await field.quarantine()
        path = f"/quarantine/{kept['id']}"
        status, problem = await field.operator.request("POST", f"{path}/replay")
        assert (status, problem["status"]) == (422, 422)
        assert "idTag" in problem["detail"]
        assert (await field.operator.get(path))["replays"] == 1
        assert (await field.operator.request("DELETE", path))[0] in (200, 204)
        assert (await field.operator.request("GET", path))[0] == 404


async def test_every_list_in_pages(system: System) -> None:
    """Every list gives the same items one by one as at once, and every answer has the form that OpenAPI declares."""
    async with Field(system, "P-PAGES") as field:
        await field.boot()
        for connector in (10, 2, 0, 1):
            await field.status("Available", connector)
        numbers = []
        for n in range(3):
            numbers.append(await field.start(timestamp=iso(-60 + n), meterStart=n))
            await field.meter({"value": str(n + 1)}, at=iso(-30 + n), transactionId=numbers[-1])
            await field.stop(numbers[-1], n + 2)
            await field.raw('[2,"1","Brew",{}]')
            await field.operator.request("PUT", f"/tags/P-PAGES-{n}", json={"status": "accepted"})
        lists = [
            ("/stations", {"q": "P-"}),
            ("/transactions", {"station_id": field.id}),
            (f"/transactions/{numbers[0]}/meter-values", {}),
            ("/tags", {"q": "P-PAGES"}),
            ("/quarantine", {"station_id": field.id}),
            (f"/stations/{field.id}/history", {}),
            ("/connectors", {}),
            (f"/stations/{field.id}/connectors", {}),
        ]
        for path, params in lists:
            whole = await field.operator.items(path, **params)
            cursor: dict[str, str] = {}
            one_by_one: list[dict[str, Any]] = []
            while True:
                status, page = await field.operator.request("GET", path, params={**params, **cursor, "limit": "1"})
                contract.check("GET", path, status, "application/json", page)
                assert len(page["items"]) <= 1
                one_by_one += page["items"]
                if page["next"] is None:
                    break
                cursor = {"cursor": page["next"]}
            assert [_name(one) for one in one_by_one] == [_name(one) for one in whole], path
        assert [one["id"] for one in await field.transactions()] == numbers[::-1]


def _name(item: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(item.get(key) for key in ("id", "station_id", "connector_id", "id_tag", "timestamp", "kind"))


async def test_meter_values_as_csv(system: System) -> None:
    """A transaction's meter values are the same as CSV and as JSON: each sample once, in order, in normalised units."""
    async with Field(system, "P-CSV") as field:
        await field.boot()
        number = await field.start()
        for n in range(3):
            power = {"value": "7.4", "unit": "kW", "measurand": "Power.Active.Import"}
            await field.meter({"value": str(1100 + n), "measurand": ENERGY}, power, at=iso(n - 5), transactionId=number)
        async with (
            aiohttp.ClientSession(headers=field.operator.headers) as http,
            http.get(f"{field.operator.url}/api/v1/transactions/{number}/meter-values?format=csv") as answer,
        ):
            rows = list(csv.DictReader(io.StringIO(await answer.text())))
        shown = [
            (row["timestamp"], row["measurand"], float(row["value"]), row["unit"], row["location"]) for row in rows
        ]
        samples = await field.samples(number)
        assert shown == [
            (one["timestamp"], one["measurand"], float(one["value"]), one["unit"], one["location"]) for one in samples
        ]
        assert [one[2:4] for one in shown[:2]] == [(1100.0, "Wh"), (7400.0, "W")]


async def test_nothing_confidential_is_written(system: System) -> None:
    """No password, key or id tag reaches a log or a metric, whether it was right, wrong or part of garbage."""
    secrets = ["HIDDEN-TAG-1", "hidden-password-1", "hidden-guess-1", "HIDDEN-TAG-2", "hidden-token-1"]
    tag, password, guess, garbled, token = secrets
    body = {"station_id": "P-HIDDEN", "password": password}
    field = Field(system, "P-HIDDEN", password=password.encode())
    assert (await field.operator.request("POST", "/stations", json=body))[0] == 201
    with pytest.raises(Refused, match="401"):
        await Station(system.station_url(), "P-HIDDEN", password=guess.encode()).connect()
    await field.operator.request("PUT", f"/tags/{tag}", json={"status": "blocked"})
    assert (await field.operator.request("GET", f"/tags/{garbled}"))[0] == 404
    async with field:
        await field.boot()
        await field.say("Authorize", idTag=tag)
        await field.say("StartTransaction", connectorId=1, idTag=tag, meterStart=0, timestamp=iso())
        await field.raw(f'[2,"1","StartTransaction",{{"idTag":"{garbled}","connectorId":')
        await field.raw(f'[2,"2","Authorize",{{"idTag":{{"{garbled}":1}}}}]')
        field.station.send_raw(f"{garbled} {password}")
        await field.say("Heartbeat")
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as http:
        async with http.get(f"{field.operator.url}/api/v1/stations?token={token}") as answer:
            assert answer.status == 401
            assert token not in await answer.text()
        texts = [each.log.read_text(errors="replace") for each in system.all]
        for _, port in system._ports.values():
            async with http.get(f"http://127.0.0.1:{port}/metrics") as answer:
                texts.append(await answer.text())
    for secret in secrets:
        assert all(secret.lower() not in text.lower() for text in texts), secret


async def test_who_was_sent_away_and_does_not_return(system: System) -> None:
    """A station that Ampstream closed is online until its presence runs out, then offline, with one event for each."""
    async with Field(system, "P-AWAY") as field:
        await field.boot()
        await field.operator.request("POST", f"/stations/{field.id}/disconnect")
        assert await field.station.closed_with(PATIENCE_S) == 1012

        offline = await wait_until(lambda: field.events("station.offline"), interval_s=0.1)
        assert [one["cause"] for one in offline] == ["expiry"]
        assert (await field.shown())["state"] == "offline"
        assert [one["reconnecting"] for one in await field.events("station.disconnected")] == [True]


async def test_a_tags_places_are_never_exceeded(system: System) -> None:
    """Ten stations start at once with one tag that allows three: three are accepted, and each stop frees one place."""
    async with contextlib.AsyncExitStack() as stack:
        fields = [await stack.enter_async_context(Field(system, f"P-RACE-{n}")) for n in range(10)]
        operator = fields[0].operator
        await operator.request("PUT", "/tags/P-RACE", json={"status": "accepted", "concurrent_limit": 3})
        await asyncio.gather(*(field.boot() for field in fields))
        start = {"connectorId": 1, "idTag": "p-race", "meterStart": 0, "timestamp": iso()}
        answers = await asyncio.gather(*(field.say("StartTransaction", **start) for field in fields))
        assert sorted(one["idTagInfo"]["status"] for one in answers) == ["Accepted"] * 3 + ["ConcurrentTx"] * 7
        # Said again, each gets the same answer, and takes no second place.
        assert await asyncio.gather(*(field.say("StartTransaction", **start) for field in fields)) == answers
        assert (await operator.get("/tags/P-RACE"))["holds"] == 3
        began = [n for n, one in enumerate(answers) if one["idTagInfo"]["status"] == "Accepted"]
        await fields[began[0]].stop(answers[began[0]]["transactionId"], 10)

        async def freed() -> bool:
            return bool((await operator.get("/tags/P-RACE"))["holds"] == 2)

        await wait_until(freed)
        assert await fields[began[0]].start(idTag="P-RACE", timestamp=iso(1))
