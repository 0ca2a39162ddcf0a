"""F26: a poison frame, which ends the process of every worker that handles it. It is quarantined and answered.

The guard is the attempt counter: an entry that was claimed is tried alone, counted durably before each try, and after
`lone_attempts` of them it goes to quarantine unhandled. Whoever runs workers starts a dead one again, as here.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ampstream.simulate.station import CallFailed
from tests.chaos.harness import checks
from tests.chaos.harness.charger import Charger, LedgerFile
from tests.chaos.harness.system import System, running
from tests.chaos.launchers.poison import POISON
from tests.support import wait_until

pytestmark = pytest.mark.chaos
SETTINGS = {"LONE_ATTEMPTS": "2", "CALL_TIMEOUT_S": "20", "SILENCE_CLOSE_S": "20", "CLAIM_IDLE_S": "0.5"}


@contextlib.asynccontextmanager
async def _supervised(system: System) -> AsyncIterator[list[str]]:
    """Start workers again that die, as `ampstream up` does; yields the names of the dead."""
    dead: list[str] = []

    async def supervise() -> None:
        while True:
            for worker in system.workers:
                if not worker.alive:
                    dead.append(worker.name)
                    worker.start()
            await asyncio.sleep(0.1)

    task = asyncio.create_task(supervise())
    try:
        yield dead
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _charger(system: System, ledger: LedgerFile, name: str) -> Charger:
    charger = Charger(system.station_urls, name, ledger)
    await charger.connect()
    await charger.boot()
    return charger


async def test_quarantined_and_answered(tmp_path: Path, ledger: LedgerFile) -> None:
    """F26: a poison frame gets a CALLERROR, a start an id and `Invalid`; both are kept, the rest goes on (I10)."""
    async with running(tmp_path / "system", worker_guards=["poison"], settings=SETTINGS) as system:
        first = await _charger(system, ledger, "CP1")
        second = await _charger(system, ledger, "CP2")
        other = await _charger(system, ledger, "CP3")
        async with _supervised(system):
            start = await first.plug_in(1000, id_tag=POISON)
            request = {"connectorId": 1, "idTag": POISON, "meterStart": 1000, "timestamp": "2026-01-01T00:00:00Z"}
            poison_start = first.station.start_call("StartTransaction", request)
            poison_data = second.station.start_call("DataTransfer", {"vendorId": POISON})
            charging = asyncio.create_task(other.charge())
            answer = await asyncio.wait_for(poison_start, 30)
            assert answer["idTagInfo"]["status"] == "Invalid"
            assert answer["transactionId"] > 0
            with pytest.raises(CallFailed, match="InternalError"):
                await asyncio.wait_for(poison_data, 30)
            await asyncio.wait_for(charging, 30)
        assert start.id_tag == POISON
        await system.ready()
        await first.status("Available")
        operator = system.operator()
        kept = await operator.items("/quarantine")
        assert {(one["station_id"], one["reason"]) for one in kept} == {("CP1", "poison"), ("CP2", "poison")}
        stored = [one for one in await operator.items("/transactions") if one["station_id"] == "CP1"]
        assert [one["id"] for one in stored] == [answer["transactionId"]]
        checks.sound(await checks.order(operator, other))
        checks.sound(await checks.liveness(system.valkey.client()))
        checks.sound(await checks.bounds(system.valkey.client(), nodes=1))


async def test_control_without_quarantine(tmp_path: Path, ledger: LedgerFile) -> None:
    """F26, control: tried without end, the entry stays unacknowledged and its workers die one after the other (I10)."""
    async with running(tmp_path / "system", worker_guards=["poison", "no_quarantine"], settings=SETTINGS) as system:
        charger = await _charger(system, ledger, "CP1")
        async with _supervised(system) as dead:
            charger.station.start_call("DataTransfer", {"vendorId": POISON})
            await wait_until(lambda: len(dead) > 2, 15)
            found = await checks.liveness(system.valkey.client(), within_s=3)
        assert "I10" in checks.broken(found)
        assert any(one.subject == "CP1" for one in found)
