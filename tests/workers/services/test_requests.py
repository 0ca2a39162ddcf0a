"""What operators ask for: stations, sockets, commands and quarantined frames."""

from typing import Any

import msgspec
import pytest

from shared import envelopes
from shared.bus import keys
from shared.envelopes import Kind
from shared.policy import Policy
from shared.records.events import (
    CommandChanged,
    StationCreated,
    StationDeleted,
    StationOffline,
    StationUpdated,
    TransactionCorrected,
    TransactionEnded,
)
from shared.records.history import Fact
from shared.records.packing import unpack
from shared.records.quarantine import Quarantined
from shared.records.requests import (
    CancelCommand,
    CloseTransaction,
    CreateStation,
    DeleteStation,
    Disconnect,
    DropQuarantined,
    ReplayQuarantined,
    SendCommand,
    UpdateStation,
)
from tests.workers.harness import World

BOOT = {"chargePointVendor": "Volt", "chargePointModel": "One"}
START = {"connectorId": 1, "idTag": "TAG", "meterStart": 5, "timestamp": "2023-11-14T22:13:20Z"}


@pytest.fixture
def world() -> World:
    """A provisioned station with an open session, accepted, that commands may be sent to."""
    world = World(policy=Policy(unknown_stations="reject", unknown_tags="accept"))
    world.request(
        CreateStation(request_id="create", by="ops", key_hash="h", name="North", minimum_profile=1, ping=False)
    )
    world.open(security_profile=1)
    world.call("BootNotification", BOOT)
    world.advance(2)
    return world


def door(world: World) -> dict[str, bytes]:
    """Return what an edge reads before the upgrade."""
    found: dict[str, bytes] = world.memory.data.get(keys.door(world.station_id), {})
    return found


def quarantined(world: World) -> list[Quarantined]:
    """Return the station's quarantined frames, oldest first."""
    stored = world.memory.data.get(keys.quarantine(world.station_id), {})
    return [unpack(data, Quarantined) for data in stored.values()]


def test_create(world: World) -> None:
    """A created station is known, its door holds what the edge needs, and a second create is a conflict."""
    station = world.view.station
    assert station is not None
    assert (station.provisioned, station.name) == (True, "North")
    assert (door(world)["key"], door(world)["minimum_profile"], door(world)["ping"]) == (b"h", b"1", b"0")
    assert world.memory.data[keys.STATIONS] == {"CP1": 0.0}
    assert [event.by for event in world.events_of(StationCreated)] == ["ops"]
    status, problem = world.request(CreateStation(request_id="again"))
    assert (status, problem["type"], problem["status"]) == (409, "urn:ampstream:problem:conflict", 409)


def test_a_redelivered_request_gets_its_reply_again(world: World) -> None:
    """The same request again changes nothing and is replied to as before."""
    request = SendCommand(request_id="cmd", command_id="c1", action="Reset", payload='{"type":"Soft"}')
    first = world.request(request)
    assert first[0] == 202
    assert world.request(request) == first
    assert world.request(CreateStation(request_id="create", name="South"))[0] == 201
    assert world.view.station is not None
    assert world.view.station.name == "North"


def test_update(world: World) -> None:
    """An update changes what it names; the event names the fields, never a value."""
    changes: dict[str, Any] = {"name": "South", "key_hash": "secret", "time_zone": "Europe/Berlin"}
    status, body = world.request(UpdateStation(request_id="u", **changes))
    assert (status, body["changed"]) == (200, ["key_hash", "name", "time_zone"])
    assert world.view.station is not None
    assert (world.view.station.name, world.view.station.time_zone) == ("South", "Europe/Berlin")
    assert door(world)["key"] == b"secret"
    (event,) = world.events_of(StationUpdated)
    assert event.fields == ("key_hash", "name", "time_zone")
    facts = [unpack(fields[1], Fact) for _, fields in world.memory.data[keys.history("CP1")]]
    assert "secret" not in str(facts)


