"""Every way in which simulated stations deviate, against real processes: nothing is lost, and nobody stumbles."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec

from ampstream.simulate.audit import Violation, audit
from ampstream.simulate.behaviours import BEHAVIOURS, Behaviour
from ampstream.simulate.fleet import Fleet
from ampstream.simulate.ledger import Book, MemoryLedger
from ampstream.simulate.makes import MAKES
from ampstream.simulate.models import BY_NAME
from ampstream.simulate.profiles import PROFILES
from ampstream.simulate.websocket import Endpoint
from ampstream.simulate.wheel import LoopWheel
from ampstream.simulate.world import World
from tests.chaos.harness.operator import Operator
from tests.chaos.harness.system import System
from tests.support import wait_until

SPEED = 300
TRUTHFUL = frozenset(name for name, behaviour in BEHAVIOURS.items() if not behaviour.distorts)


@contextlib.asynccontextmanager
async def charging(system: System, behaviours: Mapping[str, Behaviour]) -> AsyncIterator[MemoryLedger]:
    """Let a station of each behaviour charge; in the end all have ended and reported what they began."""
    ledger, wheel = MemoryLedger(), LoopWheel()
    world = World(wheel, PROFILES["steady"], speed=SPEED, ledger=ledger)
    urls = [Endpoint.parse(url) for url in system.station_urls]
    fleet = Fleet(world, list(behaviours), urls, behaviours=behaviours, model=BY_NAME["Home 11"], connect_rate=0)
    fleet.start()

    def begun() -> bool:
        known = {logical.start.station for logical in ledger.book.transactions.values() if len(logical.acked) > 1}
        return known == behaviours.keys()

    try:
        await wait_until(begun, 60)
        yield ledger
        assert await fleet.finish(60)
    finally:
        await fleet.close()
        wheel.stop()
    assert world.counters.dropped == 0


async def differences(operator: Operator, ledger: MemoryLedger, station: str) -> tuple[int, list[Violation]]:
    """Return how many transactions of a station are missing, and what else is not as it noted."""
    book, stored = Book(), await operator.snapshot(station)
    told = {key: one for key, one in ledger.book.transactions.items() if one.start.station == station}
    book.transactions.update(told)
    return len(told) - len(stored.transactions), audit(book, msgspec.structs.replace(stored, ended=None))


def boots(operator: Operator, station: str) -> list[dict[str, Any]]:
    """Return a station's boots."""
    return [one for one in operator.events(station) if one["type"] == "station.booted"]


async def test_whatever_stations_do(system: System, operator: Operator) -> None:
    """A station of every behaviour charges and is audited; what the untruthful ones say is stored all the same."""
    async with charging(system, {f"ODD-{name}": behaviour for name, behaviour in BEHAVIOURS.items()}) as ledger:
        pass
    for name in BEHAVIOURS:
        missing, violations = await differences(operator, ledger, f"ODD-{name}")
        assert missing == 0
        assert not violations or name not in TRUTHFUL


async def test_makes_that_are_particular(system: System, operator: Operator) -> None:
    """With the quirk profiles that are shipped, stations of these makes charge, are audited, and never fall over."""
    stranger = msgspec.structs.replace(MAKES["abb"], vendor="Stranger")
    everyone = {f"MAKE-{name}": make for name, make in {**MAKES, "stranger": stranger}.items()}
    async with charging(system, everyone) as ledger:
        asked = {name: await operator.request("POST", f"/stations/{name}/configuration/read") for name in everyone}
        assert {name: status for name, (status, _) in asked.items() if status != 202} == {"MAKE-abb": 409}
        # Without its profile it restarts when it is asked: that is what the profile is for.
        await wait_until(lambda: len(boots(operator, "MAKE-stranger")) > 1)
    for name, make in MAKES.items():
        station = await operator.station(f"MAKE-{name}")
        assert (station["vendor"], station["model"]) == (make.vendor, make.model)
        assert len(boots(operator, f"MAKE-{name}")) == 1, name
        assert await differences(operator, ledger, f"MAKE-{name}") == (0, [])
