"""A station is brought in line: key after key, verified by reading back, refusals recorded, reverts not fought."""

from __future__ import annotations

import pytest

from shared.ocpp.timestamps import format_time
from shared.records.events import DataIncomplete, StationFlagged, StationTuned
from shared.records.models import Overrides
from shared.records.packing import unpack
from shared.records.requests import ApplyTemplates, DeleteStation
from shared.records.transactions import Transaction
from workers.services.tuning import running

from .site import ALL_MEASURANDS, BOOT, SAMPLED, Site, template


def test_what_differs_is_set_after_the_boot_and_read_back() -> None:
    """Only keys that differ are changed, one command at a time; the read-back makes them in line."""
    site = Site({"HeartbeatInterval": "300", "ConnectionTimeOut": "60"})
    site.want(template(keys={"HeartbeatInterval": "60", "ConnectionTimeOut": "60"}))
    site.boot()
    assert site.changes() == ["60"]
    assert site.said[-1] == ("GetConfiguration", {"key": ["HeartbeatInterval"]})
    assert {site.state(key) for key in ("HeartbeatInterval", "ConnectionTimeOut")} == {"in_line"}
    assert site.view.tuned.run is None
    (told,) = site.events_of(StationTuned)
    assert (told.state, told.taken) == ("in_line", ("HeartbeatInterval",))
    assert site.index() == {"/0/in_line/CP1", "base/1/in_line/CP1"}
    assert site.count("tuning_keys_total", "set") == 1
    site.boot()
    assert len(site.changes()) == 1


def test_a_boot_that_comes_before_its_session() -> None:
    """A new station's first frame may be decided before its connection's entry: it is brought in line all the same."""
    site = Site({"X": "1"})
    site.want(template(keys={"X": "2"}))
    site.epoch = site.now
    site.call("BootNotification", BOOT)
    site.open(epoch=site.epoch)
    site.advance(2)
    site.settle_commands()
    assert site.held["X"] == "2"


def test_without_templates_nothing_is_written() -> None:
    """A fleet without templates costs a station nothing."""
    site = Site()
    site.boot()
    assert site.view.tuned.templates == {}
    assert not site.index()
    assert site.changes() == []


def test_values_are_compared_as_the_standard_types_them() -> None:
    """`TRUE` is `true`, `060` is `60`, and keys are found in any case."""
    site = Site({"localauthorizeoffline": "TRUE", "HeartbeatInterval": "060"})
    site.want(template(keys={"LocalAuthorizeOffline": "true", "HeartbeatInterval": "60"}))
    site.boot()
    assert site.changes() == []
    assert site.overall() == "in_line"


@pytest.mark.parametrize("status", ["Rejected", "NotSupported"])
def test_a_refusal_is_recorded_and_not_repeated(status: str) -> None:
    """A refused key stands as refused with the station's word, until the template or the firmware changes."""
    site = Site({"X": "1", "Y": "1"}, refused={"X": status})
    site.want(template(keys={"X": "2", "Y": "2"}))
    site.boot()
    memory = site.view.tuned.keys["x"]
    assert (memory.state, memory.answer) == ("refused", status)
    assert site.state("Y") == "in_line"
    assert site.overall() == "refused"
    site.boot()
    assert site.changes("X") == ["2"]
    site.boot(firmwareVersion="2.0")
    assert site.changes("X") == ["2", "2"]
    site.want(template(keys={"X": "3", "Y": "2"}, revision=2))
    site.boot(firmwareVersion="2.0")
    assert site.changes("X") == ["2", "2", "3"]
    assert "base/2/refused/CP1" in site.index()


def test_a_refusal_hides_nothing_that_is_under_way() -> None:
    """While a key is still to be set the template is pending, whatever was refused before."""
    site = Site({"A": "1", "X": "1"}, readonly={"A"})
    site.want(template(keys={"A": "2", "X": "2"}))
    site.open()
    site.call("BootNotification", BOOT)
    site.advance(2)
    site.settle_commands(1)
    assert site.overall() == "pending"
    site.settle_commands()
    assert site.overall() == "refused"


