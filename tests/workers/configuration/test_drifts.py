"""Drifts: which changes are significant, how long they stand, and what a firmware shows."""

from __future__ import annotations

import msgspec
import pytest

from shared.bus import keys
from shared.records.configuration import Change
from shared.records.drift_rules import SHIPPED
from shared.records.drifts import DriftRule, DriftRules
from shared.records.events import ConfigurationDrifted, DriftAcknowledged
from shared.records.packing import pack
from shared.records.requests import AcknowledgeDrift, DeleteStation
from workers.services.configuration import rules

from .station import DAY, POLICY, Configurable


def changed(site: Configurable, **values: str) -> None:
    """Change keys behind Ampstream's back, and boot."""
    site.values |= values
    site.reboot()


def test_a_changed_key_is_a_drift() -> None:
    """A key that somebody changed at the station is listed, counted, announced, and in the station's history."""
    site = Configurable({"HeartbeatInterval": "60", "A": "1"})
    site.settle_down()
    changed(site, A="2")
    change = Change(kind="changed", name="A", before="1", after="2")
    (drift,) = site.drifts
    assert (drift.state, drift.version, drift.changes) == ("open", 2, (change,))
    assert site.versions[0].changes == (change,)
    assert site.versions[0].drift_id == drift.drift_id
    (event,) = site.events_of(ConfigurationDrifted)
    assert (event.drift_id, event.names) == (drift.drift_id, ("A",))
    assert site.count("configuration_drifts_total", "changed") == 1
    assert site.memory.data[keys.DRIFTING] == {"CP1": b"1"}
    assert list(site.memory.data[keys.DRIFTS]) == [f"CP1/{drift.drift_id}"]


def test_the_same_configuration_makes_no_version() -> None:
    """What is read again as it was only moves the time of the snapshot."""
    site = Configurable()
    site.settle_down()
    first = site.snapshot
    site.reboot()
    assert site.snapshot == msgspec.structs.replace(first, read_at=site.snapshot.read_at)
    assert site.snapshot.read_at > first.read_at
    assert len(site.versions) == 1


def test_every_kind_of_change_is_seen() -> None:
    """Keys that came, went or were made read-only, and the firmware that brought it."""
    site = Configurable({"A": "1", "B": "1"}, firmwareVersion="1")
    site.settle_down()
    del site.values["A"]
    site.readonly.add("B")
    site.values["C"] = "1"
    site.reboot(firmwareVersion="2")
    kinds = {(one.kind, one.name) for one in site.versions[0].changes}
    assert kinds == {("firmware", ""), ("removed", "A"), ("made_readonly", "B"), ("added", "C")}
    (drift,) = site.drifts
    assert (drift.previous_firmware, drift.firmware) == ("1", "2")
    assert {one.kind for one in drift.changes} == {"removed", "made_readonly", "added"}


def test_what_the_rules_pass_over_is_history_only() -> None:
    """A counter that counts is a version, and no drift."""
    site = Configurable({"Vendor.BootCounter": "1"})
    site.settle_down()
    changed(site, **{"Vendor.BootCounter": "2"})
    assert len(site.versions) == 2
    assert site.drifts == []


def test_operators_rules_replace_those_that_are_shipped() -> None:
    """The list that is stored counts, the first rule that fits decides."""
    site = Configurable({"A": "1", "Vendor.BootCounter": "1"})
    site.settle_down()
    own = DriftRules(rules=(DriftRule(names="a", significant=False), DriftRule(names="vendor.*", kinds=("changed",))))
    site.memory.data[keys.DRIFT_RULES] = pack(own)
    changed(site, A="2", **{"Vendor.BootCounter": "2"})
    (drift,) = site.drifts
    assert [one.name for one in drift.changes] == ["Vendor.BootCounter"]


def test_what_ampstream_set_is_no_drift() -> None:
    """A change that the station took from an operator is expected; another value than that is not."""
    site = Configurable({"A": "1", "B": "1"})
    site.settle_down()
    for key in ("A", "B"):
        command = site.command("ChangeConfiguration", {"key": key, "value": "2"})
        site.answer(command, {"status": "Accepted"})
    changed(site, A="2", B="3")
    (drift,) = site.drifts
    assert [one.name for one in drift.changes] == ["B"]


def test_an_operator_acknowledges() -> None:
    """The drift keeps who saw it and what he noted; the station drifts no more; a second time changes nothing."""
    site = Configurable({"A": "1"})
    site.settle_down()
    changed(site, A="2")
    (drift,) = site.drifts
    asked = AcknowledgeDrift(request_id="r1", by="alice", drift_id=drift.drift_id, note="known")
    status, body = site.request(asked)
    assert (status, body["state"]) == (200, "acknowledged")
    (drift,) = site.drifts
    assert (drift.acknowledged_by, drift.note, drift.acknowledged_at) == ("alice", "known", site.now)
    assert site.memory.data[keys.DRIFTING] == {}
    site.request(msgspec.structs.replace(asked, request_id="r2", by="bob"))
    assert site.drifts == [drift]
    assert len(site.events_of(DriftAcknowledged)) == 1
    assert site.request(msgspec.structs.replace(asked, request_id="r3", drift_id="x"))[0] == 404