@pytest.mark.parametrize(
    ("rules", "part"), [({"id_tags": "hex"}, "no rule 'id_tags'; there are: id_tag,"), ({"id_tag": "upper"}, "hex")]
)
def test_a_rule_that_does_not_exist(world: World, rules: dict[str, str], part: str) -> None:
    """A rule or value that would have no effect is refused with the ones that exist, at a change and at a creation."""
    replies = [
        world.request(UpdateStation(request_id="u", quirk_profile=rules)),
        World().request(CreateStation(request_id="c", quirk_profile=rules)),
    ]
    for status, body in replies:
        assert status == 422
        assert part in body["detail"]
    good = {"id_tag": "hex", "main_meter": "none"}
    assert world.request(UpdateStation(request_id="v", quirk_profile=good))[0] == 200


def test_a_blocked_station_loses_its_socket(world: World) -> None:
    """Blocking writes the door and closes the socket."""
    world.request(UpdateStation(request_id="b", blocked=True))
    assert door(world)["blocked"] == b"1"
    assert [item.epoch for item in world.items_of(envelopes.Close)] == [world.epoch]


@pytest.mark.parametrize(
    "request_",
    [
        UpdateStation(request_id="1", name="x"),
        DeleteStation(request_id="2"),
        Disconnect(request_id="3"),
        SendCommand(request_id="4", command_id="c", action="Reset", payload="{}"),
        CancelCommand(request_id="5", command_id="c"),
        ReplayQuarantined(request_id="6", quarantine_id="q"),
        DropQuarantined(request_id="7", quarantine_id="q"),
    ],
)
def test_nothing_is_done_to_an_unknown_station(request_: Any) -> None:
    """Every other request about a station that is not known is 404 and leaves no trace."""
    world = World(policy=Policy(unknown_stations="reject"))
    status, problem = world.request(request_)
    assert (status, problem["status"]) == (404, 404)
    assert world.view.station is None
    assert not world.memory.data


def test_delete(world: World) -> None:
    """A deleted station is gone from state, door and indexes, its socket is closed, its queue ended."""
    world.call("StatusNotification", {"connectorId": 1, "status": "Available", "errorCode": "NoError"})
    for number in (1, 2):
        world.request(SendCommand(request_id=f"c{number}", command_id=f"c{number}", action="Reset", payload="{}"))
    assert world.request(DeleteStation(request_id="d"))[0] == 200
    assert world.view.station is None
    assert world.view.session.epoch == 0
    assert not door(world)
    assert (
        world.memory.data[keys.STATIONS] == world.memory.data[keys.ONLINE] == world.memory.data[keys.CONNECTORS] == {}
    )
    assert [item.reason for item in world.items_of(envelopes.Close)] == ["deleted"]
    ended = {event.command_id: event.state for event in world.events_of(CommandChanged)}
    assert ended == {"c1": "timed_out", "c2": "cancelled"}
    assert [event.cause for event in world.events_of(StationOffline)] == ["deleted"]
    assert len(world.events_of(StationDeleted)) == 1
    assert world.call("Heartbeat", {}) is None
    assert world.view.station is None


def test_delete_keeps_transactions(world: World) -> None:
    """An open transaction forbids the deletion unless it is forced, and then is closed and kept."""
    number = world.call("StartTransaction", START)[2]["transactionId"]
    assert world.request(DeleteStation(request_id="d"))[0] == 409
    assert world.view.station is not None
    assert world.request(DeleteStation(request_id="e", force=True))[0] == 200
    assert [event.estimated for event in world.events_of(TransactionEnded)] == [True]
    assert keys.transaction("CP1", number) in world.memory.data
    assert str(number) in world.memory.data[keys.transactions("CP1")]
    assert not world.memory.data[keys.TRANSACTIONS_OPEN]


