"""Boots and what follows from their answer: registration, intervals, what may be sent before acceptance."""

import pytest

from shared import envelopes
from shared.bus import keys
from shared.policy import Policy
from shared.records.events import StationBooted
from shared.records.requests import CreateStation, UpdateStation
from tests.workers.harness import World
from workers.services import commands

BOOT = {"chargePointVendor": "Volt", "chargePointModel": "One", "firmwareVersion": "1.0"}
START = {"connectorId": 1, "idTag": "TAG", "meterStart": 5, "timestamp": "2023-11-14T22:13:20Z"}
STATUS = {"connectorId": 1, "status": "Available", "errorCode": "NoError"}


def fleet(boot_policy: str) -> World:
    """A station that has connected to a fleet with this boot policy."""
    world = World(policy=Policy(unknown_stations="accept", boot_policy=boot_policy))  # type: ignore[arg-type]
    world.open()
    return world


def test_an_accepted_boot() -> None:
    """A boot is recorded, answered with the heartbeat interval, and told to the edge."""
    world = fleet("accepted")
    answer = world.call("BootNotification", {**BOOT, "chargeBoxSerialNumber": "SN", "iccid": "89"})[2]
    assert answer == {"status": "Accepted", "currentTime": "2023-11-14T22:13:20.000Z", "interval": 60}
    station = world.view.station
    assert station is not None
    assert (station.registration, station.vendor, station.model, station.firmware) == ("accepted", "Volt", "One", "1.0")
    assert (station.serial_number, station.iccid, station.booted_at) == ("SN", "89", world.now)
    assert world.items_of(envelopes.Adjust) == [envelopes.Adjust("CP1", world.epoch, 60)]
    assert world.memory.data[keys.door("CP1")]["interval"] == b"60"
    assert world.count("boot_notifications_total", "Accepted") == 1


def test_a_new_firmware_is_told() -> None:
    """The event of a boot names the firmware before, where it changed."""
    world = fleet("accepted")
    world.call("BootNotification", BOOT)
    world.call("BootNotification", BOOT)
    world.call("BootNotification", {**BOOT, "firmwareVersion": "2.0"})
    assert [event.previous_firmware for event in world.events_of(StationBooted)] == ["", "", "1.0"]


def test_an_unchanged_interval_is_not_written_again() -> None:
    """The door is written where the interval changed."""
    world = fleet("accepted")
    world.call("BootNotification", BOOT)
    world.call_seq += 1
    draft = world.feed(world.entry(envelopes.Kind.CALL, b'[2,"b","BootNotification",%s]' % _json(BOOT), call_seq=99))
    assert not any(key == keys.door("CP1") for _, key, *_ in draft.writes)


@pytest.mark.parametrize(("boot_policy", "status"), [("pending", "Pending"), ("rejected", "Rejected")])
def test_before_acceptance_other_calls_are_refused(boot_policy: str, status: str) -> None:
    """Before a station is accepted its other CALLs get SecurityError (errata OCPP-J 3.8)."""
    world = fleet(boot_policy)
    assert world.call("StatusNotification", STATUS)[2] == "SecurityError"
    assert world.call("BootNotification", BOOT)[2] == {
        "status": status,
        "currentTime": "2023-11-14T22:13:20.000Z",
        "interval": 60,
    }
    for action, payload in (("Heartbeat", {}), ("Authorize", {"idTag": "A"}), ("StatusNotification", STATUS)):
        assert world.call(action, payload)[2] == "SecurityError"


@pytest.mark.parametrize("boot_policy", ["pending", "rejected"])
def test_before_acceptance_no_transaction_is_lost(boot_policy: str) -> None:
    """Transaction messages are taken whatever the registration, and the station is flagged."""
    world = fleet(boot_policy)
    number = world.call("StartTransaction", START)[2]["transactionId"]
    assert number in world.view.charging.open
    stop = {"transactionId": number, "meterStop": 10, "timestamp": "2023-11-14T22:13:25Z"}
    assert world.call("StopTransaction", stop)[0] == 3
    assert not world.view.charging.open
    assert {"unaccepted:StartTransaction", "unaccepted:StopTransaction"} <= set(world.flags)


def test_a_reconnect_without_boot_keeps_the_registration() -> None:
    """Registration is durable: any frame starts the next session (quirk 1)."""
    world = fleet("accepted")
    world.call("BootNotification", BOOT)
    world.close()
    world.policy = Policy(unknown_stations="accept", boot_policy="pending")
    world.now += 1000
    world.open()
    assert world.call("StatusNotification", STATUS)[0] == 3
    assert world.call("BootNotification", BOOT)[2]["status"] == "Accepted"


def test_a_station_that_never_boots_is_served() -> None:
    """Where boots are accepted, a station that never sends one is served all the same (quirk 1)."""
    world = fleet("accepted")
    assert world.call("StatusNotification", STATUS)[0] == 3
    assert world.call("StartTransaction", START)[0] == 3


def test_a_pending_station_may_send_what_it_was_asked_for() -> None:
    """While pending, a triggered message is served, and no other (OCPP 1.6 §4.2)."""
    world = fleet("pending")
    world.call("BootNotification", BOOT)
    payload = {"requestedMessage": "StatusNotification"}
    world.run(lambda draft: commands.enqueue(draft, "TriggerMessage", payload, "test"))
    world.advance(2)
    world.call("Heartbeat", {})
    assert world.items_of(envelopes.Command)
    assert world.call("StatusNotification", STATUS)[0] == 3
    assert world.call("Heartbeat", {})[2] == "SecurityError"


def test_an_operators_word_wins() -> None:
    """The station's own boot policy stands above the fleet's, both ways."""
    world = World(policy=Policy(unknown_stations="reject", boot_policy="pending"))
    assert world.request(CreateStation(request_id="1", boot_policy="accepted"))[0] == 201
    world.open()
    assert world.call("BootNotification", BOOT)[2]["status"] == "Accepted"
    world.request(UpdateStation(request_id="2", boot_policy="rejected"))
    assert world.call("Heartbeat", {})[0] == 3
    assert world.call("BootNotification", BOOT)[2]["status"] == "Rejected"
    assert world.call("Heartbeat", {})[2] == "SecurityError"


def test_overlong_texts_are_taken() -> None:
    """A serial number beyond the standard's length is kept and flagged (quirk 8)."""
    world = fleet("accepted")
    assert world.call("BootNotification", {**BOOT, "chargePointSerialNumber": "9" * 33})[2]["status"] == "Accepted"
    assert world.view.station is not None
    assert world.view.station.serial_number == "9" * 33
    assert "overlong:chargePointSerialNumber" in world.view.station.flags


def _json(value: object) -> bytes:
    import msgspec

    return msgspec.json.encode(value)
