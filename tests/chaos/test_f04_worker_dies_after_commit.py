"""F4: kill -9 of a worker after its commit, before the answer and XACK. The stored outcome goes out, once by id.

Two guards carry it. The outbox: whoever takes the entry over finds the outcome beside the state, and emits it. The
fence: without it the entry would be decided anew, and a start that no business key protects would count twice.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.harness import checks
from tests.chaos.harness.charger import Charger, LedgerFile
from tests.chaos.harness.system import System, running

pytestmark = pytest.mark.chaos


async def _worker_dies(system: System, ledger: LedgerFile) -> Charger:
    """Let the worker that committed a start die, then the one that committed the stop, and start both again."""
    charger = Charger(system.station_urls, "CP1", ledger)
    await charger.connect()
    await charger.boot()
    system.arm("after_commit", "kill", "CP1", "StartTransaction")
    await charger.start(1000)
    await system.restart(await system.reached("after_commit"))
    await charger.meter(1250)
    system.arm("after_commit", "kill", "CP1", "StopTransaction")
    await charger.stop(1500)
    await system.restart(await system.reached("after_commit"))
    return charger


async def _worker_dies_at_a_goodbye(system: System, ledger: LedgerFile) -> list[checks.Violation]:
    """Let the worker that committed the end of a session die; decided again, that entry finds nothing to change."""
    charger = Charger(system.station_urls, "CP1", ledger)
    await charger.connect()
    await charger.boot()
    system.arm("after_commit", "kill", "CP1", "reason", "station")
    await charger.leave()
    await system.restart(await system.reached("after_commit"))
    client = system.valkey.client()
    found = await checks.liveness(client)
    found += await checks.presence(system.operator(), "CP1", "offline", 0.5)
    found += await checks.told_offline(system.operator(), "CP1")
    return [*found, *await checks.bounds(client, nodes=1)]


async def test_what_is_no_call_is_told_as_well(tmp_path: Path, ledger: LedgerFile) -> None:
    """F4: the end of a session, committed by a worker that died, is told by the next one, once (I7, I9)."""
    async with running(tmp_path / "system", worker_guards=["points"]) as system:
        checks.sound(await _worker_dies_at_a_goodbye(system, ledger))


async def test_control_without_the_outbox_nobody_is_told(tmp_path: Path, ledger: LedgerFile) -> None:
    """F4, control: where a duplicate's outcome is dropped, no event says that the station is gone (I7)."""
    async with running(tmp_path / "system", worker_guards=["points", "no_emission"]) as system:
        assert "I7" in checks.broken(await _worker_dies_at_a_goodbye(system, ledger))


async def test_the_stored_outcome_goes_out(tmp_path: Path, ledger: LedgerFile) -> None:
    """F4: the stored answers come on the same connection, and each event once by its id (I2, I3, I5)."""
    # Where the answer comes is the subject, not whether a busy machine takes it over before the edge gives it up.
    settings = {"CALL_TIMEOUT_S": "30"}
    async with running(tmp_path / "system", worker_guards=["points"], settings=settings) as system:
        charger = await _worker_dies(system, ledger)
        assert charger.connects == 1, "an answer came over another connection"
        client = system.valkey.client()
        checks.sound(await checks.everything(system.operator(), ledger.book(), [charger], client))
        checks.sound(await checks.bounds(client, nodes=1))


async def test_control_without_the_outbox(tmp_path: Path, ledger: LedgerFile) -> None:
    """F4, control: where a duplicate's outcome is dropped, the transaction is in no index, and its Wh are lost (I3)."""
    settings = {"CALL_TIMEOUT_S": "1"}
    async with running(tmp_path / "system", worker_guards=["points", "no_emission"], settings=settings) as system:
        charger = await _worker_dies(system, ledger)
        found = await checks.transactions(system.operator(), ledger.book())
        assert charger.connects > 1, "the stored answer came all the same"
        assert "I3" in checks.broken(found)


async def test_control_without_fence_and_business_key(tmp_path: Path, ledger: LedgerFile) -> None:
    """F4, control: where neither fence nor business key tells, the start is decided anew: two transactions (I2)."""
    async with running(tmp_path / "system", worker_guards=["points", "no_fence", "no_business_keys"]) as system:
        await _worker_dies(system, ledger)
        assert "I2" in checks.broken(await checks.transactions(system.operator(), ledger.book()))