def test_disconnect(world: World) -> None:
    """A disconnect closes the present socket with 1012, and is a conflict where there is none."""
    assert world.request(Disconnect(request_id="d"))[0] == 202
    assert world.items_of(envelopes.Close) == [envelopes.Close("CP1", world.epoch, 1012, "operator")]
    world.close(ours=True)
    assert world.request(Disconnect(request_id="e"))[0] == 409


def test_send_and_cancel(world: World) -> None:
    """A command that waits can be cancelled, one that was sent can't; its reply is its record."""
    status, first = world.request(SendCommand(request_id="1", command_id="c1", action="Reset", payload="{}"))
    assert (status, first["command_id"], first.get("state", "queued")) == (202, "c1", "queued")
    world.request(SendCommand(request_id="2", command_id="c2", action="ClearCache", payload="{}"))
    status, second = world.request(CancelCommand(request_id="3", command_id="c2"))
    assert (status, second["state"]) == (200, "cancelled")
    assert world.request(CancelCommand(request_id="4", command_id="c1"))[0] == 409
    assert world.request(CancelCommand(request_id="5", command_id="nope"))[0] == 404
    assert world.request(SendCommand(request_id="6", command_id="c2", action="Reset", payload="{}"))[0] == 409


def test_the_queue_is_bounded(world: World) -> None:
    """Operators can't queue without end."""
    world.close()
    for number in range(100):
        command = SendCommand(request_id=f"{number}", command_id=f"c{number}", action="Reset", payload="{}")
        assert world.request(command)[0] == 202
    command = SendCommand(request_id="101", command_id="c101", action="Reset", payload="{}")
    assert world.request(command)[0] == 409


def test_drop(world: World) -> None:
    """A dropped frame is gone from the station and the index."""
    world.call("Launch", {})
    (kept,) = quarantined(world)
    assert world.request(DropQuarantined(request_id="d", quarantine_id=kept.quarantine_id))[0] == 200
    assert not quarantined(world)
    assert not world.memory.data[keys.QUARANTINE]
    assert world.view.station is not None
    assert not world.view.station.quarantined
    assert world.request(DropQuarantined(request_id="e", quarantine_id=kept.quarantine_id))[0] == 404


def test_a_replay_that_fails_again(world: World) -> None:
    """A frame that still fails stays, with the try counted and the reason told."""
    world.call("StatusNotification", {"connectorId": 1})
    (kept,) = quarantined(world)
    status, problem = world.request(ReplayQuarantined(request_id="r", quarantine_id=kept.quarantine_id))
    assert (status, problem["type"]) == (422, "urn:ampstream:problem:refused")
    assert "required" in problem["detail"]
    assert [one.replays for one in quarantined(world)] == [1]


