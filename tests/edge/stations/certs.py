"""Certificates for tests: an authority, servers of both kinds, stations; made once and kept in memory."""

from __future__ import annotations

import datetime as dt
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)


@cache
def key(kind: str, name: str = "") -> Any:
    """A key of a kind, the same for the same name."""
    return rsa.generate_private_key(65537, 2048) if kind == "rsa" else ec.generate_private_key(ec.SECP256R1())


def subject(common: str, organisation: str = "Ampstream test") -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation), x509.NameAttribute(NameOID.COMMON_NAME, common)]
    )


class Authority:
    """Signs whatever a test wants."""

    def __init__(self, name: str = "Root") -> None:
        self.name = subject(name)
        self.key = key("ecdsa", f"ca {name}")
        self.certificate = self._sign(self.name, self.key.public_key(), ca=True)

    def _sign(
        self, name: x509.Name, public: Any, *, ca: bool = False, ends: dt.timedelta = DAY, dns: str = ""
    ) -> x509.Certificate:
        built = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self.name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - 2 * DAY)
            .not_valid_after(NOW + ends)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if dns:
            built = built.add_extension(x509.SubjectAlternativeName([x509.DNSName(dns)]), critical=False)
        return built.sign(self.key, hashes.SHA256())

    def issue(
        self, common: str, kind: str = "ecdsa", *, organisation: str = "Ampstream test", ends: dt.timedelta = DAY,
        dns: str = "", label: str = "",
    ) -> tuple[x509.Certificate, str]:  # fmt: skip
        """A certificate, and the PEM text of it with its key."""
        own = key(kind, label or common)
        name = subject(common, organisation) if common else x509.Name([])
        made = self._sign(name, own.public_key(), ends=ends, dns=dns)
        secret = own.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return made, made.public_bytes(serialization.Encoding.PEM).decode() + secret.decode()

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def revoke(self, *certificates: x509.Certificate) -> str:
        """A revocation list in PEM."""
        built = x509.CertificateRevocationListBuilder().issuer_name(self.name).last_update(NOW - DAY).next_update(NOW)
        for one in certificates:
            entry = x509.RevokedCertificateBuilder().serial_number(one.serial_number).revocation_date(NOW - DAY).build()
            built = built.add_revoked_certificate(entry)
        return built.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


@cache
def authority(name: str = "Root") -> Authority:
    return Authority(name)


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="ascii")
    return str(path)


def servers(directory: Path, *kinds: str) -> str:
    """Server certificates for localhost, as the setting `tls_certificates` names them."""
    made = [
        authority().issue("localhost", kind, dns="localhost", label=f"server {kind}", ends=60 * DAY)[1]
        for kind in kinds
    ]
    return ",".join(write(directory / f"{kind}.pem", text) for kind, text in zip(kinds, made, strict=True))
