"""F31: somebody trims an uplink, and entries that a worker had read are gone before they were settled."""

from __future__ import annotations

import pytest

from shared.bus import keys
from tests.chaos.harness import checks
from tests.chaos.harness.charger import Charger, LedgerFile
from tests.chaos.harness.system import System
from tests.e2e.field import scrape
from tests.support import wait_until

pytestmark = pytest.mark.chaos
METRIC = "ampstream_stream_deleted_pending_total"


async def test_the_alarm_metric_rises(shared_system: System, ledger: LedgerFile) -> None:
    """F31: what vanished is counted, which alerts, and stations are served as before (I1)."""
    system, client = shared_system, shared_system.valkey.client()
    assert await scrape(system, METRIC) == 0
    stream = keys.uplink(0)
    # Stopped, so that it is the lost worker that reads the entries.
    for worker in system.workers:
        worker.stop()
    try:
        # Each stopped worker waits for an entry already, and gets one.
        wanted = [client.xadd(stream, {"e": b"lost"}) for _ in range(5)]
        client.xgroup_createconsumer(stream, keys.GROUP, "lost-worker")
        read = client.xreadgroup(keys.GROUP, "lost-worker", {stream: ">"}, count=1000)
        taken = [entry_id for _, entries in read for entry_id, _ in entries]
        assert set(wanted[-3:]) <= set(taken)
        client.xdel(stream, *taken)
    finally:
        for worker in system.workers:
            worker.resume()

    async def counted() -> bool:
        return await scrape(system, METRIC) >= len(taken)

    await wait_until(counted, 15)
    charger = Charger(system.station_urls, "TRIM1", ledger)
    await charger.connect()
    await charger.boot()
    await charger.charge()
    found = await checks.transactions(system.operator(), ledger.book(), "TRIM1")
    checks.sound([*found, *await checks.liveness(client)])
