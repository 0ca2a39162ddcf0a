"""What the answers to commands mean, for every status of every response type."""

import pytest

from shared.ocpp import v16
from shared.ocpp.actions import actions_of
from shared.ocpp.versions import OCPP16, VERSIONS
from workers.dispatch.protocols import protocol_of
from workers.handlers.outgoing import statuses
from workers.services import command_rules

GOOD = {"Accepted", "AcceptedCanceled", "Scheduled", "RebootRequired", "Unlocked"}
OUTCOMES: dict[str, str] = {
    "CancelReservation": "Accepted | Rejected",
    "CertificateSigned": "Accepted | Rejected",
    "ChangeAvailability": "Accepted Scheduled | Rejected",
    "ChangeConfiguration": "Accepted RebootRequired | Rejected NotSupported",
    "ClearCache": "Accepted | Rejected",
    "ClearChargingProfile": "Accepted | Unknown",
    "DataTransfer": "Accepted | Rejected UnknownMessageId UnknownVendorId",
    "DeleteCertificate": "Accepted | Failed NotFound",
    "ExtendedTriggerMessage": "Accepted | Rejected NotImplemented",
    "GetCompositeSchedule": "Accepted | Rejected",
    "GetConfiguration": "",
    "GetDiagnostics": "",
    "GetInstalledCertificateIds": "Accepted | NotFound",
    "GetLocalListVersion": "",
    "GetLog": "Accepted AcceptedCanceled | Rejected",
    "InstallCertificate": "Accepted | Rejected Failed",
    "RemoteStartTransaction": "Accepted | Rejected",
    "RemoteStopTransaction": "Accepted | Rejected",
    "ReserveNow": "Accepted | Faulted Occupied Rejected Unavailable",
    "Reset": "Accepted | Rejected",
    "SendLocalList": "Accepted | Failed NotSupported VersionMismatch",
    "SetChargingProfile": "Accepted | Rejected NotSupported",
    "SignedUpdateFirmware": "Accepted AcceptedCanceled | Rejected InvalidCertificate RevokedCertificate",
    "TriggerMessage": "Accepted | Rejected NotImplemented",
    "UnlockConnector": "Unlocked | UnlockFailed NotSupported",
    "UpdateFirmware": "",
}
"""By hand from the standard: what is accepted | what is rejected; empty where the answer has no status."""


def test_the_table_is_whole() -> None:
    """Every action that a station may be sent in 1.6 is in it."""
    assert set(OUTCOMES) == v16.FROM_CSMS


@pytest.mark.parametrize("action", sorted(v16.FROM_CSMS))
def test_every_status_has_its_outcome(action: str) -> None:
    """Derived from the response's type, and equal to what the standard's words mean; in any case of letters."""
    protocol_of(OCPP16.subprotocol)
    good, _, bad = OUTCOMES[action].partition("|")
    expected = {**dict.fromkeys(good.split(), "accepted"), **dict.fromkeys(bad.split(), "rejected")}
    assert set(statuses(v16.REQUESTS[action].response)) == set(expected)
    for status, state in expected.items():
        assert command_rules.outcome(action, {"status": status}) == state
        assert command_rules.outcome(action, {"status": status.upper()}) == state
        assert (state == "accepted") == (status in GOOD)
    assert command_rules.outcome(action, {}) == "accepted"
    unheard = "rejected" if expected else "accepted"
    assert command_rules.outcome(action, {"status": "Unheard"}) == unheard


@pytest.mark.parametrize("version", VERSIONS.values(), ids=lambda version: version.name)
def test_every_version_can_be_learnt(version) -> None:  # type: ignore[no-untyped-def]
    """A status is an enumeration in every response of every version."""
    actions = actions_of(version)
    assert any(statuses(actions.requests[action].response) for action in actions.from_csms)
