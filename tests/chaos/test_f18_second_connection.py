"""F18: a second connection of a station, with valid credentials, on another edge. It is the owner from then on.

The guard is superseding: the script that registers the new session names the old one's node, and the old socket is
closed at once, wherever it lives. Its close then belongs to an older epoch and changes nothing.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from ampstream.simulate.station import Station
from tests.chaos.harness import checks, orders
from tests.chaos.harness.charger import Charger, LedgerFile
from tests.chaos.harness.system import TTL_S, System, running
from tests.support import wait_until

pytestmark = pytest.mark.chaos
PASSWORD = b"correct horse battery"


async def _second_connection(system: System, ledger: LedgerFile) -> list[checks.Violation]:
    """Connect a charging station a second time, and let its car charge on over the new socket."""
    operator = system.operator()
    body = {"station_id": "CP1", "password": PASSWORD.decode()}
    status, created = await operator.request("POST", "/stations", json=body)
    assert status == 201, created
    first = Charger(system.station_urls, "CP1", ledger, password=PASSWORD)
    await first.connect(edge=0)
    await first.boot()
    number = await first.start(1000)
    # The same station, a new socket: its modem dialled again while the network still held the old one.
    old = await first.connect_anew(edge=1)
    with contextlib.suppress(AssertionError):
        await wait_until(lambda: not old.connected, 1.0)
    found = checks.owners([old, first.station], "CP1")
    assert await first.report_start() == number
    # The old socket's end must not take the station offline, neither at once nor by its deadline.
    old.abort()
    found += await checks.steady(operator, "CP1", "online", TTL_S + 1)
    # With an open transaction it was asked how it stands, over the new socket.
    assert await wait_until(lambda: first.commands, 5)
    found += await orders.audit(operator, ledger.journal)
    await first.go_on(1000)
    return found + await checks.everything(operator, ledger.book(), [first], system.valkey.client())


async def test_one_owner(tmp_path: Path, ledger: LedgerFile) -> None:
    """F18: the old socket is closed within 1 s, the station stays online, what it is asked comes once (I2, I7, I8)."""
    async with running(tmp_path / "system", edges=2, workers=1) as system:
        checks.sound(await _second_connection(system, ledger))


async def test_wrong_credentials_supersede_nothing(tmp_path: Path, ledger: LedgerFile) -> None:
    """F18, the other side: who does not know the password gets 401, and the station's socket is untouched (I7)."""
    async with running(tmp_path / "system", edges=2, workers=1) as system:
        operator = system.operator()
        body = {"station_id": "CP1", "password": PASSWORD.decode()}
        assert (await operator.request("POST", "/stations", json=body))[0] == 201
        charger = Charger(system.station_urls, "CP1", ledger, password=PASSWORD)
        await charger.connect(edge=0)
        await charger.boot()
        for password in (b"wrong", None):
            with pytest.raises(Exception, match="401"):
                await Station(system.station_url(1), "CP1", password=password).connect()
        assert charger.station.connected
        checks.sound(await checks.steady(operator, "CP1", "online", 1))
        await charger.charge()
        assert charger.connects == 1


async def test_control_without_superseding(tmp_path: Path, ledger: LedgerFile) -> None:
    """F18, control: where the old socket is left open, a station has two (I7)."""
    async with running(tmp_path / "system", edges=2, workers=1, edge_guards=["no_superseding"]) as system:
        assert "I7" in checks.broken(await _second_connection(system, ledger))
