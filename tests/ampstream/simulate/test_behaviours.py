"""How simulated stations deviate: every named behaviour, and what tests make up."""

from pathlib import Path
from typing import Any

import pytest

from ampstream.simulate.behaviours import BEHAVIOURS, NEVER, PLAIN, Behaviour, combined
from ampstream.simulate.keys import Key
from ampstream.simulate.makes import MAKES
from ampstream.simulate.models import MODELS
from tests.ampstream.simulate.played import Played

CORE = "Energy.Active.Import.Register"


def playing(*names: str, **fields: Any) -> Played:
    """Return a booted two-connector station that deviates so, nobody charging for the next minutes."""
    behaviour = combined([*(BEHAVIOURS[name] for name in names), Behaviour(name="own", **fields)])
    played = Played(model=MODELS[2], profile="commuter", behaviour=behaviour).started()
    played.run(2)
    return played


def charge(played: Played) -> None:
    """Let a car in by a remote start and wait until it charges."""
    assert played.status("RemoteStartTransaction", idTag="REMOTE", connectorId=1) == "Accepted"
    played.until(lambda: bool(played.of("StartTransaction")))
    played.run(1)


def change(played: Played, key: str, value: str) -> str:
    """Change a key; return the status."""
    return played.status("ChangeConfiguration", key=key, value=value)


def value(played: Played, key: str) -> Any:
    """Read a key."""
    return played.ask("GetConfiguration", key=[key])[2]["configurationKey"][0].get("value")


def test_names() -> None:
    """Each behaviour is listed under its name with a summary, and deviates."""
    for name, behaviour in BEHAVIOURS.items():
        assert (behaviour.name, bool(behaviour.summary)) == (name, True)
        assert combined([behaviour]) != PLAIN
        assert f"`{name}`" in Path("docs/simulator.md").read_text()


@pytest.mark.parametrize("name", MAKES)
def test_makes(name: str) -> None:
    """A make boots under its own names, which a BootNotification has room for, and is in the document."""
    played = Played(model=MODELS[1], profile="commuter", behaviour=MAKES[name]).started()
    played.run(1)
    boot = played.of("BootNotification")[0].payload
    make = MAKES[name]
    assert (boot["chargePointVendor"], boot["chargePointModel"]) == (make.vendor, make.model)
    assert boot["firmwareVersion"] == make.version
    assert max(len(make.vendor), len(make.model)) <= 20
    assert f"{name}`" in Path("docs/simulator.md").read_text()


def test_combined() -> None:
    """Combined behaviours deviate in all their ways."""
    both = combined([BEHAVIOURS["slow"], BEHAVIOURS["loose"], BEHAVIOURS["hex-tags"], BEHAVIOURS["no-zone"]])
    assert both.name == "slow+loose+hex-tags+no-zone"
    assert both.tells_loosely
    assert both.delay_s("Reset") == 5
    assert both.distorts == {"tag_hex", "no_zone"}
    assert combined([]) == PLAIN


@pytest.mark.parametrize(
    "refuses", [{"MakeCoffee": "Rejected"}, {"Reset": "Scheduled"}, {"GetDiagnostics": "Rejected"}]
)
def test_refusals_that_cannot_be(refuses: dict[str, str]) -> None:
    """An action or a refusal that does not exist is an error at once."""
    with pytest.raises(ValueError, match="refuses"):
        Behaviour(refuses=refuses)


def test_refusing() -> None:
    """What can be refused is refused in its own words, and named actions by a CALLERROR."""
    played = playing("refusing", refuses={"GetDiagnostics": "NotImplemented", "ClearCache": "InternalError"})
    assert played.status("Reset", type="Soft") == "Rejected"
    assert played.status("UnlockConnector", connectorId=1) == "UnlockFailed"
    assert played.status("ClearChargingProfile") == "Unknown"
    assert played.ask("GetDiagnostics", location="ftp://x/")[2] == "NotImplemented"
    assert played.ask("ClearCache")[2] == "InternalError"
    assert played.ask("GetConfiguration")[2]["configurationKey"]
    played.run(60)
    assert len(played.of("BootNotification")) == 1


