"""Reconciliation: what is provably over ends by an estimate, and the station's own stop replaces it."""

from __future__ import annotations

import msgspec
import pytest

from shared import envelopes
from shared.ocpp import frames
from shared.policy import Policy
from shared.records.events import ReconciliationStarted, TransactionCorrected, TransactionEnded
from shared.records.transactions import Charging, Reconciliation
from workers.services import reconciliation

from .site import Site

POLICY = Policy(unknown_stations="accept", unknown_tags="accept", reconcile_after_ms=600_000, reconcile_ask_ms=20_000)


def returned(*, boot: bool = True) -> tuple[Site, int]:
    """A station that came back with an open transaction at 1500 Wh; its meter started at 1000."""
    site = Site(POLICY)
    number = site.begin()
    site.status(1, "Charging")
    site.advance(60)
    site.meter(1500, transaction=number)
    site.close()
    site.advance(300)
    site.open()
    if boot:
        site.boot()
    return site, number


def asked(site: Site) -> list[tuple[str, dict[str, object]]]:
    """Take the commands that were sent to the station since the last look, answer them `Accepted`."""
    found = []
    for _ in range(8):
        items = site.items_of(envelopes.Command)
        if not items:
            break
        site.deliveries.clear()
        for item in items:
            call = frames.decode(item.frame)
            assert isinstance(call, frames.Call)
            found.append((call.action, msgspec.json.decode(call.payload)))
            site.answer(item.command_id, {"status": "Accepted"})
    return found


@pytest.mark.parametrize("boot", [True, False], ids=["boot", "reconnect"])
def test_a_station_that_comes_back_is_asked(boot: bool) -> None:
    """After a boot or a reconnect with an open transaction its status and meter values are asked for, once."""
    site, number = returned(boot=boot)
    (record,) = site.view.charging.reconciliations.values()
    assert (record.transaction_id, record.trigger) == (number, "boot" if boot else "reconnect")
    assert [one.transaction_id for one in site.events_of(ReconciliationStarted)] == [number]
    assert asked(site) == []
    site.advance(60)
    assert asked(site) == [
        ("TriggerMessage", {"requestedMessage": "StatusNotification", "connectorId": 1}),
        ("TriggerMessage", {"requestedMessage": "MeterValues", "connectorId": 1}),
    ]
    site.advance(60)
    assert asked(site) == []


def test_a_timer_that_comes_twice_asks_once() -> None:
    """Whoever wakes it again before the end, timer or job, nothing is asked a second time."""
    site, number = returned()
    site.advance(60)
    assert len(asked(site)) == 2
    site.run(lambda draft: reconciliation.reconcile(draft, str(number)))
    site.advance(60)
    assert asked(site) == []


def test_a_boot_alone_proves_nothing() -> None:
    """Without evidence the transaction stays open, and the look at it ends."""
    site, number = returned()
    site.advance(3600)
    assert set(site.opened) == {number}
    assert site.view.charging.reconciliations == {}
    assert site.events_of(TransactionEnded) == []


def test_an_available_connector_without_a_stop_ends_it() -> None:
    """Available, and no stop within the setting: over, with the last known meter value, flagged."""
    site, number = returned()
    site.status(1, "Available")
    site.advance(599)
    assert set(site.opened) == {number}
    site.advance(2)
    found = site.transaction(number)
    assert (found.state, found.energy_wh, found.meter_stop_wh) == ("closed", 500, 1500)
    assert (found.estimated, found.stop_reason, found.flags) == (True, "reconciled", ("estimated",))
    assert found.stopped_at == found.last_sample_at
    (event,) = site.events_of(TransactionEnded)
    assert event.estimated
    assert site.view.charging == Charging(estimated=(number,))
    assert site.count("transactions_ended_total", "reconciled") == 1


def test_the_stop_that_was_queued_ends_the_look() -> None:
    """A stop that arrives in time ends the transaction as the station says; nothing is estimated."""
    site, number = returned()
    site.status(1, "Available")
    site.advance(120)
    site.stop(1900, transaction=number)
    site.advance(3600)
    found = site.transaction(number)
    assert (found.energy_wh, found.estimated, found.estimates, found.flags) == (900, False, (), ())
    assert site.view.charging.reconciliations == {}


def test_the_stop_that_comes_after_the_estimate_replaces_it() -> None:
    """The replay of the issue: reconciled, then the station's own stop, however late."""
    site, number = returned()
    stopped = site.now - 200_000
    site.status(1, "Available")
    site.advance(7 * 86_400)
    assert site.transaction(number).estimated
    site.stop(1900, transaction=number, at=stopped, reason="PowerLoss")
    found = site.transaction(number)
    assert (found.energy_wh, found.stopped_at, found.stop_reason) == (900, stopped, "PowerLoss")
    assert (found.estimated, found.flags) == (False, ("estimated", "corrected"))
    assert [(one.energy_wh, one.reason) for one in found.estimates] == [(500, "reconciled")]
    assert "Available" in found.estimates[0].evidence
    (event,) = site.events_of(TransactionCorrected)
    assert (event.previous_energy_wh, event.energy_wh) == (500, 900)


