"""What a simulated station answers beyond the Core profile, by the standard's rules."""

from typing import Any

import pytest

from ampstream.simulate.models import MODELS
from ampstream.simulate.upkeep import version_in
from shared.certificates.authority import Authority, make
from shared.ocpp.v16 import FROM_CSMS
from tests.ampstream.simulate.played import Played

PEM = """
-----BEGIN CERTIFICATE-----
MIIBiTCCAS+gAwIBAgIEAKvBIzAKBggqhkjOPQQDAjAhMRAwDgYDVQQKDAdFeGFt
cGxlMQ0wCwYDVQQDDARSb290MCAXDTI2MTEyMzEzNDEwMVoYDzIxMjYxMDMwMTM0
MTAxWjAhMRAwDgYDVQQKDAdFeGFtcGxlMQ0wCwYDVQQDDARSb290MFkwEwYHKoZI
zj0CAQYIKoZIzj0DAQcDQgAEihwK66XwfyFZEH0BafzwPhxS1i3FaLOu2KBVjfml
v0S5+tOH2naraCvxUi9YtpaPsnGyR2DEmvaEFB0SHwF9KaNTMFEwHQYDVR0OBBYE
FGhZ64fes0ufgC1kUkU+vSSEJ5NcMB8GA1UdIwQYMBaAFGhZ64fes0ufgC1kUkU+
vSSEJ5NcMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIhAJzpDwvI
KviBO81D6zz69BFnLAv9ZaXYdHkPL1zih4SqAiAU13dptPpUszQcgYdd4JSZS7Z1
LwIiwRr4gN4UA43gUA==
-----END CERTIFICATE-----
"""
"""A root certificate of OpenSSL's making, with the serial number abc123."""


@pytest.fixture
def played() -> Played:
    """A two-connector station, booted, nobody charging for the next minutes."""
    played = Played(model=MODELS[2], profile="commuter").started()
    played.run(2)
    return played


def said(played: Played, action: str) -> list[Any]:
    """Return the statuses that the station reported by one action."""
    return [sent.payload["status"] for sent in played.of(action)]


def test_every_action_has_an_answer() -> None:
    """No message of 1.6 and its security extension is beyond the fleet's stations."""
    from ampstream.simulate.answers import _ANSWERS

    assert {kind.action for kind in _ANSWERS} == FROM_CSMS  # type: ignore[attr-defined]


def test_a_profile_that_a_model_lacks() -> None:
    """A station without a feature profile answers its messages NotSupported, and has no list version."""
    played = Played(model=MODELS[0], profile="commuter").started()
    played.run(2)
    assert played.ask("CancelReservation", reservationId=1)[2] == "NotSupported"
    assert played.ask("GetLocalListVersion")[2] == {"listVersion": -1}
    assert played.status("SendLocalList", listVersion=1, updateType="Full") == "NotSupported"


def reserve(played: Played, number: int = 7, connector: int = 1, seconds: float = 600, **more: str) -> str:
    """Ask for a reservation for ANNA; return the status."""
    payload = {"connectorId": connector, "expiryDate": played.time(seconds), "idTag": "ANNA", "reservationId": number}
    return played.status("ReserveNow", **payload, **more)


def test_a_reservation_holds_a_connector(played: Played) -> None:
    """A reserved connector shows it, lets its holder in alone, and names the reservation in the start."""
    assert reserve(played) == "Accepted"
    assert reserve(played, 8) == "Occupied"
    assert reserve(played, 7, seconds=900) == "Accepted"
    played.run(1)
    assert said(played, "StatusNotification")[-1] == "Reserved"
    assert played.status("RemoteStartTransaction", idTag="BERT", connectorId=1) == "Rejected"
    assert played.status("RemoteStartTransaction", idTag="ANNA", connectorId=1) == "Accepted"
    played.until(lambda: bool(played.of("StartTransaction")))
    assert played.of("StartTransaction")[0].payload["reservationId"] == 7
    assert played.status("CancelReservation", reservationId=7) == "Rejected"


