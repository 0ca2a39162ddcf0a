"""9. What nobody understands.

A station whose transaction message gets an error throws it away, and with it money. So such a message never gets one:
what even the lenient pass cannot read is kept for people, and answered so that the station goes on.
"""

from __future__ import annotations

import msgspec

from shared.bus import keys
from shared.records.events import FrameQuarantined
from shared.records.packing import unpack
from shared.records.quarantine import Quarantined
from tests.workers.harness import World

NONSENSE = b'[2,"1","StartTransaction",{"connectorId":{"no":"number"},"meterStart":[]}]'


def _world() -> World:
    world = World()
    world.open()
    world.call("BootNotification", {"chargePointVendor": "Acme", "chargePointModel": "One"})
    return world


def test_a_start_gets_an_id_and_invalid() -> None:
    """It gets a transaction of its own, flagged, that the station may stop later, and its frame is kept as it came."""
    world = _world()
    answer = world.send_text(NONSENSE)
    assert answer[0] == 3
    assert answer[2]["idTagInfo"]["status"] == "Invalid"
    number = answer[2]["transactionId"]
    assert "unreadable_start" in world.view.charging.open[number].flags
    (event,) = world.events_of(FrameQuarantined)
    kept = unpack(world.memory.data[keys.quarantine("CP1")][event.quarantine_id], Quarantined)
    assert kept.frame == NONSENSE


def test_anything_else_gets_the_error_that_fits() -> None:
    """A station that asks for what is not there is told so, and stays connected."""
    world = _world()
    answer = world.send_text(b'[2,"1","MakeCoffee",{}]')
    assert (answer[0], answer[2]) == (4, "NotImplemented")
    assert msgspec.json.encode(answer)
    assert world.view.session.connection == "open"
