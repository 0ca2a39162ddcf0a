"""Remote starts and stops that were accepted, and what follows, or does not."""

from typing import Any

from shared.policy import Policy
from shared.records.events import StartFailed, StopFailed
from shared.records.requests import SendCommand
from tests.workers.charging.site import Site

WAIT_S = 120.0


def site() -> Site:
    """A station with two connectors, ready for commands."""
    made = Site(policy=Policy(unknown_stations="accept", unknown_tags="accept"), connectors=2)
    made.advance(2)
    return made


def remote(at: Site, action: str, payload: str, answer: Any = None) -> str:
    """Send a remote start or stop, and answer it."""
    name = f"c{at.now}"
    assert at.request(SendCommand(request_id=name, command_id=name, action=action, payload=payload))[0] == 202
    at.answer(name, answer or {"status": "Accepted"})
    return name


def start(at: Site, tag: str = "TAG1", connector: int = 1, answer: Any = None) -> str:
    """Send a remote start, and answer it."""
    return remote(at, "RemoteStartTransaction", f'{{"idTag":"{tag}","connectorId":{connector}}}', answer)


def test_a_start_that_comes_is_no_failure() -> None:
    """The transaction of the tag on the connector ends the watch, in any case of letters."""
    at = site()
    start(at)
    at.advance(60)
    at.begin(tag="tag1")
    at.advance(WAIT_S)
    assert at.events_of(StartFailed) == []


def test_a_start_that_came_before_its_acceptance_is_none_either() -> None:
    """Both directions are independent: StartTransaction may overtake the answer."""
    at = site()
    name = "c1"
    payload = '{"idTag":"TAG1"}'
    at.request(SendCommand(request_id=name, command_id=name, action="RemoteStartTransaction", payload=payload))
    at.advance(1)
    at.begin()
    at.answer(name, {"status": "Accepted"})
    at.advance(WAIT_S + 1)
    assert at.events_of(StartFailed) == []


def test_a_start_that_does_not_come_is_told_with_what_is_known() -> None:
    """Another's start on another connector counts nothing; the connector's status is the detail."""
    at = site()
    name = start(at)
    at.begin(connector=2, tag="OTHER")
    at.advance(WAIT_S - 1)
    assert at.events_of(StartFailed) == []
    at.advance(2)
    (event,) = at.events_of(StartFailed)
    assert (event.command_id, event.connector_id, event.reason) == (name, 1, "unknown")
    assert event.detail == "connector 1 is Available"


def test_reasons_of_a_start_that_failed() -> None:
    """A connector that is not free, a tag that is refused, a station that is gone."""
    at = site()
    start(at)
    at.status(1, "Faulted")
    at.advance(WAIT_S + 1)
    refusing = Site(policy=Policy(unknown_stations="accept", unknown_tags="reject"), connectors=1)
    refusing.advance(2)
    start(refusing)
    refusing.advance(WAIT_S + 1)
    gone = site()
    start(gone)
    gone.close()
    gone.advance(WAIT_S + 1)
    found = [one.events_of(StartFailed)[0] for one in (at, refusing, gone)]
    assert [(event.reason, event.detail) for event in found] == [
        ("connector", "connector 1 is Faulted"),
        ("tag", "the id tag would be answered Invalid"),
        ("offline", "the station is offline"),
    ]


def test_a_refused_start_is_not_watched() -> None:
    """The command itself tells that it was rejected."""
    at = site()
    start(at, answer={"status": "Rejected"})
    at.advance(WAIT_S + 1)
    assert at.events_of(StartFailed) == []


def test_a_stop_is_watched_by_its_transaction() -> None:
    """Told where the transaction goes on, silent where it ended or never was."""
    at = site()
    first, second = at.begin(), at.begin(connector=2, tag="TAG2")
    for number in (first, second, 999):
        remote(at, "RemoteStopTransaction", f'{{"transactionId":{number}}}')
        at.advance(1)
    at.stop(2000, transaction=first)
    at.advance(WAIT_S + 1)
    (event,) = at.events_of(StopFailed)
    assert (event.transaction_id, event.connector_id, event.reason) == (second, 2, "unknown")


def test_watches_outlive_other_commands() -> None:
    """A command that is sent and answered meanwhile takes no watch along."""
    at = site()
    start(at)
    at.advance(1)
    remote(at, "ClearCache", "{}")
    at.advance(WAIT_S + 1)
    assert len(at.events_of(StartFailed)) == 1