def test_a_key_that_the_station_calls_read_only_is_not_tried() -> None:
    """What can't be written is refused without a command."""
    site = Site({"X": "1"}, readonly={"X"})
    site.want(template(keys={"X": "2"}))
    site.boot()
    assert site.changes() == []
    assert (site.state("X"), site.view.tuned.keys["x"].answer) == ("refused", "read-only")


def test_a_station_that_keeps_reverting_is_flagged_not_fought() -> None:
    """After three times the key is left alone, flagged once, until the template changes."""
    site = Site({"X": "1", "Y": "1"}, reverting={"X"})
    site.want(template(keys={"X": "2", "Y": "2"}))
    for _ in range(6):
        site.boot()
    assert len(site.changes("X")) == 3
    assert site.changes("Y") == ["2"]
    assert (site.state("X"), site.state("Y")) == ("reverting", "in_line")
    assert [one.flag for one in site.events_of(StationFlagged)] == ["reverting:X"]
    assert site.count("tuning_keys_total", "reverting") == 1
    site.want(template(keys={"X": "3", "Y": "2"}, revision=2))
    site.boot()
    assert site.changes("X")[-1] == "3"


def test_a_station_that_takes_and_ignores_is_found_out() -> None:
    """What reads back as before was not set: tried at the next boots, then left alone."""
    site = Site({"X": "1"}, ignored={"X"})
    site.want(template(keys={"X": "2"}))
    site.boot()
    assert site.state("X") == "differs"
    for _ in range(5):
        site.boot()
    assert (site.state("X"), len(site.changes("X"))) == ("reverting", 3)


def test_a_changed_template_cancels_what_it_no_longer_wants() -> None:
    """A command that waits for an absent station is not sent once something else is wanted."""
    site = Site({"X": "1"})
    site.want(template(keys={"X": "2"}))
    site.open()
    site.call("BootNotification", BOOT)
    site.advance(2)
    read = site.next_command()
    assert read is not None
    site.reply(read)
    assert site.next_command() is not None, "the change is out, and is never answered"
    site.want(template(keys={"X": "3"}, revision=2))
    site.boot()
    assert site.held["X"] == "3"
    assert site.changes() == ["3"]


def test_a_lost_command_is_sent_again() -> None:
    """A change of unknown fate is repeated a minute later; setting a value twice does no harm."""
    site = Site({"X": "1"})
    site.want(template(keys={"X": "2"}))
    site.open()
    site.call("BootNotification", BOOT)
    site.advance(2)
    site.settle_commands(1)
    assert site.next_command() is not None
    site.advance(95)  # 30 s until it is lost, a minute until it is tried again
    assert site.settle_commands() > 0
    assert site.state("X") == "in_line"


def test_a_search_goes_on_where_its_station_left() -> None:
    """A station that reboots in the middle of a search is asked the next question, not the first."""
    site = Site(supported={"Energy.Active.Import.Register", "Voltage"})
    site.want(template(meter_data={"sampled": ALL_MEASURANDS}))
    site.open()
    site.call("BootNotification", BOOT)
    site.advance(2)
    site.settle_commands(4)  # the read, and three steps
    site.boot()
    tried = site.changes(SAMPLED)
    assert len(tried) - len(set(tried)) == 1, "the one that was under way is sent again, and no other"
    assert site.held[SAMPLED] == "Energy.Active.Import.Register,Voltage"
    memory = site.view.tuned.keys[SAMPLED.lower()]
    assert (memory.state, memory.refused) == ("refused", ("Power.Active.Import", "Current.Import", "SoC"))


def test_operators_apply_at_once_and_retry() -> None:
    """A request reads the configuration and sets what differs; `retry` tries again what was refused."""
    site = Site({"X": "1"})
    site.boot()
    site.want(template(keys={"X": "2"}))
    assert site.request(ApplyTemplates(request_id="r1"))[0] == 202
    site.settle_commands()
    assert site.held["X"] == "2"
    site.behaviour.refused = {"X": "Rejected"}
    site.want(template(keys={"X": "3"}, revision=2))
    for number, retry in ((2, False), (3, False), (4, True)):
        site.request(ApplyTemplates(request_id=f"r{number}", retry=retry))
        site.settle_commands()
    assert site.changes("X") == ["2", "3", "3"]


def test_an_unknown_station_is_not_found() -> None:
    """404, and nothing is remembered."""
    site = Site()
    assert site.request(ApplyTemplates(request_id="r1"))[0] == 404


