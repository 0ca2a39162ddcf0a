"""F3: kill -9 of a worker after its read, before its commit. Another worker takes the entry over and answers it.

The guard is XAUTOCLAIM: what the dead worker was given stays pending under its name until somebody claims it.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.chaos.harness import checks
from tests.chaos.harness.charger import Charger, LedgerFile
from tests.chaos.harness.system import System, running

pytestmark = pytest.mark.chaos
ANSWERED_S = 15.0
PATIENT = {"CALL_TIMEOUT_S": "30"}
"""The edge keeps the connection for as long as the station waits: how long that is, the test asks."""


async def _worker_dies(system: System, ledger: LedgerFile) -> tuple[float, Charger]:
    """Let the worker that decides a start die before its commit; returns how long the station waited."""
    charger = Charger(system.station_urls, "CP1", ledger)
    await charger.connect()
    await charger.boot()
    system.arm("before_commit", "kill", "CP1", "StartTransaction")
    begun = time.monotonic()
    await charger.start(1000)
    waited = time.monotonic() - begun
    assert (await system.reached("before_commit")).name.startswith("worker")
    await charger.go_on(1000)
    return waited, charger


async def test_another_worker_answers(tmp_path: Path, ledger: LedgerFile) -> None:
    """F3: answered within 15 s on the same connection, once, and nothing stays behind (I1, I2, I10)."""
    async with running(tmp_path / "system", worker_guards=["points"], settings=PATIENT) as system:
        waited, charger = await _worker_dies(system, ledger)
        assert waited < ANSWERED_S
        assert charger.connects == 1, "the answer came over another connection"
        client = system.valkey.client()
        checks.sound(await checks.everything(system.operator(), ledger.book(), [charger], client))
        checks.sound(await checks.bounds(client, nodes=1))


async def test_control_without_claims(tmp_path: Path, ledger: LedgerFile) -> None:
    """F3, control: without claims the entry waits for ever under the dead worker's name (I10)."""
    settings = {"CALL_TIMEOUT_S": "1"}
    async with running(tmp_path / "system", worker_guards=["points", "no_claims"], settings=settings) as system:
        await _worker_dies(system, ledger)
        assert "I10" in checks.broken(await checks.liveness(system.valkey.client(), within_s=3))