def test_bare() -> None:
    """A station of the Core profile alone answers the others NotSupported."""
    played = playing("bare")
    assert played.ask("TriggerMessage", requestedMessage="Heartbeat")[2] == "NotSupported"
    assert value(played, "SupportedFeatureProfiles") == "Core"


def test_slow_and_late() -> None:
    """An answer comes after its time, the next call's after that; what was asked is done before."""
    played = playing("slow", answers_after_s={"ClearCache": 60.0})
    assert played.ask("ChangeConfiguration", key="HeartbeatInterval", value="77") is None
    assert played.cp.configuration.number("HeartbeatInterval") == 77
    assert played.ask("ClearCache") is None
    played.run(4.9)
    assert not played.answers
    played.run(0.2)
    assert played.answers[-1][2] == {"status": "Accepted"}
    played.run(59)
    assert len(played.answers) == 1
    played.run(2)
    assert len(played.answers) == 2


def test_a_late_answer_dies_with_its_connection() -> None:
    """An answer whose connection has gone is not given on the next."""
    played = playing("slow")
    played.ask("ClearCache")
    played.abort()
    played.run(30)
    assert played.cp.online
    assert not played.answers


def test_silent() -> None:
    """What is asked is done and never answered, and the next call is heard."""
    played = playing(answers_after_s={"RemoteStartTransaction": NEVER})
    assert played.ask("RemoteStartTransaction", idTag="T", connectorId=1) is None
    played.until(lambda: bool(played.of("StartTransaction")))
    assert played.status("ClearCache") == "Accepted"


@pytest.mark.parametrize(
    ("name", "action", "payload"),
    [
        ("rebooting", "GetConfiguration", {}),
        ("trigger-reboots", "TriggerMessage", {"requestedMessage": "BootNotification"}),
    ],
)
def test_falling_over(name: str, action: str, payload: dict[str, str]) -> None:
    """On its bad action the station drops the connection without an answer and boots; others it answers."""
    played = playing(name)
    assert played.status("TriggerMessage", requestedMessage="Heartbeat") == "Accepted"
    charge(played)
    assert played.ask(action, **payload) is None
    assert not played.open
    played.run(60)
    assert len(played.of("BootNotification")) == 2
    assert played.of("StopTransaction")[0].payload["reason"] == "Reboot"


def test_early_reboots() -> None:
    """A command before the boot is answered makes it start over."""
    played = Played(model=MODELS[2], profile="commuter", behaviour=BEHAVIOURS["early-reboots"])
    played.mute = lambda sent: sent.action == "BootNotification"
    played.started().run(1)
    assert played.ask("ClearCache") is None
    assert not played.open
    played.mute = lambda sent: False
    played.run(60)
    assert played.status("ClearCache") == "Accepted"


def test_key_reboots() -> None:
    """A change that needs a boot is followed by one."""
    played = playing("key-reboots")
    assert change(played, "SecurityProfile", "2") == "RebootRequired"
    played.run(60)
    assert len(played.of("BootNotification")) == 2
    assert value(played, "SecurityProfile") == "2"


def test_reverting() -> None:
    """Changed keys are what they were after the next boot, or after their time."""
    played = playing("reverting")
    assert change(played, "MeterValueSampleInterval", "30") == "Accepted"
    assert change(played, "MeterValueSampleInterval", "10") == "Accepted"
    assert value(played, "MeterValueSampleInterval") == "10"
    played.ask("Reset", type="Hard")
    played.run(60)
    assert value(played, "MeterValueSampleInterval") == "60"
    played = playing("reverting-soon")
    change(played, "MeterValueSampleInterval", "30")
    played.run(59)
    assert value(played, "MeterValueSampleInterval") == "30"
    played.run(2)
    assert value(played, "MeterValueSampleInterval") == "60"


def test_ignoring() -> None:
    """A change is answered Accepted and forgotten."""
    played = playing("ignoring")
    assert change(played, "ConnectionTimeOut", "5") == "Accepted"
    assert value(played, "ConnectionTimeOut") == "60"


