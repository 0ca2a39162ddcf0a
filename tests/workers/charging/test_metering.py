"""MeterValues: where samples belong, which are new, and what they tell (OCPP 1.6 section 4.7)."""

from __future__ import annotations

from typing import Any

import pytest

from shared.bus import keys
from shared.records.events import TransactionUpdated
from tests.workers.harness import START_MS, World
from workers.services import metering
from workers.services.reported import ENERGY, POWER, SOC, MeterReport, ReadingReport, SampleReport

from .site import Site

MINUTE = 60_000
POWER_KW = {"value": "7.36", "measurand": POWER, "unit": "kW"}


def site_with(**start: Any) -> tuple[Site, int]:
    """A site with one open transaction since a minute; its meter started at 1000."""
    site = Site()
    number = site.begin(**start)
    site.advance(60)
    return site, number


def test_samples_are_kept_and_tell_of_the_transaction() -> None:
    """One entry a timestamp, units normalised; energy, power and charge go to the open transaction and its event."""
    site, number = site_with()
    samples = [
        {"value": "1.5", "unit": "kWh", "context": "Sample.Clock"},
        POWER_KW,
        {"value": "55", "measurand": SOC, "unit": "Percent", "location": "EV"},
        {"value": "16", "measurand": "Current.Import", "unit": "A", "phase": "L1"},
    ]
    assert site.meter(transaction=number, samples=samples) == {}
    (reading,) = site.readings(number)
    assert (reading.taken_at, reading.received_at, reading.connector_id) == (site.now, site.now, 1)
    assert [(one.measurand, one.value, one.unit, one.phase) for one in reading.samples] == [
        (ENERGY, 1500, "Wh", ""),
        (POWER, 7360, "W", ""),
        (SOC, 55, "Percent", ""),
        ("Current.Import", 16, "A", "L1"),
    ]
    assert reading.samples[0].context == "Sample.Clock"
    found = site.transaction(number)
    assert (found.energy_wh, found.last_power_w, found.last_soc, found.sample_count) == (500, 7360, 55, 4)
    assert (found.last_meter_wh, found.last_sample_at, found.last_activity_at) == (1500, site.now, site.now)
    (event,) = site.events_of(TransactionUpdated)
    assert (event.energy_wh, event.power_w, event.soc_percent, event.sampled_at) == (500, 7360, 55, site.now)


def test_new_samples_need_no_look_at_the_history() -> None:
    """Samples that are newer than all before are written without reading what is stored."""
    site, number = site_with()
    site.meter(1500, transaction=number)
    site.advance(60)
    key = keys.meter("CP1", number)
    site.memory.data[key] = [("1-0", "unreadable")]  # Looking at it would fail.
    site.meter(1600, transaction=number)
    assert len(site.memory.data[key]) == 2


def test_a_repeated_message_stores_nothing() -> None:
    """The same MeterValues under a new message id are a repetition: no sample, no event."""
    site, number = site_with()
    for _ in range(3):
        site.meter(1500, transaction=number, at=START_MS + MINUTE)
    assert len(site.readings(number)) == len(site.events_of(TransactionUpdated)) == 1
    assert site.transaction(number).sample_count == 1


def test_another_value_for_the_same_sample_is_kept_and_flagged() -> None:
    """The same business key with another value: both stay (docs/architecture.md)."""
    site, number = site_with()
    for value in (1500, 1600, 1600):
        site.meter(value, transaction=number, at=START_MS + MINUTE)
    readings = site.readings(number)
    assert [(one.samples[0].value, one.samples[0].flags) for one in readings] == [
        (1500, ()),
        (1600, ("conflicting_samples",)),
    ]
    assert "conflicting_samples" in site.transaction(number).flags


@pytest.mark.parametrize(
    "field",
    [{"measurand": "Voltage"}, {"phase": "L1"}, {"location": "Inlet"}, {"context": "Trigger"}, {"unit": "kWh"}],
)
def test_each_part_of_the_key_tells_samples_apart(field: dict[str, str]) -> None:
    """Measurand, phase, location and context make another sample; a kilo unit with the same value another value."""
    site, number = site_with()
    site.meter(transaction=number, samples=[{"value": "7", "unit": "Wh"}], at=site.now)
    site.meter(transaction=number, samples=[{"value": "7", "unit": "Wh", **field}], at=site.now)
    assert sum(len(one.samples) for one in site.readings(number)) == 2


def test_one_timestamp_in_many_parts_is_one_entry() -> None:
    """A station that sends one meterValue per sample gets one reading of its timestamp, and no look at the history."""
    site, number = site_with()
    values = [
        {"timestamp": site.time(), "sampledValue": [one]} for one in ({"value": "1500"}, POWER_KW, {"value": "1500"})
    ]
    site.sent("MeterValues", {"connectorId": 1, "transactionId": number, "meterValue": values})
    (reading,) = site.readings(number)
    assert [one.value for one in reading.samples] == [1500, 7360]


