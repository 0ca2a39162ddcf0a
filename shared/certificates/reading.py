"""Certificates: what is shown of one."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from typing import Final

import msgspec
from cryptography import x509
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


def _ms(moment: dt.datetime) -> int:
    return round(moment.timestamp() * 1000)
