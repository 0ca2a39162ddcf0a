"""A station's certificates: its requests are checked, signed, brought to it, used, renewed before they end."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from shared import envelopes
from shared.bus import keys
from shared.certificates import authority, reading
from shared.certificates.errors import CertificateError
from shared.certificates.requests import check
from shared.envelopes import Command, Kind
from shared.policy import Policy
from shared.records.certificates import SigningRequest
from shared.records.events import CertificateChanged, CertificateRequested, SecurityEvent
from shared.records.packing import unpack
from shared.records.requests import DeleteStation, IssueCertificate, RenewCertificate, UpdateStation
from tests.workers.harness import START_MS, World

DAY_MS = 24 * 3600 * 1000
POLICY = Policy(
    unknown_stations="accept", signs_certificates=True, operator_name="Operator", certificate_renew_ms=30 * DAY_MS
)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(65537, 2048)


def csr(name: str = "CP1", organisation: str = "Operator", key: Any = EC_KEY, digest: Any = None) -> str:
    pairs = [(NameOID.ORGANIZATION_NAME, organisation), (NameOID.COMMON_NAME, name)]
    subject = x509.Name([x509.NameAttribute(oid, text) for oid, text in pairs if text])
    built = x509.CertificateSigningRequestBuilder().subject_name(subject)
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else (digest or hashes.SHA256())
    return built.sign(key, algorithm).public_bytes(serialization.Encoding.PEM).decode()


@pytest.fixture
def world() -> World:
    made = World(policy=POLICY)
    made.open(security_profile=2)
    made.call("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
    made.advance(2)
    return made


def commands(world: World, action: str) -> list[tuple[str, Any]]:
    """Message ids and payloads of the commands that went out."""
    frames = [msgspec.json.decode(item.frame) for item in world.items_of(Command)]
    return [(frame[1], frame[3]) for frame in frames if frame[2] == action]


def waiting(world: World) -> list[SigningRequest]:
    found = world.memory.data.get(keys.CERTIFICATE_REQUESTS, {})
    return [unpack(one, SigningRequest) for one in found.values()]


def issue(world: World, request: SigningRequest, **changes: Any) -> None:
    """Let the authority's answer be decided."""
    fields: dict[str, Any] = {
        "chain": "PEM", "certificate_id": "AB/CN=Root", "subject": "CN=CP1", "not_after": START_MS + 365 * DAY_MS,
    }  # fmt: skip
    told = IssueCertificate(
        request_id=f"signing:{request.request_id}", signing_id=request.request_id, **(fields | changes)
    )
    world.feed(world.entry(Kind.REQUEST, envelopes.encode(told), epoch=0))


def test_a_request_becomes_a_certificate_that_is_used(world: World) -> None:
    """SignCertificate waits for the authority; what it made goes to the station, which dials in with it."""
    assert world.call("SignCertificate", {"csr": csr()})[2] == {"status": "Accepted"}
    (request,) = waiting(world)
    assert (request.station_id, request.common_name, request.organisation) == ("CP1", "CP1", "Operator")
    issue(world, request)
    assert not waiting(world)
    ((message_id, payload),) = commands(world, "CertificateSigned")
    assert payload == {"certificateChain": "PEM"}
    world.answer(message_id, {"status": "Accepted"})
    made = world.view.certificates.made
    assert made is not None
    assert (made.state, made.chain) == ("accepted", "")
    world.open(certificate="AB/CN=Root", certificate_ends_at=made.not_after)
    held = world.view.certificates
    assert held.made is None
    assert held.current is not None
    assert (held.current.state, held.current.subject) == ("used", "CN=CP1")
    assert world.memory.data[keys.CERTIFICATES] == {"CP1/AB": float(made.not_after)}
    assert [event.state for event in world.events_of(CertificateChanged)] == ["sent", "accepted", "used"]


