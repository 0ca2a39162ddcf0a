"""StopTransaction: what it means ends once, and energy is right (OCPP 1.6 section 4.10, errata 3.18)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from shared.bus import keys
from shared.records.events import TransactionEnded, TransactionOrphanStop, TransactionStarted
from shared.records.tags import IdTag
from tests.workers.harness import START_MS

from .site import Site

MINUTE = 60_000


def site_with(tag_record: IdTag | None = None, **start: Any) -> tuple[Site, int]:
    """A site with one open transaction since a minute; its meter started at 1000."""
    site = Site()
    if tag_record is not None:
        site.put_tag(tag_record)
    number = site.begin(**start)
    site.advance(60)
    return site, number


def test_a_stop_closes_the_transaction() -> None:
    """The record leaves the station's state, the indexes follow, and the end is announced once."""
    site, number = site_with()
    assert site.stop(3500, transaction=number, reason="EVDisconnected") == {}
    found = site.transaction(number)
    assert (found.state, found.energy_wh, found.meter_stop_wh) == ("closed", 2500, 3500)
    assert (found.stopped_at, found.stop_received_at, found.stop_reason) == (site.now, site.now, "EVDisconnected")
    assert found.flags == ()
    assert site.opened == {}
    assert site.memory.data[keys.TRANSACTIONS_OPEN] == {}
    (event,) = site.events_of(TransactionEnded)
    assert (event.transaction_id, event.energy_wh, event.estimated) == (number, 2500, False)
    assert site.count("transactions_ended_total", "EVDisconnected") == 1
    assert site.count("energy_delivered_joules_total") == 2500 * 3600


def test_a_missing_reason_is_local() -> None:
    """Without a reason the stop was a normal one (section 4.10)."""
    site, number = site_with()
    site.stop(3500, transaction=number)
    assert site.transaction(number).stop_reason == "Local"


def test_energy_is_counted_once_over_samples_and_stop() -> None:
    """The energy counter rises by samples and by what the stop adds to them."""
    site, number = site_with()
    site.meter(2000, transaction=number)
    site.stop(3500, transaction=number)
    assert site.count("energy_delivered_joules_total") == 2500 * 3600


def test_a_repeated_stop_changes_nothing() -> None:
    """The same stop under a new message id is answered again and counts once (quirk 15)."""
    site, number = site_with()
    at = site.now
    site.stop(3500, transaction=number, at=at)
    before = site.transaction(number)
    site.advance(5)
    assert site.stop(3500, transaction=number, at=at) == {}
    assert site.transaction(number) == before
    assert len(site.events_of(TransactionEnded)) == 1


def test_a_second_stop_that_differs_is_kept_beside() -> None:
    """A transaction is closed at most once; another stop for it is flagged and goes to the history (I2)."""
    site, number = site_with()
    site.stop(3500, transaction=number)
    site.advance(60)
    site.stop(9999, transaction=number)
    found = site.transaction(number)
    assert (found.energy_wh, found.flags) == (2500, ("stop_conflict",))
    (fact,) = site.history
    assert (fact.kind, fact.data["meter_stop_wh"]) == ("second_stop", 9999)
    assert len(site.events_of(TransactionEnded)) == 1


# ── which transaction ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("named", [-1, 0, 4711, 2**40], ids=["minus one", "zero", "strange", "huge"])
def test_a_stop_without_a_usable_id_ends_the_transaction_that_fits(named: int) -> None:
    """0, -1 and another's id mean the open transaction that fits, flagged; the repetition too (quirk 14)."""
    site, number = site_with()
    at = site.now
    site.stop(3500, transaction=named, at=at)
    found = site.transaction(number)
    assert (found.state, found.energy_wh, found.flags) == ("closed", 2500, ("stop_matched",))
    site.advance(5)
    site.stop(3500, transaction=named, at=at)
    assert len(site.transactions) == len(site.events_of(TransactionEnded)) == 1
    assert site.history == []


