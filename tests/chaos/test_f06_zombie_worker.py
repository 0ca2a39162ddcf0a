"""F6: a worker is stopped before its commit and goes on long after: what it then wants to commit is refused.

Two guards carry it, and each has a case that only it can decide:

    fence         the zombie's entry was claimed and committed by another: `call_seq` is not above the fence any more
    version token the zombie's entry was not claimed yet, but the station's state is another than the one it decided on

Where both are gone, the zombie writes the state of long ago over the present one.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.chaos.harness import checks
from tests.chaos.harness.charger import Charger, LedgerFile
from tests.chaos.harness.processes import Process
from tests.chaos.harness.system import System, running
from tests.support import wait_until

pytestmark = pytest.mark.chaos


async def _plugged_in(system: System, ledger: LedgerFile) -> Charger:
    charger = Charger(system.station_urls, "CP1", ledger)
    await charger.connect()
    await charger.boot()
    return charger


async def _wake(system: System, zombie: Process) -> None:
    """Let the zombie go on, and wait until it has settled what it held."""
    client = system.valkey.client()
    before = client.xinfo_consumers("uplink:{0}", "workers")
    assert any(one["name"].decode().startswith(zombie.name) for one in before)
    zombie.resume()

    def settled() -> bool:
        # It reads again: whatever it had in hand when it was stopped is done with.
        found = client.xinfo_consumers("uplink:{0}", "workers")
        mine = [one for one in found if one["name"].decode().startswith(zombie.name)]
        return all(one["idle"] < 600 and one["pending"] == 0 for one in mine)

    await wait_until(settled, 10)


async def _status_of_long_ago(system: System, ledger: LedgerFile) -> list[checks.Violation]:
    """Stop the worker that decides the status Charging; another commits it, and the car leaves meanwhile."""
    charger = await _plugged_in(system, ledger)
    system.arm("before_commit", "stop", "CP1", '"Charging"')
    await charger.status("Charging")
    await charger.status("Finishing")
    await charger.status("Available")
    await _wake(system, await system.reached("before_commit"))
    return await checks.everything(system.operator(), ledger.book(), [charger], system.valkey.client())


async def _start_of_long_ago(system: System, ledger: LedgerFile) -> list[checks.Violation]:
    """Stop the worker that decides a start; another commits it, and the session ends meanwhile."""
    charger = await _plugged_in(system, ledger)
    system.arm("before_commit", "stop", "CP1", "StartTransaction")
    await charger.start(1000)
    await charger.go_on(1000)
    await _wake(system, await system.reached("before_commit"))
    return await checks.everything(system.operator(), ledger.book(), [charger], system.valkey.client())


async def _start_of_an_older_session(system: System, ledger: LedgerFile) -> list[checks.Violation]:
    """Stop the worker that decides a start; the station repeats it on a new connection before anybody claims it."""
    charger = await _plugged_in(system, ledger)
    system.arm("before_commit", "stop", "CP1", "StartTransaction")
    await charger.plug_in(1000)
    reporting = asyncio.create_task(charger.report_start())
    zombie = await system.reached("before_commit")
    await charger.vanish()
    await reporting
    await _wake(system, zombie)
    await charger.go_on(1000)
    return await checks.everything(system.operator(), ledger.book(), [charger], system.valkey.client())


async def test_late_commits_are_refused(tmp_path: Path, ledger: LedgerFile) -> None:
    """F6: a status that another worker committed is not set again after newer ones (I4)."""
    async with running(tmp_path / "system", worker_guards=["points"]) as system:
        checks.sound(await _status_of_long_ago(system, ledger))


async def test_a_start_is_committed_once(tmp_path: Path, ledger: LedgerFile) -> None:
    """F6: a start that another worker committed is not committed again, with another id, after its stop (I2, I3)."""
    async with running(tmp_path / "system", worker_guards=["points"]) as system:
        checks.sound(await _start_of_long_ago(system, ledger))


async def test_a_decision_on_old_state_is_made_again(tmp_path: Path, ledger: LedgerFile) -> None:
    """F6: what was decided on a state that is no more is decided anew: the repeated start is found (I2)."""
    async with running(tmp_path / "system", worker_guards=["points"], settings={"CLAIM_IDLE_S": "30"}) as system:
        checks.sound(await _start_of_an_older_session(system, ledger))


async def test_control_without_fence(tmp_path: Path, ledger: LedgerFile) -> None:
    """F6, control: without the fence the zombie decides its status anew and sets it after newer ones (I4)."""
    async with running(tmp_path / "system", worker_guards=["points", "no_fence"]) as system:
        assert "I4" in checks.broken(await _status_of_long_ago(system, ledger))


async def test_control_without_fence_and_token(tmp_path: Path, ledger: LedgerFile) -> None:
    """F6, control: without both guards the zombie's start comes back after its stop, as a second transaction (I2)."""
    async with running(tmp_path / "system", worker_guards=["points", "no_fence", "no_token"]) as system:
        assert "I2" in checks.broken(await _start_of_long_ago(system, ledger))


async def test_control_without_token(tmp_path: Path, ledger: LedgerFile) -> None:
    """F6, control: without the conflict check the zombie writes its transaction over the one that was answered (I2)."""
    guards = ["points", "no_token"]
    async with running(tmp_path / "system", worker_guards=guards, settings={"CLAIM_IDLE_S": "30"}) as system:
        assert "I2" in checks.broken(await _start_of_an_older_session(system, ledger))
