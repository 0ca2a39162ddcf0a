"""CALLs through dispatch: who is answered what, and what is kept."""

import msgspec
import pytest

from shared import envelopes
from shared.bus import keys
from shared.envelopes import Kind
from shared.ocpp.errors import InternalError
from shared.ocpp.v16.messages import HeartbeatRequest
from shared.policy import Policy
from shared.records.events import FrameQuarantined, SecurityEvent
from shared.records.history import Fact
from shared.records.packing import unpack
from shared.records.quarantine import Quarantined
from tests.workers.harness import World
from workers.dispatch import Entry, protocols
from workers.dispatch import quarantine as bury
from workers.handlers.registry import HANDLERS, Handler
from workers.store.wants import WantLeastProfile, WantPresence

BOOT = {"chargePointVendor": "Volt", "chargePointModel": "One"}
START = {"connectorId": 1, "idTag": "TAG", "meterStart": 5, "timestamp": "2023-11-14T22:13:20Z"}
STATUS = {"connectorId": 1, "status": "Available", "errorCode": "NoError"}
SECURITY = {"type": "FirmwareUpdated", "timestamp": "2023-11-14T22:13:20Z"}


@pytest.fixture
def world() -> World:
    """A station with an open session, booted and accepted."""
    world = World()
    world.open()
    world.call("BootNotification", BOOT)
    return world


def quarantined(world: World) -> list[Quarantined]:
    """Return the station's quarantined frames, oldest first."""
    stored = world.memory.data.get(keys.quarantine(world.station_id), {})
    return [unpack(data, Quarantined) for data in stored.values()]


def history(world: World) -> list[Fact]:
    """Return the station's history, oldest first."""
    return [unpack(fields[1], Fact) for _, fields in world.memory.data.get(keys.history(world.station_id), [])]


def test_heartbeat_changes_no_state(world: World) -> None:
    """A heartbeat is answered with the time and leaves nothing to store."""
    world.call_seq += 1
    frame = b'[2,"h1","Heartbeat",{}]'
    draft = world.feed(world.entry(Kind.CALL, frame, call_seq=world.call_seq))
    assert draft.answer == b'[3,"h1",{"currentTime":"2023-11-14T22:13:20.000Z"}]'
    assert not draft.changed
    assert not draft.writes


@pytest.mark.parametrize(
    ("action", "payload", "code"),
    [
        ("Launch", {}, "NotImplemented"),
        ("Reset", {"type": "Hard"}, "NotSupported"),
        ("StatusNotification", {"connectorId": {}, "status": "Available", "errorCode": "NoError"}, "TypeConstraint"),
        ("StatusNotification", {"connectorId": 1}, "OccurenceConstraint"),
    ],
)
def test_a_bad_call_is_refused_and_kept(world: World, action: str, payload: object, code: str) -> None:
    """What can't be understood gets the CALLERROR that fits, is quarantined whole, flagged and announced."""
    answer = world.call(action, payload, message_id="bad")
    assert answer[:2] == [4, "bad"]
    assert answer[2].startswith(code)
    (kept,) = quarantined(world)
    assert msgspec.json.decode(kept.frame) == [2, "bad", action, payload]
    assert kept.action == action
    assert world.events_of(FrameQuarantined)[0].quarantine_id == kept.quarantine_id
    assert world.view.station is not None
    assert any(flag.startswith("quarantined:") for flag in world.view.station.flags)


def test_an_unreadable_start_is_answered_with_an_id(world: World) -> None:
    """A StartTransaction that nobody understands gets Invalid and a transaction id, which its record names."""
    answer = world.call("StartTransaction", {"connectorId": 1}, message_id="s1")
    assert answer[:2] == [3, "s1"]
    assert answer[2]["idTagInfo"]["status"] == "Invalid"
    (kept,) = quarantined(world)
    assert kept.transaction_id == answer[2]["transactionId"] > 0


