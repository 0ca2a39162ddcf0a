"""Sessions by epoch: who is online, and what an older session can't change."""

import msgspec

from shared import envelopes
from shared.bus import keys
from shared.envelopes import Close, Expired, Kind
from shared.policy import Policy
from shared.records.events import (
    ReconciliationStarted,
    StationConnected,
    StationCreated,
    StationDisconnected,
    StationOffline,
)
from shared.records.requests import CreateStation, DeleteStation
from tests.workers.harness import World

BOOT = {"chargePointVendor": "Volt", "chargePointModel": "One"}
START = {"connectorId": 1, "idTag": "TAG", "meterStart": 5, "timestamp": "2023-11-14T22:13:20Z"}


def online(world: World) -> bool:
    """Tell whether the index says that the station is online."""
    return world.station_id in world.memory.data.get(keys.ONLINE, {})


def test_an_unknown_station_becomes_known() -> None:
    """Where unknown stations are accepted, the first session makes the station, once."""
    world = World()
    world.open(address="10.0.0.1", security_profile=1)
    world.now += 1000
    world.open()
    assert [event.by for event in world.events_of(StationCreated)] == ["connect"]
    assert world.view.station is not None
    assert not world.view.station.provisioned
    assert keys.STATIONS in world.memory.data


def test_opening_puts_a_station_online() -> None:
    """A session is recorded with its epoch, node and how it dialled in."""
    world = World()
    world.open(address="10.0.0.1", security_profile=1)
    session = world.view.session
    assert (session.connection, session.epoch, session.node) == ("open", world.epoch, "edge-1")
    assert (session.subprotocol, session.address, session.security_profile) == ("ocpp1.6", "10.0.0.1", 1)
    assert session.hold_until == world.now + 30_000
    assert world.memory.data[keys.ONLINE][world.station_id] == b"ocpp1.6"
    assert [event.protocol for event in world.events_of(StationConnected)] == ["ocpp1.6"]


def test_a_clean_close_is_offline_at_once() -> None:
    """The station's own close takes it offline in the same decision."""
    world = World()
    world.open()
    world.close(reason="station", code=1000)
    assert not online(world)
    assert [event.cause for event in world.events_of(StationOffline)] == ["close"]
    assert world.count("presence_transitions_total", "offline", "close") == 1


def test_a_close_of_ours_is_reconnecting_until_the_deadline() -> None:
    """A station that Ampstream sent away stays in the index until its presence deadline passed."""
    world = World()
    world.open()
    world.close(reason="drain", code=1012, ours=True)
    assert world.view.session.connection == "reconnecting"
    assert online(world)
    assert [event.reconnecting for event in world.events_of(StationDisconnected)] == [True]
    assert not world.events_of(StationOffline)
    world.expire()
    assert not online(world)
    assert [event.cause for event in world.events_of(StationOffline)] == ["expiry"]


def test_an_old_close_changes_nothing() -> None:
    """The close of a superseded socket never marks the new one offline."""
    world = World()
    world.open()
    old = world.epoch
    world.now += 1000
    world.open(node="edge-2")
    assert not world.close(epoch=old).changed
    assert not world.expire(epoch=old).changed
    assert online(world)
    assert [item.epoch for item in world.items_of(envelopes.Close)] == [old]


def test_an_alive_station_does_not_expire() -> None:
    """A deadline that passed is no end where the presence key lives for the same session."""
    world = World()
    world.open()
    draft = world.feed(world.entry(Kind.EXPIRED))
    assert not draft.changed
    world.advance(20 * 60)
    assert online(world)


def test_a_key_that_outlives_its_deadline_is_looked_at_again() -> None:
    """A deadline is used up by its sweep: where the key was still alive, its end is noticed all the same."""
    world = World()
    world.open()
    world.feed(world.entry(Kind.EXPIRED))
    world.memory.data.pop(keys.presence(world.station_id))
    world.advance(1)
    assert not online(world)


def test_a_key_without_a_deadline_is_looked_at_once_more() -> None:
    """A key that an edge touched just before it died has no deadline; its end is noticed when it must be gone."""
    world = World()
    world.open()
    world.feed(world.entry(Kind.EXPIRED))
    world.advance(2)
    assert online(world)
    world.memory.data.pop(keys.presence(world.station_id))
    world.advance(16 * 60)
    assert not online(world)
    assert not world.timers


def test_the_presence_of_an_older_session_is_no_life() -> None:
    """A presence key that an older session left keeps nobody alive."""
    world = World()
    world.open()
    world.memory.data[keys.presence(world.station_id)] = f"edge-0/{world.epoch - 1}".encode()
    world.feed(world.entry(Kind.EXPIRED, envelopes.encode(Expired("sweep"))))
    assert not online(world)
    assert world.count("presence_transitions_total", "offline", "sweep") == 1


def test_a_station_that_speaks_again_is_back() -> None:
    """A CALL on the session whose deadline had passed shows that its socket lives."""
    world = World()
    world.open()
    world.expire()
    assert world.call("Heartbeat", {})[0] == 3
    assert online(world)
    assert world.view.session.connection == "open"


