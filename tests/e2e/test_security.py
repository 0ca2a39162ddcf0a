"""Security as operators have it, on real processes: tokens over two edges, one audit log, events of both kinds."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import msgspec
import pytest

from ampstream.simulate.station import Refused
from shared.records.audit import Checker, Link
from tests.chaos.harness.operator import Operator
from tests.chaos.harness.system import System
from tests.e2e.field import Field, iso, scrape
from tests.support import wait_until
from tests.terminal import ampstream


async def export(operator: Operator) -> list[Link]:
    """Return the whole audit log as it is exported."""
    import aiohttp

    async with (
        aiohttp.ClientSession(headers=operator.headers) as http,
        http.get(f"{operator.url}/api/v1/audit/export") as answer,
    ):
        assert answer.status == 200
        return [msgspec.json.decode(line, type=Link) for line in (await answer.read()).splitlines()]


async def test_changes_over_two_edges_make_one_log(system: System, tmp_path: Path) -> None:
    """A token made at one edge works, is rotated and refused at the other; all of it is one chain, that verifies."""
    first, second = system.operator(0), system.operator(1)
    status, made = await first.request("POST", "/tokens", json={"name": "e2e-audit", "scope": "operate"})
    assert status == 201, made
    other = Operator(second.url, made["token"], "")
    await asyncio.gather(
        *(
            one.request("PUT", f"/tags/AUDIT-{n}", json={"status": "accepted"})
            for n in range(10)
            for one in (first, other)
        )
    )
    assert (await other.request("POST", "/tokens", json={"name": "more", "scope": "admin"}))[0] == 403
    status, fresh = await second.request("POST", f"/tokens/{made['id']}/rotate", json={"overlap_s": 0})
    assert status == 201, fresh

    async def over() -> bool:
        return (await other.request("GET", "/me"))[0] == 401

    await wait_until(over, 10)
    links = await export(first)
    checker = Checker()
    checker.feed(links)
    verdict = checker.verdict()
    assert verdict.sound, verdict.problems
    text = b"".join(bytes(one.entry) for one in links)
    assert b"AUDIT-3" not in text
    assert made["token"].encode() not in text
    found = await first.items("/audit", who="e2e-audit")
    assert len(found) == 11
    assert [one["outcome"] for one in found if one["action"] == "create_token"] == ["refused"]
    env = {name: value for name, value in os.environ.items() if not name.startswith("AMPSTREAM_")}
    env |= {"AMPSTREAM_API_URL": second.url, "AMPSTREAM_API_TOKEN": second.headers["Authorization"].split()[1]}
    told = await ampstream("audit", "verify", "--expect", f"{verdict.last}:{verdict.hash}", env=env, cwd=tmp_path)
    assert (told.status, "in one chain" in told.out) == (0, True), told.err


async def test_what_stations_report_and_what_the_door_notices_is_listed(system: System, operator: Operator) -> None:
    """A lid that was opened is critical and raises the alarm's metric; a wrong password is an event of ours."""
    before = await scrape(system, "ampstream_security_alarms_total", 'kind="TamperDetectionActivated"')
    async with Field(system, "SECURE1") as field:
        await field.boot()
        await field.say("SecurityEventNotification", type="TamperDetectionActivated", timestamp=iso(), techInfo="lid")
    (event,) = await operator.items("/security-events", station_id="SECURE1")
    assert (event["type"], event["severity"], event["source"], event["info"]) == (
        "TamperDetectionActivated", "critical", "station", "lid",
    )  # fmt: skip
    assert await scrape(system, "ampstream_security_alarms_total", 'kind="TamperDetectionActivated"') == before + 1
    status, _ = await operator.request("POST", "/stations/SECURE1/key", json={"password": "a-good-long-password"})
    assert status == 200
    with pytest.raises(Refused):
        async with Field(system, "SECURE1", password=b"a-wrong-password"):
            pass

    async def noticed() -> bool:
        found = await operator.items("/security-events", source="ampstream")
        return {"StationKeyChanged", "StationLoginsFailed"} <= {one["type"] for one in found}

    await wait_until(noticed, 10)
