"""F23: Redis tells nobody that keys expired, and expires 200,000 others meanwhile.

Notifications are a hint alone: with many other expiring keys most of them never come. The guard is the sweep of
deadlines; F17 takes it out.
"""

from __future__ import annotations

import asyncio
from typing import Final

import pytest

from tests.chaos.harness import checks
from tests.chaos.harness.charger import Charger, LedgerFile
from tests.chaos.harness.system import TTL_S, System

pytestmark = pytest.mark.chaos
STATIONS: Final = 8
NOISE: Final = "for n = 1, 200000 do redis.call('SET', 'noise:' .. n, '1', 'PX', 500 + n % 6000) end"


async def test_all_offline_by_the_sweep(shared_system: System, ledger: LedgerFile) -> None:
    """F23: the stations of an edge that died are all offline within TTL + 2 s, and told so once (I7)."""
    system, client = shared_system, shared_system.valkey.client()
    before = client.config_get("notify-keyspace-events")
    chargers = [Charger(system.station_urls, f"LOST{n}", ledger) for n in range(STATIONS)]
    for charger in chargers:
        await charger.connect(edge=1)
    await asyncio.gather(*(charger.boot() for charger in chargers))
    operator = system.operator(0)
    # Until all have answered a ping: who never did lives as long as TCP's keepalive is answered.
    found = await checks.steady(operator, "LOST0", "online", 2)
    client.config_set("notify-keyspace-events", "")
    try:
        await asyncio.to_thread(client.eval, NOISE, 0)
        system.edges[1].kill()
        within = asyncio.gather(
            *(checks.presence(operator, charger.station_id, "offline", TTL_S + 2) for charger in chargers)
        )
        for each in await within:
            found += each
        for charger in chargers:
            found += await checks.told_offline(operator, charger.station_id)
    finally:
        client.config_set("notify-keyspace-events", before["notify-keyspace-events"])
        await system.restart(system.edges[1])
    checks.sound(found)