def test_what_may_not_be_signed_is_refused_at_once(world: World) -> None:
    """Another's name or organisation, a weak or strange key, a broken signature, no PKCS#10: Rejected, and said why."""
    weak = rsa.generate_private_key(65537, 1024)
    broken = csr()[:200]
    bad = {
        "common name": csr("CP2"), "organisation": csr(organisation="Other"), "1024 bits": csr(key=weak),
        "neither RSA": csr(key=ed25519.Ed25519PrivateKey.generate()), "can't be read": broken,
        "longer than": "x" * 5501,
    }  # fmt: skip
    for reason, text in bad.items():
        with pytest.raises(CertificateError, match=reason):
            check(text, "CP1", "Operator")
        if len(text) <= 5500:
            assert world.call("SignCertificate", {"csr": text})[2] == {"status": "Rejected"}
            assert reason in world.events_of(CertificateRequested)[-1].problem
    assert not waiting(world)
    assert {event.kind for event in world.events_of(SecurityEvent)} == {"CertificateRefused"}
    signature = bytearray(x509.load_pem_x509_csr(csr().encode()).public_bytes(serialization.Encoding.DER))
    signature[-1] ^= 1
    forged = x509.load_der_x509_csr(bytes(signature)).public_bytes(serialization.Encoding.PEM).decode()
    with pytest.raises(CertificateError, match="not signed with its own key"):
        check(forged, "CP1", "Operator")


