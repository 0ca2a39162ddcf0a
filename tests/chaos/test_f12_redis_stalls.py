"""F12: Redis stalls: stopped by a signal, or asleep in a command. Whoever waited gives up; all it sent is done later.

So the same report comes twice: from an edge whose append had no answer, and from the station that says it again. The
guard is the business key of each transaction message; of commands, one whose fate is unknown is not sent again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import redis

from tests.chaos.harness import checks, orders
from tests.chaos.harness.cars import Cars
from tests.chaos.harness.charger import Charger, LedgerFile
from tests.chaos.harness.system import System, running
from tests.support import lasting, wait_until

pytestmark = pytest.mark.chaos
SETTINGS = {"REDIS_TIMEOUT_S": "1", "APPEND_CLOSE_S": "1.5", "SILENCE_CLOSE_S": "2"}
STALL_S = 2.5
"""Longer than anybody waits for an answer."""
Stall = Callable[[System], Awaitable[None]]


async def _stop(system: System) -> None:
    """Stop Valkey in its tracks for a while."""
    system.valkey.stop()
    try:
        await lasting(STALL_S, "Redis stands still")
    finally:
        system.valkey.resume()


async def _sleep(system: System) -> None:
    """Let Valkey sleep in a command for a while."""

    def sleep() -> None:
        with redis.Redis.from_url(system.valkey.url, socket_timeout=30) as client:
            client.execute_command("DEBUG", "SLEEP", str(STALL_S))

    await asyncio.to_thread(sleep)


async def _stalls(system: System, ledger: LedgerFile, stall: Stall) -> Charger:
    """Let Redis stall just when a station reports its start, with commands on their way to it."""
    operator = system.operator()
    charger = Charger(system.station_urls, "CP1", ledger)
    await charger.connect()
    await charger.boot()
    await charger.plug_in(1000)
    for n in range(2):
        await orders.send(operator, ledger.journal, "CP1", "ChangeConfiguration", orders.change(f"Key{n}"))
    await orders.send(operator, ledger.journal, "CP1", "GetConfiguration")
    stalling = asyncio.ensure_future(stall(system))
    await wait_until(lambda: _is_stalled(system))
    starting = asyncio.create_task(charger.report_start())
    asked = asyncio.create_task(
        orders.send(operator, ledger.journal, "CP1", "ChangeConfiguration", orders.change("Key9"))
    )
    await asyncio.gather(stalling, starting, asked)
    await charger.go_on(1000)
    return charger


def _is_stalled(system: System) -> bool:
    with redis.Redis.from_url(system.valkey.url, socket_timeout=0.1) as client:
        try:
            client.ping()
        except redis.TimeoutError:
            return True
    return False


@pytest.mark.parametrize("stall", [_stop, _sleep], ids=["stopped", "asleep"])
async def test_no_double_effect(tmp_path: Path, ledger: LedgerFile, stall: Stall) -> None:
    """F12: a start that was appended twice is one transaction, a command is executed once at most (I2, I8, I10)."""
    async with running(tmp_path / "system", workers=2, settings=SETTINGS) as system:
        async with Cars(system.station_urls, tmp_path / "cars.jsonl", 10, "f12") as cars:
            await cars.more(5)
            charger = await _stalls(system, ledger, stall)
            await cars.more(5)
            book = await cars.finish()
        book.transactions |= ledger.book().transactions
        operator, client = system.operator(), system.valkey.client()
        found = await checks.transactions(operator, book, idle=cars.idle)
        found += await checks.order(operator, charger)
        found += await orders.audit(operator, ledger.journal)
        checks.sound([*found, *await checks.liveness(client), *await checks.bounds(client, nodes=1)])


async def test_control_without_business_keys(tmp_path: Path, ledger: LedgerFile) -> None:
    """F12, control: without business keys the start that came twice is two transactions (I2)."""
    async with running(tmp_path / "system", worker_guards=["no_business_keys"], settings=SETTINGS) as system:
        await _stalls(system, ledger, _stop)
        assert "I2" in checks.broken(await checks.transactions(system.operator(), ledger.book()))
