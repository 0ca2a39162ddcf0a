"""Orderly ends under load: SIGTERM drains, one process after the other is replaced, and no station loses a word."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.harness import checks
from tests.chaos.harness.cars import Cars
from tests.chaos.harness.system import running

pytestmark = [pytest.mark.chaos, pytest.mark.slow]


async def test_rolling_restart(tmp_path: Path) -> None:
    """Every edge and every worker is replaced in turn while cars charge: nothing is lost, nobody gets a CALLERROR."""
    async with running(tmp_path / "system", edges=2, workers=2, settings={"PARTITIONS": "2"}) as system:
        async with Cars(system.station_urls, tmp_path / "cars.jsonl", 20, "rolling") as cars:
            await cars.more(5)
            for process in (*system.workers, *system.edges):
                process.terminate()
                assert await process.ended(15) == 0, process.tail()
                await cars.more(3)
                process.start()
                await system.ready(process)
                await cars.more(3)
            book = await cars.finish()
        counters = cars.world.counters
        assert (counters.errors, counters.dropped, counters.timeouts) == (0, 0, 0)
        client = system.valkey.client()
        found = await checks.transactions(system.operator(), book, idle=cars.idle)
        checks.sound([*found, *await checks.liveness(client), *await checks.bounds(client, nodes=2)])
        closes = {one["reason"] for one in system.operator().events() if one["type"] == "station.disconnected"}
        assert "drain" in closes
        assert closes <= {"drain", "station", "superseded"}