def test_a_newer_start_ends_it_at_once() -> None:
    """Another start on the connector is proof, without waiting."""
    site, number = returned()
    second = site.begin(meter=1800)
    assert site.transaction(number).estimated
    assert set(site.opened) == set(site.opened) - {number} == {second}
    assert number not in site.view.charging.reconciliations


def test_a_connector_that_is_available_no_more_proves_nothing() -> None:
    """Available must hold until the end of the wait."""
    site, number = returned()
    site.status(1, "Available")
    site.advance(60)
    site.status(1, "Charging")
    site.advance(3600)
    assert set(site.opened) == {number}


def test_another_connector_proves_nothing() -> None:
    """Available on another connector says nothing about this one."""
    site, number = returned()
    site.status(2, "Available")
    site.status(0, "Available")
    site.advance(3600)
    assert set(site.opened) == {number}


def test_a_sign_of_life_after_available_voids_it() -> None:
    """Meter values that name the transaction after the connector was Available: it goes on."""
    site, number = returned()
    site.status(1, "Available")
    site.advance(60)
    site.meter(1600, transaction=number)
    site.advance(3600)
    assert set(site.opened) == {number}


def test_meter_values_that_were_asked_for_are_no_sign_of_life() -> None:
    """What the trigger brought names no transaction: it tells the register, and does not keep it open."""
    site, number = returned()
    site.status(1, "Available")
    site.advance(60)
    site.meter(samples=[{"value": "1700", "context": "Trigger"}])
    site.advance(3600)
    assert (site.transaction(number).state, site.transaction(number).energy_wh) == ("closed", 700)


def test_a_status_from_before_the_return_counts() -> None:
    """A connector that was Available before the connection was lost needs not say it again."""
    site = Site(POLICY)
    number = site.begin()
    site.advance(60)
    site.status(1, "Available")
    site.close()
    site.advance(60)
    site.open()
    site.advance(601)
    assert site.transaction(number).estimated


def test_a_station_that_is_away_keeps_its_transaction() -> None:
    """A station without a connection at the end of the wait may hold a stop: nothing is concluded."""
    site, number = returned()
    site.status(1, "Available")
    site.advance(60)
    site.close()
    site.advance(3600)
    assert set(site.opened) == {number}
    assert site.view.charging.reconciliations == {}
    site.open()
    assert set(site.view.charging.reconciliations) == {number}


def test_each_return_puts_the_end_off_within_bounds() -> None:
    """A station that comes back again gets time to deliver, but not for ever; the record began once."""
    site, number = returned(boot=False)
    began = site.now
    for _ in range(10):
        site.advance(300)
        if number not in site.view.charging.reconciliations:
            break
        site.open()
        site.status(1, "Available")
    site.advance(300)
    found = site.transaction(number)
    assert found.estimated
    assert found.stop_received_at == began + 3 * 600_000
    assert len(site.events_of(ReconciliationStarted)) == 1


@pytest.mark.parametrize("refusal", [{"status": "NotImplemented"}, "NotImplemented", "NotSupported"])
def test_a_station_that_does_not_know_the_question_is_not_asked_again(refusal: object) -> None:
    """TriggerMessage refused as NotImplemented or NotSupported is remembered on the station."""
    site, _ = returned()
    site.advance(30)
    (item,) = site.items_of(envelopes.Command)
    if isinstance(refusal, str):
        body = msgspec.json.encode([4, item.command_id, refusal, "", {}])
        site.feed(site.entry(envelopes.Kind.ANSWER, body))
    else:
        site.answer(item.command_id, refusal)
    station = site.view.station
    assert station is not None
    assert "unsupported:TriggerMessage" in station.flags
    site.close()
    site.advance(60)
    site.open()
    site.advance(5)
    asked(site)
    site.advance(300)
    assert asked(site) == []


def test_a_lost_timer_loses_nothing() -> None:
    """The record outlives its timer: a job that finds it overdue wakes it (and finds it by `due`)."""
    site, number = returned()
    site.status(1, "Available")
    site.timers.clear()
    site.advance(601)
    assert reconciliation.due(site.view.charging, site.now) == [number]
    site.run(lambda draft: reconciliation.reconcile(draft, str(number)))
    assert site.transaction(number).estimated


@pytest.mark.parametrize("subject", ["", "x", "-1", "999", "99999999999999999999"])
def test_a_timer_about_nothing_does_nothing(subject: str) -> None:
    """Timers come late, twice and for what is over."""
    site, _ = returned()
    draft = site.run(lambda draft: reconciliation.reconcile(draft, subject))
    assert not draft.changed


def test_a_record_without_its_transaction_is_dropped() -> None:
    """A look at a transaction that is open no more ends."""
    site = Site(POLICY)
    record = Reconciliation(transaction_id=5, started_at=0, deadline_at=1, trigger="boot")
    site.run(lambda draft: draft.put(Charging(reconciliations={5: record})))
    site.run(lambda draft: reconciliation.reconcile(draft, "5"))
    assert site.view.charging.reconciliations == {}