def test_a_stop_with_null_for_an_id_ends_the_transaction_that_fits() -> None:
    """A stop whose transactionId is null is tolerated (quirk 14)."""
    site, number = site_with()
    site.stop(3500, transaction=None)
    assert site.transaction(number).state == "closed"


def test_the_tag_tells_which_transaction_a_stop_fits() -> None:
    """With several connectors charging, a stop without an id goes to the transaction of its tag."""
    site, first = site_with(connector=1, tag="A", meter=1000)
    second = site.begin(connector=2, tag="B", meter=900)
    site.stop(3500, transaction=-1, tag="b")
    assert (site.transaction(first).state, site.transaction(second).state) == ("open", "closed")


def test_the_same_tag_comes_before_one_of_its_group() -> None:
    """Of a family's transactions a stop without an id ends that of the tag itself, whatever the registers say."""
    site, first = site_with(IdTag(id_tag="a", parent="G"), connector=1, tag="A", meter=1000)
    site.put_tag(IdTag(id_tag="b", parent="G"))
    second = site.begin(connector=2, tag="B", meter=3400)
    site.stop(3500, transaction=-1, tag="A")
    assert (site.transaction(first).state, site.transaction(second).state) == ("closed", "open")


def test_the_register_tells_which_transaction_a_stop_fits() -> None:
    """Without a tag the register that is next below tells."""
    site, first = site_with(connector=1, meter=1000)
    second = site.begin(connector=2, meter=50_000)
    site.stop(52_000, transaction=0)
    assert (site.transaction(first).state, site.transaction(second).state) == ("open", "closed")


@pytest.mark.parametrize(
    "stop",
    [
        {"tag": "OTHER"},
        {"at": START_MS - 3600_000},
        {"meter": 500},
        {"begin": (START_MS - 3600_000, 2000)},
        {"begin": (START_MS, 500)},
    ],
    ids=["another tag", "before the start", "below the start", "began before", "began below"],
)
def test_a_stop_that_contradicts_the_open_transaction_does_not_end_it(stop: dict[str, Any]) -> None:
    """A stop without a usable id ends only what it fits."""
    site, number = site_with()
    site.stop(stop.pop("meter", 3500), transaction=4711, **stop)
    assert site.transaction(number).state == "open"


def test_a_matched_stop_gives_way_to_the_transactions_own() -> None:
    """Where a stop was only matched, the one that names the transaction replaces it; the first goes to the history."""
    site, number = site_with()
    site.stop(3500, transaction=-1)
    site.advance(60)
    site.stop(4000, transaction=number)
    found = site.transaction(number)
    assert (found.energy_wh, found.state) == (3000, "closed")
    assert "corrected" in found.flags
    assert [fact.kind for fact in site.history] == ["stop_replaced"]


def test_a_strange_stop_is_an_orphan() -> None:
    """A stop that fits nothing is answered, kept in the history and announced once; no transaction comes of it."""
    site = Site()
    at = site.now
    assert site.stop(3500, transaction=4711, at=at) == {}
    site.advance(5)
    assert site.stop(3500, transaction=4711, at=at) == {}
    (fact,) = site.history
    assert (fact.kind, fact.data["transaction_id"], fact.data["meter_stop_wh"]) == ("orphan_stop", 4711, 3500)
    (event,) = site.events_of(TransactionOrphanStop)
    assert event.transaction_id == 4711
    assert site.transactions == []


def test_another_stations_transaction_is_unknown() -> None:
    """A stop with an id that another station holds touches nothing there: lookups are scoped (lookups are scoped)."""
    site = Site()
    site.memory.data[keys.TRANSACTION_OWNERS] = {"1": b"CP2"}
    other = keys.transaction("CP2", 1)
    site.memory.data[other] = b"untouched"
    site.stop(3500, transaction=1)
    assert site.memory.data[other] == b"untouched"
    assert len(site.events_of(TransactionOrphanStop)) == 1


