"""F11: the disk is full. Valkey with `appendfsync always` ends on a write that falls short: nobody is answered.

The disk is a limit on the size of Valkey's files: its log can't grow, as on a full one. The guard is failing closed,
which F5 takes out.
"""

from __future__ import annotations

import asyncio
import resource
import time
from pathlib import Path
from typing import Final

import pytest

from ampstream.simulate.station import Refused, Station
from tests.chaos.harness import checks
from tests.chaos.harness.charger import Charger, LedgerFile
from tests.chaos.harness.system import System, running
from tests.support import wait_until

pytestmark = pytest.mark.chaos
ROOM: Final = 2000
"""Bytes that are left on the disk when the fault begins: a few frames."""
CLOSED_S: Final = 10.0
"""Four seconds of silence, and what a busy machine takes."""
"""Stations are sent away this long after Redis went: the silence and the appends' limit, scaled, and a second."""


def _fill_the_disk(system: System) -> None:
    """Let Valkey's log grow by a few frames more, and then no further."""
    log = next((system.valkey.directory).rglob("*.incr.aof"))
    limit = log.stat().st_size + ROOM
    pid = int(system.valkey.client().info("server")["process_id"])
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit, limit))


async def test_nothing_is_lost_and_nobody_told_wrong(tmp_path: Path, ledger: LedgerFile) -> None:
    """F11: 503 and a close in time, no CALLERROR, all that was answered is there once there is room (I1)."""
    async with running(tmp_path / "system", workers=1) as system:
        charger = Charger(system.station_urls, "FULL1", ledger)
        await charger.connect()
        await charger.boot()
        await charger.charge()
        _fill_the_disk(system)
        busy = asyncio.create_task(_charge_on(charger))
        await wait_until(lambda: not system.valkey.alive)
        begun = time.monotonic()
        await wait_until(lambda: not charger.station.connected, CLOSED_S)
        with pytest.raises(Refused) as refused:
            await Station(system.station_url(), "FULL2").connect()  # The other one dials as well.
        assert (refused.value.status, refused.value.retry_after_s > 0) == (503, True)
        assert time.monotonic() - begun < CLOSED_S
        await system.valkey.serve()  # With room again: the limit was the process's.
        await busy
        await charger.charge()
        found = await checks.everything(system.operator(), ledger.book(), [charger], system.valkey.client())
        checks.sound(found)


async def _charge_on(charger: Charger) -> None:
    """Charge until the disk is full, and on when it is not any more; a CALLERROR to any of it fails the test."""
    for _ in range(8):
        await charger.charge()