def test_a_replay_that_works(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame that is understood now is recorded as late, and leaves quarantine; no answer goes out."""
    from workers.dispatch import protocols

    served = protocols.protocol_of("ocpp1.6").handlers
    handler = served["SecurityEventNotification"]

    def fail(draft, request):  # type: ignore[no-untyped-def]
        raise RuntimeError

    with monkeypatch.context() as broken:
        broken.setitem(served, handler.request.action, msgspec.structs.replace(handler, run=fail))
        world.call("SecurityEventNotification", {"type": "ResetOrReboot", "timestamp": "2023-11-14T22:13:00Z"})
    (kept,) = quarantined(world)
    world.advance(500)
    assert world.request(ReplayQuarantined(request_id="r", quarantine_id=kept.quarantine_id))[0] == 200
    assert not quarantined(world)
    facts = [unpack(fields[1], Fact) for _, fields in world.memory.data[keys.history("CP1")]]
    (fact,) = (fact for fact in facts if fact.kind == "security_event")
    assert (fact.received_at, fact.late) == (kept.received_at, True)
    assert not [item for item in world.deliveries if isinstance(item[1], envelopes.Answer)]


def test_a_replayed_status_does_not_rule_the_present(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a replayed frame says of the present went by: it goes to the history."""
    from workers.dispatch import protocols

    served = protocols.protocol_of("ocpp1.6").handlers
    handler = served["StatusNotification"]

    def fail(draft, request):  # type: ignore[no-untyped-def]
        raise RuntimeError

    with monkeypatch.context() as broken:
        broken.setitem(served, handler.request.action, msgspec.structs.replace(handler, run=fail))
        world.call("StatusNotification", {"connectorId": 1, "status": "Faulted", "errorCode": "OtherError"})
    (kept,) = quarantined(world)
    world.call("StatusNotification", {"connectorId": 1, "status": "Available", "errorCode": "NoError"})
    assert world.request(ReplayQuarantined(request_id="r", quarantine_id=kept.quarantine_id))[0] == 200
    assert world.view.connectors.by_id[1].status == "Available"


def test_a_replayed_start_keeps_its_id(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A StartTransaction that was quarantined becomes the transaction of the id that it was answered with."""
    from workers.dispatch import protocols

    served = protocols.protocol_of("ocpp1.6").handlers
    handler = served["StartTransaction"]

    def fail(draft, request):  # type: ignore[no-untyped-def]
        raise RuntimeError

    with monkeypatch.context() as broken:
        broken.setitem(served, handler.request.action, msgspec.structs.replace(handler, run=fail))
        number = world.call("StartTransaction", START)[2]["transactionId"]
    (kept,) = quarantined(world)
    assert kept.transaction_id == number
    assert world.request(ReplayQuarantined(request_id="r", quarantine_id=kept.quarantine_id))[0] == 200
    transaction = world.view.charging.open[number]
    assert (transaction.id_tag, transaction.meter_start_wh) == ("TAG", 5)
    assert len(world.view.charging.open) == 1


def test_quarantine_has_a_quota(world: World) -> None:
    """The oldest frames of a station leave where it has too many bytes; the newest always stays."""
    world.policy = msgspec.structs.replace(world.policy, quarantine_bytes_per_station=3000)
    for number in range(20):
        world.now += 1
        world.send_text(b'[2,"q%d","Launch",{"x":"%s"}]' % (number, b"y" * 500))
    assert 1 < len(quarantined(world)) < 6
    assert quarantined(world)[-1].received_at == world.now
    assert len(world.memory.data[keys.QUARANTINE]) == len(quarantined(world))
    assert world.view.station is not None
    assert sum(world.view.station.quarantined.values()) <= 3000
    assert world.count("quarantine_added_total", "full") == 20 - len(quarantined(world))
    world.feed(world.entry(Kind.UNREADABLE, b"z" * 5000, note="too_big"))
    assert [len(one.frame) for one in quarantined(world)] == [5000]


def test_an_operator_closes_a_transaction(world: World) -> None:
    """It ends with its last known meter value, as an estimate; what is not open is a conflict; a late stop corrects."""
    number = world.call("StartTransaction", START)[2]["transactionId"]
    reading = {"timestamp": "2023-11-14T22:14:20Z", "sampledValue": [{"value": "125"}]}
    world.call("MeterValues", {"connectorId": 1, "transactionId": number, "meterValue": [reading]})
    request = CloseTransaction(request_id="close", by="ops", transaction_id=number)
    assert world.request(request) == (200, {"transaction_id": number})
    (ended,) = world.events_of(TransactionEnded)
    assert (ended.energy_wh, ended.reason, ended.estimated) == (120, "operator", True)
    assert world.request(request)[0] == 200
    assert world.request(CloseTransaction(request_id="again", transaction_id=number))[0] == 409
    stop = {"transactionId": number, "meterStop": 205, "timestamp": "2023-11-14T22:15:20Z"}
    assert world.call("StopTransaction", stop)[2] == {}
    (corrected,) = world.events_of(TransactionCorrected)
    assert (corrected.energy_wh, corrected.previous_energy_wh) == (200, 120)