# ── a start that was lost ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("named", [-1, 0, 4711])
def test_a_lost_start_is_built_from_the_stop(named: int) -> None:
    """Where the samples of a stop show the begin, the transaction is built from it, flagged, once (quirk 16)."""
    site = Site(connectors=1)
    begun, at = START_MS - 3600_000, site.now
    for _ in range(2):
        site.stop(9000, transaction=named, at=at, tag="T", begin=(begun, 2000), data=[(begun + MINUTE, 3000)])
    (found,) = site.transactions
    assert (found.state, found.started_at, found.meter_start_wh, found.energy_wh) == ("closed", begun, 2000, 7000)
    assert (found.flags, found.id_tag, found.connector_id) == (("built_from_stop",), "T", 1)
    assert [len(site.events_of(kind)) for kind in (TransactionStarted, TransactionEnded)] == [1, 1]
    assert len(site.readings(found.transaction_id)) == 2


def test_a_lost_start_that_comes_after_all_is_the_same_transaction() -> None:
    """The start of a transaction that was built from its stop is a repetition."""
    site = Site(connectors=1)
    begun = START_MS - 3600_000
    site.stop(9000, transaction=-1, tag="T", begin=(begun, 2000))
    assert site.begin(tag="T", meter=2000, at=begun) == site.transactions[0].transaction_id
    assert site.opened == {}


@pytest.mark.parametrize("named", [-1, 0])
def test_a_lost_start_without_samples_is_built_without_energy(named: int) -> None:
    """A station that never got an id says so by -1: its transaction is recorded, with no energy that nobody knows."""
    site = Site(connectors=1)
    site.stop(9000, transaction=named, tag="T")
    (found,) = site.transactions
    assert (found.energy_wh, found.meter_stop_wh) == (0, 9000)
    assert found.flags == ("built_from_stop", "orphan_stop")
    assert len(site.events_of(TransactionOrphanStop)) == len(site.history) == 1


# ── the register ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("sample", "stop", "energy", "flags"),
    [
        (None, 1000, 0, ()),
        (None, 900, 0, ("register_went_back",)),
        (None, 0, 0, ("register_went_back",)),
        (None, -1, 0, ("meter_stop_invalid",)),
        (None, 2**63, 0, ("meter_stop_invalid",)),
        (5000, 5000, 4000, ()),
        (5000, 4000, 4000, ("meter_stop_below_sample",)),
        (5000, 0, 4000, ("register_went_back", "meter_stop_below_sample")),
        (5000, -1, 4000, ("meter_stop_invalid",)),
        (5000, 50_000_000, 49_999_000, ("energy_implausible",)),
    ],
)
def test_a_register_never_goes_back(sample: int | None, stop: int, energy: int, flags: tuple[str, ...]) -> None:
    """A stop below what was known takes the last known value, flagged; energy is never negative (quirk 19)."""
    site, number = site_with()
    if sample is not None:
        site.meter(sample, transaction=number)
    site.stop(stop, transaction=number)
    found = site.transaction(number)
    assert (found.energy_wh, found.flags) == (energy, flags)
    assert found.meter_stop_wh is not None
    assert found.meter_stop_wh - found.meter_start_wh == energy


def test_a_sample_from_after_the_stop_is_not_its_energy() -> None:
    """A register sample from after the stop says nothing about it, though it came before."""
    site, number = site_with()
    site.meter(5000, transaction=number)
    stopped = site.now
    site.advance(1800)
    site.meter(8000, transaction=number)
    site.stop(5500, transaction=number, at=stopped)
    assert (site.transaction(number).energy_wh, site.transaction(number).flags) == (4500, ())