def test_without_an_authority_every_request_is_refused() -> None:
    """The setting is off: Rejected, and nothing waits."""
    world = World()
    world.open()
    assert world.call("SignCertificate", {"csr": csr()})[2] == {"status": "Rejected"}
    assert world.events_of(CertificateRequested)[0].problem == "nobody signs certificates here"
    world.call("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
    assert world.request(RenewCertificate(request_id="r"))[0] == 409


def test_who_proved_nothing_gets_no_certificate(world: World) -> None:
    """Anybody may be a station without a key: with a certificate it would be that for good, the real one shut out."""
    world.open(security_profile=0)
    assert world.call("SignCertificate", {"csr": csr()})[2] == {"status": "Rejected"}
    assert "proves nothing" in world.events_of(CertificateRequested)[-1].problem
    assert not waiting(world)
    status, problem = world.request(RenewCertificate(request_id="r"))
    assert (status, "give it a key first" in problem["detail"]) == (409, True)


def test_the_registered_name_counts(world: World) -> None:
    """A station with a certificate name, its serial number, is certified under that."""
    assert world.request(UpdateStation(request_id="u", certificate_name="SN-7", group="North"))[0] == 200
    assert world.memory.data[keys.door("CP1")]["certificate_name"] == b"SN-7"
    assert world.memory.data[keys.door("CP1")]["group"] == b"North"
    assert world.call("SignCertificate", {"csr": csr()})[2] == {"status": "Rejected"}
    assert world.call("SignCertificate", {"csr": csr("SN-7", key=RSA_KEY)})[2] == {"status": "Accepted"}


def test_an_answer_to_an_older_request_is_dropped(world: World) -> None:
    """Signed twice, or after the station asked again: only the newest request's first answer counts."""
    world.call("SignCertificate", {"csr": csr()})
    (older,) = waiting(world)
    world.advance(1)
    world.call("SignCertificate", {"csr": csr(key=RSA_KEY)})
    (newer,) = waiting(world)
    assert newer.request_id != older.request_id
    issue(world, older)
    assert not commands(world, "CertificateSigned")
    issue(world, newer)
    issue(world, newer, certificate_id="CD/CN=Root")
    assert len(commands(world, "CertificateSigned")) == 1
    assert world.request(DeleteStation(request_id="d"))[0] == 200
    issue(world, newer)  # The station is no more.


def test_the_authoritys_no_is_kept(world: World) -> None:
    """What it refused is told, and can be seen."""
    world.call("SignCertificate", {"csr": csr()})
    issue(world, waiting(world)[0], problem="the authority refused: no")
    assert world.view.certificates.problem == "the authority refused: no"
    assert world.events_of(CertificateChanged)[-1].state == "failed"


def test_a_certificate_without_an_answer_is_sent_again(world: World) -> None:
    """The same certificate may come twice; a rejection ends it."""
    world.call("SignCertificate", {"csr": csr()})
    issue(world, waiting(world)[0])
    world.advance(31 + 61)
    first, second = commands(world, "CertificateSigned")
    assert first[1] == second[1]
    world.answer(second[0], {"status": "Rejected"})
    made = world.view.certificates.made
    assert made is not None
    assert (made.state, made.answer) == ("rejected", "Rejected")


def test_a_station_is_asked_before_its_certificate_ends(world: World) -> None:
    """Thirty days before, and once a day until it has another; by hand at any time."""
    ends = START_MS + 40 * DAY_MS
    world.open(certificate="AB/CN=Root", certificate_ends_at=ends)
    world.call("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
    world.advance(9 * 24 * 3600)
    assert not commands(world, "ExtendedTriggerMessage")
    world.advance(2 * 24 * 3600)
    asked = commands(world, "ExtendedTriggerMessage")
    assert asked[0][1] == {"requestedMessage": "SignChargePointCertificate"}
    world.advance(24 * 3600)
    again = len(commands(world, "ExtendedTriggerMessage"))
    assert again > len(asked)
    world.open(certificate="CD/CN=Root", certificate_ends_at=ends + 365 * DAY_MS)
    world.advance(3 * 24 * 3600)
    assert len(commands(world, "ExtendedTriggerMessage")) == again
    assert list(world.memory.data[keys.CERTIFICATES]) == ["CP1/CD"]


def test_roots_are_listed_after_each_change(world: World) -> None:
    """After InstallCertificate and DeleteCertificate the station is asked what it has; that is kept by use (M03)."""
    from shared.records.requests import SendCommand

    use = "CentralSystemRootCertificate"
    payload = msgspec.json.encode({"certificateType": use, "certificate": "PEM"}).decode()
    world.request(SendCommand(request_id="s", action="InstallCertificate", payload=payload))
    world.answer(commands(world, "InstallCertificate")[0][0], {"status": "Accepted"})
    ((message_id, asked),) = commands(world, "GetInstalledCertificateIds")
    assert asked == {"certificateType": use}
    data = {"hashAlgorithm": "SHA256", "issuerNameHash": "aa", "issuerKeyHash": "bb", "serialNumber": "1"}
    world.answer(message_id, {"status": "Accepted", "certificateHashData": [data]})
    (root,) = world.view.certificates.roots
    assert (root.use, root.issuer_name_hash) == (use, "aa")
    payload = msgspec.json.encode({"certificateHashData": data}).decode()
    world.request(SendCommand(request_id="d", action="DeleteCertificate", payload=payload))
    world.answer(commands(world, "DeleteCertificate")[0][0], {"status": "Accepted"})
    world.answer(commands(world, "GetInstalledCertificateIds")[1][0], {"status": "NotFound"})
    assert world.view.certificates.roots == ()


@pytest.mark.parametrize("kind", ["ecdsa", "rsa"])
@pytest.mark.parametrize("key", [EC_KEY, RSA_KEY], ids=["station ecdsa", "station rsa"])
def test_the_authority_signs_what_was_asked_and_nothing_more(kind: Any, key: Any) -> None:
    """Subject by policy, client use only, signed by the root; the key opens with its passphrase alone."""
    root, secret = authority.make("opensesame", kind, "Operator", START_MS)
    assert "ENCRYPTED" in secret
    with pytest.raises(CertificateError, match="passphrase"):
        authority.Authority.load(root, secret, "wrong")
    made = authority.Authority.load(root, secret, "opensesame").sign(csr(key=key), "CP1", "Operator", 90, START_MS)
    leaf, ca = reading.load_chain(made.chain)
    leaf.verify_directly_issued_by(ca)
    assert made.id.startswith(f"{leaf.serial_number:X}/organizationName=Operator,")
    assert made.not_after == START_MS + 90 * DAY_MS
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.digital_signature, usage.key_cert_sign) == (True, False)
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    with pytest.raises(CertificateError):
        authority.Authority.load(root, secret, "opensesame").sign(csr("CP2"), "CP1", "Operator", 90, START_MS)
    other = RSA_KEY if key is EC_KEY else EC_KEY
    with pytest.raises(CertificateError, match="another key"):
        authority.check_chain(made.chain, csr(key=other), "CP1", START_MS)
    with pytest.raises(CertificateError, match="does not count now"):
        authority.check_chain(made.chain, csr(key=key), "CP1", START_MS + 91 * DAY_MS)
