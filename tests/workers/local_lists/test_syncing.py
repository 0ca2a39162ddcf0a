"""A station's local list is brought in step, verified and repaired (OCPP 1.6 sections 5.10 and 5.15)."""

from __future__ import annotations

from typing import Any

import pytest

from shared.bus import keys
from shared.records.authorization import AuthorizationPolicy, ListRule
from shared.records.commands import CommandRecord
from shared.records.events import LocalListChanged
from shared.records.packing import unpack
from shared.records.requests import LeaveJob, SyncLocalList, UpdateStation
from shared.records.tags import IdTag
from tests.workers.local_lists.place import Place, items_named


def tags(*names: str, **more: Any) -> list[IdTag]:
    """Return tags, accepted unless said otherwise."""
    return [IdTag(id_tag=name, **more) for name in names]


def sends(place: Place, begin: int = 0) -> list[dict[str, Any]]:
    """Return the lists that the station was sent."""
    return [payload for action, payload in place.asked[begin:] if action == "SendLocalList"]


def synced(*names: str, **more: Any) -> Place:
    """Return a station that holds a list."""
    place = Place(tags(*names), **more)
    place.look()
    assert place.listed.state == "in_line"
    assert place.held() == place.wanted()
    return place


def job(place: Place, name: str = "j1", **more: Any) -> None:
    """Let a job ask for the list, and the station answer."""
    place.run_request(SyncLocalList(request_id=f"job:{name}:CP1:{place.now}", job=name, **more))
    place.serve()


def result(place: Place, name: str = "j1") -> str:
    """Return what the job was told."""
    return str(place.results(name)["CP1"].outcome)


def test_a_whole_list_is_sent_in_chunks_and_verified() -> None:
    """The first message is Full, the others Differential with greater numbers; none is longer than it takes."""
    place = synced(*"ABCDEFG")
    sent = sends(place)
    assert [payload["updateType"] for payload in sent] == ["Full", "Differential", "Differential"]
    assert [len(payload["localAuthorizationList"]) for payload in sent] == [3, 3, 1]
    assert [payload["listVersion"] for payload in sent] == [1, 2, 3]
    assert place.asked[-1][0] == "GetLocalListVersion"
    assert (place.listed.wanted, place.listed.version, place.listed.tags) == (1, 1, 7)
    (event,) = place.events_of(LocalListChanged)
    assert (event.state, event.wanted, event.held) == ("in_line", 1, 1)


def test_a_change_is_sent_alone() -> None:
    """What changed, came and left since the version that the station holds goes in one Differential message."""
    place, before = synced(*"ABCDEFG"), 4
    before = len(place.asked)
    place.publish(IdTag(id_tag="B", parent="G"), IdTag(id_tag="H"), gone=["C"])
    job(place)
    (sent,) = sends(place, before)
    assert sent["updateType"] == "Differential"
    assert sorted(items_named(sent)) == ["B", "C", "H"]
    assert place.held() == place.wanted()
    assert result(place) == "accepted"
    assert [action for action, _ in place.asked[before:]] == ["SendLocalList", "GetLocalListVersion"]


def test_nothing_is_sent_to_a_station_that_has_it() -> None:
    """A station that named its version in this session is not asked again, unless an operator wants it."""
    place = synced(*"ABC")
    before = len(place.asked)
    job(place)
    assert len(place.asked) == before
    assert result(place) == "accepted"
    assert place.request(SyncLocalList(request_id="r1"))[0] == 202
    place.serve()
    assert {action for action, _ in place.asked[before:]} == {"GetLocalListVersion"}


def test_a_boot_is_a_reason_to_ask() -> None:
    """After a boot the station is asked, and sent nothing where it kept its list."""
    place = synced(*"ABC")
    before = len(place.asked)
    place.look()
    assert {action for action, _ in place.asked[before:]} == {"GetLocalListVersion"}


def test_a_conflict_is_a_reason_to_ask() -> None:
    """A station that finds its list contradicted is asked, and sent what it lacks (section 3.5.2)."""
    place = synced(*"ABC")
    before = len(place.asked)
    place.list._version = 99
    fault = {"connectorId": 0, "status": "Available", "errorCode": "LocalListConflict", "timestamp": place.time()}
    place.call("StatusNotification", fault)
    place.advance(1)
    place.serve()
    assert sends(place, before)[0]["updateType"] == "Full"
    assert (place.held(), place.listed.state) == (place.wanted(), "in_line")


def test_a_lost_list_is_repaired() -> None:
    """A station that names another version than it took gets all of it anew."""
    place = synced(*"ABCD")
    place.list._tags, place.list._version = {}, 0
    before = len(place.asked)
    place.look()
    assert sends(place, before)[0]["updateType"] == "Full"
    assert place.held() == place.wanted()
    assert place.count("local_list_repairs_total", "version") == 1


