"""Certificates of stations: section `ce`, requests that wait for an authority, and what is listed fleet-wide."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

ORIGIN: Final = "certificate"
"""Of the commands that bring a station its certificate, and that ask it for a request."""
CertificateState = Literal["sent", "accepted", "rejected", "unanswered", "used"]
"""`sent`: on its way to the station. `accepted`, `rejected`: its answer. `used`: it has dialled in with it."""


class Certificate(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One certificate of a station; times in ms."""

    id: str
    """`<serial>/<issuer>`: what it is revoked by."""
    not_after: int
    state: CertificateState
    changed_at: int
    subject: str = ""
    """Empty where it was made elsewhere: only its id was seen at the door."""
    chain: str = ""
    """PEM, as long as it must perhaps be sent again."""
    sent: int = 0
    command_id: str = ""
    answer: str = ""

    @property
    def serial(self) -> str:
        """The serial number, hexadecimal."""
        return self.id.partition("/")[0]

    @property
    def issuer(self) -> str:
        """The issuer's distinguished name."""
        return self.id.partition("/")[2]


class SigningRequest(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A station's request that an authority has not answered: in its section, and a field of the fleet's hash."""

    station_id: str
    request_id: str
    csr: str
    """PEM."""
    common_name: str
    """What the certificate must be made for, whatever the request says beside its key."""
    organisation: str = ""
    asked_at: int = 0

    @property
    def member(self) -> str:
        """Its field in `keys.CERTIFICATE_REQUESTS`."""
        return f"{self.station_id}/{self.request_id}"


class Root(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A root certificate that a station says it has."""

    use: str
    hash_algorithm: str
    issuer_name_hash: str
    issuer_key_hash: str
    serial_number: str


class Certificates(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Section `ce`."""

    current: Certificate | None = None
    """The one that the station dialled in with last."""
    made: Certificate | None = None
    """The newest one that was made for it and that it has not dialled in with."""
    pending: SigningRequest | None = None
    problem: str = ""
    """Why its last request came to nothing; empty: it did not."""
    renewal_asked_at: int = 0
    roots: tuple[Root, ...] = ()
    roots_read_at: int = 0
    """When a list of its roots last came; 0: it was never asked."""


class Revoked(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A revoked certificate: a field of `keys.REVOKED`."""

    at: int
    by: str = ""
    reason: str = ""
    station_id: str = ""


def index_member(station_id: str, certificate: Certificate) -> str:
    """Return a certificate's member of the index `keys.CERTIFICATES`."""
    return f"{station_id}/{certificate.serial}"