def test_samples_out_of_order_are_merged() -> None:
    """Older samples that come later count, and change neither the newest power nor the energy."""
    site, number = site_with()
    site.meter(transaction=number, at=START_MS + 3 * MINUTE, samples=[{"value": "2000"}, POWER_KW])
    old = {**POWER_KW, "value": "1"}
    site.meter(transaction=number, at=START_MS + MINUTE, samples=[{"value": "1200"}, old])
    found = site.transaction(number)
    assert (found.energy_wh, found.last_power_w, found.sample_count) == (1000, 7360, 4)
    assert found.last_sample_at == START_MS + 3 * MINUTE
    assert found.flags == ()


def test_a_sample_from_the_future_does_not_hide_later_ones() -> None:
    """One time of 2099 must not make every later sample look old, nor be the newest (F25)."""
    site, number = site_with()
    future = 4_070_908_800_000
    site.meter(1500, transaction=number, at=future)
    site.meter(1500, transaction=number, at=future)
    assert site.transaction(number).last_sample_at == 0
    site.meter(1600, transaction=number)
    found = site.transaction(number)
    assert (found.last_sample_at, found.energy_wh, found.sample_count) == (site.now, 600, 2)


def test_a_sample_from_the_future_stands_where_it_was_received() -> None:
    """Its register and power are the past's, once later samples came; nothing went back."""
    site, number = site_with()
    site.meter(transaction=number, at=4_070_908_800_000, samples=[{"value": "1500"}, {**POWER_KW, "value": "1"}])
    for register in (1600, 1700):
        site.advance(60)
        site.meter(transaction=number, samples=[{"value": str(register)}, POWER_KW])
    site.meter(1400, transaction=number, at=START_MS + 1000)  # Out of order: all of it is looked at again.
    found = site.transaction(number)
    assert (found.energy_wh, found.last_power_w, found.flags) == (700, 7360, ())


@pytest.mark.parametrize(("samples", "power"), [(["L1", "L2", "L3"], 3000.0), (["L1", ""], 1000.0)])
def test_power_of_phases_is_their_sum(samples: list[str], power: float) -> None:
    """Without an overall sample the phases' powers add up; with one it counts alone."""
    site, number = site_with()
    sent = [{"value": "1", "measurand": POWER, "unit": "kW", **({"phase": one} if one else {})} for one in samples]
    site.meter(transaction=number, samples=sent)
    assert site.transaction(number).last_power_w == power


@pytest.mark.parametrize(
    ("values", "energy", "flag"),
    [
        ([2000, 1500, 1700], 1000, "register_went_back"),
        ([2000, 0, 100], 1000, "register_went_back"),
        ([500], 0, "register_went_back"),
        ([2000, 9_000_000], 1000, "register_jumped"),
        ([2000, 2000, 2500], 1500, None),
    ],
)
def test_an_energy_register_only_rises(values: list[int], energy: int, flag: str | None) -> None:
    """A register that goes back or jumps is kept as it came, flagged, and not counted (section 7.31, quirk 19)."""
    site, number = site_with()
    for value in values:
        site.meter(value, transaction=number)
        site.advance(60)
    found = site.transaction(number)
    assert (found.energy_wh, found.flags) == (energy, (flag,) if flag else ())
    assert [one.samples[0].value for one in site.readings(number)] == values


@pytest.mark.parametrize(
    "odd", [{"phase": "L1"}, {"location": "Inlet"}, {"measurand": "Energy.Active.Export.Register"}, {"value": "n/a"}]
)
def test_only_the_overall_import_register_is_energy(odd: dict[str, str]) -> None:
    """Registers of a phase, of the grid's side or of another direction are no energy of the transaction."""
    site, number = site_with()
    site.meter(transaction=number, samples=[{"value": "5000", **odd}])
    assert site.transaction(number).energy_wh == 0


def test_fractions_of_a_watt_hour_count_once_whole() -> None:
    """1500.9 Wh is kept as it is, and is 1500 Wh of energy: it can't exceed a meterStop that was cut."""
    site, number = site_with()
    site.meter("1500.9", transaction=number)
    assert site.readings(number)[0].samples[0].value == 1500.9
    assert site.transaction(number).last_meter_wh == 1500
    site.stop(1500, transaction=number)
    assert site.transaction(number).flags == ()


def test_signed_data_stays_text() -> None:
    """A signed value is kept to the letter, whatever it looks like (section 7.49)."""
    site, number = site_with()
    site.meter(transaction=number, samples=[{"value": "00123", "format": "SignedData"}])
    (sample,) = site.readings(number)[0].samples
    assert (sample.value, sample.format) == ("00123", "SignedData")
    assert site.transaction(number).energy_wh == 0


# ── where samples belong ─────────────────────────────────────────────────────────────────────────────────────────────


def test_samples_after_the_stop_are_late_and_reopen_nothing() -> None:
    """MeterValues with the id of an ended transaction are kept with it, flagged (quirk 17)."""
    site, number = site_with()
    site.stop(2000, transaction=number)
    site.advance(60)
    for _ in range(2):
        site.meter(2100, transaction=number, at=site.now)
    found = site.transaction(number)
    assert (found.state, found.energy_wh, found.flags) == ("closed", 1000, ("late_samples",))
    assert site.opened == {}
    assert len(site.readings(number)) == 1


