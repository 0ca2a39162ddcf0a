"""F1: kill -9 of an edge after XADD, before the answer. The station's retry gets the transaction that it began.

The guard is the business key of the start: the entry of the dead edge is committed, the retry comes over another edge
under a new epoch and a new message id, and only its content says that it is the same start.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.harness import checks
from tests.chaos.harness.charger import Charger, LedgerFile
from tests.chaos.harness.system import TTL_S, System, running

pytestmark = pytest.mark.chaos


async def _edge_dies(system: System, ledger: LedgerFile) -> list[checks.Violation]:
    """Let the edge of a station die while its start is under way, and its car charge on over the other edge."""
    charger = Charger(system.station_urls, "CP1", ledger)
    bystander = Charger(system.station_urls, "CP2", ledger)
    await charger.connect(edge=0)
    await charger.boot()
    await bystander.connect(edge=0)
    await bystander.boot()
    system.arm("after_append", "kill", "CP1", "StartTransaction")
    await charger.status("Preparing")
    await charger.start(1000)
    assert (await system.reached("after_append")).name == "edge-0"
    assert charger.edge == 1
    assert charger.connects == 2
    await charger.status("Charging")
    await charger.go_on(1000)
    operator = system.operator(edge=1)
    found = await checks.everything(operator, ledger.book(), [charger], system.valkey.client())
    found += await checks.presence(operator, "CP1", "online", 0.5)
    # Nobody told of the bystander's end: its edge is dead. It went with that edge, and does not come back.
    found += await checks.presence(operator, "CP2", "offline", TTL_S + 2)
    await charger.leave()
    return found


async def test_retry_over_another_edge_gets_the_same_transaction(tmp_path: Path, ledger: LedgerFile) -> None:
    """F1: one transaction, answered with its id; presence follows the station to the other edge (I1, I2, I5, I7)."""
    async with running(tmp_path / "system", edges=2, workers=1, edge_guards=["points"]) as system:
        checks.sound(await _edge_dies(system, ledger))


async def test_control_without_business_keys(tmp_path: Path, ledger: LedgerFile) -> None:
    """F1, control: without business keys the retry is a second transaction (I2)."""
    guards = {"edge_guards": ["points"], "worker_guards": ["no_business_keys"]}
    async with running(tmp_path / "system", edges=2, workers=1, **guards) as system:
        assert "I2" in checks.broken(await _edge_dies(system, ledger))
