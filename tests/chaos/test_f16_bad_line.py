"""F16: 200 ms of latency, 2 % of packets lost, every byte a packet of its own, between stations and their edge."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.chaos.harness import checks
from tests.chaos.harness.badline import BadLine
from tests.chaos.harness.charger import Charger, LedgerFile
from tests.chaos.harness.system import System
from tests.e2e.field import scrape

pytestmark = pytest.mark.chaos


async def test_no_errors(shared_system: System, tmp_path: Path) -> None:
    """F16: sessions come through whole, on one connection, without an error or a frame that is none (I2, I4)."""
    system = shared_system
    line = BadLine(system.station_url(), latency_s=0.2, loss=0.02, seed="f16")
    await line.open()
    invalid = await scrape(system, "ampstream_edge_invalid_frames_total")
    try:
        ledgers = [LedgerFile(tmp_path / f"ledger{n}.jsonl") for n in range(3)]
        chargers = [Charger([line.url], f"LINE{n}", ledger) for n, ledger in enumerate(ledgers)]

        async def session(charger: Charger) -> None:
            await charger.connect()
            await charger.boot()
            await charger.charge(meters=2)

        await asyncio.gather(*map(session, chargers))
        found = []
        for charger, ledger in zip(chargers, ledgers, strict=True):
            found += await checks.transactions(system.operator(), ledger.book(), charger.station_id)
            found += await checks.order(system.operator(), charger)
        checks.sound([*found, *await checks.liveness(system.valkey.client())])
        assert [charger.connects for charger in chargers] == [1, 1, 1]
        assert line.lost > 0
        assert line.slices > 5000
        for ledger in ledgers:
            await ledger.end()
    finally:
        line.close()
    assert await scrape(system, "ampstream_edge_invalid_frames_total") == invalid
