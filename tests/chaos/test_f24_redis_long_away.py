"""F24: Redis is away for longer than a presence lives, and the stations' sockets stay open. Nobody goes offline by it.

When Redis is back, every presence has run out, for no edge could refresh one. The guard is that a sweeper which was
paused, or hears of a node that was, gives each of its stations one TTL more.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from shared.bus import keys
from tests.chaos.harness import checks
from tests.chaos.harness.charger import Charger, LedgerFile
from tests.chaos.harness.system import System, running
from tests.support import lasting, wait_until

pytestmark = pytest.mark.chaos
TTL_S = 4.0
AWAY_S = TTL_S + 1.5
"""Longer than the TTL of one that has answered no ping yet, too."""
SETTINGS = {
    "PRESENCE_GRACE_S": "3",
    "NODE_TTL_S": "20",
    # The edges must not close the sockets, which is what they do by default.
    "SILENCE_CLOSE_S": "60",
    "APPEND_CLOSE_S": "60",
}


def _swept(system: System) -> int:
    return int(system.valkey.client().hget(keys.SWEPT, "last"))


async def _away(system: System, ledger: LedgerFile) -> list[checks.Violation]:
    """Let Redis die and come back when all presences have run out; the stations only answer pings."""
    chargers = [Charger(system.station_urls, f"CP{n}", ledger) for n in range(6)]
    for charger in chargers:
        await charger.connect()
        await charger.boot()
    await lasting(1.5, "pings are answered, from when on presence rests on them")
    system.valkey.kill()
    await lasting(AWAY_S, "Redis is away")
    # Who is first when it is back would be chance. It is the sweep: that order is the worse one.
    system.edges[0].stop()
    await system.edges[0].stopped()
    await system.valkey.serve()
    before = _swept(system)
    await wait_until(lambda: _swept(system) > before)
    system.edges[0].resume()
    await system.ready()
    operator = system.operator()
    shown = [checks.steady(operator, one.station_id, "online", TTL_S + 0.5) for one in chargers]
    found = [violation for some in await asyncio.gather(*shown) for violation in some]
    for charger in chargers:
        assert charger.station.connected
        found += checks.never_told_offline(operator, charger.station_id)
    return found + await checks.liveness(system.valkey.client())


async def test_nobody_goes_offline(tmp_path: Path, ledger: LedgerFile) -> None:
    """F24: all stations are online when Redis is back, a TTL later still, and no event ever said otherwise (I7)."""
    async with running(tmp_path / "system", worker_guards=["short_pause"], settings=SETTINGS) as system:
        checks.sound(await _away(system, ledger))


async def test_control_without_patience(tmp_path: Path, ledger: LedgerFile) -> None:
    """F24, control: a sweeper that believes what passed while nobody could speak takes them all offline (I7)."""
    guards = ["short_pause", "no_hold"]
    async with running(tmp_path / "system", worker_guards=guards, settings=SETTINGS) as system:
        assert "I7" in checks.broken(await _away(system, ledger))
