"""F10: Redis's log is torn at every k-th byte of its tail, of which a commit is the end. No part of a commit is there.

The guard is that a commit is one script, whose writes are one transaction in the log: loaded whole or dropped. In the
control they are two commands, and the log ends between them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest

from shared import envelopes
from shared.bus import keys
from shared.bus.lane import Lane
from shared.envelopes import Answer
from shared.ocpp import frames
from shared.records.queries import transactions
from shared.records.transactions import Transaction
from tests.chaos import power_loss
from tests.chaos.harness import checks
from tests.chaos.harness.charger import Charger, LedgerFile
from tests.chaos.harness.checks import Violation
from tests.chaos.harness.points import Action
from tests.chaos.harness.processes import Lifeline
from tests.chaos.harness.system import System, Valkey, running
from tests.chaos.launchers.no_atomicity import POINT
from tests.support import wait_until
from workers.store import outbox

pytestmark = pytest.mark.chaos
CUTS = 24
STOP_WH = 2000


async def _torn_log(system: System, ledger: LedgerFile, point: str, action: Action) -> list[Violation]:
    """Kill Redis with a stop committed that nobody answered, and load its log with less and less of its end."""
    charger = Charger(system.station_urls, "CP1", ledger)
    await charger.connect()
    await charger.boot()
    number = await charger.start(1000)
    await charger.meter(1500)
    (log,) = power_loss.logs(system.valkey.directory)
    begin = log.stat().st_size
    # The stop's message id is in its entry, and in its answer.
    system.arm(point, action, f"CP1-{charger._ids + 1}")
    stopping = asyncio.create_task(charger.stop(STOP_WH))
    await system.reached(point)
    # The outbox is in both kinds of commit, and in the second kind nothing follows it.
    await wait_until(lambda: b"transaction.ended" in log.read_bytes()[begin:])
    system.valkey.kill()
    stopping.cancel()
    await asyncio.gather(stopping, return_exceptions=True)
    end = log.stat().st_size
    step = max((end - begin) // CUTS, 1)
    found: list[Violation] = []
    outcomes: set[str] = set()
    for length in [*range(begin, end, step), end]:
        async with _loaded(system.valkey.directory, log, length) as valkey:
            lane = await Lane.open(valkey.url, name="test")
            (stored,) = await transactions.transactions(lane, [number], "CP1")
            await lane.close()
            found += _partial(valkey.client().hgetall(keys.state("CP1")), stored, f"CP1-{charger._ids}", length)
            outcomes.add(stored.state if stored else "")
    assert found or outcomes == {"open", "closed"}, "no cut went through the commit"
    return found


@contextlib.asynccontextmanager
async def _loaded(data: Path, log: Path, length: int) -> AsyncIterator[Valkey]:
    """Run a Redis on a copy of the data whose log ends after `length` bytes."""
    copy, lifeline = data.parent / f"torn-{length}", Lifeline()
    valkey = Valkey(copy, lifeline)
    shutil.copytree(data / "appendonlydir", copy / "appendonlydir")
    os.truncate(copy / "appendonlydir" / log.name, length)
    try:
        await valkey.serve()
        yield valkey
    finally:
        valkey.close()
        lifeline.close()
        shutil.rmtree(copy)


def _partial(state: dict[bytes, bytes], stored: Transaction | None, stop: str, length: int) -> Iterator[Violation]:
    """I1 and I6: fence, outbox and transaction tell of the same commit, the stop's or the one before it."""
    subject = f"the log up to byte {length}"
    if stored is None:
        yield Violation("I1", subject, "the start was answered and is not stored")
        return
    (fence,) = [field for field in state if field.startswith(b"f:")]
    box = outbox.decode(state[b"o:" + fence[2:]])
    items = [msgspec.msgpack.decode(one.item, type=envelopes.Item) for one in box.deliveries]
    (answer,) = [one for one in items if isinstance(one, Answer)]
    if answer.call_seq != int(state[fence]):
        yield Violation("I6", subject, f"the fence is at {state[fence]!r}, the outbox at {answer.call_seq}")
    frame = frames.decode(answer.frame)
    assert isinstance(frame, frames.CallResult)
    if (frame.message_id == stop) != (stored.state == "closed" and stored.meter_stop_wh == STOP_WH):
        yield Violation("I6", subject, f"{frame.message_id} was decided last, and the transaction is {stored.state}")


async def test_no_part_of_a_commit(tmp_path: Path, ledger: LedgerFile) -> None:
    """F10: wherever the log ends, the stop is there whole or not at all, and what was answered before is (I1, I6)."""
    async with running(tmp_path / "system", workers=1, worker_guards=["points"]) as system:
        checks.sound(await _torn_log(system, ledger, "after_commit", "stop"))


async def test_control_a_commit_of_two_commands(tmp_path: Path, ledger: LedgerFile) -> None:
    """F10, control: a commit of two commands is found by half: decided, and not stored (I6)."""
    async with running(tmp_path / "system", workers=1, worker_guards=["no_atomicity"]) as system:
        assert "I6" in checks.broken(await _torn_log(system, ledger, POINT, "note"))
