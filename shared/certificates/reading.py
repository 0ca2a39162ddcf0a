"""Certificates: what is shown of one, and the hashes by which stations name theirs (RFC 6960 §4.1.1)."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from typing import Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from shared.certificates.errors import CertificateError
from shared.certificates.names import certificate_id, issuer_text

# OpenSSL's long names, which Python's `ssl` shows: what both read must be spelt alike.
_NAMES: Final = {
    NameOID.COMMON_NAME: "commonName",
    NameOID.ORGANIZATION_NAME: "organizationName",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "organizationalUnitName",
    NameOID.COUNTRY_NAME: "countryName",
    NameOID.LOCALITY_NAME: "localityName",
    NameOID.STATE_OR_PROVINCE_NAME: "stateOrProvinceName",
    NameOID.STREET_ADDRESS: "streetAddress",
    NameOID.SERIAL_NUMBER: "serialNumber",
    NameOID.EMAIL_ADDRESS: "emailAddress",
    NameOID.DOMAIN_COMPONENT: "domainComponent",
    NameOID.USER_ID: "userId",
    NameOID.SURNAME: "surname",
    NameOID.GIVEN_NAME: "givenName",
    NameOID.TITLE: "title",
    NameOID.PSEUDONYM: "pseudonym",
    NameOID.DN_QUALIFIER: "dnQualifier",
    NameOID.GENERATION_QUALIFIER: "generationQualifier",
    NameOID.POSTAL_CODE: "postalCode",
}
_PEM: Final = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """One certificate, as far as it matters here; times in ms."""

    serial: str
    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: int
    not_after: int

    @property
    def id(self) -> str:
        """What it is revoked and listed by."""
        return certificate_id(self.serial, self.issuer)


class Hashes(msgspec.Struct, frozen=True, kw_only=True):
    """How a station names a certificate, with SHA-256."""

    issuer_name_hash: str
    issuer_key_hash: str
    serial_number: str


def pairs_of(name: x509.Name) -> Iterator[tuple[str, str]]:
    """Yield a distinguished name's attributes as `ssl` would: `(commonName, CP1)`."""
    for attribute in name:
        value = attribute.value
        text = value if isinstance(value, str) else value.hex()
        yield _NAMES.get(attribute.oid, attribute.oid.dotted_string), text


def load(pem: str) -> x509.Certificate:
    """Return the first certificate of a PEM text; raises `CertificateError`."""
    return load_chain(pem)[0]


def load_chain(pem: str) -> list[x509.Certificate]:
    """Return the certificates of a PEM text; raises `CertificateError` where there is none, or one can't be read."""
    found = _PEM.findall(pem)
    if not found:
        raise CertificateError("there is no certificate in PEM")
    try:
        return [x509.load_pem_x509_certificate(one.encode()) for one in found]
    except ValueError:
        raise CertificateError("a certificate can't be read") from None


def read(certificate: x509.Certificate) -> Read:
    """Return what is shown of a certificate."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return Read(
        serial=f"{certificate.serial_number:X}",
        subject=issuer_text(pairs_of(certificate.subject)),
        issuer=issuer_text(pairs_of(certificate.issuer)),
        names=tuple(str(one.value) for one in names),
        not_before=_ms(certificate.not_valid_before_utc),
        not_after=_ms(certificate.not_valid_after_utc),
    )


def hashes_of_root(certificate: x509.Certificate) -> Hashes:
    """Return what a station calls a root: it signed itself, so its own name and key are its issuer's."""
    key = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return Hashes(
        issuer_name_hash=_sha256(certificate.issuer.public_bytes()),
        issuer_key_hash=_sha256(_bits_of(key)),
        serial_number=f"{certificate.serial_number:x}"[:40],
    )


def _bits_of(key: bytes) -> bytes:
    """Return a key's bits without their algorithm, which is what is hashed (RFC 6960 §4.1.1)."""
    # SEQUENCE { SEQUENCE algorithm, BIT STRING key }, each with its length in short or long form (X.690 §8.1).
    _, start = _length(key, 0)
    size, start = _length(key, start)
    size, start = _length(key, start + size)
    return key[start + 1 : start + size]


def _length(data: bytes, at: int) -> tuple[int, int]:
    """Return the size of the element at `at`, and where its content begins."""
    size, begin = data[at + 1], at + 2
    if size & 0x80:
        count = size & 0x7F
        size, begin = int.from_bytes(data[begin : begin + count], "big"), begin + count
    return size, begin


def _sha256(data: bytes) -> str:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(data)
    return digest.finalize().hex()


def _ms(moment: dt.datetime) -> int:
    return round(moment.timestamp() * 1000)
