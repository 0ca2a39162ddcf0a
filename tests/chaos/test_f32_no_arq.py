"""F32: arq is dead for long: its queue is no queue any more, so that it ends as often as it is started again."""

from __future__ import annotations

import pytest

from shared.bus import keys
from tests.chaos.harness import checks
from tests.chaos.harness.charger import Charger, LedgerFile
from tests.chaos.harness.system import System
from tests.e2e.field import scrape
from tests.support import wait_until

pytestmark = pytest.mark.chaos
METRIC = "ampstream_worker_jobs_total"


async def test_frames_are_unaffected(shared_system: System, ledger: LedgerFile) -> None:
    """F32: sessions go on without it, exactly; and it works again once it can (I1, I10)."""
    system, client = shared_system, shared_system.valkey.client()
    for key in client.keys(f"{keys.JOBS}*") + client.keys("arq:*"):
        client.delete(key)
    client.set(keys.JOBS, "no queue")

    def dead() -> bool:
        return all("jobs stopped; they start again" in worker.log.read_text() for worker in system.workers)

    await wait_until(dead, 15)
    charger = Charger(system.station_urls, "ARQ1", ledger)
    await charger.connect()
    await charger.boot()
    for _ in range(3):
        await charger.charge()
    found = await checks.transactions(system.operator(), ledger.book(), "ARQ1")
    found += await checks.order(system.operator(), charger)
    assert client.get(keys.JOBS) == b"no queue"
    done = await scrape(system, METRIC, 'result="ok"')
    client.delete(keys.JOBS)

    async def works_again() -> bool:
        return await scrape(system, METRIC, 'result="ok"') > done

    await wait_until(works_again, 25, 0.2)
    checks.sound([*found, *await checks.liveness(client)])
