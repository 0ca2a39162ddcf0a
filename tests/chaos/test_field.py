"""The field's own test: while cars charge, every process dies by kill -9 at three random points, Valkey included.

After each start the sessions go on, and in the end API and ledger agree on every Wh. Which process dies when is drawn
from a seed that is printed; `CHAOS_SEED` repeats a run.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.chaos.harness import checks
from tests.chaos.harness.cars import Cars
from tests.chaos.harness.system import running
from tests.support import lasting

pytestmark = [pytest.mark.chaos, pytest.mark.slow]
STATIONS = 36
POINTS = 3


async def test_every_process_dies_three_times(tmp_path: Path) -> None:
    """Three times everything dies, at random moments and in random order, and not one Wh is lost or counted twice."""
    seed = os.environ.get("CHAOS_SEED") or str(random.SystemRandom().randrange(10**9))
    print(f"CHAOS_SEED={seed}")
    chance = random.Random(seed)
    options = {"edges": 2, "workers": 2, "settings": {"PARTITIONS": "2"}}
    async with running(tmp_path / "system", **options) as system:
        async with Cars(system.station_urls, tmp_path / "cars.jsonl", STATIONS, seed) as cars:
            await cars.more(10)
            for _ in range(POINTS):
                await lasting(chance.uniform(0, 1.5), "sessions run")
                doomed = list(system.all)
                chance.shuffle(doomed)
                for process in doomed:
                    process.kill()
                    longer = chance.choice((0, 0, chance.uniform(0, 0.3)))
                    await lasting(longer, "those that live a little longer go on without the dead")
                await system.start()
                await cars.more(15)
            book = await cars.finish()
        assert len(book.transactions) >= 10 + POINTS * 15
        client = system.valkey.client()
        found = await checks.transactions(system.operator(), book, idle=cars.idle)
        found += await checks.liveness(client)
        found += await checks.bounds(client, nodes=2)
        checks.sound(found)
        stored = (await system.operator().snapshot()).transactions
        assert sum(one.energy_wh for one in stored) == book.energy_wh
