"""Promises that need processes of their own: strict policies, a drain, and listeners that are switched off."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import pytest

from ampstream.simulate.station import Refused, Station
from tests.chaos.harness.processes import ROOT
from tests.chaos.harness.system import System, running
from tests.e2e.field import Field, iso
from tests.support import free_port, wait_until

STRICT = {"UNKNOWN_STATIONS": "reject", "UNKNOWN_TAGS": "reject", "BOOT_POLICY": "pending"}


async def test_strict_policies_and_a_drain(tmp_path: Path) -> None:
    """Where nobody is welcome unknown, strangers get 401 and unknown tags Invalid; SIGTERM sends all away with 1012."""
    async with running(tmp_path / "system", workers=1, settings=STRICT) as system:
        operator = system.operator()
        with pytest.raises(Refused, match="401"):
            await Station(system.station_url(), "STRANGER").connect()
        assert await operator.items("/stations") == []
        known = [Field(system, f"KNOWN-{n}") for n in range(3)]
        for field in known:
            body = {"station_id": field.id, "boot_policy": "accepted"}
            assert (await operator.request("POST", "/stations", json=body))[0] == 201
            await field.station.connect()
        await _strict_tags(known[0])
        await _pending(system)
        await _drained(system, known)


async def _strict_tags(field: Field) -> None:
    await field.boot()
    assert (await field.say("Authorize", idTag="UNKNOWN"))["idTagInfo"]["status"] == "Invalid"
    refused = await field.say("StartTransaction", connectorId=1, idTag="UNKNOWN", meterStart=5, timestamp=iso())
    assert refused["idTagInfo"]["status"] == "Invalid"
    # The station may have begun all the same: the transaction exists, and its stop counts.
    await field.stop(refused["transactionId"], 25)
    assert (await field.transaction(refused["transactionId"]))["energy_wh"] == 20
    assert {one["where"] for one in await field.events("authorization.refused")} == {"authorize", "start"}


async def _pending(system: System) -> None:
    """The fleet's boot policy holds for a station without one of its own."""
    assert (await system.operator().request("POST", "/stations", json={"station_id": "NEW"}))[0] == 201
    async with Field(system, "NEW") as field:
        assert (await field.boot())["status"] == "Pending"


async def _drained(system: System, known: list[Field]) -> None:
    (edge,) = system.edges
    # An answer that is under way when the signal comes still arrives.
    last = known[1].station.start_call("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
    edge.terminate()
    assert (await last).payload["status"] == "Accepted"
    assert [await field.station.closed_with(8) for field in known] == [1012] * 3
    assert await edge.ended(8) == 0
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", int(system.station_url().split(":")[2].split("/")[0]))


@contextmanager
def _edge(redis_url: str, option: str, stations: int, http: int) -> Iterator[None]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AMPSTREAM_")}
    environ |= {"AMPSTREAM_REDIS_URL": redis_url, "AMPSTREAM_LOG_LEVEL": "error"}
    ports = ["--station-port", str(stations), "--http-port", str(http)]
    process = subprocess.Popen([sys.executable, "-m", "ampstream", "edge", option, *ports], cwd=ROOT, env=environ)
    try:
        yield
        process.terminate()
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


async def _asked(http: aiohttp.ClientSession, port: int, path: str) -> int:
    """The status of a GET; 0 where nobody listens."""
    try:
        async with http.get(f"http://127.0.0.1:{port}{path}") as answer:
            await answer.read()
            return answer.status
    except aiohttp.ClientConnectionError:
        return 0


async def test_an_edge_without_stations(redis_url: str) -> None:
    """With --no-stations an edge serves operators alone: the stations' port stays closed, the process ends in order."""
    stations, port = free_port(), free_port()
    async with aiohttp.ClientSession() as http:
        with _edge(redis_url, "--no-stations", stations, port):
            await wait_until(lambda: _serves(http, port, "/readyz"), interval_s=0.1)
            assert await _asked(http, port, "/api/v1/stations") == 401
            assert not await _listens(stations)


async def test_an_edge_without_operators(redis_url: str) -> None:
    """With --no-operators an edge serves stations, and beside them health and metrics, but no API."""
    stations, port = free_port(), free_port()
    async with aiohttp.ClientSession() as http:
        with _edge(redis_url, "--no-operators", stations, port):
            await wait_until(lambda: _serves(http, port, "/readyz"), interval_s=0.1)
            assert await _listens(stations)
            assert [await _asked(http, port, path) for path in ("/healthz", "/metrics")] == [200, 200]
            assert [await _asked(http, port, path) for path in ("/api/v1/stations", "/openapi.json", "/")] == [404] * 3


async def _serves(http: aiohttp.ClientSession, port: int, path: str) -> bool:
    return await _asked(http, port, path) == 200


def test_both_listeners_off_is_nothing() -> None:
    """Switching both off is refused with a word about why."""
    command = [sys.executable, "-m", "ampstream", "edge", "--no-stations", "--no-operators"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert "nothing to serve" in done.stderr