def test_loose_configuration() -> None:
    """Values are numbers, booleans and nulls, and unknown keys are kept silent about."""
    answer = playing("loose").ask(
        "GetConfiguration", key=["HeartbeatInterval", "LocalPreAuthorize", "ResetRetries", "X"]
    )
    assert answer[2] == {
        "configurationKey": [
            {"key": "HeartbeatInterval", "readonly": False, "value": 300},
            {"key": "LocalPreAuthorize", "readonly": False, "value": False},
            {"key": "ResetRetries", "readonly": True, "value": None},
        ]
    }


def test_many_connectors() -> None:
    """The number of connectors that it claims is not the number that it has."""
    played = playing("many-connectors")
    assert value(played, "NumberOfConnectors") == "1634030126"
    assert len(played.cp.connectors) == 2


def test_measurands_that_it_lacks() -> None:
    """A list with one that it lacks is refused as a whole, shortened, or taken and not kept to."""
    wanted = f"{CORE},Voltage"
    played = playing("few-measurands")
    assert change(played, "MeterValuesSampledData", wanted) == "Rejected"
    assert change(played, "MeterValuesSampledData", f"{CORE},Power.Active.Import") == "Accepted"
    played = playing("drops-measurands")
    assert change(played, "MeterValuesSampledData", wanted) == "Accepted"
    assert value(played, "MeterValuesSampledData") == CORE
    played = playing("pretends-measurands")
    assert change(played, "MeterValuesSampledData", wanted) == "Accepted"
    assert value(played, "MeterValuesSampledData") == wanted
    charge(played)
    played.until(lambda: bool(played.of("MeterValues")))
    samples = played.of("MeterValues")[0].payload["meterValue"][0]["sampledValue"]
    assert {sample["measurand"] for sample in samples} == {CORE}


def test_short_lists() -> None:
    """A list longer than its MaxLength key is refused, and the key says so."""
    played = playing("short-lists")
    assert value(played, "MeterValuesSampledDataMaxLength") == "2"
    assert change(played, "MeterValuesSampledData", f"{CORE},Voltage,Current.Import") == "Rejected"
    assert change(played, "MeterValuesSampledData", f"{CORE},Voltage") == "Accepted"


def test_read_only_and_other_keys() -> None:
    """Keys may be read-only, missing or more than usual."""
    assert change(playing("read-only"), "MeterValuesSampledData", CORE) == "Rejected"
    played = playing(keys={"CpoName": None, "Secret": Key("1", "number")})
    assert change(played, "CpoName", "x") == "NotSupported"
    assert value(played, "Secret") == "1"


def test_new_firmware() -> None:
    """The next boot brings another version, with keys added, removed and made read-only."""
    played = playing("new-firmware")
    assert played.of("BootNotification")[0].payload["firmwareVersion"] == MODELS[2].firmware
    change(played, "CpoName", "x")
    played.ask("Reset", type="Soft")
    played.run(60)
    assert played.of("BootNotification")[1].payload["firmwareVersion"] == "99.0.1"
    assert value(played, "NightMode") == "false"
    assert played.ask("GetConfiguration", key=["CpoName"])[2]["unknownKey"] == ["CpoName"]
    assert change(played, "WebSocketPingInterval", "5") == "Rejected"
    played.ask("Reset", type="Soft")
    played.run(60)
    assert played.of("BootNotification")[2].payload["firmwareVersion"] == "99.0.1"


def test_failing_transfers() -> None:
    """Downloads and uploads fail, and the firmware stays."""
    played = playing("failing-transfers")
    played.ask("UpdateFirmware", location="http://x/9.9.9", retrieveDate=played.time())
    played.ask("GetDiagnostics", location="ftp://x/")
    played.run(60)
    assert played.of("FirmwareStatusNotification")[-1].payload["status"] == "DownloadFailed"
    assert played.of("DiagnosticsStatusNotification")[-1].payload["status"] == "UploadFailed"
    assert len(played.of("BootNotification")) == 1


def test_never_starts() -> None:
    """A remote start is accepted and nothing follows."""
    played = playing("never-starts")
    assert played.status("RemoteStartTransaction", idTag="T", connectorId=1) == "Accepted"
    played.run(120)
    assert not played.of("StartTransaction")
    assert played.cp.connectors[0].status == "Available"


