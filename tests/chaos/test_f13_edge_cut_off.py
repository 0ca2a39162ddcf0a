"""F13: the network between an edge and Redis falls silent, no RST. The edge fails closed, its stations go elsewhere.

What it had sent is delivered when the network is back, and what was for it then reaches it. The guard is the gate: an
edge that nobody answers closes its sockets. Behind it a late command still meets two more: its deadline, and that the
older socket is told to close.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from ampstream.simulate.station import Refused, Station
from tests.chaos.harness import checks, orders
from tests.chaos.harness.charger import Charger, LedgerFile
from tests.chaos.harness.checks import Violation
from tests.chaos.harness.system import System, running
from tests.support import lasting, wait_until

pytestmark = pytest.mark.chaos
TTL_S = 4.0
BOUND_S = 5.0
"""The edge's waits are half of production's; the rest is for a machine that is busy."""
SETTINGS = {
    "PRESENCE_GRACE_S": "3",
    "SILENCE_CLOSE_S": "2",
    "APPEND_CLOSE_S": "1",
    "REDIS_TIMEOUT_S": "2",
    "NODE_TTL_S": "10",
}
CUT_S = BOUND_S + 2.5


async def _elsewhere(charger: Charger, begun: float) -> list[Violation]:
    """Let a station go to the other edge: when its socket is closed, or in the end all the same."""
    found = []
    try:
        await wait_until(lambda: not charger.station.connected, begun + BOUND_S - time.monotonic())
    except AssertionError:
        found.append(Violation("I7", charger.station_id, f"its socket is open after {BOUND_S:g} s without Redis"))
        await charger.connect_anew(edge=1)
    else:
        assert charger.station.close_code in (1012, 1006)
        await charger.connect(edge=1)
    return found


async def _refused(system: System) -> list[Violation]:
    """Dial the edge that is cut off: it must say 503 in time."""
    begun = time.monotonic()
    with pytest.raises((Refused, TimeoutError)) as refused:
        await Station(system.station_url(0), "CP9", timeout_s=2 * BOUND_S).connect()
    assert not isinstance(refused.value, Refused) or refused.value.status == 503
    if (waited := time.monotonic() - begun) > BOUND_S:
        return [Violation("I7", "CP9", f"its upgrade hung for {waited:.1f} s")]
    return []


async def _cut_off(system: System, ledger: LedgerFile) -> list[Violation]:
    """Cut an edge off from Redis that has a busy station, one that gets a command, and a quiet one."""
    operator, client, link = system.operator(1), system.valkey.client(), system.links["edge-0"]
    busy, asked, quiet = [Charger(system.station_urls, name, ledger) for name in ("BUSY", "ASKED", "QUIET")]
    for charger in (busy, asked, quiet):
        await charger.connect(edge=0)
        await charger.boot()
    busy.edge = 1  # Where it dials next: the time of a hanging login is `_refused`'s subject.
    await busy.start(1000)
    await lasting(1.2, "commands are held back for so long after a boot")
    link.cut()
    begun = time.monotonic()
    refusing = asyncio.create_task(_refused(system))
    metering = asyncio.create_task(busy.meter(1250))
    changing = await orders.send(operator, ledger.journal, "ASKED", "ChangeConfiguration", orders.change("Key1"))
    await orders.until(operator, "ASKED", changing, "sent")
    found = await _elsewhere(asked, begun)
    if not quiet.station.connected:
        await quiet.connect(edge=1)
    found += await refusing
    await metering
    await lasting(begun + CUT_S - time.monotonic(), "the edge is cut off")
    for charger in (busy, asked, quiet):
        found += await checks.presence(operator, charger.station_id, "online", 0.0)
    link.mend()
    await system.ready(system.edges[0])
    # What was for the older sockets, and from them, has arrived by now: nobody goes offline by it.
    for charger in (busy, asked, quiet):
        found += await checks.presence(operator, charger.station_id, "online", 0.0)
        found += checks.never_told_offline(operator, charger.station_id)
    await busy.meter(1500)
    await busy.stop(2000)
    found += await checks.everything(operator, ledger.book(), [busy, asked, quiet], client)
    found += await orders.audit(operator, ledger.journal)
    return found + await checks.bounds(client, nodes=2)


def _system(tmp_path: Path, *guards: str, **settings: str) -> AbstractAsyncContextManager[System]:
    return running(
        tmp_path / "system",
        edges=2,
        workers=1,
        settings=SETTINGS | settings,
        linked=["edge-0"],
        edge_guards=list(guards),
    )


async def test_fails_closed_and_nothing_comes_twice(tmp_path: Path, ledger: LedgerFile) -> None:
    """F13: sockets are closed and upgrades refused in time; what is late changes nothing (I1, I7, I8)."""
    async with _system(tmp_path) as system:
        checks.sound(await _cut_off(system, ledger))


async def test_control_without_gate(tmp_path: Path, ledger: LedgerFile) -> None:
    """F13, control: an edge that stays open keeps the socket of a station that is shown offline by then (I7)."""
    async with _system(tmp_path, "no_gate", NODE_TTL_S="2") as system:
        found = await _cut_off(system, ledger)
        assert any(one.invariant == "I7" and one.subject == "QUIET" for one in found)


async def test_control_of_commands(tmp_path: Path, ledger: LedgerFile) -> None:
    """F13, control: without gate, deadline and superseding the late command is executed on an older socket (I8)."""
    async with _system(tmp_path, "no_gate", "no_deadline", "no_superseding") as system:
        assert "I8" in checks.broken(await _cut_off(system, ledger))
