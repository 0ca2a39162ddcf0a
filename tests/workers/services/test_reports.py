"""Statuses, firmware, security events and vendor data: what is kept, what is announced, what costs nothing."""

from typing import Any

import pytest

from shared.bus import keys
from shared.envelopes import Kind
from shared.records import security_events
from shared.records.events import (
    ConnectorStatus,
    DataTransferred,
    DiagnosticsStatus,
    FirmwareStatus,
    SecurityEvent,
)
from shared.records.history import Fact
from shared.records.packing import unpack
from tests.workers.harness import START_MS, World
from workers.services import reports

STATUS = {"connectorId": 1, "status": "Available", "errorCode": "NoError", "timestamp": "2023-11-14T22:13:00Z"}


@pytest.fixture
def world() -> World:
    """A station with an open session, accepted."""
    world = World()
    world.open()
    world.call("BootNotification", {"chargePointVendor": "Volt", "chargePointModel": "One"})
    return world


def history(world: World) -> list[Fact]:
    """Return the station's history, oldest first."""
    return [unpack(fields[1], Fact) for _, fields in world.memory.data.get(keys.history(world.station_id), [])]


def test_a_status_is_kept_and_announced(world: World) -> None:
    """A connector's status is kept with both times, indexed, and announced with what it was before."""
    world.call("StatusNotification", STATUS)
    world.now += 1000
    faulted = {
        "connectorId": 1,
        "status": "Faulted",
        "errorCode": "GroundFailure",
        "info": "wet",
        "vendorErrorCode": "7",
    }
    world.call("StatusNotification", faulted)
    record = world.view.connectors.by_id[1]
    assert (record.status, record.error_code, record.info, record.vendor_error_code) == (
        "Faulted", "GroundFailure", "wet", "7"
    )  # fmt: skip
    assert record.reported_at == record.received_at == world.now
    assert [(event.previous, event.status, event.reported_at) for event in world.events_of(ConnectorStatus)] == [
        ("", "Available", START_MS - 20_000),
        ("Available", "Faulted", world.now),
    ]
    assert world.memory.data[keys.CONNECTORS] == {"CP1/1": b"Faulted"}
    assert world.count("station_faults_total", "GroundFailure") == 1


def test_a_flood_is_answered_and_not_written(world: World) -> None:
    """The same status again is answered, and costs no write and no event (quirk 27)."""
    world.call("StatusNotification", STATUS)
    for number in range(20):
        world.now += 100
        frame = b'[2,"f","StatusNotification",{"connectorId":1,"status":"Available","errorCode":"NoError"}]'
        draft = world.feed(world.entry(Kind.CALL, frame, call_seq=100 + number))
        assert draft.answer == b'[3,"f",{}]'
        assert not draft.changed
    assert len(world.events_of(ConnectorStatus)) == 1


@pytest.mark.parametrize("connector", [1634030126, -1, 129, 2**64])
def test_an_impossible_connector_is_kept_apart(world: World, connector: int) -> None:
    """A connector number that no station has is flagged and makes no connector (quirk 21)."""
    assert world.call("StatusNotification", {**STATUS, "connectorId": connector})[0] == 3
    assert not world.view.connectors.by_id
    assert "connector_range:connectorId" in world.flags
    assert [fact.kind for fact in history(world)] == ["odd_status"]


def test_times_without_a_zone_are_the_stations(world: World) -> None:
    """A time without a zone is read in the station's zone and flagged (quirk 4)."""
    from shared.records.requests import UpdateStation

    world.request(UpdateStation(request_id="z", time_zone="Europe/Berlin"))
    world.call("StatusNotification", {**STATUS, "timestamp": "2023-11-14T23:13:20"})
    assert world.view.connectors.by_id[1].reported_at == START_MS
    assert "no_zone:timestamp" in world.flags


def test_a_stray_status_is_kept_raw(world: World) -> None:
    """A status that the standard does not know is kept as it came, and flagged (quirk 9)."""
    world.call("StatusNotification", {**STATUS, "status": "Error"})
    assert world.view.connectors.by_id[1].status == "Error"
    assert "enum:status" in world.flags