def test_a_reservation_ends(played: Played) -> None:
    """Cancelled, expired or out of service: the connector is free, or shows why not."""
    assert reserve(played, 1, seconds=5) == "Accepted"
    played.run(6)
    assert played.cp.connectors[0].status == "Available"
    assert reserve(played, 2) == "Accepted"
    assert played.status("CancelReservation", reservationId=2) == "Accepted"
    assert played.cp.connectors[0].status == "Available"
    assert reserve(played, 3) == "Accepted"
    played.ask("ChangeAvailability", connectorId=1, type="Inoperative")
    assert played.status("CancelReservation", reservationId=3) == "Rejected"
    assert played.cp.connectors[0].status == "Unavailable"
    assert reserve(played, 4) == "Unavailable"
    assert reserve(played, 5, connector=9) == "Rejected"
    assert reserve(played, 6, connector=2, seconds=-1) == "Rejected"


def test_a_reservation_of_any_connector(played: Played) -> None:
    """One connector stays free for it; a group's tag uses it as its own does."""
    assert reserve(played, 1, connector=0, parentIdTag="FAMILY") == "Accepted"
    assert reserve(played, 2, connector=0) == "Accepted"
    assert reserve(played, 3, connector=0) == "Occupied"
    assert played.status("RemoteStartTransaction", idTag="BERT") == "Rejected"
    played.ask("CancelReservation", reservationId=2)
    played.results["Authorize"] = {"idTagInfo": {"status": "Accepted", "parentIdTag": "FAMILY"}}
    played.cp.connectors[1].arrive("SISTER")
    played.until(lambda: bool(played.of("StartTransaction")))
    assert played.of("StartTransaction")[0].payload["reservationId"] == 1


def test_a_stranger_is_turned_away(played: Played) -> None:
    """A car with another tag charges nothing on a reserved connector, which stays reserved."""
    assert reserve(played) == "Accepted"
    played.cp.connectors[0].arrive("BERT")
    played.until(lambda: bool(played.of("Authorize")))
    played.run(120)
    assert not played.of("StartTransaction")
    assert played.cp.connectors[0].status == "Reserved"


def test_local_list(played: Played) -> None:
    """Lists are replaced or amended as a whole, with a version, and decide while the station is offline."""
    entry = {"idTag": "ANNA", "idTagInfo": {"status": "Blocked"}}
    assert played.ask("GetLocalListVersion")[2] == {"listVersion": 0}
    send = {"updateType": "Full", "localAuthorizationList": [entry]}
    assert played.status("SendLocalList", listVersion=3, **send) == "Accepted"
    assert played.ask("GetLocalListVersion")[2] == {"listVersion": 3}
    amend: dict[str, Any] = {"updateType": "Differential", "localAuthorizationList": [{"idTag": "ANNA"}]}
    assert played.status("SendLocalList", listVersion=3, **amend) == "VersionMismatch"
    assert (
        played.status("SendLocalList", listVersion=4, updateType="Full", localAuthorizationList=[entry] * 2) == "Failed"
    )
    played.reachable = False
    played.abort()
    played.cp.connectors[0].arrive("ANNA")
    played.run(60)
    assert played.cp.connectors[0].session is None
    played.reachable = True
    played.until(lambda: played.cp.online)
    assert played.status("SendLocalList", listVersion=5, **amend) == "Accepted"
    assert played.ask("GetLocalListVersion")[2] == {"listVersion": 0}


def test_firmware_update(played: Played) -> None:
    """An update is told step by step, and the station boots into the version of the file."""
    at = played.time(60)
    assert played.ask("UpdateFirmware", location="https://x/pole-6.1.0.bin", retrieveDate=at)[2] == {}
    played.run(59)
    assert not played.of("FirmwareStatusNotification")
    played.run(60)
    steps = ["Downloading", "Downloaded", "Installing", "Installed"]
    assert said(played, "FirmwareStatusNotification") == steps
    assert played.of("BootNotification")[-1].payload["firmwareVersion"] == "6.1.0"


@pytest.mark.parametrize(("location", "version"), [("ftp://h/a-v2.3-r1.tar", "v2.3-r1"), ("http://h/latest", "")])
def test_version_of_a_file(location: str, version: str) -> None:
    """What looks like a version in a file's name is the new firmware's."""
    assert version_in(location) == version


