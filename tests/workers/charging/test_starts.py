"""StartTransaction: one transaction per logical start (OCPP 1.6 section 4.8)."""

from __future__ import annotations

from typing import Any

import pytest

from shared.bus import keys
from shared.policy import Policy
from shared.records.events import TransactionEnded, TransactionStarted
from shared.records.tags import IdTag
from tests.workers.harness import START_MS, World
from workers.services import transactions
from workers.services.reported import StartReport
from workers.store.draft import Draft
from workers.store.view import StationView
from workers.store.wants import Want, WantStart

from .site import Site

YEAR_2099 = 4_070_908_800_000


def test_a_start_is_recorded_and_indexed() -> None:
    """A start gives a record, its place in the indexes and one event."""
    site = Site()
    number = site.begin(meter=1234, tag="Tag", connector=2, reservationId=7)
    found = site.transaction(number)
    assert (found.connector_id, found.id_tag, found.meter_start_wh, found.state) == (2, "Tag", 1234, "open")
    assert (found.started_at, found.received_at, found.reservation_id) == (START_MS, START_MS, 7)
    data = site.memory.data
    assert data[keys.TRANSACTIONS] == data[keys.TRANSACTIONS_OPEN] == {str(number): START_MS}
    assert data[keys.TRANSACTION_OWNERS] == {str(number): b"CP1"}
    assert data[keys.transactions("CP1")] == {str(number): START_MS}
    (event,) = site.events_of(TransactionStarted)
    assert (event.transaction_id, event.id_tag, event.meter_start_wh) == (number, "Tag", 1234)


@pytest.mark.parametrize("tag", ["TAG1", "tag1"])
def test_a_repeated_start_is_the_same_transaction(tag: str) -> None:
    """The same connector, tag, timestamp and meter under a new message id: same answer, no second event (quirk 15)."""
    site = Site()
    first = site.start(at=START_MS)
    site.advance(30)
    assert site.start(at=START_MS, tag=tag) == first
    assert len(site.events_of(TransactionStarted)) == len(site.transactions) == 1


def test_an_open_transaction_is_known_by_its_own_key() -> None:
    """A start whose key was looked up before the one that it repeats was committed still finds the open transaction."""
    world = World()
    report = StartReport(connector_id=1, id_tag="T", started_at=START_MS, meter_start=0)
    stale: dict[Want, Any] = {WantStart(transactions.start_key(report, "T")): None}
    for _ in range(2):

        def attempt(view: StationView) -> Draft:
            draft = Draft(view, world.origin(), world.now, world.policy)
            transactions.start(draft, report)
            return draft

        world.commit(world.settle(attempt, stale))
    assert len(world.view.charging.open) == 1


def test_a_repeated_start_after_the_stop_is_the_same_transaction() -> None:
    """A start that comes again after its transaction ended opens nothing."""
    site = Site()
    first = site.start(at=START_MS)
    site.stop(2000, transaction=first["transactionId"])
    assert site.start(at=START_MS) == first
    assert site.opened == {}
    assert len(site.events_of(TransactionStarted)) == 1


@pytest.mark.parametrize(
    "other",
    [{"meter": 1001}, {"tag": "TAG2"}, {"at": START_MS + 1000}],
    ids=["meter", "tag", "timestamp"],
)
def test_a_different_start_ends_what_is_open_on_the_connector(other: dict[str, int]) -> None:
    """Another start on the connector ends the open transaction, with the last known meter value, flagged."""
    site = Site()
    first = site.begin(at=START_MS)
    site.advance(60)
    site.meter(1500, transaction=first)
    second = site.begin(**{"at": START_MS, **other})
    ended = site.transaction(first)
    assert second != first
    assert (ended.state, ended.energy_wh, ended.meter_stop_wh, ended.estimated) == ("closed", 500, 1500, True)
    assert {"superseded_by_start", "estimated"} <= set(ended.flags)
    assert [one.evidence for one in ended.estimates] == [f"transaction {second} started on the connector"]
    assert set(site.opened) == {second}
    assert site.count("transactions_ended_total", "superseded") == 1


def test_another_connector_is_left_alone() -> None:
    """A start ends nothing on other connectors."""
    site = Site()
    first, second = site.begin(connector=1), site.begin(connector=2)
    assert set(site.opened) == {first, second}


@pytest.mark.parametrize("at", [0, -62_135_596_800_000, YEAR_2099], ids=["1970", "0001", "2099"])
def test_an_impossible_clock_is_flagged_never_refused(at: int) -> None:
    """Times of 0001, 1970 and 2099 are kept with the time of receipt beside them (quirk 6, F25)."""
    site = Site()
    number = site.begin(at=at)
    found = site.transaction(number)
    assert "clock_suspect" in found.flags
    assert (found.started_at, found.received_at) == (at, START_MS)
    assert site.memory.data[keys.TRANSACTIONS] == {str(number): START_MS}
    site.stop(2000, transaction=number, at=at + 5000)
    assert site.transaction(number).energy_wh == 1000


