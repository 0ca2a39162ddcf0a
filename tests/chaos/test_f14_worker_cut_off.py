"""F14: the network between a worker and Redis falls silent, no RST, just when it commits. Another one takes over.

What the worker had sent is delivered when the network is back, although it has long given up: a commit that nobody
waits for. Two guards refuse it: the fence (decided before) and the version token (another state than it was made on).
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from tests.chaos.harness import checks, orders
from tests.chaos.harness.charger import Charger, LedgerFile
from tests.chaos.harness.system import System, running
from tests.support import wait_until

pytestmark = pytest.mark.chaos
SETTINGS = {"REDIS_TIMEOUT_S": "2"}


async def _cut_off(system: System, ledger: LedgerFile) -> list[checks.Violation]:
    """Cut a worker off with a start's commit on the wire; mend the network when the session has ended elsewhere."""
    operator, client = system.operator(), system.valkey.client()
    charger = Charger(system.station_urls, "CP1", ledger)
    await charger.connect()
    await charger.boot()
    await charger.plug_in(1000)
    system.arm("before_commit", "stop", "CP1", "StartTransaction")
    starting = asyncio.create_task(charger.report_start())
    worker = await system.reached("before_commit")
    link = system.links[worker.name]
    link.cut()
    worker.resume()
    await wait_until(lambda: link.holds(b"transactionId"))  # The answer, in the outbox, in the commit.
    await orders.send(operator, ledger.journal, "CP1", "ChangeConfiguration", orders.change("Key1"))
    await starting
    await charger.go_on(1000)
    calls = client.info("commandstats")["cmdstat_evalsha"]["calls"]
    link.mend()
    await wait_until(lambda: client.info("commandstats")["cmdstat_evalsha"]["calls"] > calls)
    await system.ready(worker)
    found = await checks.everything(operator, ledger.book(), [charger], client)
    # By the station's own list as well: a commit that nobody emits is in no list of the fleet.
    found += await checks.listed(operator, ledger.book(), "CP1")
    found += await orders.audit(operator, ledger.journal)
    return found + await checks.bounds(client, nodes=1)


def _system(tmp_path: Path, *guards: str) -> AbstractAsyncContextManager[System]:
    links = ["worker-0", "worker-1"]
    return running(tmp_path / "system", settings=SETTINGS, linked=links, worker_guards=["points", *guards])


async def test_claimed_and_committed_once(tmp_path: Path, ledger: LedgerFile) -> None:
    """F14: another worker claims and answers the start; the commit that comes late changes nothing (I2, I8, I10)."""
    async with _system(tmp_path) as system:
        checks.sound(await _cut_off(system, ledger))


async def test_control_without_fence_and_token(tmp_path: Path, ledger: LedgerFile) -> None:
    """F14, control: without both guards the late commit writes its start over what came after it (I2)."""
    async with _system(tmp_path, "no_fence", "no_token") as system:
        assert "I2" in checks.broken(await _cut_off(system, ledger))
