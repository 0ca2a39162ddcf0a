"""Firmware and diagnostics with real processes and simulated stations that truly move their files."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ampstream.simulate.behaviours import BEHAVIOURS, PLAIN, Behaviour
from ampstream.simulate.fleet import Fleet
from ampstream.simulate.models import BY_NAME
from ampstream.simulate.profiles import PROFILES
from ampstream.simulate.transfers import HttpMover
from ampstream.simulate.upkeep import OTHER_VERSION
from ampstream.simulate.websocket import Endpoint
from ampstream.simulate.wheel import LoopWheel
from ampstream.simulate.world import World
from shared.bus import firmware_keys
from tests.chaos.harness.operator import Operator
from tests.chaos.harness.system import System, running
from tests.support import wait_until

SPEED = 100
FAST: dict[str, Any] = {"canary": 1, "batch": 10, "failure_sample": 100, "attempts": 1}


@contextlib.asynccontextmanager
async def fleet(system: System, behaviours: Mapping[str, Behaviour]) -> AsyncIterator[HttpMover]:
    """Run a station of each behaviour that has no cars, and wait until all are accepted."""
    wheel, mover = LoopWheel(), HttpMover(piece=100_000)
    world = World(wheel, PROFILES["steady"], speed=SPEED, mover=mover)
    world.stopping = True
    urls = [Endpoint.parse(url) for url in system.station_urls]
    stations = Fleet(world, list(behaviours), urls, behaviours=behaviours, model=BY_NAME["Home 11"], connect_rate=0)
    stations.start()
    try:
        await wait_until(lambda: stations.status().accepted == len(behaviours))
        yield mover
    finally:
        await stations.close()
        await mover.close()
        wheel.stop()


async def run(system: System, *words: str) -> tuple[int | None, Any]:
    """Run `ampstream ... --json` at the second edge; returns its exit status and what it printed."""
    options = ("--json", "--api", system.api_url(1), "--token", system.token)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ampstream", *words, *options,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert out, err.decode()
    return process.returncode, msgspec.json.decode(out)


async def image(operator: Operator, version: str, content: bytes) -> str:
    """Make an image over the API."""
    status, made = await operator.request("POST", "/firmware-images", json={"version": version})
    assert status == 201, made
    headers = {"Content-Type": "application/octet-stream"}
    status, made = await operator.request(
        "PUT", f"/firmware-images/{made['id']}/content", data=content, headers=headers
    )
    assert status == 200, made
    return str(made["id"])


async def until_over(operator: Operator, number: str, timeout_s: float = 40) -> dict[str, Any]:
    """Wait until a campaign has ended."""

    async def over() -> dict[str, Any] | None:
        found: dict[str, Any] = await operator.get(f"/firmware-campaigns/{number}")
        return found if found["ended_at"] else None

    found = await wait_until(over, timeout_s, 0.1)
    assert found is not None
    return found


async def test_a_campaign_from_the_command_line(system: System, operator: Operator, tmp_path: Path) -> None:
    """An image is uploaded and fetched by each station over HTTP; those that get it wrong are told from the others."""
    behaviours = {f"FW-{name}": BEHAVIOURS[name] for name in ("quiet-updates", "failing-install", "wrong-firmware")}
    behaviours |= {"FW-GOOD-1": PLAIN, "FW-GOOD-2": PLAIN}
    path = tmp_path / "home-9.1.0.bin"
    path.write_bytes(os.urandom(300_000))
    status, made = await run(system, "firmware", "images", "add", str(path), "--version", "9.1.0")
    assert (status, made["ready"], made["size"]) == (0, True, 300_000), made
    async with fleet(system, behaviours):
        assert (await operator.request("POST", "/stations/FW-GOOD-1/configuration/read"))[0] == 202
        await wait_until(lambda: [e for e in operator.events("FW-GOOD-1") if e["type"] == "configuration.read"])
        options = ("--filter", "q=FW-", "--canary", "0", "--attempts", "1", "--max-failures", "100", "--wait")
        status, one = await run(system, "firmware", "campaigns", "create", made["id"], *options)
        assert (status, one["state"]) == (1, "done"), one
        assert (one["outcomes"]["updated"], one["outcomes"]["failed"]) == (3, 2)
        stations = {
            each["station_id"]: each for each in await operator.items(f"/firmware-campaigns/{one['id']}/stations")
        }
        assert stations["FW-failing-install"]["detail"] == "InstallationFailed"
        assert stations["FW-wrong-firmware"]["detail"] == f"it booted with {OTHER_VERSION}"
        assert (await operator.station("FW-GOOD-2"))["firmware"] == "9.1.0"

        def looked_at() -> bool:
            read = [event for event in operator.events("FW-GOOD-1") if event["type"] == "configuration.read"]
            return [event["trigger"] for event in read] == ["operator", "firmware"]

        await wait_until(looked_at)
    fetched = [event["station_id"] for event in operator.events() if event["type"] == "file.fetched"]
    assert Counter(fetched) == dict.fromkeys(behaviours, 1)
    assert "/transfer/" not in system.logs().replace("/transfer/***", "")
    commands = await operator.items("/commands", action="UpdateFirmware")
    assert {command["payload"]["location"].split("/transfer/")[1] for command in commands} == {"***/home-9.1.0.bin"}


async def test_diagnostics_from_the_command_line(system: System, operator: Operator, tmp_path: Path) -> None:
    """Asked for, left by the station, downloaded; a station whose upload fails is told."""
    output = tmp_path / "found.txt"
    async with fleet(system, {"DIAG-1": PLAIN}):
        status, found = await run(system, "diagnostics", "DIAG-1", "-o", str(output))
        assert (status, found["state"]) == (0, "stored"), found
        assert output.read_text().startswith("station DIAG-1\n")
        status, found = await run(system, "diagnostics", "DIAG-1", "--log", "security", "-o", str(output))
        assert (status, found["log_type"], found["name"]) == (0, "SecurityLog", "log-DIAG-1.txt"), found
    listed = await operator.items("/files", station_id="DIAG-1")
    assert [one["kind"] for one in listed] == ["log", "diagnostics"]
    kinds = [event["type"] for event in operator.events("DIAG-1")]
    assert kinds.count("file.stored") == 2


@pytest.mark.chaos
async def test_whoever_advances_a_campaign_is_killed(tmp_path: Path) -> None:
    """kill -9 of the worker with the lease: each station is commanded once, and the campaign is done."""
    files = {"TRANSFER_DIR": str(tmp_path / "files")}
    async with running(tmp_path / "system", edges=1, workers=2, settings=files) as system:
        operator = system.operator()
        number = await image(operator, "9.2.0", os.urandom(200_000))
        names = [f"KILL-{n}" for n in range(5)]
        async with fleet(system, dict.fromkeys(names, PLAIN)):
            body = {"image_id": number, "filter": {"q": "KILL-"}, **FAST, "batch": 2}
            status, one = await operator.request("POST", "/firmware-campaigns", json=body)
            assert status == 201, one
            await wait_until(lambda: has_ended(operator, one["id"], 1))
            await kill_runner(system)
            one = await until_over(operator, one["id"])
        assert (one["state"], one["outcomes"]["updated"]) == ("done", 5), one
        sent = Counter(command["station_id"] for command in await operator.items("/commands", action="UpdateFirmware"))
        assert sent == dict.fromkeys(names, 1)


async def has_ended(operator: Operator, number: str, count: int) -> bool:
    """Tell whether so many stations of a campaign have ended."""
    found = await operator.get(f"/firmware-campaigns/{number}")
    return int(found["ended"]) >= count


async def kill_runner(system: System) -> None:
    """Kill the worker that holds the lease; the other one is all that is left."""
    holder = await wait_until(lambda: system.valkey.client().get(firmware_keys.CAMPAIGNS_RUNNER))
    worker = next(each for each in system.workers if each.name == holder.decode().rpartition("-")[0])
    worker.kill()
    await system.restart(worker)
