"""F5: all workers are dead for long. Edges fail closed before stations burn their attempts; then all is drained.

The guard is failing closed: a station that is offline queues its transaction messages, one whose CSMS does not answer
sends each of them a few times and throws it away.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from ampstream.simulate.station import Refused, Station
from shared.bus import keys
from tests.chaos.harness import checks, orders
from tests.chaos.harness.cars import Cars
from tests.chaos.harness.charger import Charger, LedgerFile
from tests.chaos.harness.checks import Violation
from tests.chaos.harness.system import System, running
from tests.support import lasting, wait_until

pytestmark = pytest.mark.chaos
SETTINGS = {
    "PARTITIONS": "2",
    "SILENCE_CLOSE_S": "1.2",
    "CANARY_INTERVAL_S": "0.4",
    # Longer than the control waits: after a new connection an unanswered boot would hold back what is to be given up.
    "CALL_TIMEOUT_S": "60",
    # Unanswered heartbeats would go before the transaction messages.
    "HEARTBEAT_INTERVAL_S": "30",
}
CLOSED_S = 4.0
"""Before the stations' attempts are used up; an edge needs less than half of it."""
ATTEMPTS, ANSWER_S = 2, 2.0
"""What the stations allow: more time than the edges need, and that a second time, 1 s later."""
DEAD_S = 7.0
"""60 s, scaled as the waits are."""
DRAINED_S = 30.0
UPLINK = 500


async def _fails_closed(system: System, charger: Charger) -> list[Violation]:
    """I10: sockets are closed with 1012 in time, and no edge lets anybody in."""
    try:
        await wait_until(lambda: not charger.station.connected, CLOSED_S)
    except AssertionError:
        return [Violation("I10", charger.station_id, "its edge keeps the socket, and nobody answers")]
    assert charger.station.close_code == 1012
    await wait_until(lambda: _length(system) > 0)
    # Each edge for itself, by its own canaries: the other one a moment before or after.
    await system.unready(*system.edges)
    for url in system.station_urls:
        with pytest.raises(Refused) as refused:
            await Station(url, "CP9").connect()
        assert refused.value.status == 503
    return []


def _length(system: System) -> int:
    client = system.valkey.client()
    return max(int(client.xlen(keys.uplink(partition))) for partition in range(2))


async def _drained(system: System) -> list[Violation]:
    """I10: soon after workers are back everything is settled, and the edges are open."""
    begun = time.monotonic()
    await system.ready()
    await wait_until(lambda: _length(system) <= len(system.edges), DRAINED_S)
    if (waited := time.monotonic() - begun) > DRAINED_S:
        return [Violation("I10", "the uplinks", f"are drained {waited:.1f} s after the workers came back")]
    return []


async def _no_workers(system: System, ledger: LedgerFile, cars: Cars) -> tuple[Charger, list[Violation]]:
    """Kill all workers with commands and sessions under way, and start them again a long while later."""
    operator = system.operator()
    charger = Charger(system.station_urls, "CP1", ledger)
    await charger.connect()
    await charger.boot()
    await charger.start(1000)
    await cars.more(4)
    for n in range(12):
        await orders.send(operator, ledger.journal, "CP1", "ChangeConfiguration", orders.change(f"Key{n}"))
    await wait_until(lambda: orders.executed(ledger.journal))
    # Who charges has transaction messages to lose; who does not may wait with others.
    await cars.until(lambda: cars.world.counters.started - cars.world.counters.stopped >= 3)
    for worker in system.workers:
        worker.kill()
    begun = time.monotonic()
    asked = asyncio.create_task(
        orders.send(operator, ledger.journal, "CP1", "ChangeConfiguration", orders.change("Key99"))
    )
    found = await _fails_closed(system, charger)
    # Where edges stay open no more cars come: what stations say of those goes before the reports of the others, is not
    # answered either, and could keep the reports waiting for ever.
    cars.world.stopping = bool(found)
    await lasting(begun + DEAD_S - time.monotonic(), "all workers are dead")
    if found:  # Until the first station has lost its patience.
        await cars.until(lambda: cars.world.counters.dropped > 0, 60)
    if (length := _length(system)) > UPLINK:
        found.append(Violation("I9", "the uplinks", f"hold {length} entries of stations that nobody answers"))
    for worker in system.workers:
        worker.start()
    found += await _drained(system)
    await charger.go_on(1000)
    await asked
    return charger, found


def _cars(system: System, tmp_path: Path) -> Cars:
    return Cars(system.station_urls, tmp_path / "cars.jsonl", 6, "f5", attempts=ATTEMPTS, answer_s=ANSWER_S)


async def test_fails_closed_and_drains(tmp_path: Path, ledger: LedgerFile) -> None:
    """F5: 1012 and 503 in time, nothing given up, all drained soon after, each command done once (I1, I8, I9, I10)."""
    async with running(tmp_path / "system", edges=2, workers=2, settings=SETTINGS) as system:
        async with _cars(system, tmp_path) as cars:
            charger, found = await _no_workers(system, ledger, cars)
            book = await cars.finish()
        book.transactions |= ledger.book().transactions
        operator, client = system.operator(), system.valkey.client()
        found += checks.given_up(book)
        found += await checks.transactions(operator, book, idle=cars.idle)
        found += await checks.order(operator, charger)
        found += await orders.audit(operator, ledger.journal)
        checks.sound([*found, *await checks.liveness(client), *await checks.bounds(client, nodes=2)])


async def test_control_without_gate(tmp_path: Path, ledger: LedgerFile) -> None:
    """F5, control: where edges stay open, stations give up what nobody answers, and it is lost (I10)."""
    guards = ["no_gate"]
    async with (
        running(tmp_path / "system", edges=2, edge_guards=guards, settings=SETTINGS) as system,
        _cars(system, tmp_path) as cars,
    ):
        await _no_workers(system, ledger, cars)
        assert "I10" in checks.broken(checks.given_up(cars.book()))