def test_priority_decides_and_a_removed_template_lets_go() -> None:
    """The higher priority wins key by key; what nobody wants any more is left as it is."""
    site = Site({"X": "0", "Y": "0"})
    low = template("low", priority=1, keys={"X": "1", "Y": "1"})
    high = template("high", priority=2, keys={"X": "2"})
    site.want(low, high)
    site.boot()
    assert (site.held["X"], site.held["Y"]) == ("2", "1")
    assert site.index() == {"/0/in_line/CP1", "low/1/in_line/CP1", "high/1/in_line/CP1"}
    site.want(low)
    site.boot()
    assert site.held["X"] == "1"
    site.want()
    site.boot()
    assert site.index() == set()
    assert site.view.tuned.keys == {}


def test_a_deleted_station_leaves_the_index() -> None:
    """Nothing of it stays in the fleet's lists."""
    site = Site({"X": "1"})
    site.want(template(keys={"X": "2"}))
    site.boot()
    site.request(DeleteStation(request_id="r"))
    assert site.index() == set()


# ── meter data ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_largest_list_is_set_and_remembered_for_the_model() -> None:
    """The first station of a model is searched, the next takes one call; the interval is a plain key."""
    site = Site(supported=set(ALL_MEASURANDS) - {"SoC"})
    policy = template(meter_data={"sampled": ALL_MEASURANDS, "sampled_interval_s": 30})
    site.want(policy)
    site.boot()
    assert site.held[SAMPLED] == ",".join(ALL_MEASURANDS[:-1])
    assert site.held["MeterValueSampleInterval"] == "30"
    memory = site.view.tuned.keys[SAMPLED.lower()]
    assert (memory.taken, memory.refused) == (ALL_MEASURANDS[:-1], ("SoC",))
    assert memory.calls <= 2 + 2 * 1 * 3
    other = Site(supported=set(ALL_MEASURANDS) - {"SoC"})
    other.memory = site.memory
    other.boot()
    assert len(other.changes(SAMPLED)) == 1
    assert other.held[SAMPLED] == site.held[SAMPLED]


def test_a_retry_doubts_what_is_known_of_the_model() -> None:
    """What a model is wrongly known to refuse is tried again, and known better from then on."""
    site = Site(supported={"Voltage"})
    site.want(template(meter_data={"sampled": ("Voltage", "SoC")}))
    site.boot()
    other = Site()
    other.memory = site.memory
    other.boot()
    assert other.held[SAMPLED] == "Voltage"
    other.request(ApplyTemplates(request_id="retry", retry=True))
    other.settle_commands()
    assert (other.held[SAMPLED], other.overall()) == ("Voltage,SoC", "in_line")
    assert other.view.tuned.retry is False
    third = Site()
    third.memory = site.memory
    third.boot()
    assert third.changes(SAMPLED) == ["Voltage,SoC"]


def test_the_stations_own_limit_is_respected() -> None:
    """No list is longer than its MaxLength key says; what has no room is told apart from what is refused."""
    site = Site({f"{SAMPLED}MaxLength": "2"}, readonly={f"{SAMPLED}MaxLength"}, longest=2)
    site.want(template(meter_data={"sampled": ALL_MEASURANDS}))
    site.boot()
    assert site.changes(SAMPLED) == [",".join(ALL_MEASURANDS[:2])]
    memory = site.view.tuned.keys[SAMPLED.lower()]
    assert (memory.refused, memory.no_room) == ((), ALL_MEASURANDS[2:])


def test_operators_know_better_how_long_a_list_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """What they say of the model counts, whatever the station tells."""
    said = Overrides(limits={f"{SAMPLED}MaxLength": 1})
    monkeypatch.setattr(running, "overrides_of", lambda *_: said)
    site = Site({f"{SAMPLED}MaxLength": "2"})
    site.want(template(meter_data={"sampled": ALL_MEASURANDS}))
    site.boot()
    assert site.changes(SAMPLED) == [ALL_MEASURANDS[0]]
    assert site.view.tuned.keys[SAMPLED.lower()].no_room == ALL_MEASURANDS[1:]


