"""Reading a configuration: when, in which way, and what becomes of stations that do not answer."""

from __future__ import annotations

from typing import Any

import msgspec

from shared.bus import keys
from shared.policy import Policy
from shared.records.commands import CommandRecord
from shared.records.configuration import MASK, KeyValue
from shared.records.events import ConfigurationRead
from shared.records.packing import unpack
from shared.records.requests import ReadConfiguration
from workers.services import configuration
from workers.services.configuration import hooks, reading

from .station import DAY, POLICY, Configurable


def test_a_boot_that_is_accepted_is_followed_by_a_read() -> None:
    """All keys are asked for at once, stored as they came, and announced."""
    site = Configurable({"HeartbeatInterval": "60", "Vendor.Key": None})
    site.settle_down()
    assert site.asked == [("GetConfiguration", {})]
    assert site.snapshot.keys == {"HeartbeatInterval": KeyValue("60"), "Vendor.Key": KeyValue(None)}
    assert (site.snapshot.vendor, site.snapshot.model, site.snapshot.version) == ("Acme", "One", 1)
    (event,) = site.events_of(ConfigurationRead)
    assert (event.trigger, event.snapshot, event.keys, event.changes) == ("boot", 1, 2, 0)


def test_nothing_is_read_where_the_setting_says_so() -> None:
    """With an interval of 0 neither a boot nor time makes Ampstream ask; an operator still can."""
    site = Configurable(policy=Policy(unknown_stations="accept"))
    site.settle_down(2 * DAY)
    assert site.asked == []
    assert site.request(ReadConfiguration(request_id="r1"))[0] == 202
    site.serve()
    assert site.asked == [("GetConfiguration", {})]


def test_it_is_read_again_on_a_schedule_with_jitter() -> None:
    """The next read comes within a quarter of the interval; stations do not all choose the same moment."""
    moments = set()
    for number in range(8):
        site = Configurable({"A": str(number)})
        site.now += number * 60_000
        site.settle_down()
        wait = site.configured.next_at - site.now
        assert 0.75 * DAY * 1000 <= wait <= 1.25 * DAY * 1000
        moments.add(wait)
        site.settle_down(1.3 * DAY)
        assert len(site.asked) == 2
    assert len(moments) == 8


def test_a_station_that_is_away_when_it_is_due_is_asked_when_it_is_back() -> None:
    """No command waits for a dead station; its return, without a boot, brings the read."""
    site = Configurable()
    site.settle_down()
    site.close()
    site.settle_down(3 * DAY)
    assert site.view.commands.queue == ()
    site.open()
    site.settle_down(100)
    assert len(site.asked) == 2
    assert site.events_of(ConfigurationRead)[-1].trigger == "schedule"


def test_what_waits_is_not_queued_twice() -> None:
    """Boots and operators' requests join a read that is queued or sent."""
    site = Configurable()
    site.boot()
    assert site.request(ReadConfiguration(request_id="r1"))[0] == 202
    site.boot()
    assert len(site.view.commands.queue) == 1
    site.settle_down()
    assert len(site.asked) == 1


def test_a_new_session_asks_again() -> None:
    """A read whose session ended before the answer goes on with the next session's boot, and counts once."""
    site = Configurable()
    site.answerer = lambda _: None
    site.settle_down()
    site.answerer = site.tell
    site.reboot()
    assert len(site.asked) == 2
    assert len(site.events_of(ConfigurationRead)) == 1
    assert site.configured.reads == {}


def test_a_boot_on_the_same_connection_makes_an_older_answer_worthless() -> None:
    """What was asked before the boot tells of the time before it: the read begins anew."""
    site = Configurable()
    site.answerer = lambda _: None
    site.settle_down()
    first = site.view.commands.outstanding
    assert first is not None
    site.boot(firmwareVersion="2")
    site.answer(first.command_id, {"configurationKey": [{"key": "Old", "readonly": False, "value": "1"}]})
    site.answerer = site.tell
    site.settle_down()
    assert list(site.snapshot.keys) == ["HeartbeatInterval"]


def test_a_station_that_refuses_to_tell_all_is_asked_for_lists() -> None:
    """After a CALLERROR the standard's keys are asked for, no more at once than the station says."""
    site = Configurable({"GetConfigurationMaxKeys": "7", "HeartbeatInterval": "60", "CpoName": "x"})
    site.answerer = lambda asked: site.tell(asked) if asked else ValueError("NotSupported")
    site.settle_down()
    lists = [payload["key"] for _, payload in site.asked[1:]]
    assert all(len(one) <= reading.CHUNK for one in lists)
    assert site.snapshot.partial
    assert set(site.snapshot.keys) == {"GetConfigurationMaxKeys", "HeartbeatInterval", "CpoName"}
    assert site.configured.max_keys == 7
    site.asked.clear()
    site.reboot()
    assert max(len(payload.get("key", ())) for _, payload in site.asked) == 7


def test_an_empty_answer_is_no_configuration() -> None:
    """A station that answers without a single key is asked for lists too."""
    site = Configurable()
    site.answerer = lambda asked: site.tell(asked) if asked else {"unknownKey": []}
    site.settle_down()
    assert site.snapshot.partial
    assert list(site.snapshot.keys) == ["HeartbeatInterval"]


