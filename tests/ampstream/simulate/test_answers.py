"""What a simulated station answers to the CSMS."""

from typing import Any

import pytest

from ampstream.simulate.models import MODELS
from tests.ampstream.simulate.played import Played


@pytest.fixture
def played() -> Played:
    """A two-connector station, booted, nobody charging for the next minutes."""
    played = Played(model=MODELS[2], profile="commuter").started()
    played.run(2)
    return played


def remote_start(played: Played) -> None:
    """Let a car in by RemoteStartTransaction and wait until it charges."""
    assert played.ask("RemoteStartTransaction", idTag="REMOTE", connectorId=1)[2] == {"status": "Accepted"}
    played.until(lambda: bool(played.of("StartTransaction")))
    played.run(1)


def test_remote_start_and_stop(played: Played) -> None:
    """A remote start charges with the tag it was given; the remote stop of that transaction ends it."""
    remote_start(played)
    start = played.of("StartTransaction")[0].payload
    assert (start["idTag"], start["connectorId"]) == ("REMOTE", 1)
    assert not played.of("Authorize")
    assert played.ask("RemoteStartTransaction", idTag="OTHER", connectorId=1)[2] == {"status": "Rejected"}
    assert played.ask("RemoteStopTransaction", transactionId=99)[2] == {"status": "Rejected"}
    assert played.ask("RemoteStopTransaction", transactionId=1)[2] == {"status": "Accepted"}
    played.run(2)
    assert played.of("StopTransaction")[0].payload["reason"] == "Remote"


def test_triggered_messages(played: Played) -> None:
    """What is triggered comes after the answer."""
    wanted_and_count = (("Heartbeat", 1), ("StatusNotification", 3), ("MeterValues", 2), ("BootNotification", 1))
    idle = (("FirmwareStatusNotification", 1), ("DiagnosticsStatusNotification", 1))
    for wanted, count in (*wanted_and_count, *idle):
        before = len(played.of(wanted))
        assert played.ask("TriggerMessage", requestedMessage=wanted)[2] == {"status": "Accepted"}
        played.run(1)
        assert len(played.of(wanted)) == before + count
    assert played.of("FirmwareStatusNotification")[0].payload == {"status": "Idle"}
    assert played.ask("TriggerMessage", requestedMessage="StatusNotification", connectorId=7)[2] == {
        "status": "Rejected"
    }


def test_triggered_meter_values_of_a_session(played: Played) -> None:
    """A triggered reading of a running session is part of its record."""
    remote_start(played)
    played.ask("TriggerMessage", requestedMessage="MeterValues", connectorId=1)
    played.run(1)
    sent = played.of("MeterValues")[-1].payload
    assert sent["transactionId"] == 1
    assert sent["meterValue"][0]["sampledValue"][0]["context"] == "Trigger"
    assert len(next(iter(played.ledger.book.transactions.values())).meters) == 1


def test_reset(played: Played) -> None:
    """A reset ends the session, and the station comes back with a boot."""
    remote_start(played)
    assert played.ask("Reset", type="Hard")[2] == {"status": "Accepted"}
    played.run(60)
    assert played.of("StopTransaction")[0].payload["reason"] == "HardReset"
    assert len(played.of("BootNotification")) == 2


def test_availability(played: Played) -> None:
    """Out of service is at once where nobody charges, after the car where somebody does."""
    remote_start(played)
    assert played.ask("ChangeAvailability", connectorId=2, type="Inoperative")[2] == {"status": "Accepted"}
    assert played.ask("ChangeAvailability", connectorId=1, type="Inoperative")[2] == {"status": "Scheduled"}
    assert played.ask("ChangeAvailability", connectorId=9, type="Inoperative")[2] == {"status": "Rejected"}
    played.run(1)
    assert played.cp.connectors[1].status == "Unavailable"
    assert played.cp.connectors[0].status == "Charging"
    played.ask("RemoteStopTransaction", transactionId=1)
    played.run(120)
    assert played.cp.connectors[0].status == "Unavailable"
    assert played.ask("ChangeAvailability", connectorId=0, type="Operative")[2] == {"status": "Accepted"}
    assert played.cp.connectors[0].status == "Available"


def test_configuration(played: Played) -> None:
    """Keys are read, written, refused; a new heartbeat interval counts at once."""
    answer = played.ask("GetConfiguration", key=["NumberOfConnectors", "Nonsense"])[2]
    assert answer["configurationKey"] == [{"key": "NumberOfConnectors", "readonly": True, "value": "2"}]
    assert answer["unknownKey"] == ["Nonsense"]
    assert len(played.ask("GetConfiguration")[2]["configurationKey"]) > 20

    def change(key: str, value: str) -> Any:
        return played.ask("ChangeConfiguration", key=key, value=value)[2]["status"]

    assert change("HeartbeatInterval", "5") == "Accepted"
    assert change("HeartbeatInterval", "soon") == "Rejected"
    assert change("NumberOfConnectors", "3") == "Rejected"
    assert change("Nonsense", "3") == "NotSupported"
    assert change("MeterValuesSampledData", "SoC,Nonsense") == "Rejected"
    assert change("AuthorizationKey", "x" * 40) == "RebootRequired"
    played.run(21)
    assert len(played.of("Heartbeat")) == 4


def test_the_rest(played: Played) -> None:
    """Unlocking, vendor data and what no station of the fleet does."""
    assert played.ask("UnlockConnector", connectorId=1)[2] == {"status": "Unlocked"}
    assert played.ask("UnlockConnector", connectorId=5)[2] == {"status": "NotSupported"}
    assert played.ask("DataTransfer", vendorId="nobody")[2] == {"status": "UnknownVendorId"}
    assert played.ask("ClearCache")[2] == {"status": "Accepted"}
    assert played.ask("MakeCoffee")[2] == "NotImplemented"
    assert played.ask("Reset", type="Sideways")[2] in ("PropertyConstraintViolation", "TypeConstraintViolation")