def test_a_station_that_drops_what_it_does_not_support_is_found_out() -> None:
    """It takes the whole list and holds a part: the part is what it takes, and it is not fought."""
    site = Site(supported={"Energy.Active.Import.Register", "Voltage"}, drops=True)
    site.want(template(meter_data={"sampled": ALL_MEASURANDS}))
    site.boot()
    memory = site.view.tuned.keys[SAMPLED.lower()]
    assert memory.taken == ("Energy.Active.Import.Register", "Voltage")
    assert (memory.state, memory.answer) == ("refused", "taken, and not held")
    site.boot()
    assert len(site.changes(SAMPLED)) == 1


def test_phases_that_a_station_spells_out_are_what_was_wanted() -> None:
    """`Voltage.L1,Voltage.L2` holds `Voltage`."""
    site = Site({SAMPLED: "Voltage.L1, Voltage.L2,Energy.Active.Import.Register"})
    site.want(template(meter_data={"sampled": ("Energy.Active.Import.Register", "Voltage")}))
    site.boot()
    assert site.changes() == []
    assert site.overall() == "in_line"


def test_no_data_wanted_is_an_empty_list() -> None:
    """An empty list is set as it is, without a search."""
    site = Site({"StopTxnSampledData": "Voltage"})
    site.want(template(meter_data={"stop_sampled": ()}))
    site.boot()
    assert site.changes("StopTxnSampledData") == [""]
    assert site.overall() == "in_line"


# ── transactions ─────────────────────────────────────────────────────────────────────────────────────────────────────


def charge(site: Site, measurands: tuple[str, ...], *, minutes: int = 10, every_s: int = 60) -> int:
    """Charge, with samples of these measurands; returns the transaction's id."""
    start = {"connectorId": 1, "idTag": "T", "meterStart": 0, "timestamp": format_time(site.now)}
    number = site.call("StartTransaction", start)[2]["transactionId"]
    for _ in range(minutes * 60 // every_s):
        site.advance(every_s)
        samples = [{"value": "1", "measurand": one} for one in measurands]
        if samples:
            value = {"timestamp": format_time(site.now), "sampledValue": samples}
            site.call("MeterValues", {"connectorId": 1, "transactionId": number, "meterValue": [value]})
    site.call("StopTransaction", {"transactionId": number, "meterStop": 10, "timestamp": format_time(site.now)})
    return int(number)


@pytest.mark.parametrize(
    ("sent", "every_s", "verdict", "missing"),
    [
        (("Voltage", "SoC"), 60, "met", ()),
        (("Voltage",), 60, "partly", ("sampled:SoC",)),
        (("Current.Import",), 60, "unmet", ("sampled:Voltage", "sampled:SoC")),
        ((), 60, "none", ("sampled:Voltage", "sampled:SoC")),
        (("Voltage", "SoC"), 200, "partly", ("sampled_interval_s",)),
    ],
)
def test_a_transaction_says_whether_its_data_met_the_policy(
    sent: tuple[str, ...], every_s: int, verdict: str, missing: tuple[str, ...]
) -> None:
    """Met, partly, unmet or none, with what was missing; what is missing is an event."""
    site = Site()
    site.want(template(meter_data={"sampled": ("Voltage", "SoC"), "sampled_interval_s": 60}))
    site.boot()
    number = charge(site, sent, minutes=20, every_s=every_s)
    found = unpack(site.memory.data[f"s:{{CP1}}:tx:{number}"], Transaction)
    assert (found.data_policy, found.data_missing) == (verdict, missing)
    assert [one.data_policy for one in site.events_of(DataIncomplete)] == ([] if verdict == "met" else [verdict])
    assert site.count("transactions_data_policy_total", verdict) == 1
    undelivered = site.view.tuned.keys[SAMPLED.lower()].undelivered
    assert undelivered == tuple(one.partition(":")[2] for one in missing if ":" in one)


def test_a_short_transaction_and_one_without_a_policy_are_not_judged() -> None:
    """Too short for two samples, or nothing wanted: nothing is said."""
    site = Site()
    site.boot()
    site.want(template(meter_data={"sampled": ("Voltage",), "sampled_interval_s": 300}))
    without = charge(site, ())
    site.boot()
    for number in (without, charge(site, (), minutes=5)):
        assert unpack(site.memory.data[f"s:{{CP1}}:tx:{number}"], Transaction).data_policy == ""