@pytest.mark.parametrize(
    ("action", "payload", "name", "event"),
    [
        ("FirmwareStatusNotification", {"status": "Downloading"}, "firmware", FirmwareStatus),
        ("DiagnosticsStatusNotification", {"status": "Uploading"}, "diagnostics", DiagnosticsStatus),
        ("LogStatusNotification", {"status": "Uploading", "requestId": 4}, "log", DiagnosticsStatus),
        (
            "SignedFirmwareStatusNotification",
            {"status": "Downloading", "requestId": 4},
            "signed_firmware",
            FirmwareStatus,
        ),
    ],
)
def test_progress_is_news_once(world: World, action: str, payload: dict[str, Any], name: str, event: type[Any]) -> None:
    """Progress of firmware, diagnostics and logs is kept and announced, and the same again is no news."""
    for _ in range(2):
        assert world.call(action, payload)[0] == 3
    assert world.view.station is not None
    assert world.view.station.statuses == {name: payload["status"]}
    (told,) = world.events_of(event)
    assert (told.status, told.request_id) == (payload["status"], payload.get("requestId"))
    assert [fact.kind for fact in history(world)] == [name]


@pytest.mark.parametrize(
    ("kind", "severity"), [("TamperDetectionActivated", "critical"), ("InvalidMessages", "informational")]
)
def test_security_events(world: World, kind: str, severity: str) -> None:
    """A security event is kept, announced, and counted by the standard's own severity."""
    payload = {"type": kind, "timestamp": "2023-11-14T22:13:00Z", "techInfo": "lid"}
    assert world.call("SecurityEventNotification", payload)[0] == 3
    (event,) = world.events_of(SecurityEvent)
    assert (event.kind, event.info, event.reported_at) == (kind, "lid", START_MS - 20_000)
    assert world.count("security_events_total", severity) == 1
    assert world.count("security_alarms_total", kind) == (severity == "critical")
    (kept,) = map(security_events.read, world.memory.data[keys.SECURITY])
    assert kept is not None
    assert (kept.id, kept.kind, kept.severity, kept.source, kept.info) == (event.id, kind, severity, "station", "lid")


def test_a_reboot_is_critical_by_the_standard_and_no_alarm(world: World) -> None:
    """Who alarms for what every power cut brings soon looks at no alarm."""
    payload = {"type": "StartupOfTheDevice", "timestamp": "2023-11-14T22:13:00Z"}
    world.call("SecurityEventNotification", payload)
    assert world.count("security_events_total", "critical") == 1
    assert world.count("security_alarms_total", "StartupOfTheDevice") == 0


def test_what_ampstream_notices_is_kept_beside(world: World) -> None:
    """A changed key is an event of ours: on the feed and in the list, and nothing that the station reported."""
    world.run(lambda draft: reports.noticed(draft, "StationKeyChanged", "by ada"))
    (event,) = world.events_of(SecurityEvent)
    assert (event.source, event.severity, event.info) == ("ampstream", "informational", "by ada")
    assert len(world.memory.data[keys.SECURITY]) == 1
    assert history(world) == []


def test_of_security_events_there_is_the_history_too(world: World) -> None:
    """A station's history has its own events, as it has all else that it reported."""
    payload = {"type": "InvalidMessages", "timestamp": "2023-11-14T22:13:00Z", "techInfo": "lid"}
    world.call("SecurityEventNotification", payload)
    kind = "InvalidMessages"
    assert history(world)[0].data == {"type": kind, "info": "lid"}


def test_vendor_data_is_kept(world: World) -> None:
    """DataTransfer is stored, announced, cut to a bound, and answered UnknownVendorId."""
    payload = {"vendorId": "org.example", "messageId": "m", "data": "x" * 5000}
    assert world.call("DataTransfer", payload)[2] == {"status": "UnknownVendorId"}
    (event,) = world.events_of(DataTransferred)
    assert (event.vendor_id, event.message_id, len(event.data)) == ("org.example", "m", 4096)
