"""The certificates of a station (OCPP 1.6 security white paper, A02, M03 to M05), known by their hashes.

Nothing is verified: a certificate counts where its parts can be read. The station's own request is always the same one,
made once; its key is gone.
"""

from __future__ import annotations

import hashlib
import re
import ssl
from collections.abc import Callable
from typing import Final

from shared.ocpp.v16.datatypes import CertificateHashDataType
from shared.ocpp.v16.enums import (
    CertificateUseEnumType,
    DeleteCertificateStatusEnumType,
    HashAlgorithmEnumType,
    InstallCertificateStatusEnumType,
)

CSR: Final = """-----BEGIN CERTIFICATE REQUEST-----
MIHhMIGIAgEAMCYxEDAOBgNVBAoMB0V4YW1wbGUxEjAQBgNVBAMMCVNJTS0wMDAw
MTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABGYnPjIJ2HF6RXPxKMOSdBj+fYk5
Ymv8wDizEsQ2mc9FkAJLdHCDlc9cGvFEx2qZ4zvvZElS0nz5oOLMV0uYLqigADAK
BggqhkjOPQQDAgNIADBFAiBWMxbbpyx9SCIhiw+Bgu7gIz8Q5RecutYmK/ukdpjp
4QIhAP5odQD2CO5KtV0qlWRMjdQZOAEuSKLlD5NFb5IqJnhq
-----END CERTIFICATE REQUEST-----
"""

_PEM: Final = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_HASHES: Final[dict[HashAlgorithmEnumType, Callable[[bytes], str]]] = {
    HashAlgorithmEnumType.SHA256: lambda data: hashlib.sha256(data).hexdigest(),
    HashAlgorithmEnumType.SHA384: lambda data: hashlib.sha384(data).hexdigest(),
    HashAlgorithmEnumType.SHA512: lambda data: hashlib.sha512(data).hexdigest(),
}


class Certificate:
    """What identifies a certificate: its issuer's name, the key, and the serial number."""

    __slots__ = ("_issuer", "_key", "_serial")

    def __init__(self, pem: str) -> None:
        """Read the first certificate of `pem`; raises ValueError where there is none."""
        found = _PEM.search(pem)
        if found is None:
            raise ValueError("not a certificate in PEM")
        der = ssl.PEM_cert_to_DER_cert(found.group())
        fields = _members(_members(der)[0])
        if fields and fields[0][0] == _VERSION:
            del fields[0]
        if len(fields) < _LEAST_FIELDS:
            raise ValueError("not an X.509 certificate")
        self._serial = int.from_bytes(_content(fields[0]), "big")
        self._issuer = fields[2]
        # A root signs itself: its issuer's key is its own (the bits behind the count of unused ones).
        self._key = _content(_members(fields[5])[1])[1:]

    def hashes(self, algorithm: HashAlgorithmEnumType = HashAlgorithmEnumType.SHA256) -> CertificateHashDataType:
        """Return what the CSMS names it by (RFC 6960 §4.1.1)."""
        digest = _HASHES[algorithm]
        return CertificateHashDataType(
            hash_algorithm=algorithm,
            issuer_name_hash=digest(self._issuer),
            issuer_key_hash=digest(self._key),
            serial_number=f"{self._serial:x}"[:40],
        )


class CertificateStore:
    """The root certificates of one station."""

    __slots__ = ("_held", "_longest")

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._held: list[tuple[CertificateUseEnumType, Certificate]] = []

    def install(self, use: CertificateUseEnumType, pem: str) -> InstallCertificateStatusEnumType:
        """Do what InstallCertificate asks; the same again changes nothing."""
        try:
            certificate = Certificate(pem)
        except (ValueError, IndexError):
            return InstallCertificateStatusEnumType.REJECTED
        if certificate.hashes() in self.of(use):
            return InstallCertificateStatusEnumType.ACCEPTED
        if len(self._held) >= self._longest:
            return InstallCertificateStatusEnumType.FAILED
        self._held.append((use, certificate))
        return InstallCertificateStatusEnumType.ACCEPTED

    def of(self, use: CertificateUseEnumType) -> tuple[CertificateHashDataType, ...]:
        """Return the hashes of the certificates of one use."""
        return tuple(certificate.hashes() for kind, certificate in self._held if kind == use)

    def delete(self, wanted: CertificateHashDataType) -> DeleteCertificateStatusEnumType:
        """Do what DeleteCertificate asks."""
        kept = [(use, one) for use, one in self._held if one.hashes(wanted.hash_algorithm) != wanted]
        found = len(kept) < len(self._held)
        self._held = kept
        return DeleteCertificateStatusEnumType.ACCEPTED if found else DeleteCertificateStatusEnumType.NOT_FOUND


def readable(pem: str) -> bool:
    """Tell whether the first certificate of a chain can be read."""
    try:
        Certificate(pem)
    except (ValueError, IndexError):
        return False
    return True


# As much of DER as it takes: a tag, a length, a content (X.690 §8.1).

_VERSION: Final = 0xA0
_LEAST_FIELDS: Final = 6
_LONG: Final = 0x80


def _split(der: bytes) -> tuple[int, int]:
    """Return where the first element's content begins and ends; raises ValueError beyond the data."""
    length, start = der[1], 2
    if length >= _LONG:
        start += length - _LONG
        length = int.from_bytes(der[2:start], "big")
    if start + length > len(der):
        raise ValueError("cut off")
    return start, start + length


def _content(element: bytes) -> bytes:
    start, end = _split(element)
    return element[start:end]


def _members(element: bytes) -> list[bytes]:
    """Return the elements that one is made of, each with its tag and length."""
    rest, found = _content(element), []
    while rest:
        _, end = _split(rest)
        found.append(rest[:end])
        rest = rest[end:]
    return found
