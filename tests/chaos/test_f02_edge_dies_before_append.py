"""F2: kill -9 of an edge before XADD. What it held has no effect, and the station says it again elsewhere.

The guard is that an answer exists only after a commit: an edge says nothing of its own. In the control it answers the
start itself, as a gateway that wants to be quick would.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.harness import checks
from tests.chaos.harness.charger import Charger, LedgerFile
from tests.chaos.harness.system import System, running

pytestmark = pytest.mark.chaos


async def _edge_dies(system: System, ledger: LedgerFile) -> list[checks.Violation]:
    """Let the edge of a station die with its start at hand, and its car charge on over the other edge."""
    charger = Charger(system.station_urls, "CP1", ledger)
    await charger.connect(edge=0)
    await charger.boot()
    system.arm("before_append", "kill", "CP1", "StartTransaction")
    await charger.start(1000)
    assert (await system.reached("before_append")).name == "edge-0"
    await charger.go_on(1000)
    await charger.leave()
    return await checks.everything(system.operator(edge=1), ledger.book(), [charger], system.valkey.client())


async def test_nothing_happened_and_the_retry_works(tmp_path: Path, ledger: LedgerFile) -> None:
    """F2: the first try left nothing, the second is the one transaction (I2, I6)."""
    async with running(tmp_path / "system", edges=2, workers=1, edge_guards=["points"]) as system:
        checks.sound(await _edge_dies(system, ledger))
        started = [one for one in system.operator(edge=1).events("CP1") if one["type"] == "transaction.started"]
        assert len(started) == 1


async def test_control_an_edge_that_answers_by_itself(tmp_path: Path, ledger: LedgerFile) -> None:
    """F2, control: an answer before the commit leaves an answered start without a transaction (I2)."""
    async with running(tmp_path / "system", edges=2, workers=1, edge_guards=["early_answer", "points"]) as system:
        assert "I2" in checks.broken(await _edge_dies(system, ledger))
