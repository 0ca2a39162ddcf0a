"""F7: an edge is stopped for long, its station connects to the other one, and then the stopped edge goes on.

What it still has in hand is late: an answer, a command, the end of its socket. Two guards carry it:

    deadline    an edge writes a command only while the worker that sent it can still believe it undelivered
    epoch       the end of a socket is that of its own session, and an older one's changes nothing
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from tests.chaos.harness import checks, orders
from tests.chaos.harness.charger import Charger, LedgerFile
from tests.chaos.harness.system import System, running
from tests.support import lasting, wait_until

pytestmark = pytest.mark.chaos
SETTINGS = {
    "PRESENCE_GRACE_S": "2",
    "NODE_TTL_S": "20",
    "PING_INTERVAL_S": "0",
    "CALL_TIMEOUT_S": "30",
    "SILENCE_CLOSE_S": "30",
}
"""The edge is not taken for dead while it is stopped: what it was sent is there when it goes on.

Nor does it close its sockets for pongs or answers that it missed, before it reads what it was sent.
"""
TTL_S = 4.0
STOPPED_S = 3.0
"""30 s, scaled as the waits are: longer than an edge may keep a command."""


async def _goes_on(system: System, ledger: LedgerFile) -> list[checks.Violation]:
    """Stop the edge when it has appended a start, hand it a command, and let it go on when all is said elsewhere."""
    operator = system.operator(1)
    charger = Charger(system.station_urls, "CP1", ledger)
    await charger.connect(edge=0)
    await charger.boot()
    other = Charger(system.station_urls, "CP2", ledger)
    await other.connect(edge=0)
    await other.boot()
    await charger.plug_in(1000)
    system.arm("after_append", "stop", "CP1", "StartTransaction")
    first = asyncio.create_task(charger.report_start())
    stopped = await system.reached("after_append")
    # Handed to the stopped edge: one that must never come twice, and behind it one that only reads.
    changing = await orders.send(operator, ledger.journal, "CP1", "ChangeConfiguration", orders.change("Key1"))
    await orders.send(operator, ledger.journal, "CP1", "GetConfiguration")
    await orders.until(operator, "CP1", changing, "sent")
    # One station leaves its old socket open, the other one drops it: the edge hears of that when it goes on.
    old = await charger.connect_anew(edge=1)
    (await other.connect_anew(edge=1)).abort()
    await charger.report_start()
    await lasting(STOPPED_S, "the edge is stopped")
    stopped.resume()
    await wait_until(lambda: not old.connected)
    # Neither the old socket's end nor the deadline of its presence may take the station offline.
    found = await checks.steady(operator, "CP1", "online", TTL_S + 0.5)
    found += await checks.presence(operator, "CP2", "online", 0)
    found += checks.never_told_offline(operator, "CP2")
    found += checks.owners([old, charger.station], "CP1")
    await first
    await charger.go_on(1000)
    found += await checks.everything(operator, ledger.book(), [charger, other], system.valkey.client())
    return found + await orders.audit(operator, ledger.journal)


def _system(
    tmp_path: Path, *, edge: tuple[str, ...] = (), worker: tuple[str, ...] = ()
) -> AbstractAsyncContextManager[System]:
    guards = {"edge_guards": ["points", *edge], "worker_guards": list(worker)}
    return running(tmp_path / "system", edges=2, workers=1, settings=SETTINGS, **guards)


async def test_what_is_late_changes_nothing(tmp_path: Path, ledger: LedgerFile) -> None:
    """F7: the late answer, command and close change nothing; each command is executed once at most (I7, I8)."""
    async with _system(tmp_path) as system:
        checks.sound(await _goes_on(system, ledger))
        assert not orders.executed(ledger.journal, "ChangeConfiguration")


async def test_control_without_deadlines(tmp_path: Path, ledger: LedgerFile) -> None:
    """F7, control: without deadlines, and written in its turn, the late command reaches the superseded socket (I8)."""
    async with _system(tmp_path, edge=("no_deadline", "no_order")) as system:
        assert "I8" in checks.broken(await _goes_on(system, ledger))


async def test_the_order_holds_without_deadlines(tmp_path: Path, ledger: LedgerFile) -> None:
    """F7: a close that is read with a late command keeps it off the socket whatever its deadline says (I8)."""
    async with _system(tmp_path, edge=("no_deadline",)) as system:
        checks.sound(await _goes_on(system, ledger))


async def test_control_without_epochs(tmp_path: Path, ledger: LedgerFile) -> None:
    """F7, control: where an old socket's end counts as the station's, it is no longer shown online (I7)."""
    async with _system(tmp_path, worker=("no_epochs",)) as system:
        assert "I7" in checks.broken(await _goes_on(system, ledger))