def test_signed_update(played: Played) -> None:
    """A signed update has its own notifications, with its request; a later one takes its place."""

    def update(number: int, certificate: str) -> str:
        firmware = {"location": "https://x/pole-7.0.0.bin", "retrieveDateTime": played.time(5), "signature": "c2ln"}
        return played.status(
            "SignedUpdateFirmware", requestId=number, firmware=firmware | {"signingCertificate": certificate}
        )

    assert update(1, "nonsense") == "InvalidCertificate"
    assert update(2, PEM) == "Accepted"
    assert update(3, PEM) == "AcceptedCanceled"
    played.run(90)
    steps = ["Downloading", "Downloaded", "SignatureVerified", "Installing", "InstallRebooting", "Installed"]
    assert said(played, "SignedFirmwareStatusNotification") == steps
    assert {sent.payload["requestId"] for sent in played.of("SignedFirmwareStatusNotification")} == {3}


def test_diagnostics_and_logs(played: Played) -> None:
    """What is uploaded is told; a second log takes the place of the first."""
    assert played.ask("GetDiagnostics", location="ftp://x/")[2]["fileName"]
    played.run(15)
    assert said(played, "DiagnosticsStatusNotification") == ["Uploading", "Uploaded"]
    log = {"logType": "SecurityLog", "log": {"remoteLocation": "https://x/"}}
    assert played.status("GetLog", requestId=1, **log) == "Accepted"
    assert played.status("GetLog", requestId=2, **log) == "AcceptedCanceled"
    played.run(15)
    assert [sent.payload for sent in played.of("LogStatusNotification")] == [
        {"status": "Uploading", "requestId": 2},
        {"status": "Uploaded", "requestId": 2},
    ]


def test_certificates(played: Played) -> None:
    """Root certificates are installed, listed by their hashes, and deleted by them."""
    use = {"certificateType": "CentralSystemRootCertificate"}
    assert played.status("GetInstalledCertificateIds", **use) == "NotFound"
    assert played.status("InstallCertificate", certificate="nonsense", **use) == "Rejected"
    assert played.status("InstallCertificate", certificate=PEM, **use) == "Accepted"
    (hashes,) = played.ask("GetInstalledCertificateIds", **use)[2]["certificateHashData"]
    assert hashes["serialNumber"] == "abc123"
    assert played.status("GetInstalledCertificateIds", certificateType="ManufacturerRootCertificate") == "NotFound"
    assert played.status("DeleteCertificate", certificateHashData=hashes | {"serialNumber": "1"}) == "NotFound"
    assert played.status("DeleteCertificate", certificateHashData=hashes) == "Accepted"


def test_its_own_certificate(played: Played) -> None:
    """It takes a certificate that is for the key of its last request and counts now, and dials in with it."""
    played.results["SignCertificate"] = {"status": "Accepted"}
    assert played.status("CertificateSigned", certificateChain=PEM) == "Rejected"
    assert played.status("ExtendedTriggerMessage", requestedMessage="SignChargePointCertificate") == "Accepted"
    played.run(1)
    (asked,) = played.of("SignCertificate")
    now = played.cp.world.wall_ms()
    root, key = make("opensesame", "ecdsa", "", now)
    made = Authority.load(root, key, "opensesame").sign(asked.payload["csr"], played.cp.station_id, "", 30, now)
    assert played.status("CertificateSigned", certificateChain=PEM) == "Rejected"
    assert played.status("CertificateSigned", certificateChain="nonsense") == "Rejected"
    assert played.status("CertificateSigned", certificateChain=made.chain) == "Accepted"
    assert played.cp.identity is not None
    assert made.chain in played.cp.identity.chain
    assert played.cp.identity.context(None).cert_store_stats()["x509"] >= 0


def test_extended_triggers(played: Played) -> None:
    """What the extended trigger asks for comes in the extension's messages."""
    played.results["SignCertificate"] = {"status": "Accepted"}
    wanted = ("LogStatusNotification", "SignChargePointCertificate", "FirmwareStatusNotification")
    assert {played.status("ExtendedTriggerMessage", requestedMessage=one) for one in wanted} == {"Accepted"}
    played.run(1)
    assert said(played, "LogStatusNotification") == ["Idle"]
    assert said(played, "SignedFirmwareStatusNotification") == ["Idle"]
    assert "CERTIFICATE REQUEST" in played.of("SignCertificate")[0].payload["csr"]


def profile(limits: dict[int, float], **more: Any) -> dict[str, Any]:
    """Return a charging profile of limits in W by their start."""
    periods = [{"startPeriod": start, "limit": limit} for start, limit in limits.items()]
    schedule = {"chargingRateUnit": "W", "chargingSchedulePeriod": periods} | more.pop("schedule", {})
    base = {"chargingProfileId": 1, "stackLevel": 0, "chargingProfilePurpose": "TxDefaultProfile"}
    return base | {"chargingProfileKind": "Absolute", "chargingSchedule": schedule} | more


