"""Presence end to end: who is there is shown so, who is gone is noticed within TTL + 2 s, and why is told."""

from __future__ import annotations

from tests.chaos.harness import checks
from tests.chaos.harness.charger import Charger, LedgerFile
from tests.chaos.harness.operator import Operator
from tests.chaos.harness.system import TTL_S, System


async def test_a_half_open_socket(system: System, operator: Operator, ledger: LedgerFile) -> None:
    """A station whose socket stays open but answers nothing is offline within TTL + 2 s."""
    charger = Charger(system.station_urls, "HALF-OPEN", ledger)
    await charger.connect()
    await charger.boot()
    checks.sound(await checks.steady(operator, "HALF-OPEN", "online", TTL_S + 1))
    charger.station.pause_reading()
    checks.sound(await checks.presence(operator, "HALF-OPEN", "offline", TTL_S + 2))
    await charger.vanish()


async def test_a_clean_close_is_offline_at_once(system: System, operator: Operator, ledger: LedgerFile) -> None:
    """A station that closes its socket is offline at once, and the events say why."""
    charger = Charger(system.station_urls, "GOODBYE", ledger)
    await charger.connect()
    await charger.boot()
    checks.sound(await checks.presence(operator, "GOODBYE", "online", TTL_S))
    await charger.leave()
    checks.sound(await checks.presence(operator, "GOODBYE", "offline", TTL_S / 2))
    checks.sound(await checks.told_offline(operator, "GOODBYE"))
    (offline,) = [one for one in operator.events("GOODBYE") if one["type"] == "station.offline"]
    assert offline["cause"] == "close"


async def test_an_idle_station_stays_online(system: System, operator: Operator, ledger: LedgerFile) -> None:
    """A station that says nothing but pongs is online as long as it does, through several TTLs."""
    charger = Charger(system.station_urls, "IDLE", ledger)
    await charger.connect()
    await charger.boot()
    checks.sound(await checks.steady(operator, "IDLE", "online", 2 * TTL_S))
    assert charger.connects == 1
    await charger.leave()