def test_equal_starts_of_a_clock_that_begins_anew_are_two() -> None:
    """With a time that can't be right, a start equal to an ended one is a new transaction, flagged."""
    site = Site()
    first = site.begin(at=0)
    assert site.begin(at=0) == first, "while it is open it is a repetition"
    site.stop(1000, transaction=first, at=5000)
    second = site.begin(at=0)
    assert second != first
    assert "start_key_reused" in site.transaction(second).flags
    assert site.begin(at=0) == second


def test_a_start_after_months_offline_is_a_repetition() -> None:
    """A replayed start with an old, possible time is recognised after its transaction ended (F21)."""
    site = Site()
    old = START_MS - 90 * 86_400_000
    first = site.begin(at=old)
    site.stop(2000, transaction=first, at=old + 3600_000)
    assert site.begin(at=old) == first
    assert site.transaction(first).flags == ()


def test_a_reused_key_holds_a_place_of_its_own() -> None:
    """Two transactions with one business key hold two places: the first's release does not free the second."""
    site = Site()
    site.put_tag(IdTag(id_tag="tag1", concurrent_limit=5))
    first = site.begin(at=0)
    held = site.transaction(first).holder
    site.stop(1000, transaction=first, at=5000)
    assert site.transaction(site.begin(at=0)).holder not in ("", held)


def test_a_late_start_does_not_end_a_newer_transaction() -> None:
    """A start of a replaced session that comes after the new session's start is recorded as over."""
    site = Site()
    old_epoch = site.epoch
    site.advance(60)
    site.open()
    newer = site.begin(meter=5000)
    site.start(meter=1000, at=START_MS + 1000, epoch=old_epoch)
    assert set(site.opened) == {newer}
    (older,) = [one for one in site.transactions if one.transaction_id != newer]
    assert (older.state, older.estimated) == ("closed", True)
    assert "out_of_order" in older.flags
    site.stop(1800, transaction=older.transaction_id, at=START_MS + 30_000)
    assert site.transaction(older.transaction_id).energy_wh == 800


def test_a_late_start_that_was_repeated_is_one_transaction() -> None:
    """The old session's start and the new session's retry of it are the same, in either order."""
    site = Site()
    old_epoch = site.epoch
    site.advance(60)
    site.open()
    number = site.begin(at=START_MS)
    site.start(at=START_MS, epoch=old_epoch)
    assert [one.transaction_id for one in site.transactions] == [number]


@pytest.mark.parametrize(("meter", "flagged"), [(-1, True), (2**60, True), (0, False)])
def test_a_start_without_a_meter_takes_the_first_one_known(meter: int, flagged: bool) -> None:
    """A meterStart that no meter shows is replaced by the first register value that comes (quirk 19)."""
    site = Site()
    number = site.begin(meter=meter)
    assert ("meter_start_invalid" in site.transaction(number).flags) is flagged
    site.advance(60)
    site.meter(20_000, transaction=number)
    site.advance(60)
    site.stop(21_000, transaction=number)
    assert site.transaction(number).energy_wh == (1000 if flagged else 21_000)


def test_a_start_without_a_meter_and_without_samples_delivers_nothing() -> None:
    """Without any register value before the stop, no energy can be claimed."""
    site = Site()
    number = site.begin(meter=-1)
    assert site.transaction(number).meter_start_wh == 0
    site.stop(21_000, transaction=number)
    assert site.transaction(number).energy_wh == 0


@pytest.mark.parametrize("field", ["connectorId", "reservationId"])
def test_numbers_beyond_every_range_are_flagged(field: str) -> None:
    """A number that no record holds does not stop a start from being recorded."""
    site = Site()
    number = site.begin(**{field: 2**70})
    assert "value_out_of_range" in site.transaction(number).flags


def test_a_start_that_is_not_understood_gets_an_id_and_a_record() -> None:
    """An unreadable StartTransaction: a fresh durable id, Invalid, a flagged record; its repetition gets the same."""
    site = Site()
    bad = {"connectorId": "one?", "idTag": "T", "meterStart": {"Wh": 1}, "timestamp": site.time()}
    first = site.sent("StartTransaction", bad)
    assert first["idTagInfo"] == {"status": "Invalid"}
    site.advance(5)
    assert site.sent("StartTransaction", bad) == first
    (found,) = site.transactions
    assert found.transaction_id == first["transactionId"]
    assert {"unreadable_start", "meter_start_invalid"} <= set(found.flags)
    assert (found.authorization, found.id_tag, found.state) == ("Invalid", "T", "open")
    site.stop(9000, transaction=found.transaction_id)
    assert site.transaction(found.transaction_id).state == "closed"


def test_a_refused_start_is_recorded_to_its_end() -> None:
    """A refused start and its stop are a transaction with energy: the station may have delivered some."""
    site = Site(Policy(unknown_stations="accept", unknown_tags="reject"))
    answer = site.start(tag="who")
    assert answer["idTagInfo"]["status"] == "Invalid"
    site.stop(1300, transaction=answer["transactionId"], reason="DeAuthorized")
    (event,) = site.events_of(TransactionEnded)
    assert (event.energy_wh, event.reason) == (300, "DeAuthorized")
