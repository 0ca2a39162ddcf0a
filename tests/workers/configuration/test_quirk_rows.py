"""Rows 2, 3, 18 to 24 and 26 to 28 of the quirks (docs/stations.md), each by a rule of a profile and not by code."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shared import envelopes
from shared.bus import keys
from shared.policy import Policy
from shared.quirk_profiles import Profile, load
from shared.records.configuration import KeyValue
from shared.records.events import ConnectorStatus, StartFailed
from shared.records.models import Model, Overrides, model_key
from shared.records.packing import unpack
from workers.services import quirks
from workers.services.configuration import capabilities

from .station import Configurable

QUIET = Policy(unknown_stations="accept", unknown_tags="accept")
"""Nothing is read here but what a test asks for."""


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    yield
    quirks.install(load(), {})


def site(rules: dict[str, str] | None = None, policy: Policy = QUIET) -> Configurable:
    """Return a booted station of a model with these rules."""
    quirks.install((*load(), Profile(vendor="Odd.*", model="O-.", rules=rules)) if rules else load())
    return Configurable(None, policy, chargePointVendor="Oddities", chargePointModel="O-1")


@pytest.mark.parametrize(("rules", "held_s"), [({"boot_hold": "90"}, 90), ({}, 30)], ids=["rule", "setting"])
def test_row_2_the_hold(rules: dict[str, str], held_s: int) -> None:
    """A model that starts over on early commands is left alone longer after a connect without a boot."""
    station = site(rules)
    station.close()
    station.open()
    station.command("ClearCache", {})
    station.advance(held_s - 1)
    assert station.items_of(envelopes.Command) == []
    station.advance(2)
    assert len(station.items_of(envelopes.Command)) == 1


def test_row_3_no_boot_is_triggered() -> None:
    """A pending station of a model that restarts on a triggered boot is not asked for one."""
    policy = Policy(unknown_stations="accept", boot_policy="pending")
    for rules, asked in (({"trigger_boot": "never"}, 0), ({}, 1)):
        station = site(rules, policy)
        station.deliveries.clear()
        status, _ = station.request(station.sending("TriggerMessage", {"requestedMessage": "BootNotification"}))
        assert status == 202
        station.advance(5)
        assert len(station.items_of(envelopes.Command)) == asked


def test_row_18_the_main_meter_and_the_suffix() -> None:
    """Samples of connector 0 are the open transaction's, and a reader's serial number is no part of the tag."""
    station = site({"main_meter": "transaction", "id_tag": "strip_suffix"})
    station.status(1, "Available")
    station.status(2, "Available")
    number = station.begin(tag="ABC_77")
    station.advance(10)
    station.meter(1500, connector=0)
    assert station.transaction(number).energy_wh == 500
    assert station.transaction(number).id_tag == "ABC"


def test_row_19_units() -> None:
    """kWh labelled Wh, and registers that count from 0 in each session."""
    station = site({"samples_in": "kwh", "meter_in": "kwh", "register": "session"})
    number = station.begin(meter=1)
    station.advance(10)
    station.meter(2, transaction=number)
    assert station.transaction(number).energy_wh == 2000


def test_row_20_no_pings() -> None:
    """The door of a station that answers no ping says so, until its model does."""
    station = site({"ping": "off"})
    assert station.memory.data[keys.door("CP1")]["quiet"] == b"1"
    quirks.install(load())
    station.boot(chargePointVendor="Oddities", chargePointModel="O-1")
    assert station.memory.data[keys.door("CP1")]["quiet"] == b""


@pytest.mark.parametrize(("rules", "found"), [({}, None), ({"connectors": "2"}, 2)], ids=["told", "rule"])
def test_row_21_insane_numbers(rules: dict[str, str], found: int | None) -> None:
    """A number of connectors that no station has is not believed; a rule says how many there are."""
    station = site(rules)
    station.values = {"NumberOfConnectors": "1634030126", "ChargeProfileMaxStackLevel": "8"}
    snapshot = station.read()
    seen = []
    station.decide(lambda draft: seen.append(capabilities.of_station(draft, snapshot)))
    assert seen[0].connectors == found
    assert seen[0].limits == {"ChargeProfileMaxStackLevel": 8}


def test_rows_22_and_23_are_of_the_reading() -> None:
    """A model that restarts is not asked; what others send loosely is text (see test_reading, test_algebra)."""
    station = site({"read_configuration": "never"})
    assert station.request(station.reading())[0] == 409
    station = site()
    station.answerer = lambda _: {"configurationKey": [{"key": "A", "value": 1}]}
    assert station.read().keys == {"A": KeyValue("1")}


@pytest.mark.parametrize(("rules", "waited_s"), [({"command_timeout": "90"}, 90), ({}, 30)], ids=["rule", "setting"])
def test_row_24_late_answers(rules: dict[str, str], waited_s: int) -> None:
    """A model that answers a minute late is given the time."""
    station = site(rules)
    station.advance(5)
    station.command("ClearCache", {})
    outstanding = station.view.commands.outstanding
    assert outstanding is not None
    assert outstanding.deadline_at - outstanding.sent_at == waited_s * 1000


@pytest.mark.parametrize(("rules", "waited_s"), [({"start_failure": "300"}, 300), ({}, 120)], ids=["rule", "setting"])
def test_row_26_a_start_that_fails(rules: dict[str, str], waited_s: int) -> None:
    """A model that is slow to start is not called failed so soon."""
    station = site(rules)
    station.advance(5)
    command_id = station.command("RemoteStartTransaction", {"idTag": "TAG1"})
    station.answer(command_id, {"status": "Accepted"})
    station.advance(waited_s - 1)
    assert station.events_of(StartFailed) == []
    station.advance(2)
    assert len(station.events_of(StartFailed)) == 1


def test_row_27_floods_of_info() -> None:
    """A model that tells its temperature in every status writes nothing by it; a changed status is one all the same."""
    for rules, count in (({"status_info": "ignore"}, 1), ({}, 5)):
        station = site(rules)
        for degrees in range(5):
            fields = {"connectorId": 1, "status": "Available", "errorCode": "NoError", "info": f"{degrees} degrees"}
            assert station.sent("StatusNotification", fields) == {}
        assert len(station.events_of(ConnectorStatus)) == count
    station.sent("StatusNotification", {"connectorId": 1, "status": "Charging", "errorCode": "NoError", "info": "x"})
    assert station.view.connectors.by_id[1].status == "Charging"


def test_row_28_hexadecimal_tags_and_none() -> None:
    """Separators are no part of a hexadecimal tag, and whoever comes may charge where that is free."""
    policy = Policy(unknown_stations="accept", unknown_tags="reject")
    station = site({"id_tag": "hex", "free_vend": "accept"}, policy)
    answer = station.start(tag="")
    assert answer["idTagInfo"]["status"] == "Accepted"
    station.stop(2000, transaction=answer["transactionId"])
    station.advance(5)
    number = station.begin(tag="04:A2:B3")
    assert station.transaction(number).id_tag == "04a2b3"


def test_what_operators_say_of_a_model_wins() -> None:
    """Their rules come after the files', their limits and connectors in place of what the station tells."""
    station = site({"boot_hold": "90"})
    station.values = {"NumberOfConnectors": "1", "ChargeProfileMaxStackLevel": "8", "SupportedFeatureProfiles": "Core"}
    snapshot = station.read()
    said = Overrides(rules={"boot_hold": "none"}, connectors=3, limits={"ChargeProfileMaxStackLevel": 1})
    quirks.install(of_models={model_key("oddities", "o-1", ""): said})
    seen = []
    station.decide(lambda draft: seen.append(capabilities.of_station(draft, snapshot)))
    assert (seen[0].connectors, seen[0].limits, seen[0].profiles) == (3, {"ChargeProfileMaxStackLevel": 1}, ("Core",))
    assert quirks.quirks_of(station.view.station).boot_hold_ms == -1


def test_a_model_is_learned_from_its_stations() -> None:
    """The fleet's record of a model says what the last station that was read can do, and what was measured."""
    station = site()
    station.values = {"NumberOfConnectors": "2", "GetConfigurationMaxKeys": "40",
                      "SupportedFeatureProfiles": "Core, SmartCharging,Core"}  # fmt: skip
    station.meter(samples=[{"value": "1", "measurand": "Voltage"}])
    station.read()
    key = model_key("Oddities", "O-1", "")
    model = unpack(station.memory.data[keys.MODELS][key], Model)
    assert (model.vendor, model.model, model.station_id) == ("Oddities", "O-1", "CP1")
    assert model.capabilities.profiles == ("Core", "SmartCharging")
    assert model.capabilities.connectors == 2
    assert model.capabilities.limits == {"GetConfigurationMaxKeys": 40}
    assert station.memory.data[keys.model_measurands(key)] == {"Voltage"}