def test_lists_that_are_refused_grow_shorter() -> None:
    """A station that takes five keys at a time and does not say so is read all the same."""
    site = Configurable({"HeartbeatInterval": "60", "CpoName": "x"})
    site.answerer = lambda asked: (
        site.tell(asked) if 0 < len(asked.get("key", ())) <= 5 else ValueError("FormationViolation")
    )
    site.settle_down()
    assert set(site.snapshot.keys) == {"HeartbeatInterval", "CpoName"}


def test_a_silent_station_is_asked_a_few_times_and_flagged() -> None:
    """No answer is no reason to ask for ever: it is shown, flagged, and tried again on schedule."""
    told: list[tuple[str, str]] = []
    hook = configuration.when_unread(lambda _draft, trigger, why: told.append((trigger, why)))
    try:
        site = Configurable()
        site.answerer = lambda _: None
        for _ in range(60):
            site.settle_down(60)
        assert len(site.asked) == reading.MAX_FAILURES
        assert "configuration_unread" in site.flags
        assert site.configured.failure == "no answer in time"
        assert site.configured.reads == {}
        assert told == [("boot", "no answer in time")]
        assert site.count("configuration_reads_total", "boot", "failed") == 1
        site.answerer = site.tell
        site.settle_down(1.3 * DAY)
        assert site.configured.failed_at == 0
        assert site.snapshot.version == 1
    finally:
        hooks.UNREAD.remove(hook)


def test_a_model_that_restarts_when_asked_is_never_asked() -> None:
    """Quirk 22: neither after a boot, nor on schedule, nor by an operator."""
    told: list[str] = []
    hook = configuration.when_unread(lambda _draft, _trigger, why: told.append(why))
    try:
        site = Configurable()
        station = site.view.station
        assert station is not None
        quirks = {"read_configuration": "never"}
        site.run(lambda draft: draft.put(msgspec.structs.replace(station, quirk_profile=quirks)))
        site.settle_down()
        site.asked.clear()
        site.reboot()
        site.settle_down(3 * DAY)
        status, body = site.request(ReadConfiguration(request_id="r1"))
        assert (status, body["detail"]) == (409, reading.NEVER)
        site.decide(lambda draft: configuration.read_keys(draft, ("A",), "templates"))
        assert site.asked == []
        assert told[0] == reading.NEVER
    finally:
        hooks.UNREAD.remove(hook)


def test_some_keys_are_read_back() -> None:
    """`read_keys` asks in lists that the station takes and tells who asked; the snapshot follows without a drift."""
    site = Configurable({"GetConfigurationMaxKeys": "2", "A": "1", "B": "1", "C": "1"})
    site.settle_down()
    site.values["B"] = "2"
    told: list[tuple[dict[str, Any], tuple[str, ...], str]] = []
    configuration.when_keys_read("test")(lambda _, found, unknown, why: told.append((dict(found), unknown, why)))
    site.asked.clear()
    site.decide(lambda draft: configuration.read_keys(draft, ("A", "B", "Z"), "test"))
    site.settle_down()
    assert [payload["key"] for _, payload in site.asked] == [["A", "B"], ["Z"]]
    assert told == [({"A": KeyValue("1"), "B": KeyValue("2")}, ("Z",), "")]
    assert site.snapshot.keys["B"] == KeyValue("2")
    assert site.versions[0].trigger == "test"
    assert site.drifts == []
    del hooks.KEYS["test"]


def test_a_repeated_answer_counts_once() -> None:
    """The same answer again, after its command has ended, changes nothing."""
    site = Configurable()
    site.settle_down()
    before = site.snapshot
    command = unpack(next(data for key, data in site.memory.data.items() if ":cmd:" in key), CommandRecord)
    site.answer(command.command_id, {"configurationKey": [{"key": "Z", "readonly": False, "value": "1"}]})
    assert site.snapshot == before


def test_secrets_are_neither_stored_nor_announced() -> None:
    """A password that a station tells stands in no key of Redis: not in the snapshot, not in the command's record."""
    site = Configurable({"AuthorizationKey": "hunter2hunter2", "Vendor.AdminPassword": "hunter2hunter2", "A": "1"})
    site.settle_down()
    assert site.snapshot.keys["AuthorizationKey"].value == MASK
    assert site.snapshot.keys["Vendor.AdminPassword"].value == MASK
    assert b"hunter2hunter2" not in msgspec.msgpack.encode([repr(site.memory.data), repr(site._sections)])


def test_more_than_the_bound_is_left_out() -> None:
    """A configuration beyond the setting is cut, flagged, and says how much is missing."""
    policy = msgspec.structs.replace(POLICY, configuration_bytes=1000)
    site = Configurable({f"Key{n}": "x" * 90 for n in range(20)}, policy=policy)
    site.settle_down()
    assert 0 < len(site.snapshot.keys) < 20
    assert site.snapshot.dropped == 20 - len(site.snapshot.keys)
    assert "configuration_truncated" in site.flags
    assert len(site.memory.data[keys.configuration("CP1")]) < 1200
