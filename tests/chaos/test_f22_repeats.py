"""F22: the same logical message five times, concurrently, under the same and under new message ids.

The guard is the business key of each transaction message. A station sends five frames at once on one connection, loses
it with answers under way, and sends them again on another edge, while the first ones are still being decided.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ampstream.simulate.ledger import START, STOP, Acked, Meter, Sent, Stop
from ampstream.simulate.reports import meter_request, start_request, stop_request
from ampstream.simulate.station import Answer
from tests.chaos.harness import checks
from tests.chaos.harness.charger import Charger, LedgerFile, now_ms
from tests.chaos.harness.system import System, running

pytestmark = pytest.mark.chaos
TIMES = 5


async def _say(charger: Charger, action: str, payload: msgspec.Struct, what: str) -> list[Answer]:
    """Say the same five times at once under new ids and once more under a used one, twice over; return the answers."""
    waiting: list[asyncio.Future[Answer]] = []
    for edge in (0, 1):
        await charger.vanish()
        await charger.connect(edge)
        ids = [charger.new_id() for _ in range(TIMES)]
        await charger.note(*(Sent(charger.key, what, message_id) for message_id in ids))
        waiting += [charger.station.start_call(action, payload, message_id) for message_id in (*ids, ids[0])]
        if not edge:
            await asyncio.wait(waiting[:1])
    # An exact copy of a frame that is being handled is dropped: its one answer is for both.
    done, pending = await asyncio.wait(waiting[:-1], timeout=10)
    assert not pending
    waiting[-1].cancel()
    return [each.result() for each in done if each.exception() is None]


async def _five_times(system: System, ledger: LedgerFile) -> list[checks.Violation]:
    """Let a station say each message of a session again and again; the last connection hears all its answers."""
    charger = Charger(system.station_urls, "CP1", ledger)
    await charger.connect()
    await charger.boot()
    start = await charger.plug_in(1000)
    answers = await _say(charger, "StartTransaction", start_request(start), START)
    assert len(answers) > TIMES
    for answer in answers:
        charger.took(answer)
    meter = Meter(start.key, 1, now_ms(), 1500)
    await charger.note(meter)
    request: Any = msgspec.structs.replace(meter_request(meter, 1), transaction_id=charger.transaction_id)
    assert len(await _say(charger, "MeterValues", request, "1")) > TIMES
    stop = Stop(start.key, now_ms(), 2000, "Local")
    await charger.note(stop)
    request = msgspec.structs.replace(stop_request(stop, start.id_tag), transaction_id=charger.transaction_id)
    said = await _say(charger, "StopTransaction", request, STOP)
    assert len({msgspec.json.encode(one.payload) for one in said}) == 1
    await charger.note(Acked(start.key, "1"), Acked(start.key, STOP))
    return await checks.everything(system.operator(1), ledger.book(), [charger], system.valkey.client())


async def test_one_transaction(tmp_path: Path, ledger: LedgerFile) -> None:
    """F22: one transaction with one reading and one end, and every answer is the same (I2, I5)."""
    async with running(tmp_path / "system", edges=2, workers=2, settings={"PARTITIONS": "2"}) as system:
        checks.sound(await _five_times(system, ledger))


async def test_control_without_business_keys(tmp_path: Path, ledger: LedgerFile) -> None:
    """F22, control: without business keys every repetition is a transaction of its own (I2, I5)."""
    async with running(tmp_path / "system", edges=2, workers=2, worker_guards=["no_business_keys"]) as system:
        assert {"I2", "I5"} <= checks.broken(await _five_times(system, ledger))
