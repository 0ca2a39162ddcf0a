"""F17: stations vanish: one whose socket stays open and silent, one whose edge dies with it. Both go offline in time.

The guard is the sweep of deadlines. A silent socket is closed by its edge; for the stations of a dead edge nobody is
left to speak, and a key that expires tells nobody by itself.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.harness import checks
from tests.chaos.harness.charger import Charger, LedgerFile
from tests.chaos.harness.system import TTL_S, System, running

pytestmark = pytest.mark.chaos


async def _vanish(system: System, ledger: LedgerFile) -> list[checks.Violation]:
    """Let one station fall silent, then another one's edge die."""
    silent = Charger(system.station_urls, "SILENT", ledger)
    orphan = Charger(system.station_urls, "ORPHAN", ledger)
    await silent.connect(edge=1)
    await silent.boot()
    await orphan.connect(edge=0)
    await orphan.boot()
    operator = system.operator(1)
    # Until both have answered a ping: who never did lives as long as TCP's keepalive is answered.
    found = await checks.steady(operator, "ORPHAN", "online", 3)
    silent.station.pause_reading()
    system.edges[0].kill()
    for station_id in ("SILENT", "ORPHAN"):
        found += await checks.presence(operator, station_id, "offline", TTL_S + 2)
        found += await checks.told_offline(operator, station_id)
    return found


async def test_offline_in_time(tmp_path: Path, ledger: LedgerFile) -> None:
    """F17: both are offline within TTL + 2 s, and told so once (I7)."""
    async with running(tmp_path / "system", edges=2, workers=1) as system:
        checks.sound(await _vanish(system, ledger))


async def test_control_without_sweep(tmp_path: Path, ledger: LedgerFile) -> None:
    """F17, control: without the sweep the station of the dead edge is shown online for ever (I7)."""
    async with running(tmp_path / "system", edges=2, workers=1, worker_guards=["no_sweep"]) as system:
        found = await _vanish(system, ledger)
        assert "I7" in checks.broken(found)
        assert any(one.subject == "ORPHAN" for one in found)
