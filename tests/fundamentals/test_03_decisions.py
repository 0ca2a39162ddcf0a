"""3. How it is decided.

A decision is a function of what is known: the station's state, the entry, the time. It reads no clock and asks nobody.
Whatever follows from it, the new state, the answer, events, timers, is collected in a `Draft`. So a decision may be
thrown away and made again, and OCPP can be tested without Redis.
"""

from __future__ import annotations

import msgspec

from shared.envelopes import Kind
from shared.records.events import ConnectorStatus
from tests.workers.harness import World
from workers.dispatch import decide

STATUS = b'[2,"1","StatusNotification",{"connectorId":1,"status":"Charging","errorCode":"NoError"}]'


def test_a_decision_changes_nothing() -> None:
    """The same entry, decided twice on the same state, gives the same draft; the state is as it was."""
    world = World()
    world.open()
    world.call("BootNotification", {"chargePointVendor": "Acme", "chargePointModel": "One"})
    entry = world.entry(Kind.CALL, STATUS, call_seq=2)
    before = world.view.connectors
    first, second = (decide(entry, world.view, world.now, world.policy) for _ in range(2))
    assert first.answer == second.answer
    assert first.events == second.events
    assert first.outbox() == second.outbox()
    assert world.view.connectors == before


def test_a_draft_holds_all_that_follows() -> None:
    """One status gives an answer for the station, a new section of its state, an event for operators."""
    world = World()
    world.open()
    world.call("BootNotification", {"chargePointVendor": "Acme", "chargePointModel": "One"})
    draft = decide(world.entry(Kind.CALL, STATUS, call_seq=2), world.view, world.now, world.policy)
    assert draft.answer is not None
    assert msgspec.json.decode(draft.answer) == [3, "1", {}]
    assert draft.connectors.by_id[1].status == "Charging"
    (event,) = draft.events
    assert isinstance(event, ConnectorStatus)
    assert event.id == f"CP1:{world.epoch}:2:0"