@pytest.mark.parametrize("status", ["Failed", "VersionMismatch"])
def test_a_refused_difference_is_followed_by_the_whole_list(status: str) -> None:
    """Failed or VersionMismatch on a Differential update: the full list is sent (section 5.15)."""
    place = synced(*"ABCD")
    place.publish(IdTag(id_tag="E"))
    before = len(place.asked)

    def answer(action: str, payload: dict[str, Any]) -> Any:
        if payload.get("updateType") == "Differential" and len(sends(place, before)) == 1:
            return {"status": status}
        return place.answer_to(action, payload)

    place.run_request(SyncLocalList(request_id="job:j1:CP1", job="j1"))
    place.serve(answer)
    assert [one["updateType"] for one in sends(place, before)][:2] == ["Differential", "Full"]
    assert place.held() == place.wanted()
    assert result(place) == "accepted"


def test_chunks_shrink_for_a_station_that_takes_less_than_it_says() -> None:
    """A whole list that fails is sent in smaller chunks, which is remembered."""

    def answer(action: str, payload: dict[str, Any]) -> Any:
        if len(payload.get("localAuthorizationList", ())) > 2:
            return {"status": "Failed"}
        return place.answer_to(action, payload)

    place = Place(tags(*"ABCDEFGHIJ"), at_once=10)
    place.open()
    place.boot()
    place.advance(6)
    place.serve(answer)
    assert place.listed.state == "in_line"
    assert place.held() == place.wanted()
    before = len(place.asked)
    place.publish(*tags(*"KLMN"))
    job(place)
    assert [len(items_named(one)) for one in sends(place, before)] == [2, 2]


def test_a_station_that_takes_nothing_is_refused() -> None:
    """Failed down to a single tag: the state says so, and the job hears of it; it ends."""

    def answer(action: str, payload: dict[str, Any]) -> Any:
        return {"status": "Failed"} if action == "SendLocalList" else place.answer_to(action, payload)

    place = Place(tags(*"ABCDEFGH"), at_once=8)
    place.open()
    place.boot()
    place.run_request(SyncLocalList(request_id="job:j1:CP1", job="j1"))
    place.advance(6)
    place.serve(answer)
    assert (place.listed.state, place.listed.answer) == ("refused", "Failed")
    assert result(place) == "rejected"
    assert len(sends(place)) == 4


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({"GetLocalListVersion": {"listVersion": -1}}, "its list has number -1"),
        ({"SendLocalList": {"status": "NotSupported"}}, "NotSupported"),
    ],
)
def test_a_station_without_lists_says_so(answers: dict[str, Any], words: str) -> None:
    """-1, or NotSupported: the state is `unsupported`, and nothing more is sent (section 5.10)."""
    place = Place(tags(*"ABC"))
    place.open()
    place.boot()
    place.advance(6)
    place.serve(lambda action, payload: answers.get(action) or place.answer_to(action, payload))
    assert (place.listed.state, place.listed.answer) == ("unsupported", words)


def test_a_station_that_always_names_another_version_is_left_alone() -> None:
    """Whatever it is sent, it names another version: after two repairs that is shown, and it is left alone."""
    place = Place(tags(*"ABC"))
    place.open()
    place.boot()
    place.advance(6)
    place.serve(lambda action, p: {"listVersion": 77} if "Get" in action else place.answer_to(action, p))
    assert place.listed.state == "differs"
    assert len(sends(place)) == 3
    assert all(one["listVersion"] > 77 for one in sends(place)[1:])


def test_a_message_that_was_taken_and_not_answered_is_not_sent_again() -> None:
    """The number that the station names tells that the lost message had been taken."""
    place = Place(tags(*"ABCDE"))

    def answer(action: str, payload: dict[str, Any]) -> Any:
        found = place.answer_to(action, payload)
        return None if len(sends(place)) == 1 and action == "SendLocalList" else found

    place.open()
    place.boot()
    place.advance(6)
    place.serve(answer)
    place.advance(70)
    place.serve()
    assert place.listed.state == "in_line"
    assert place.held() == place.wanted()
    assert [len(items_named(one)) for one in sends(place)] == [3, 2]


def test_a_list_that_is_too_long_is_held_in_part() -> None:
    """A station gets as many tags as it takes in all, and the rest is shown as left out."""
    place = Place(tags(*"ABCDEFGH"), in_all=5)
    place.look()
    assert (place.listed.state, place.listed.tags, place.listed.left_out) == ("partial", 5, 3)
    assert len(place.held()) == 5
    place.publish(gone="AB")
    place.publish(IdTag(id_tag="C", parent="X"))
    job(place)
    assert len(place.held()) == 5
    assert place.listed.left_out == 1


