"""F19: a thousand second connections in a station's name, with wrong credentials. Its own socket is untouched.

The guard is the door: only a connection that met the station's own policy gets an epoch, and so supersedes.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from tests.chaos.harness import checks
from tests.chaos.harness.beats import Beats
from tests.chaos.harness.charger import Charger, LedgerFile
from tests.chaos.harness.checks import Violation
from tests.chaos.harness.strangers import Stranger, crowd, request
from tests.chaos.harness.system import System, running

pytestmark = pytest.mark.chaos
SETTINGS = {"AUTH_FAILURES": "100", "CONNECT_RATE": "100000", "CONNECT_BURST": "100000"}
AT_ONCE = 50


async def _try(strangers: list[Stranger], number: int) -> Counter[int]:
    """Let each ask to be CP1, some with a wrong password, some with none; return the statuses of the answers."""
    for n, stranger in enumerate(strangers, number):
        stranger.say(request("CP1", None if n % 3 == 0 else b"guess %d" % n))
    found = Counter(await asyncio.gather(*(stranger.status() for stranger in strangers)))
    for stranger in strangers:
        stranger.leave()
    return found


async def _intruders(system: System, ledger: LedgerFile, count: int) -> tuple[list[Violation], Counter[int]]:
    """Let strangers try to be a station that charges, beside others that beat."""
    operator = system.operator()
    status, made = await operator.request("POST", "/stations", json={"station_id": "CP1", "make_key": True})
    assert status == 201, made
    charger = Charger(system.station_urls, "CP1", ledger, password=bytes.fromhex(made["key"]))
    await charger.connect(edge=0)
    await charger.boot()
    await charger.start(1000)
    others = [Charger(system.station_urls, f"CP{n}", ledger) for n in range(2, 6)]
    for other in others:
        await other.connect()
        await other.boot()
    statuses: Counter[int] = Counter()

    async def intrude() -> list[Violation]:
        for begin in range(0, count, AT_ONCE):
            strangers = await crowd(system.station_urls, min(AT_ONCE, count - begin))
            statuses.update(await _try(strangers, begin))
        return []

    async with Beats(others).beating() as beats:
        found = await beats.unfelt(intrude, 1.0)
    if not charger.station.connected or charger.connects != 1:
        found.append(Violation("I7", "CP1", "lost its socket to somebody who does not know its key"))
        return found, statuses
    found += await checks.steady(operator, "CP1", "online", 1)
    await charger.go_on(1000)
    return found + await checks.everything(operator, ledger.book(), [charger], system.valkey.client()), statuses


async def test_the_real_socket_is_untouched(tmp_path: Path, ledger: LedgerFile) -> None:
    """F19: all get 401, or 429 once there were too many; the station charges on over its socket (I7, I11)."""
    async with running(tmp_path / "system", edges=2, workers=1, settings=SETTINGS) as system:
        found, statuses = await _intruders(system, ledger, 1000)
        checks.sound(found)
        assert set(statuses) == {401, 429}
        assert statuses[401] >= 100


async def test_control_without_the_door(tmp_path: Path, ledger: LedgerFile) -> None:
    """F19, control: where no key is checked, the first of them takes the station's place (I7)."""
    async with running(tmp_path / "system", workers=1, settings=SETTINGS, edge_guards=["no_login"]) as system:
        found, _ = await _intruders(system, ledger, 5)
        assert "I7" in checks.broken(found)
