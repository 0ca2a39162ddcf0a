"""F15: Redis fails over: the primary dies, a replica takes its place and its name.

What the replica did not have when the primary died is gone. With a replica barrier nothing is answered that it does not
have on its disk, so nothing that was answered can go; the control is the same failover without the barrier.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from tests.chaos.harness import checks
from tests.chaos.harness.charger import Charger, LedgerFile
from tests.chaos.harness.link import Link
from tests.chaos.harness.system import System, Valkey
from tests.support import wait_until

pytestmark = pytest.mark.chaos
LINKED: Final = ("edge-0", "worker-0")


class Pair:
    """A system, a replica of its Redis behind a network that may fall silent, and one that is empty yet."""

    def __init__(self, system: System, replica: Valkey, another: Valkey, between: Link) -> None:
        self.system = system
        self.replica = replica
        self.another = another
        self.between = between

    async def fail_over(self) -> None:
        """Let the primary die, the replica take over with one of its own, and the name that all use lead there."""
        system = self.system
        system.valkey.kill()
        self.replica.client().replicaof("NO", "ONE")
        self.another.client().replicaof("127.0.0.1", str(self.replica.port))
        for link in system.links.values():
            link._target = self.replica.port
        system.valkey.url = self.replica.url  # Where the test itself looks.
        await system.ready(timeout_s=30)


@asynccontextmanager
async def pair(directory: Path, **settings: str) -> AsyncIterator[Pair]:
    """Run a system with a replica for the length of the block."""
    system = System(directory / "system", workers=1, linked=LINKED, settings=settings)
    replica = Valkey(directory / "replica", system._lifeline)
    another = Valkey(directory / "another", system._lifeline)
    between = Link(system.valkey.port)
    try:
        await another.serve()
        await system.valkey.serve()
        await between.open()
        await replica.serve()
        replica.client().replicaof("127.0.0.1", str(between.port))
        await wait_until(lambda: replica.client().info("replication")["master_link_status"] == "up", 20)
        await system.start()
        yield Pair(system, replica, another, between)
    except BaseException:
        print(system.logs())
        raise
    finally:
        between.close()
        replica.close()
        another.close()
        system.close()


def _there(replica: Valkey, system: System) -> bool:
    """Tell whether the replica has all that the primary has."""
    found: Any = system.valkey.client().info("replication")
    has: Any = replica.client().info("replication")
    return bool(found["master_repl_offset"] == has["slave_repl_offset"])


async def _through_a_failover(pair: Pair, ledger: LedgerFile, ahead_s: float) -> list[checks.Violation]:
    """Charge, fall behind, charge as far as that goes, fail over, charge on; returns what was broken."""
    system = pair.system
    charger = Charger(system.station_urls, "CP1", ledger)
    await charger.connect()
    await charger.boot()
    await charger.charge()
    await wait_until(lambda: _there(pair.replica, system), 10)
    pair.between.cut()
    ahead = asyncio.create_task(charger.charge())
    await asyncio.wait([ahead], timeout=ahead_s)
    await pair.fail_over()
    await asyncio.wait([ahead], timeout=25)
    await charger.charge()
    await asyncio.gather(ahead)
    return await checks.transactions(system.operator(), ledger.book())


async def test_with_a_barrier_nothing_is_lost(tmp_path: Path, ledger: LedgerFile) -> None:
    """F15: with a replica barrier the new primary has all that was answered (I1, I2)."""
    settings = {"REPLICA_BARRIER": "1", "REPLICA_BARRIER_TIMEOUT_S": "0.5"}
    async with pair(tmp_path, **settings) as made:
        checks.sound(await _through_a_failover(made, ledger, 1.5))


async def test_control_without_a_barrier(tmp_path: Path, ledger: LedgerFile) -> None:
    """F15, control: without one, what was answered while the replica was behind is gone (I1)."""
    async with pair(tmp_path) as made:
        # The whole session: nothing holds it back.
        assert "I1" in checks.broken(await _through_a_failover(made, ledger, 30.0))
