"""F8: kill -9 of Redis while a fleet charges. No change is there by half, and it serves again soon after its return.

The guard is that a commit is one script: fence, state and outbox are written together or not at all. In the control
they are two commands, and Redis dies between them.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from tests.chaos import power_loss
from tests.chaos.harness import checks
from tests.chaos.harness.cars import Cars
from tests.chaos.harness.charger import Charger, LedgerFile
from tests.chaos.harness.system import System, running
from tests.chaos.launchers.no_atomicity import POINT
from tests.support import lasting, wait_until

pytestmark = pytest.mark.chaos
AGAIN_S = 10.0
"""Serving again at most so long after Redis is back."""
PATIENT = {"APPEND_CLOSE_S": "30", "SILENCE_CLOSE_S": "30", "CALL_TIMEOUT_S": "30"}
"""The start keeps its connection while Redis is away: said again over another one it would be stored after all."""


async def test_serving_again_with_nothing_lost(tmp_path: Path) -> None:
    """F8: after Redis's death mid-load the fleet goes on within 10 s, and every Wh is there (I1, I3, I6)."""
    async with running(tmp_path / "system", edges=2, workers=2, settings={"PARTITIONS": "2"}) as system:
        async with Cars(system.station_urls, tmp_path / "cars.jsonl", 20, "f8") as cars:
            await cars.more(10)
            system.valkey.kill()
            await lasting(0.5, "Redis is away")
            await system.valkey.serve()
            back, answered = time.monotonic(), cars.world.counters.answered
            await cars.until(lambda: cars.world.counters.answered > answered)
            assert time.monotonic() - back < AGAIN_S
            await cars.more(10)
            book = await cars.finish()
        client = system.valkey.client()
        found = await checks.transactions(system.operator(), book, idle=cars.idle)
        checks.sound([*found, *await checks.liveness(client), *await checks.bounds(client, nodes=2)])


async def _dies_within_a_commit(system: System, ledger: LedgerFile) -> list[checks.Violation]:
    charger = Charger(system.station_urls, "CP1", ledger)
    await charger.connect()
    await charger.boot()
    (log,) = power_loss.logs(system.valkey.directory)
    begin = log.stat().st_size
    system.arm(POINT, "note", "transactionId")
    starting = asyncio.create_task(charger.start(1000))
    await system.reached(POINT)
    # The first half, with the outbox in it, and no second one follows.
    await wait_until(lambda: b"transaction.started" in log.read_bytes()[begin:])
    system.valkey.kill()
    await system.valkey.serve()
    await starting
    await charger.go_on(1000)
    return await checks.transactions(system.operator(), ledger.book())


async def test_control_a_commit_of_two_commands(tmp_path: Path, ledger: LedgerFile) -> None:
    """F8, control: where fence and outbox are written before the state, a start is answered that is not there (I1)."""
    async with running(tmp_path / "system", workers=1, worker_guards=["no_atomicity"], settings=PATIENT) as system:
        assert "I1" in checks.broken(await _dies_within_a_commit(system, ledger))