def test_stuck_finishing() -> None:
    """After a session the connector stays in Finishing, until the station boots."""
    played = playing("stuck-finishing")
    charge(played)
    played.ask("RemoteStopTransaction", transactionId=1)
    played.run(3600)
    assert played.cp.connectors[0].status == "Finishing"
    played.ask("Reset", type="Hard")
    played.run(60)
    assert played.cp.connectors[0].status == "Available"


def test_free_before_stop() -> None:
    """Available comes before the StopTransaction, and no Finishing at all."""
    played = playing("free-early")
    charge(played)
    played.ask("RemoteStopTransaction", transactionId=1)
    played.run(120)
    told = [sent.payload.get("status", sent.action) for sent in played.calls]
    assert told[-2:] == ["Available", "StopTransaction"]
    assert "Finishing" not in told


def test_flooding() -> None:
    """Each status comes ten times, and three heartbeats a second."""
    played = playing("flooding")
    played.run(10)
    assert len(played.of("StatusNotification")) == 30
    assert len(played.of("Heartbeat")) > 25


def test_ignoring_reservations() -> None:
    """Anybody charges on a reserved connector, and the start names no reservation."""
    played = playing("ignoring-reservations")
    reservation = {"connectorId": 1, "expiryDate": played.time(600), "idTag": "ANNA", "reservationId": 7}
    assert played.status("ReserveNow", **reservation) == "Accepted"
    charge(played)
    assert "reservationId" not in played.of("StartTransaction")[0].payload


def test_forgetful() -> None:
    """After a boot a reserved connector is free again; other stations remember."""
    for name, status in (("forgetful", "Available"), ("key-reboots", "Reserved")):
        played = playing(name)
        reservation = {"connectorId": 1, "expiryDate": played.time(600), "idTag": "ANNA", "reservationId": 7}
        assert played.status("ReserveNow", **reservation) == "Accepted"
        played.ask("Reset", type="Soft")
        played.run(60)
        told = [s.payload for s in played.of("StatusNotification") if s.payload["connectorId"] == 1]
        assert told[-1]["status"] == status


def test_local_lists() -> None:
    """One loses its list with a boot, one takes fewer tags at a time than it says."""
    entries = [{"idTag": f"T{n}", "idTagInfo": {"status": "Accepted"}} for n in range(11)]
    for name, taken, version in (("forgets-lists", "Accepted", 0), ("small-lists", "Failed", 2)):
        played = playing(name)
        sent = {"updateType": "Full", "localAuthorizationList": entries}
        assert played.status("SendLocalList", listVersion=1, **sent) == taken
        sent["localAuthorizationList"] = entries[:10]
        assert played.status("SendLocalList", listVersion=2, **sent) == "Accepted"
        played.ask("Reset", type="Soft")
        played.run(60)
        assert played.ask("GetLocalListVersion")[2] == {"listVersion": version}


def test_distortions() -> None:
    """Tags, energy, times and words are changed in what is said; the ledger keeps what is true."""
    played = playing("hex-tags", "kwh", "no-zone", "lower-case")
    charge(played)
    played.until(lambda: bool(played.of("MeterValues")))
    (logical,) = played.ledger.book.transactions.values()
    start = played.of("StartTransaction")[0].payload
    assert start["idTag"] == b"REMOTE".hex().upper()
    assert start["meterStart"] == logical.start.meter_wh // 1000
    assert not start["timestamp"].endswith("Z")
    reading = played.of("MeterValues")[0].payload["meterValue"][0]
    assert reading["sampledValue"][0] | {"context": ""} == {
        "value": f"{logical.meters[1].meter_wh / 1000:.3f}",
        "context": "",
        "measurand": CORE,
        "unit": "Wh",
    }
    assert played.of("StatusNotification")[-1].payload["status"] == "charging"
    played = playing("suffixed-tags", "clock-1970", "main-meter")
    charge(played)
    played.until(lambda: bool(played.of("MeterValues")))
    reading = played.of("MeterValues")[0].payload
    assert (reading["connectorId"], "transactionId" in reading) == (0, False)
    assert played.of("StartTransaction")[0].payload["idTag"] == "REMOTE_4711"
    assert played.of("StartTransaction")[0].payload["timestamp"].startswith("1970-")