def test_a_closed_session_stays_closed() -> None:
    """A CALL that is decided after its session's close is served and brings nothing back."""
    world = World()
    world.open()
    world.close()
    assert world.call("Heartbeat", {})[0] == 3
    assert not online(world)


def test_a_call_of_a_newer_epoch_opens_the_session() -> None:
    """A CALL tells of its session as well as the OPENED entry, which then only adds how it dialled in."""
    world = World()
    world.open()
    world.epoch += 5000
    world.call_seq = 0
    assert world.call("Heartbeat", {})[0] == 3
    assert (world.view.session.epoch, world.view.session.connection) == (world.epoch, "open")
    connected = len(world.events_of(StationConnected))
    body = envelopes.encode(envelopes.SessionOpened("ocpp1.6", "10.0.0.9", 2))
    world.feed(world.entry(Kind.OPENED, body))
    assert len(world.events_of(StationConnected)) == connected
    assert world.view.session.address == "10.0.0.9"


def test_the_last_epochs_are_kept() -> None:
    """Of each station the last eight epochs are known, and the fences of older ones are dropped."""
    world = World()
    opened = []
    for _ in range(10):
        world.now += 1000
        draft = world.open()
        opened.append(world.epoch)
    assert world.view.session.epochs == tuple(reversed(opened))[:8]
    assert ("HDEL", keys.state(world.station_id), f"f:{opened[1]}", f"o:{opened[1]}") in draft.writes


def test_a_profile_is_never_lowered() -> None:
    """The highest security profile that a station came in on is the least that its door lets in."""
    world = World()
    world.open(security_profile=2)
    world.now += 1000
    draft = world.open(security_profile=2)
    assert world.memory.data[keys.door(world.station_id)]["minimum_profile"] == b"2"
    assert not any(key == keys.door(world.station_id) for _, key, *_ in draft.writes)


def test_an_operators_profile_is_not_lowered_by_a_session_that_came_before_it() -> None:
    """The door may ask for more by the time that a socket's opening is decided: that stays, and the socket goes."""
    world = World()
    world.open(security_profile=2)
    world.memory.data[keys.door(world.station_id)]["minimum_profile"] = b"3"
    for profile in (2, 1):
        world.now += 1000
        draft = world.open(security_profile=profile)
        assert world.memory.data[keys.door(world.station_id)]["minimum_profile"] == b"3"
        closes = [item for _, item in draft.deliveries if isinstance(item, Close)]
        assert [item.epoch for item in closes if item.reason == "profile_downgrade"] == [world.epoch]


def test_notes_of_the_door_are_flags() -> None:
    """What was odd at the door is flagged on the station."""
    world = World()
    world.open(notes=("subprotocol",))
    assert world.view.station is not None
    assert "subprotocol" in world.view.station.flags


def test_a_return_with_an_open_transaction_is_looked_at() -> None:
    """A reconnect without a boot begins the reconciliation of what is open (quirk 1)."""
    world = World()
    world.open()
    world.call("BootNotification", BOOT)
    world.call("StartTransaction", START)
    world.close()
    world.now += 60_000
    world.open()
    assert [event.trigger for event in world.events_of(ReconciliationStarted)] == ["reconnect"]
    world.call("BootNotification", BOOT)
    assert len(world.view.charging.reconciliations) == 1


def test_a_refused_station_is_sent_away() -> None:
    """Where unknown stations are rejected, a session that slipped in is closed and leaves nothing."""
    world = World(policy=Policy(unknown_stations="reject"))
    draft = world.open()
    assert not draft.changed
    (close,) = world.items_of(envelopes.Close)
    assert (close.epoch, close.code) == (world.epoch, 1012)


def test_a_close_without_a_reason_is_no_expiry() -> None:
    """Only an expired session can come back by itself."""
    world = World()
    world.open()
    body = msgspec.msgpack.encode({"reason": ""})
    world.feed(world.entry(Kind.CLOSED, body))
    world.call("Heartbeat", {})
    assert world.view.session.connection == "closed"


def test_a_created_station_is_never_seen_until_it_dials_in() -> None:
    """An operator's station stands in the index of those never seen until its first session, and no longer."""
    world = World()
    world.request(CreateStation(request_id="c"))
    assert world.memory.data[keys.NEVER_SEEN] == {"CP1"}
    world.open()
    world.close(reason="station")
    assert not world.memory.data[keys.NEVER_SEEN]


def test_a_deleted_station_is_no_longer_never_seen() -> None:
    """A station that is deleted before it ever came leaves the index too."""
    world = World()
    world.request(CreateStation(request_id="c"))
    world.request(DeleteStation(request_id="d"))
    assert not world.memory.data[keys.NEVER_SEEN]


def test_a_session_told_of_by_a_call_is_online_with_its_protocol() -> None:
    """Where a CALL came before the OPENED entry, the index learns the protocol with the latter."""
    world = World()
    world.open()
    epoch = world.epoch + 1000
    world.send_text(b'[2,"1","Heartbeat",{}]', epoch=epoch)
    world.open(epoch, subprotocol="ocpp2.1")
    assert world.memory.data[keys.ONLINE]["CP1"] == b"ocpp2.1"
