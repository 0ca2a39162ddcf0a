"""What a station proves itself by: a key and a certificate of its own, both of which the CSMS may change.

    ChangeConfiguration AuthorizationKey ── reboot ──> it logs in with the bytes that the new key stands for
    ChangeConfiguration SecurityProfile ── reboot ──> from 2 on it dials where TLS is spoken
    SignCertificate ──> a fresh key pair; CertificateSigned ── its own, and counting? ──> it dials in with it

The private key never leaves the station (white paper, A02.FR.05). `cryptography` is imported where one asks.
"""

from __future__ import annotations

import re
import ssl
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ampstream.simulate.chargepoint import ChargePoint

_KEY: Final = re.compile(r"(?:[0-9a-fA-F]{2}){16,20}")


class Identity:
    """One station's; most stations never make one."""

    __slots__ = ("_context", "_new", "_organisation", "_station_id", "chain", "key", "profile")

    def __init__(self, station_id: str, organisation: str = "") -> None:
        self._station_id = station_id
        self._organisation = organisation
        self._new: Any = None
        self._context: ssl.SSLContext | None = None
        self.key: bytes | None = None
        """The password that it was given, as bytes."""
        self.profile = 0
        """The security profile that it was told to use, from its last reboot on; 0: none."""
        self.chain = ""
        """The certificate that it was given, and its private key, in PEM."""

    def take_key(self, text: str) -> None:
        """Log in with this key from now on: hexadecimal stands for bytes (A00.FR.205)."""
        if text:
            self.key = bytes.fromhex(text) if _KEY.fullmatch(text) else text.encode()

    def request(self) -> str:
        """Make a key pair and return the request to have it certified, in PEM."""
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import NameOID

        self._new = ec.generate_private_key(ec.SECP256R1())
        pairs = ((NameOID.ORGANIZATION_NAME, self._organisation), (NameOID.COMMON_NAME, self._station_id))
        subject = x509.Name([x509.NameAttribute(oid, text) for oid, text in pairs if text])
        made = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(self._new, hashes.SHA256())
        return made.public_bytes(serialization.Encoding.PEM).decode()

    def take_certificate(self, chain: str, now_ms: int) -> bool:
        """Dial in with this certificate from now on, where it is for the last request's key and counts (A02.FR.06)."""
        from cryptography.hazmat.primitives import serialization

        from shared.certificates import reading
        from shared.certificates.errors import CertificateError

        if self._new is None:
            return False
        try:
            first = reading.load(chain)
            found = reading.read(first)
        except CertificateError:
            return False
        if first.public_key() != self._new.public_key() or not found.not_before <= now_ms < found.not_after:
            return False
        secret = self._new.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        self.chain, self._new, self._context = chain + secret.decode(), None, None
        return True

    def context(self, ca: Path | None) -> ssl.SSLContext:
        """Return what it dials in with over TLS, its certificate shown."""
        if self._context is None:
            self._context = context_of(ca, self.chain)
        return self._context


def prove_anew(cp: ChargePoint) -> None:
    """Let a station that boots use the key and the security profile that it was given."""
    key, profile = cp.configuration.text("AuthorizationKey"), cp.configuration.number("SecurityProfile")
    if key:
        cp.features.identity.take_key(key)
    if profile > 1:
        cp.features.identity.profile = profile


def context_of(ca: Path | None, chain: str = "") -> ssl.SSLContext:
    """Return a context that trusts the authorities of `ca` (else the system's) and shows `chain`, if any."""
    context = ssl.create_default_context(cafile=str(ca) if ca is not None else None)
    if chain:
        # Python's ssl reads certificates from files alone.
        with tempfile.NamedTemporaryFile("w", suffix=".pem", encoding="ascii") as file:
            file.write(chain)
            file.flush()
            context.load_cert_chain(file.name)
    return context
