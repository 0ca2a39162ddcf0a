"""10. What is left open.

A station that loses its memory never sends its stop. When it comes back Ampstream looks at what is still open: it asks,
waits for what may be queued, and ends only what is provably over, with the last meter value and a flag. The station's
own stop, whenever it comes, is the truth and replaces that.
"""

from __future__ import annotations

from shared.ocpp.timestamps import format_time
from shared.records.events import TransactionCorrected, TransactionEnded
from tests.workers.harness import World


def _charging() -> tuple[World, int]:
    """A station with an open transaction, started at 1000 Wh, last read at 1500 Wh."""
    world = World()
    world.open()
    world.call("BootNotification", {"chargePointVendor": "Acme", "chargePointModel": "One"})
    start = {"connectorId": 1, "idTag": "TAG1", "meterStart": 1000, "timestamp": format_time(world.now)}
    number = world.call("StartTransaction", start)[2]["transactionId"]
    world.advance(60)
    value = {"timestamp": format_time(world.now), "sampledValue": [{"value": "1500"}]}
    world.call("MeterValues", {"connectorId": 1, "transactionId": number, "meterValue": [value]})
    return world, number


def _returns(world: World, status: str) -> None:
    world.advance(60)
    world.open()
    world.call("StatusNotification", {"connectorId": 1, "status": status, "errorCode": "NoError"})


def test_available_and_silent_is_over() -> None:
    """Its connector is free and no stop came in time: it ends with what is known, marked as an estimate."""
    world, number = _charging()
    _returns(world, "Available")
    world.advance(world.policy.reconcile_after_ms / 1000)
    assert world.view.charging.open == {}
    (ended,) = world.events_of(TransactionEnded)
    assert (ended.transaction_id, ended.energy_wh, ended.estimated) == (number, 500, True)


def test_a_return_alone_proves_nothing() -> None:
    """A station that still charges keeps its transaction."""
    world, number = _charging()
    _returns(world, "Charging")
    world.advance(10 * world.policy.reconcile_after_ms / 1000)
    assert list(world.view.charging.open) == [number]


def test_the_stations_own_stop_is_the_truth() -> None:
    """Days later the stop comes after all: meter, time and reason are its own, and an event tells the difference."""
    world, number = _charging()
    stopped_at = format_time(world.now + 30_000)
    _returns(world, "Available")
    world.advance(2 * 24 * 3600)
    stop = {"transactionId": number, "meterStop": 1800, "timestamp": stopped_at, "reason": "PowerLoss"}
    assert world.call("StopTransaction", stop)[0] == 3
    assert world.call("StopTransaction", stop)[0] == 3
    (corrected,) = world.events_of(TransactionCorrected)
    assert (corrected.energy_wh, corrected.previous_energy_wh, corrected.reason) == (800, 500, "PowerLoss")
