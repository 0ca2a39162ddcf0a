"""F28: a station beats its heart and never reads, while big commands are queued for it.

Two guards carry it: the edge closes who takes nothing for `write_timeout_s`, and it lets the kernel take only a little
of what a station has no room for, so that the first big command is noticed.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.harness import checks, orders
from tests.chaos.harness.beats import Beats
from tests.chaos.harness.charger import Charger, LedgerFile
from tests.chaos.harness.checks import Violation
from tests.chaos.harness.deaf import Deaf
from tests.chaos.harness.system import System, running
from tests.support import lasting, wait_until

pytestmark = pytest.mark.chaos
SETTINGS = {"WRITE_TIMEOUT_S": "2"}
CLOSED_S = 4.0
"""10 s where the limit of writing is 8 s: as long after it as there."""
DEAF = "DEAF"
COMMANDS = 8
BIG = "x" * 200_000
KERNEL_BYTES = 128 * 1024
GROWTH_BYTES = 20 * 1024 * 1024


def _resident(system: System) -> int:
    status = Path(f"/proc/{system.edges[0].pid}/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) * 1024


async def _beats_on(deaf: Deaf) -> None:
    """Send heartbeats, so that no missing sign of life ends its connection."""
    with contextlib.suppress(OSError):
        while True:
            deaf.say("Heartbeat")
            await asyncio.sleep(0.5)


def _bounded(system: System, deaf: Deaf, before: int) -> Iterator[Violation]:
    """I9: its socket is given back, and neither the kernel nor the edge keeps what it was sent."""
    held = deaf.held()
    if held.owned:
        yield Violation("I9", DEAF, f"its edge holds the socket, {held.waiting} bytes wait in it")
    if held.waiting > KERNEL_BYTES:
        yield Violation("I9", DEAF, f"the kernel keeps {held.waiting} bytes for it")
    if (grown := _resident(system) - before) > GROWTH_BYTES:
        yield Violation("I9", "edge-0", f"grew by {grown // 1024} KiB")


async def _is_known(system: System, station_id: str) -> bool:
    status, _ = await system.operator().request("GET", f"/stations/{station_id}")
    return status == 200


async def _overfed(system: System, ledger: LedgerFile, station_id: str) -> list[Violation]:
    """Queue big commands for a station that reads none of them."""
    with contextlib.closing(Deaf(system.station_url(), station_id)) as deaf:
        deaf.connect()
        deaf.say("BootNotification", {"chargePointVendor": "Chaos", "chargePointModel": "D1"})
        await wait_until(lambda: _is_known(system, station_id))
        beating, before = asyncio.create_task(_beats_on(deaf)), _resident(system)
        for _ in range(COMMANDS):
            payload = {"vendorId": "Chaos", "data": BIG}
            await orders.send(system.operator(), ledger.journal, station_id, "DataTransfer", payload, expires_in_s=4)
        begun = time.monotonic()
        with contextlib.suppress(AssertionError):
            await wait_until(lambda: not deaf.held().owned, CLOSED_S)
        await lasting(begun + CLOSED_S - time.monotonic(), "more commands wait")
        beating.cancel()
        return list(_bounded(system, deaf, before))


async def _never_reads(system: System, ledger: LedgerFile) -> list[Violation]:
    """Let a station read none of its commands, with others beside it."""
    others = [Charger(system.station_urls, f"CP{n}", ledger) for n in range(6)]
    for other in others:
        await other.connect()
        await other.boot()
    names = (f"{DEAF}{n}" for n in itertools.count())
    async with Beats(others).beating() as beats:
        found = await beats.unfelt(lambda: _overfed(system, ledger, next(names)), 1.5)
    found += await orders.audit(system.operator(), ledger.journal)
    found += await checks.liveness(system.valkey.client())
    return found + await checks.bounds(system.valkey.client(), nodes=1)


async def test_closed_and_bounded(tmp_path: Path, ledger: LedgerFile) -> None:
    """F28: closed in time, nothing piles up, each command has one end, and nobody else waits for it (I8, I9, I11)."""
    async with running(tmp_path / "system", workers=1, settings=SETTINGS) as system:
        checks.sound(await _never_reads(system, ledger))
        assert not orders.executed(ledger.journal)


@pytest.mark.parametrize("guard", ["no_write_limit", "no_unsent_limit"])
async def test_control(tmp_path: Path, ledger: LedgerFile, guard: str) -> None:
    """F28, control: without either guard the edge keeps the socket and what waits for it (I9)."""
    async with running(tmp_path / "system", workers=1, settings=SETTINGS, edge_guards=[guard]) as system:
        found = await _never_reads(system, ledger)
        assert any(one.invariant == "I9" and one.subject == DEAF for one in found)