@pytest.mark.parametrize("action", ["StopTransaction", "MeterValues"])
def test_other_transaction_messages_get_their_empty_answer(world: World, action: str) -> None:
    """A StopTransaction or MeterValues that nobody understands gets no CALLERROR but the empty answer."""
    assert world.send_text(f'[2,"x","{action}",{{"transactionId":1,'.encode()) == [3, "x", {}]
    assert [kept.action for kept in quarantined(world)] == [action]


def test_a_truncated_start_is_answered_too(world: World) -> None:
    """A frame that is no JSON but begins as a StartTransaction is answered as one."""
    answer = world.send_text(b'[2,"s2","StartTransaction",{"connectorId":1,"idT')
    assert answer[:2] == [3, "s2"]
    assert answer[2]["idTagInfo"]["status"] == "Invalid"
    assert quarantined(world)[0].reason == "not_json"


def test_a_text_that_is_no_frame_is_kept_without_an_answer(world: World) -> None:
    """An UNREADABLE entry without a place in the order is quarantined under the edge's reason."""
    draft = world.feed(world.entry(Kind.UNREADABLE, b"hello", note="not_json: no array at 0"))
    assert draft.answer is None
    world.feed(world.entry(Kind.UNREADABLE, b"[]", note="of a newer release"))
    kept = [(one.frame, one.reason, one.detail) for one in quarantined(world)]
    assert kept[0] == (b"hello", "not_json", "no array at 0")
    assert kept[1][:2] == (b"[]", "bad_envelope")


def test_unreadable_in_its_turn_is_answered(world: World) -> None:
    """An UNREADABLE entry with a call_seq takes its turn: its sender waits for an answer."""
    world.call_seq += 1
    frame = b'[2,"u1","Heartbeat",{}'
    draft = world.feed(world.entry(Kind.UNREADABLE, frame, call_seq=world.call_seq))
    assert draft.answer is not None
    assert msgspec.json.decode(draft.answer)[:3] == [4, "u1", "FormationViolation"]


def test_a_failing_handler_is_answered_and_kept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A handler's unexpected exception is answered InternalError, and nothing that it wrote is kept."""
    failing = HANDLERS[HeartbeatRequest]

    def fail(draft, request):  # type: ignore[no-untyped-def]
        draft.flag("half_done")
        raise KeyError("secret")

    _swap(monkeypatch, msgspec.structs.replace(failing, run=fail))
    answer = world.call("Heartbeat", {}, message_id="h")
    assert answer[:3] == [4, "h", "InternalError"]
    assert "secret" not in str(answer)
    assert "half_done" not in world.flags
    assert quarantined(world)[0].reason == "handler_failed"


def test_a_failing_guess_fails_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a handler would like loaded is a guess: where that fails the frame is decided all the same."""
    handler = protocols.protocol_of("ocpp1.6").handlers["StartTransaction"]

    def fail(station_id, request):  # type: ignore[no-untyped-def]
        raise RuntimeError

    _swap(monkeypatch, msgspec.structs.replace(handler, wants=fail))
    assert world.call("StartTransaction", START)[2]["idTagInfo"]["status"] == "Accepted"


def test_a_payload_that_breaks_the_parser_is_kept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a parser does to a payload, its frame is answered and kept."""
    from shared.ocpp import payloads

    def fail(*args):  # type: ignore[no-untyped-def]
        raise ZeroDivisionError

    monkeypatch.setattr(payloads, "parse", fail)
    assert world.call("Heartbeat", {}, message_id="h")[:3] == [4, "h", "InternalError"]
    assert quarantined(world)[0].reason == "handler_failed"


