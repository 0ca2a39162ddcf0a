"""Every way in which simulated stations deviate, against real processes: nothing is lost, and nobody stumbles."""

from __future__ import annotations

import msgspec

from ampstream.simulate.audit import audit
from ampstream.simulate.behaviours import BEHAVIOURS
from ampstream.simulate.fleet import Fleet
from ampstream.simulate.ledger import Book, MemoryLedger
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


async def test_whatever_stations_do(system: System, operator: Operator) -> None:
    """A station of every behaviour charges and is audited; what the untruthful ones say is stored all the same."""
    ledger, wheel = MemoryLedger(), LoopWheel()
    names = {f"ODD-{name}": behaviour for name, behaviour in BEHAVIOURS.items()}
    world = World(wheel, PROFILES["steady"], speed=SPEED, ledger=ledger)
    urls = [Endpoint.parse(url) for url in system.station_urls]
    fleet = Fleet(world, list(names), urls, behaviours=names, model=BY_NAME["Home 11"], connect_rate=0)
    fleet.start()

    def begun() -> bool:
        charged = {logical.start.station for logical in ledger.book.transactions.values() if logical.acked}
        return charged == names.keys()

    try:
        await wait_until(begun, 40)
        assert await fleet.finish(40)
    finally:
        await fleet.close()
        wheel.stop()
    assert world.counters.dropped == 0
    for name in names:
        told = [one for one in ledger.book.transactions.values() if one.start.station == name]
        stored = await operator.snapshot(name)
        assert len(stored.transactions) == len(told)
        if name.removeprefix("ODD-") in TRUTHFUL:
            book = Book()
            book.transactions.update({one.start.key: one for one in told})
            assert audit(book, msgspec.structs.replace(stored, ended=None)) == []
