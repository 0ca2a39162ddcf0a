"""The built-in authority: one root of its own, whose key is encrypted at rest, and what it signs for stations.

The root and its key are made once, by the first worker that signs, and stand in Redis, the key as PKCS#8 encrypted with
the operator's passphrase (scrypt, AES-256). White paper A00.FR.501 to 512; RSA signs with PSS (A00.FR.505).
"""

from __future__ import annotations

import datetime as dt
from typing import Final, Literal

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from shared.certificates import reading
from shared.certificates.errors import CertificateError
from shared.certificates.requests import check, public_key

ROOT_DAYS: Final = 3650
BEFORE: Final = dt.timedelta(hours=1)
"""So much earlier a certificate begins to count: stations' clocks are off."""
RSA_BITS: Final = 3072
_PSS: Final = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.DIGEST_LENGTH)
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class Signed(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate that was made: `chain` in PEM, the station's own first; `not_after` in ms."""

    chain: str
    id: str
    subject: str
    not_after: int


class Authority:
    """Signs with one key."""

    def __init__(self, certificate: x509.Certificate, key: PrivateKey) -> None:
        self._certificate = certificate
        self._key = key

    @classmethod
    def load(cls, certificate: str, key: str, passphrase: str) -> Authority:
        """Open an authority that was made; raises `CertificateError` where the passphrase is another one."""
        try:
            opened = serialization.load_pem_private_key(key.encode(), passphrase.encode())
        except (ValueError, TypeError):
            raise CertificateError("the authority's key does not open with this passphrase") from None
        if not isinstance(opened, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey)):
            raise CertificateError("the authority's key is neither RSA nor of an elliptic curve")
        return cls(reading.load(certificate), opened)

    @property
    def pem(self) -> str:
        """The root, in PEM."""
        return _pem(self._certificate)

    def sign(self, csr: str, common_name: str, organisation: str, days: int, now_ms: int) -> Signed:
        """Make a station's certificate from its request; raises `CertificateError` where that may not be signed.

        The subject is ours to say: nothing but the key is the request's.
        """
        request = check(csr, common_name, organisation)
        now = dt.datetime.fromtimestamp(now_ms / 1000, dt.UTC)
        key = public_key(request)
        made = (
            x509.CertificateBuilder()
            .subject_name(_name(common_name, organisation))
            .issuer_name(self._certificate.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - BEFORE)
            .not_valid_after(min(now + dt.timedelta(days=days), self._certificate.not_valid_after_utc))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._certificate.public_key()),  # type: ignore[arg-type]
                critical=False,
            )
        )
        return summary(_pem(_sign(made, self._key)) + self.pem)


def make(passphrase: str, kind: Literal["ecdsa", "rsa"], organisation: str, now_ms: int) -> tuple[str, str]:
    """Make an authority; returns its root and its encrypted key, both in PEM."""
    if not passphrase:
        raise CertificateError("an authority's key is not kept without a passphrase")
    now = dt.datetime.fromtimestamp(now_ms / 1000, dt.UTC)
    key: PrivateKey = (
        rsa.generate_private_key(65537, RSA_BITS) if kind == "rsa" else ec.generate_private_key(ec.SECP256R1())
    )
    public, name = key.public_key(), _name("Ampstream stations", organisation)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BEFORE)
        .not_valid_after(now + dt.timedelta(days=ROOT_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )
    kept = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(passphrase.encode()),
    )
    return _pem(_sign(built, key)), kept.decode()


def summary(chain: str) -> Signed:
    """Return what is kept of a chain; raises `CertificateError` where it can't be read."""
    found = reading.read(reading.load(chain))
    return Signed(chain=chain, id=found.id, subject=found.subject, not_after=found.not_after)


def check_chain(chain: str, csr: str, common_name: str, now_ms: int) -> Signed:
    """Return what is kept of a chain that somebody else made; raises `CertificateError` where it is not what was asked.

    Who signed it is not looked at: that is the business of whoever configured the authority.
    """
    first = reading.load_chain(chain)[0]
    wanted = public_key(x509.load_pem_x509_csr(csr.encode()))
    if _bytes(first.public_key()) != _bytes(wanted):
        raise CertificateError("the certificate is for another key than the request's")
    if reading.read(first).names != (common_name,):
        raise CertificateError(f"the certificate's common name is not {common_name}")
    if not reading.read(first).not_before <= now_ms < reading.read(first).not_after:
        raise CertificateError("the certificate does not count now")
    return summary(chain)


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str, organisation: str) -> x509.Name:
    # The organisation is there in any case (A00.FR.509).
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation or "Ampstream"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _sign(built: x509.CertificateBuilder, key: PrivateKey) -> x509.Certificate:
    if isinstance(key, rsa.RSAPrivateKey):
        return built.sign(key, hashes.SHA256(), rsa_padding=_PSS)
    return built.sign(key, hashes.SHA256())


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _bytes(key: object) -> bytes:
    assert isinstance(key, (rsa.RSAPublicKey, ec.EllipticCurvePublicKey)) or key is not None
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined,no-any-return]