def test_a_failing_start_handler_still_answers(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A StartTransaction whose handler fails is answered by its stand-in, not by a CALLERROR."""
    handler = protocols.protocol_of("ocpp1.6").handlers["StartTransaction"]

    def fail(draft, request):  # type: ignore[no-untyped-def]
        raise RuntimeError

    _swap(monkeypatch, msgspec.structs.replace(handler, run=fail))
    answer = world.call("StartTransaction", START, message_id="s")
    assert answer[0] == 3
    assert answer[2]["idTagInfo"]["status"] == "Invalid"


def test_an_ocpp_error_of_a_handler_is_no_quarantine(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A handler that refuses a good frame gets its CALLERROR out, and the frame is not kept."""
    handler = protocols.protocol_of("ocpp1.6").handlers["Heartbeat"]

    def refuse(draft, request):  # type: ignore[no-untyped-def]
        raise InternalError("not today")

    _swap(monkeypatch, msgspec.structs.replace(handler, run=refuse))
    assert world.call("Heartbeat", {}, message_id="h") == [4, "h", "InternalError", "not today", {}]
    assert not quarantined(world)


def _swap(monkeypatch: pytest.MonkeyPatch, handler: Handler) -> None:
    served = protocols.protocol_of("ocpp1.6").handlers
    monkeypatch.setitem(served, handler.request.action, handler)


def test_a_poison_frame_is_answered_and_kept(world: World) -> None:
    """A frame that kills workers ends in quarantine; its station is told InternalError and goes on."""
    world.call_seq += 1
    entry = world.entry(Kind.CALL, b'[2,"p","Heartbeat",{}]', call_seq=world.call_seq)
    draft = world.settle(lambda view: bury(entry, view, world.now, world.policy, "poison", "it failed in every try"))
    world.commit(draft)
    assert draft.answer is not None
    assert msgspec.json.decode(draft.answer)[:3] == [4, "p", "InternalError"]
    assert quarantined(world)[0].reason == "poison"
    assert world.call("Heartbeat", {})[0] == 3


def test_a_poison_start_gets_its_transaction_id(world: World) -> None:
    """A StartTransaction that kills workers is answered with a durable id, like any that is not understood."""
    world.call_seq += 1
    frame = msgspec.json.encode([2, "p", "StartTransaction", START])
    entry = world.entry(Kind.CALL, frame, call_seq=world.call_seq)
    draft = world.settle(lambda view: bury(entry, view, world.now, world.policy, "poison", ""))
    world.commit(draft)
    assert draft.answer is not None
    assert msgspec.json.decode(draft.answer)[2]["transactionId"] == quarantined(world)[0].transaction_id


def test_a_poison_request_is_replied_to(world: World) -> None:
    """An operator's request that nobody can decide is replied to with a problem."""
    from shared.records.requests import Disconnect

    entry = world.entry(Kind.REQUEST, envelopes.encode(Disconnect(request_id="r1")), epoch=0)
    draft = world.settle(lambda view: bury(entry, view, world.now, world.policy, "poison", ""))
    world.commit(draft)
    (reply,) = world.items_of(envelopes.Reply)
    assert (reply.request_id, reply.status) == ("r1", 500)


def test_a_repeated_security_event_counts_once(world: World) -> None:
    """The same CALL again on one connection gets the kept answer; another payload under the id is another event."""
    first = world.call("SecurityEventNotification", SECURITY, message_id="1")
    assert world.call("SecurityEventNotification", SECURITY, message_id="1") == first == [3, "1", {}]
    assert len(world.events_of(SecurityEvent)) == 1
    world.call("SecurityEventNotification", {**SECURITY, "techInfo": "again"}, message_id="1")
    assert len(world.events_of(SecurityEvent)) == 2
    world.now += 1000
    world.open()
    world.call("SecurityEventNotification", SECURITY, message_id="1")
    assert len(world.events_of(SecurityEvent)) == 3


def test_message_ids_may_repeat_elsewhere(world: World) -> None:
    """Stations reuse ids: two heartbeats of one id are two."""
    assert world.call("Heartbeat", {}, message_id="1")[0] == 3
    world.now += 5000
    assert world.call("Heartbeat", {}, message_id="1")[2]["currentTime"].endswith("25.000Z")


def test_late_facts_of_the_present_go_to_the_history(world: World) -> None:
    """A status of an older session changes nothing and is kept in the history, without an answer."""
    old = world.epoch
    world.now += 1000
    world.open()
    before = world.view.connectors
    assert world.call("StatusNotification", STATUS, epoch=old) is None
    assert world.call("BootNotification", {**BOOT, "chargePointModel": "Two"}, epoch=old) is None
    assert world.view.connectors == before
    assert [fact.kind for fact in history(world)] == ["late_StatusNotification", "late_BootNotification"]
    assert all(fact.late for fact in history(world))
    assert world.view.station is not None
    assert world.view.station.model == "One"


def test_late_transactions_are_merged(world: World) -> None:
    """A StartTransaction of an older session is recorded, unanswered; its retry in the new one gets the same id."""
    old = world.epoch
    world.now += 1000
    world.open()
    assert world.call("StartTransaction", START, epoch=old) is None
    (recorded,) = world.view.charging.open
    assert world.call("StartTransaction", START)[2]["transactionId"] == recorded


def test_a_late_heartbeat_leaves_nothing(world: World) -> None:
    """Nothing of a late heartbeat is worth keeping."""
    old = world.epoch
    world.now += 1000
    world.open()
    assert world.call("Heartbeat", {}, epoch=old) is None
    assert not history(world)


def test_deviations_are_flagged_and_counted(world: World) -> None:
    """A payload that only the lenient pass takes is served, and the station carries the flag."""
    assert world.call("StatusNotification", {**STATUS, "status": "available", "extra": 1})[0] == 3
    assert world.view.station is not None
    flags = world.view.station.flags
    assert {"case:status", "unknown:extra"} <= set(flags)
    assert world.count("quirks_total", "case") == 1


def test_labels_are_of_a_closed_set(world: World) -> None:
    """An entry is called by its action, by its kind, or `other`."""
    labels = [
        world.entry(Kind.CALL, frame).label
        for frame in (b'[2,"1","Heartbeat",{}]', b'[2,"1","CP1-secret",{}]', b"broken", b'[3,"1",{}]')
    ]
    assert labels == ["Heartbeat", "other", "other", "other"]
    assert world.entry(Kind.OPENED).label == "opened"
    assert world.entry(99).label == "other"  # type: ignore[arg-type]


def test_payloads_are_parsed_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often an entry is decided, its payload is parsed once."""
    from shared.ocpp import payloads

    parsed = 0
    real = payloads.parse

    def counting(*args):  # type: ignore[no-untyped-def]
        nonlocal parsed
        parsed += 1
        return real(*args)

    monkeypatch.setattr(payloads, "parse", counting)
    world.call("StartTransaction", START)
    assert parsed == 1


def test_a_canary_touches_no_station() -> None:
    """A canary is answered to its node, and nothing is stored."""
    world = World(station_id="")
    draft = world.feed(world.entry(Kind.CANARY, envelopes.encode(envelopes.Canary(3, 17))))
    assert world.items_of(envelopes.Pong) == [envelopes.Pong(3, 17)]
    assert not draft.changed
    assert not draft.writes


def test_kinds_of_a_newer_release_are_dropped(world: World) -> None:
    """An entry of a kind that this worker does not know changes nothing."""
    draft = world.feed(world.entry(99))  # type: ignore[arg-type]
    assert not draft.changed


def test_a_newer_timer_is_dropped(world: World) -> None:
    """A timer whose service this worker does not have changes nothing."""
    body = envelopes.encode(envelopes.Wakeup("from_the_future", "", 0))
    assert not world.feed(world.entry(Kind.WAKEUP, body, epoch=0)).changed


def test_wants_never_raise(world: World) -> None:
    """What can't be read wants nothing but what its kind alone wants."""
    for kind in Kind:
        of_kind = {Kind.EXPIRED: (WantPresence(),), Kind.OPENED: (WantLeastProfile(),)}.get(kind, ())
        assert world.entry(kind, b"\xc1").wants() == of_kind


def test_an_envelope_that_is_none_raises() -> None:
    """An entry that no envelope can be read from is an error of the edge, and says so."""
    with pytest.raises(msgspec.MsgspecError):
        Entry.read(0, "1-1", b"\xc1")


def test_unknown_stations_are_not_served_where_rejected() -> None:
    """A CALL of a station that is not known leaves no trace where unknown stations are rejected."""
    world = World(policy=Policy(unknown_stations="reject"))
    world.open()
    assert world.view.station is None
    assert world.items_of(envelopes.Close)[0].reason == "unknown station"
    assert world.call("Heartbeat", {}) is None
    assert world.view.station is None
