"""A fleet on a whole Ampstream of real processes, its ledger against the API."""

from pathlib import Path

import aiohttp
import pytest

from ampstream.bench import system
from ampstream.simulate.audit import audit
from ampstream.simulate.fleet import Access, Fleet
from ampstream.simulate.ledger import MemoryLedger
from ampstream.simulate.profiles import PROFILES
from ampstream.simulate.snapshot import fetch
from ampstream.simulate.websocket import Endpoint
from ampstream.simulate.wheel import LoopWheel
from ampstream.simulate.world import World
from tests.support import wait_until


@pytest.mark.slow
@pytest.mark.parametrize("profile", ["steady", "replay"])
async def test_system_and_stations_agree(tmp_path: Path, profile: str) -> None:
    """With keys and outages, every Wh and every reading that was answered is stored, once, and nothing else."""
    ids = [f"SIM-{n:05d}" for n in range(1, 9)]
    async with system.running(tmp_path) as running:
        passwords = await running.make_keys(ids)
        ledger, wheel = MemoryLedger(), LoopWheel()
        world = World(wheel, PROFILES[profile], speed=900, ledger=ledger)
        fleet = Fleet(world, ids, [Endpoint.parse(running.stations_url)], Access(passwords=passwords))
        fleet.start()
        try:
            await wait_until(lambda: world.counters.stopped >= 8, 60)
            assert await fleet.finish(60)
            assert world.counters.errors == world.counters.timeouts == world.counters.dropped == 0
            if profile == "replay":
                assert world.counters.lost > 0
        finally:
            await fleet.close()
            wheel.stop()
        async with aiohttp.ClientSession() as http:
            snapshot = await fetch(http, running.api_url, running.token, readings=True)
    assert ledger.book.settled()
    assert len(snapshot.transactions) == len(ledger.book.transactions) >= 8
    assert audit(ledger.book, snapshot) == []