def test_a_late_sample_does_not_move_the_start_of_an_ended_transaction() -> None:
    """Where the start had no meter value, the one that its end was counted from stays."""
    site, number = site_with(meter=-1)
    site.meter(2000, transaction=number)
    site.stop(3000, transaction=number)
    site.meter(1500, transaction=number, at=START_MS + 1000)
    found = site.transaction(number)
    assert (found.meter_start_wh, found.meter_stop_wh, found.energy_wh) == (2000, 3000, 1000)


@pytest.mark.parametrize("named", [None, -1, 0, 4711])
def test_samples_without_a_known_id_are_the_connectors(named: int | None) -> None:
    """Without an id of this station samples belong to the open transaction of their connector (quirk 18)."""
    site, number = site_with(connector=2)
    other = site.begin(connector=1)
    site.meter(1500, transaction=named, connector=2)
    assert (site.transaction(number).energy_wh, site.transaction(other).energy_wh) == (500, 0)
    assert ("unknown_transaction" in site.transaction(number).flags) is (named is not None)


def test_samples_without_a_transaction_are_the_stations() -> None:
    """With nothing open they are kept by connector, once."""
    site = Site()
    for _ in range(2):
        site.meter(700, connector=1, at=START_MS)
    site.meter(700, connector=2, at=START_MS)
    assert [(one.connector_id, one.samples[0].value) for one in site.readings(0)] == [(1, 700), (2, 700)]


def test_samples_from_before_the_start_are_not_the_transactions() -> None:
    """A clock-aligned value from before the start, delivered after it, belongs to no transaction (errata 3.16)."""
    site, number = site_with()
    site.meter(900, at=START_MS - MINUTE)
    assert site.transaction(number).flags == ()
    assert (len(site.readings(number)), len(site.readings(0))) == (0, 1)


@pytest.mark.parametrize(("connectors", "owned"), [(1, True), (2, False), (0, False)])
def test_the_main_meter_is_a_transactions_only_on_a_station_with_one_connector(connectors: int, owned: bool) -> None:
    """Connector 0 is the main meter: a transaction's only where there is no other connector (quirk 18)."""
    site = Site(connectors=connectors)
    number = site.begin()
    site.advance(60)
    site.meter(1500, connector=0)
    assert (len(site.readings(number)), len(site.readings(0))) == ((1, 0) if owned else (0, 1))
    assert site.view.charging.pool == (0 if owned else 1500)


def test_the_main_meter_belongs_by_rule_of_the_model() -> None:
    """A model that reports its connector's meter as connector 0 has a rule for it (quirk 18, KEBA)."""
    site = Site(connectors=2, chargePointVendor="Keba AG")
    number = site.begin()
    site.advance(60)
    site.meter(1500, connector=0)
    assert site.transaction(number).energy_wh == 500


def test_a_main_meter_sample_that_names_a_transaction_is_its_own() -> None:
    """An id in the message decides, whatever the connector."""
    site, number = site_with()
    site.meter(1500, connector=0, transaction=number)
    assert site.transaction(number).energy_wh == 500


def test_late_entries_are_merged() -> None:
    """MeterValues of a replaced session are stored like any other, without an answer."""
    site, number = site_with()
    old_epoch = site.epoch
    site.advance(60)
    site.open()
    site.meter(1500, transaction=number, at=START_MS + MINUTE, epoch=old_epoch)
    assert site.transaction(number).energy_wh == 500


@pytest.mark.parametrize("connector", [-5, 2**31, 2**70])
def test_an_impossible_connector_is_flagged(connector: int) -> None:
    """Samples of a connector that can't be are kept as nobody's."""
    site, _ = site_with()
    site.meter(1500, connector=connector)
    assert site.readings(0)[0].connector_id == -1
    assert "value_out_of_range" in " ".join(site.flags)


def test_made_up_connectors_do_not_fill_the_record() -> None:
    """Only so many connectors' newest samples are remembered; the others' are merged by their history."""
    site = Site()
    for connector in range(metering.MAX_CONNECTORS + 5):
        for _ in range(2):
            site.meter(1, connector=connector, at=START_MS)
    assert len(site.view.charging.last_sample_at) == metering.MAX_CONNECTORS
    assert len(site.readings(0)) == metering.MAX_CONNECTORS + 5


def test_the_stations_samples_are_bounded() -> None:
    """The stream of samples without a transaction is cut by length."""
    world = World()
    report = MeterReport(connector_id=1, readings=(ReadingReport(START_MS, (SampleReport("1"),)),))
    draft = world.run(lambda draft: metering.record(draft, report))
    (write,) = draft.writes
    assert write[:6] == ("XADD", keys.samples("CP1"), "MAXLEN", "~", metering.KEEP_WITHOUT_TRANSACTION, "*")
