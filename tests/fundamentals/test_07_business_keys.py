"""7. What makes two reports the same.

A station that got no answer says it again: over another connection, under another message id, hours later. So ids prove
nothing. What a transaction message *says* is its name: a start is the same start where connector, tag, time and meter
are the same, and it gets the same transaction id whenever it comes.
"""

from __future__ import annotations

from tests.workers.harness import World

START = {"connectorId": 1, "idTag": "TAG1", "meterStart": 1000, "timestamp": "2023-11-14T22:13:20Z"}


def _world() -> World:
    world = World()
    world.open()
    world.call("BootNotification", {"chargePointVendor": "Acme", "chargePointModel": "One"})
    return world


def test_a_repeated_start_gets_the_same_transaction() -> None:
    """On the next connection and under a new id, it is still the start that it was."""
    world = _world()
    first = world.call("StartTransaction", START, message_id="1")
    world.open()
    second = world.call("StartTransaction", START, message_id="another")
    assert first[2] == second[2]
    assert len(world.view.charging.open) == 1


def test_another_start_is_another_transaction() -> None:
    """One Wh more on the meter, and it is the next car; the one before is over, and flagged as assumed."""
    world = _world()
    first = world.call("StartTransaction", START)
    second = world.call("StartTransaction", START | {"meterStart": 1001, "timestamp": "2023-11-14T22:14:20Z"})
    assert first[2]["transactionId"] != second[2]["transactionId"]
    assert list(world.view.charging.open) == [second[2]["transactionId"]]


def test_a_repeated_reading_counts_once() -> None:
    """A sample is named by its time and what it measures: an equal one adds nothing."""
    world = _world()
    number = world.call("StartTransaction", START)[2]["transactionId"]
    value = {"timestamp": "2023-11-14T22:13:30Z", "sampledValue": [{"value": "1500"}]}
    for _ in range(3):
        world.call("MeterValues", {"connectorId": 1, "transactionId": number, "meterValue": [value]})
    transaction = world.view.charging.open[number]
    assert (transaction.sample_count, transaction.energy_wh) == (1, 500)
