"""F9: power loss. Redis and everything else dies, and what was not synced is gone.

The guard is `appendfsync always`: a commit's reply means that it is on disk. The same run with `everysec` must lose
what was answered. `kill -9` alone proves nothing, for the page cache survives it: a preloaded shim notes what each
fdatasync covers, and the files are cut back to that.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from ampstream.simulate.ledger import Acked, Entry, Sent
from tests.chaos import power_loss
from tests.chaos.harness import checks
from tests.chaos.harness.cars import Cars
from tests.chaos.harness.charger import Charger, LedgerFile
from tests.chaos.harness.system import System, running

pytestmark = pytest.mark.chaos


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The compiled shim; fails, and never skips, where there is no C compiler."""
    return str(power_loss.build(tmp_path_factory.mktemp("shim")))


async def _power_loss(system: System) -> int:
    """Let the whole machine lose its power and come back; returns how many bytes were lost."""
    for process in system.all:
        process.kill()
    lost = power_loss.cut(system.valkey.directory)
    # Without syncs the operator's token is gone as well.
    system.token = ""
    await system.start()
    return lost


async def test_nothing_that_was_answered_is_lost(tmp_path: Path, shim: str) -> None:
    """F9: with `appendfsync always`, two power losses under load take nothing that was answered (I1, I2, I3)."""
    async with running(tmp_path / "system", preload=shim) as system:
        async with Cars(system.station_urls, tmp_path / "cars.jsonl", 20, "f9") as cars:
            for _ in range(2):
                await cars.more(10)
                await _power_loss(system)
            await cars.more(5)
            book = await cars.finish()
        checks.sound(await checks.transactions(system.operator(), book, idle=cars.idle))
        assert all(power_loss.synced(path) > 0 for path in power_loss.logs(system.valkey.directory))


class _Watch:
    """Knows whether what was answered last is on disk."""

    def __init__(self, data: Path) -> None:
        (self._log,) = power_loss.logs(data)
        self._length = 0
        self.unsafe = False

    def see(self, entry: Entry) -> None:
        """Take note of an entry of the ledger; `unsafe` from the first answer on that no sync covers."""
        if isinstance(entry, Sent):
            self._length = self._log.stat().st_size
        elif isinstance(entry, Acked):
            self.unsafe = power_loss.synced(self._log) <= self._length


async def test_control_everysec_loses_what_was_answered(tmp_path: Path, ledger: LedgerFile, shim: str) -> None:
    """F9, control: with `appendfsync everysec` a start was answered, and is gone after the power loss (I1)."""
    options = {"fsync": "everysec", "preload": shim, "settings": {"REQUIRE_DURABLE": "false"}}
    async with running(tmp_path / "system", workers=1, **options) as system:
        charger = Charger(system.station_urls, "CP1", ledger)
        await charger.connect()
        await charger.boot()
        watch = _Watch(system.valkey.directory)
        begin = 0
        while not watch.unsafe:
            # Redis syncs once a second: nearly every start is answered in between.
            assert begin < 200_000, "every start was synced before its answer"
            if begin:
                await charger.go_on(begin, meters=1)
            begin += 10_000
            await charger.plug_in(begin)
            watch.see(Sent(charger.key, "start", ""))
            await charger.report_start()
            # It stands still for the look: a sync that comes right after it would save the start.
            system.valkey.stop()
            await system.valkey.stopped()
            watch.see(Acked(charger.key, "start"))
            if not watch.unsafe:
                system.valkey.resume()
        assert await _power_loss(system) > 0
        await charger.go_on(begin)
        assert "I1" in checks.broken(await checks.transactions(system.operator(), ledger.book()))
