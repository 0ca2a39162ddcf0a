"""F29: every worker and every edge is replaced in turn, by SIGTERM, while cars charge and commands are under way.

The guard of the stations' presence is that a drained edge says who is to come back: they count as reconnecting, and
nobody is told that they went offline.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.harness import checks, orders
from tests.chaos.harness.cars import Cars
from tests.chaos.harness.charger import LedgerFile
from tests.chaos.harness.checks import Violation
from tests.chaos.harness.processes import Process
from tests.chaos.harness.system import System, running

pytestmark = [pytest.mark.chaos, pytest.mark.slow]
SETTINGS = {"PARTITIONS": "2", "PRESENCE_GRACE_S": "10"}
"""Stations have the time to dial again, as with production's presences; a tenth of that is short for a slow machine."""


async def _replaced(system: System, cars: Cars, ledger: LedgerFile, processes: list[Process]) -> list[Violation]:
    """Replace processes one after the other, each with a command for every station on its way."""
    operator = system.operator(1)
    stations = [each.station_id for each in cars.fleet.stations]
    await cars.more(5)
    for turn, process in enumerate(processes):
        for station in stations[turn::4]:
            await orders.send(operator, ledger.journal, station, "ChangeConfiguration", orders.change(f"Key{turn}"))
        process.terminate()
        assert await process.ended(15) == 0, process.tail()
        await cars.more(3)
        process.start()
        await system.ready(process)
        await cars.more(3)
    return [one for station in stations for one in checks.never_told_offline(operator, station)]


async def test_rolling_restart(tmp_path: Path, ledger: LedgerFile) -> None:
    """F29: nothing is lost, no CALLERROR, nobody is told offline, each command has one end (I1 to I8)."""
    async with running(tmp_path / "system", edges=2, workers=2, settings=SETTINGS) as system:
        async with Cars(system.station_urls, tmp_path / "cars.jsonl", 16, "f29", journal=ledger.journal) as cars:
            found = await _replaced(system, cars, ledger, [*system.workers, *system.edges])
            book = await cars.finish()
        counters, operator, client = cars.world.counters, system.operator(), system.valkey.client()
        assert (counters.errors, counters.dropped, counters.timeouts) == (0, 0, 0)
        found += await checks.transactions(operator, book, idle=cars.idle)
        found += await orders.audit(operator, ledger.journal)
        checks.sound([*found, *await checks.liveness(client), *await checks.bounds(client, nodes=2)])
        closes = {one["reason"] for one in operator.events() if one["type"] == "station.disconnected"}
        assert "drain" in closes
        assert closes <= {"drain", "station", "superseded"}


async def test_control_of_the_return(tmp_path: Path, ledger: LedgerFile) -> None:
    """F29, control: where an edge does not say that its stations come back, a restart takes them offline (I7)."""
    async with (
        running(tmp_path / "system", edges=2, workers=1, edge_guards=["no_return"], settings=SETTINGS) as system,
        Cars(system.station_urls, tmp_path / "cars.jsonl", 6, "f29", journal=ledger.journal) as cars,
    ):
        assert "I7" in checks.broken(await _replaced(system, cars, ledger, system.edges[:1]))