@pytest.mark.parametrize(
    ("rules", "start", "sample", "stop", "energy"),
    [
        ({}, 10_000, "12000", 13_000, 3000),
        ({"register": "session"}, 10_000, "2000", 3000, 3000),
        ({"register": "session"}, 0, "2000", 3000, 3000),
        ({"meter_in": "kwh", "samples_in": "kwh"}, 10, "12", 13, 3000),
        ({"samples_in": "kwh"}, 10_000, "12", 13_000, 3000),
    ],
)
def test_rules_of_a_model_make_energy_right(
    rules: dict[str, str], start: int, sample: str, stop: int, energy: int
) -> None:
    """Session registers and kWh labelled Wh are read by the station's rules (quirk 19)."""
    site = Site()
    station = site.view.station
    assert station is not None
    site.run(lambda draft: draft.put(msgspec.structs.replace(station, quirk_profile=rules)))
    number = site.begin(meter=start)
    site.advance(600)
    site.meter(sample, transaction=number)
    assert site.transaction(number).energy_wh == 2000
    site.advance(600)
    site.stop(stop, transaction=number)
    assert site.transaction(number).energy_wh == energy
    assert not {"register_went_back", "meter_stop_below_sample"} & set(site.transaction(number).flags)


def test_transaction_data_is_merged() -> None:
    """Samples of transactionData that came as MeterValues before are not stored again (section 3.16)."""
    site, number = site_with()
    first = site.now
    site.meter(2000, transaction=number)
    site.advance(60)
    site.stop(3500, transaction=number, data=[(first, 2000), (first + MINUTE, 3500)])
    assert [one.taken_at for one in site.readings(number)] == [first, first + MINUTE]
    assert site.transaction(number).sample_count == 2


def test_transaction_data_stands_in_for_a_missing_meter_stop() -> None:
    """With no usable meterStop the last sample of transactionData is the end."""
    site, number = site_with()
    site.stop(-1, transaction=number, data=[(site.now, 3500)])
    assert site.transaction(number).energy_wh == 2500


# ── the tag that stops ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_stop_with_a_tag_is_told_about_it() -> None:
    """A stop that names a tag gets its idTagInfo, one that does not gets none; a repetition gets the same."""
    site, number = site_with(IdTag(id_tag="tag1", parent="G"))
    at = site.now
    first = site.stop(3500, transaction=number, tag="TAG1", at=at)
    assert first == {"idTagInfo": {"status": "Accepted", "parentIdTag": "G"}}
    site.put_tag(IdTag(id_tag="tag1", status="blocked"))
    assert site.stop(3500, transaction=number, tag="TAG1", at=at) == first


@pytest.mark.parametrize(
    ("stopping", "flags"),
    [
        (IdTag(id_tag="tag1", parent="G"), ()),
        (IdTag(id_tag="mate", parent="g"), ()),
        (IdTag(id_tag="mate", parent="H"), ("stop_tag_differs",)),
        (IdTag(id_tag="mate"), ("stop_tag_differs",)),
    ],
    ids=["the same", "its group", "another group", "no group"],
)
def test_who_may_stop(stopping: IdTag, flags: tuple[str, ...]) -> None:
    """Another tag of the same group may stop; any other is flagged, for a stop can't be refused (section 3.10)."""
    site, number = site_with(IdTag(id_tag="tag1", parent="G"))
    site.put_tag(stopping)
    site.stop(3500, transaction=number, tag=stopping.id_tag.upper())
    assert (site.transaction(number).state, site.transaction(number).flags) == ("closed", flags)


def test_a_late_session_s_stop_is_merged_without_an_answer() -> None:
    """A stop of a replaced session ends its transaction; nobody waits for its answer."""
    site, number = site_with()
    old_epoch = site.epoch
    site.advance(60)
    site.open()
    site.stop(3500, transaction=number, epoch=old_epoch)
    assert site.transaction(number).energy_wh == 2500


def test_a_stop_before_its_start_is_flagged() -> None:
    """By the station's clock it ended before it began: kept, flagged."""
    site, number = site_with()
    site.stop(3500, transaction=number, at=START_MS - 600_000)
    found = site.transaction(number)
    assert (found.energy_wh, found.flags) == (2500, ("stopped_before_start",))


def test_an_unreadable_stop_is_answered_empty() -> None:
    """A StopTransaction that nobody understands gets its empty answer and touches nothing."""
    site, number = site_with()
    answer = site.send_text(b'[2,"m","StopTransaction",{"transactionId":1')
    assert answer == [3, "m", {}]
    assert site.transaction(number).state == "open"