def composite(played: Played, connector: int = 1, duration: int = 3600) -> list[tuple[int, float]]:
    """Return the composite schedule as starts and limits."""
    answer = played.ask("GetCompositeSchedule", connectorId=connector, duration=duration, chargingRateUnit="W")[2]
    assert answer["status"] == "Accepted"
    return [(one["startPeriod"], one["limit"]) for one in answer["chargingSchedule"]["chargingSchedulePeriod"]]


def test_composite_schedule(played: Played) -> None:
    """The highest stack level leads, a gap falls back, and the station's own limit caps the sum of its connectors."""
    now = {"startSchedule": played.time()}
    assert composite(played) == [(0, 22080.0)]
    low = profile({0: 5000}, schedule=now)
    high = profile({0: 11000, 600: 7000}, chargingProfileId=2, stackLevel=3, schedule=now | {"duration": 1200})
    assert played.status("SetChargingProfile", connectorId=1, csChargingProfiles=low) == "Accepted"
    assert played.status("SetChargingProfile", connectorId=1, csChargingProfiles=high) == "Accepted"
    assert composite(played) == [(0, 11000.0), (600, 7000.0), (1200, 5000.0)]
    cap = profile({0: 8000}, chargingProfileId=3, chargingProfilePurpose="ChargePointMaxProfile", schedule=now)
    assert played.status("SetChargingProfile", connectorId=0, csChargingProfiles=cap) == "Accepted"
    assert composite(played, 0) == [(0, 8000.0)]
    assert played.status("ClearChargingProfile", id=2) == "Accepted"
    assert played.status("ClearChargingProfile", id=2) == "Unknown"
    assert composite(played) == [(0, 5000.0)]
    assert played.status("GetCompositeSchedule", connectorId=9, duration=60) == "Rejected"


def test_profiles_that_are_refused(played: Played) -> None:
    """A profile in the wrong place, too deep, or for no running transaction is refused; a good one ends with it."""

    def install(one: dict[str, Any]) -> str:
        return played.status("SetChargingProfile", connectorId=1, csChargingProfiles=one)

    tx = profile({0: 3000}, chargingProfilePurpose="TxProfile", chargingProfileKind="Relative")
    assert install(tx) == "Rejected"
    limit = profile({0: 1}, chargingProfilePurpose="ChargePointMaxProfile")
    assert install(limit) == "Rejected"
    assert (
        played.status("SetChargingProfile", connectorId=1, csChargingProfiles=profile({0: 1}, stackLevel=9))
        == "Rejected"
    )
    assert install(profile({5: 1})) == "Rejected"
    played.ask("RemoteStartTransaction", idTag="T", connectorId=1)
    played.until(lambda: bool(played.of("StartTransaction")))
    played.run(1)
    assert install(tx | {"transactionId": 99}) == "Rejected"
    assert install(tx | {"transactionId": 1}) == "Accepted"
    assert composite(played) == [(0, 3000.0)]
    played.ask("RemoteStopTransaction", transactionId=1)
    played.run(5)
    assert composite(played) == [(0, 22080.0)]


def test_clock_aligned_and_stop_data(played: Played) -> None:
    """Aligned readings come at the clock's quarters, and the stop brings begin and end, where keys ask for them."""
    for key, value in (
        ("ClockAlignedDataInterval", "900"),
        ("StopTxnSampledData", "Voltage"),
        ("MeterValueSampleInterval", "0"),
    ):
        assert played.status("ChangeConfiguration", key=key, value=value) == "Accepted"
    played.ask("RemoteStartTransaction", idTag="T", connectorId=1)
    played.until(lambda: len(played.of("MeterValues")) == 2)
    values = [sent.payload["meterValue"][0] for sent in played.of("MeterValues")]
    assert {value["timestamp"][14:16] for value in values} <= {"00", "15", "30", "45"}
    assert values[0]["sampledValue"][0]["context"] == "Sample.Clock"
    played.ask("RemoteStopTransaction", transactionId=1)
    played.until(lambda: bool(played.of("StopTransaction")))
    data = played.of("StopTransaction")[0].payload["transactionData"]
    assert [one["sampledValue"][0]["context"] for one in data] == ["Transaction.Begin", "Transaction.End"]