def test_tags_of_other_sites_need_no_room() -> None:
    """A list is longer than the station takes, but not what of it is for the station: nothing is left out."""
    others = [IdTag(id_tag=f"other{n}", sites=("elsewhere",)) for n in range(6)]
    place = Place([*tags(*"ABC"), *others], in_all=5)
    place.look()
    assert (place.listed.state, place.listed.tags, place.listed.left_out) == ("in_line", 3, 0)
    assert set(place.held()) == set("ABC")


def test_a_tag_is_listed_where_it_may_charge() -> None:
    """A tag of another site is not sent; one that may charge here no more leaves the list."""
    place = Place([IdTag(id_tag="A"), IdTag(id_tag="B", sites=("Yard",)), IdTag(id_tag="C", sites=("elsewhere",))])
    place.memory.data[keys.SITE_STATIONS] = {"CP1": b"YARD"}
    place.look()
    assert set(place.held()) == {"A", "B"}
    place.publish(IdTag(id_tag="B", sites=("elsewhere",)))
    job(place)
    assert set(place.held()) == {"A"}
    assert place.listed.state == "in_line"
    place.memory.data[keys.SITE_STATIONS] = {"CP1": b"elsewhere"}
    job(place, "j2", full=False)
    place.look()
    assert set(place.held()) == {"A", "B", "C"}
    assert place.count("local_list_repairs_total", "site") == 1


def test_a_station_of_no_list_loses_the_one_that_it_had() -> None:
    """Where the policy goes, or becomes central, the station's list is emptied: a blocked tag would live on in it."""
    place = synced(*"ABC")
    place.put_policy(AuthorizationPolicy(name="retail", mode="central"))
    place.look()
    assert place.held() == {}
    assert (place.listed.state, place.listed.policy) == ("none", "")
    before = len(place.asked)
    place.look()
    assert len(place.asked) == before


def test_an_empty_list_is_called_0() -> None:
    """A station may name an empty list 0 (section 5.10): that is no reason for a repair."""
    place = synced(*"AB")
    place.publish(gone=["A", "B"])
    job(place)
    assert (place.listed.state, place.listed.empty) == ("in_line", True)
    before = len(place.asked)
    place.look()
    assert not sends(place, before)
    place.publish(IdTag(id_tag="C"))
    job(place, "j2")
    assert place.held() == place.wanted()


def test_a_list_is_written_as_the_reader_reads() -> None:
    """Letter case and the order of a card's bytes follow the model's rules."""
    place = Place([IdTag(id_tag="04a1b2c3")])
    place.request(UpdateStation(request_id="r", quirk_profile={"id_tag_bytes": "reversed", "id_tag_case": "upper"}))
    place.look()
    assert list(place.held()) == ["C3B2A104"]


def test_refused_tags_stand_in_a_list_where_that_is_wanted() -> None:
    """A rule may list refused tags too; tags with hours and overlong ones never stand in a list."""
    from shared.records.authorization_hours import parse

    some = [*tags("A"), *tags("B", status="blocked"), *tags("C", hours=parse("08:00-09:00")), *tags("D" * 21)]
    place = synced("A")
    assert set(place.held()) == {"A"}
    place = Place(some, rule=ListRule(refused=True))
    place.look()
    assert place.held() == {"A": "Accepted", "B": "Blocked"}


def test_what_was_sent_is_not_kept() -> None:
    """The record of an ended message has no tags: lists of a fleet would fill the history."""
    place = synced(*"ABC")
    records = [unpack(value, CommandRecord) for key, value in place.memory.data.items() if ":cmd:" in key]
    (sent,) = [one for one in records if one.action == "SendLocalList"]
    assert '"localAuthorizationList":[]' in sent.payload


def test_a_job_that_is_cancelled_waits_no_more() -> None:
    """A cancelled job gets its result; the list goes on being sent."""
    place = Place(tags(*"ABC"))
    place.open()
    place.boot()
    place.run_request(SyncLocalList(request_id="job:j1:CP1", job="j1"))
    place.run_request(LeaveJob(request_id="job:j1:CP1:leave", job="j1"))
    assert result(place) == "cancelled"
    place.advance(6)
    place.serve()
    assert place.held() == place.wanted()


def test_an_operator_hears_why_nothing_is_sent() -> None:
    """409 where no list is wanted of the station."""
    place = Place(tags("A"))
    place.put_policy(None)
    status, body = place.request(SyncLocalList(request_id="r"))
    assert status == 409
    assert "no local list is wanted" in body["detail"]
