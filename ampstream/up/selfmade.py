"""TLS for `ampstream up --tls`: an authority and certificates of its own making, in DATA/tls. For trying, no more.

    ca.pem              whom stations must trust              rsa.pem, ecdsa.pem   the edges' certificates and keys
    passphrase          of the authority for stations' own certificates, whose key is in Redis

The authority's key is thrown away: when its certificates near their end, all are made anew.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import secrets
from pathlib import Path
from typing import Any, Final

DAYS: Final = 397
RENEW: Final = dt.timedelta(days=30)
KINDS: Final = ("ecdsa", "rsa")
CA: Final = "ca.pem"


def directory(data: Path) -> Path:
    """Return where the files are."""
    return data / "tls"


def variables(data: Path) -> dict[str, str]:
    """Return the settings that turn TLS on; the files that they name are made where they are not, or near their end."""
    at = directory(data)
    at.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not _good(at):
        _make(at)
    passphrase = at / "passphrase"
    if not passphrase.exists():
        _write(passphrase, secrets.token_urlsafe(32))
    return {
        "AMPSTREAM_TLS_CERTIFICATES": ",".join(str((at / f"{kind}.pem").resolve()) for kind in KINDS),
        "AMPSTREAM_TRANSFER_TLS": "true",
        "AMPSTREAM_CERTIFICATE_AUTHORITY": "builtin",
        "AMPSTREAM_CA_PASSPHRASE_FILE": str(passphrase.resolve()),
    }


def _good(at: Path) -> bool:
    from shared.certificates import reading
    from shared.certificates.errors import CertificateError

    soon = dt.datetime.now(dt.UTC) + RENEW
    try:
        texts = [(at / name).read_text(encoding="ascii") for name in (CA, *(f"{kind}.pem" for kind in KINDS))]
        return all(reading.load(text).not_valid_after_utc > soon for text in texts)
    except (OSError, CertificateError):
        return False


def _make(at: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    root = ec.generate_private_key(ec.SECP256R1())
    made = _certificate("Ampstream on this machine", root.public_key(), root, ca=True)
    keys: dict[str, Any] = {
        "ecdsa": ec.generate_private_key(ec.SECP256R1()),
        "rsa": rsa.generate_private_key(65537, 2048),
    }
    pem = serialization.Encoding.PEM
    for kind, key in keys.items():
        secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        chain = _certificate("localhost", key.public_key(), root, ca=False).public_bytes(pem)
        _write(at / f"{kind}.pem", (chain + secret).decode())
    # Last: where this one is there, the others are its own.
    _write(at / CA, made.public_bytes(pem).decode())


def _certificate(name: str, key: Any, signer: Any, *, ca: bool) -> Any:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import NameOID

    def named(text: str) -> x509.Name:
        pairs = ((NameOID.ORGANIZATION_NAME, "Ampstream"), (NameOID.COMMON_NAME, text))
        return x509.Name([x509.NameAttribute(oid, value) for oid, value in pairs])

    now = dt.datetime.now(dt.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named("Ampstream on this machine"))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=DAYS))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if not ca:
        addresses = [x509.IPAddress(ipaddress.ip_address(one)) for one in ("127.0.0.1", "::1")]
        built = built.add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), *addresses]), critical=False
        )
    return built.sign(signer, hashes.SHA256())


def _write(path: Path, text: str) -> None:
    """Write a file that only its owner reads, whole or not at all."""
    fresh = path.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as out:
        out.write(text)
    fresh.replace(path)