def test_drifts_and_versions_are_bounded() -> None:
    """The newest are kept, acknowledged ones go first, and the fleet's lists agree."""
    site = Configurable({"A": "0"}, policy=msgspec.structs.replace(POLICY, configuration_versions=3))
    site.settle_down()
    for number in range(1, 7):
        changed(site, A=str(number))
    assert [one.version for one in site.versions] == [7, 6, 5]
    assert [one.version for one in site.drifts] == [5, 6, 7]
    assert site.configured.drifts == tuple(one.drift_id for one in site.drifts)
    assert set(site.memory.data[keys.DRIFTS]) == {f"CP1/{one.drift_id}" for one in site.drifts}
    site.request(AcknowledgeDrift(request_id="r1", drift_id=site.drifts[-1].drift_id))
    changed(site, A="x")
    assert [one.version for one in site.drifts] == [5, 6, 8]


def test_a_deleted_station_leaves_nothing() -> None:
    """Its configuration, history and drifts go with it, out of the fleet's lists too."""
    site = Configurable({"A": "1"})
    site.settle_down()
    changed(site, A="2")
    assert site.request(DeleteStation(request_id="r1"))[0] == 200
    assert not [key for key in site.memory.data if key.endswith((":config", ":history", "}:drifts"))]
    assert site.memory.data[keys.DRIFTS] == {}
    assert site.memory.data[keys.DRIFTING] == {}


@pytest.mark.parametrize(
    ("change", "significant"),
    [
        (Change(kind="changed", name="MeterValuesSampledData"), True),
        (Change(kind="changed", name="Vendor.UptimeSeconds"), False),
        (Change(kind="removed", name="Vendor.UptimeSeconds"), True),
        (Change(kind="made_readonly", name="HeartbeatInterval"), True),
        (Change(kind="made_writable", name="HeartbeatInterval"), False),
        (Change(kind="changed", name="ConnectionTimeOut"), True),
        (Change(kind="measurand_gone", name="Voltage"), True),
        (Change(kind="vendor_error_code_new", name="E7"), True),
        (Change(kind="error_code_new", name="GroundFailure"), False),
        (Change(kind="firmware"), False),
    ],
    ids=lambda one: f"{one.kind}-{one.name}" if isinstance(one, Change) else str(one),
)
def test_the_shipped_rules(change: Change, significant: bool) -> None:
    """What the rules that are shipped take for a drift."""
    assert rules.is_significant(change, SHIPPED) is significant


# ── what a firmware shows ────────────────────────────────────────────────────────────────────────────────────────────


def show(site: Configurable, *measurands: str, vendor_error: str = "") -> None:
    """Let the station send samples, and a fault."""
    samples = [{"value": "1", "measurand": one} for one in measurands]
    site.meter(samples=samples)
    if vendor_error:
        site.call("StatusNotification", {"connectorId": 1, "status": "Faulted", "errorCode": "OtherError",
                                         "vendorErrorCode": vendor_error})  # fmt: skip


def kinds(site: Configurable) -> list[tuple[str, str]]:
    """Return the last version's changes that are of no key."""
    return [(one.kind, one.name) for one in site.versions[0].changes if one.kind != "changed"]


def test_a_firmware_is_learned_first() -> None:
    """What a station shows in its first days is how it is; what it shows anew later is a drift."""
    site = Configurable(firmwareVersion="1")
    site.settle_down()
    show(site, "Voltage", vendor_error="E1")
    site.reboot(firmwareVersion="1")
    assert len(site.versions) == 1
    site.settle_down(9 * DAY)
    show(site, "Voltage", "SoC", vendor_error="E2")
    site.reboot(firmwareVersion="1")
    assert kinds(site) == [("vendor_error_code_new", "E2"), ("measurand_new", "SoC")]
    (drift,) = site.drifts
    site.reboot(firmwareVersion="1")
    assert site.drifts == [drift]


def test_another_firmware_is_held_against_the_one_before() -> None:
    """What it shows beyond that is new at once; what it does not show in a settling time is gone, told once."""
    site = Configurable(firmwareVersion="1")
    site.settle_down()
    show(site, "Voltage", "SoC", vendor_error="E1")
    site.settle_down(9 * DAY)
    site.reboot(firmwareVersion="2")
    show(site, "Voltage", "Temperature")
    site.reboot(firmwareVersion="2")
    assert kinds(site) == [("measurand_new", "Temperature")]
    site.settle_down(5 * DAY)
    assert kinds(site) == [("measurand_new", "Temperature")]
    site.settle_down(4 * DAY)
    assert kinds(site) == [("measurand_gone", "SoC")]
    count = len(site.versions)
    site.settle_down(20 * DAY)
    assert len(site.versions) == count


def test_a_firmware_that_measured_nothing_lost_nothing() -> None:
    """Where nobody charged since the update, no measurand is gone: what was usual before still is."""
    site = Configurable(firmwareVersion="1")
    site.settle_down()
    show(site, "Voltage")
    site.settle_down(9 * DAY)
    site.reboot(firmwareVersion="2")
    site.settle_down(20 * DAY)
    assert len([one for one in site.versions if one.firmware == "2"]) == 1
    show(site, "SoC")
    site.reboot(firmwareVersion="2")
    assert kinds(site) == [("measurand_new", "SoC")]


def test_a_report_that_shows_nothing_new_writes_nothing() -> None:
    """A sample and a fault of a known sort leave the section as it is; invented names can't fill it."""
    site = Configurable(firmwareVersion="1")
    site.settle_down()
    show(site, "Voltage", vendor_error="E1")
    before = site._sections["cf"]
    show(site, "Voltage", vendor_error="E1")
    assert site._sections["cf"] == before
    for number in range(100):
        show(site, f"Made.Up.{number}", vendor_error=f"E{number}")
    shown = site.configured.firmware.shown
    assert len(shown.measurands) == len(shown.vendor_error_codes) == 64
