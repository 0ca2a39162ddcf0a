"""Keys and certificates of stations as operators see them."""

from __future__ import annotations

from typing import Final

import msgspec

from edge.operators.times import Instant, instant, iso
from shared.records.certificates import Certificate, CertificateState, Revoked, Root
from shared.records.credentials import Rotation, RotationState
from shared.records.queries.certificates import CertificateNow, Proofs
from shared.records.queries.stations import StationNow

_NEXT: Final[dict[RotationState, str]] = {
    "sending": "its answer, as soon as it is there",
    "unknown": "the same key is sent again, after a minute and when it connects, five times; then when you ask for it",
    "taken": "it comes with the new key when it connects again, or after a reboot",
}
_REBOOT: Final = "reboot it (Reset): it has the new key then"


class KeyRotation(msgspec.Struct, frozen=True, kw_only=True):
    """The last change of a station's key."""

    state: RotationState
    """`sending`, `unknown`, `taken`: both keys open. `done`: the station came with the new one. `refused`: it did not
    take it."""
    began_at: Instant
    changed_at: Instant
    by: str | None
    sent: int
    """How often the key was sent."""
    answer: str | None
    needs_reboot: bool
    """It has the new key once it is rebooted, and not before."""
    next: str | None
    """What it waits for; null: for nothing."""
    command_id: str | None

    @classmethod
    def of(cls, found: Rotation) -> KeyRotation:
        """Show a rotation."""
        needs_reboot = found.needs_reboot and found.state == "taken"
        return cls(
            state=found.state,
            began_at=instant(found.began_at),
            changed_at=instant(found.changed_at),
            by=found.by or None,
            sent=found.sent,
            answer=found.answer or None,
            needs_reboot=needs_reboot,
            next=_REBOOT if needs_reboot else _NEXT.get(found.state),
            command_id=found.command_id or None,
        )


class StationCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate of a station."""

    serial: str
    issuer: str
    subject: str | None
    """Null where it was made elsewhere."""
    not_after: Instant
    state: CertificateState
    changed_at: Instant
    answer: str | None

    @classmethod
    def of(cls, found: Certificate) -> StationCertificate:
        """Show a certificate."""
        return cls(
            serial=found.serial,
            issuer=found.issuer,
            subject=found.subject or None,
            not_after=instant(found.not_after),
            state=found.state,
            changed_at=instant(found.changed_at),
            answer=found.answer or None,
        )


class RootCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """A root that a station says it has, by its hashes."""

    use: str
    hash_algorithm: str
    issuer_name_hash: str
    issuer_key_hash: str
    serial_number: str

    @classmethod
    def of(cls, found: Root) -> RootCertificate:
        """Show a root."""
        return cls(**msgspec.structs.asdict(found))


class StationProofs(msgspec.Struct, frozen=True, kw_only=True):
    """What a station proves itself by."""

    station_id: str
    has_key: bool
    security_profile: int
    """Of its present or last connection."""
    minimum_profile: int
    certificate_name: str
    """The common name that its certificate must have."""
    rotation: KeyRotation | None
    rotated_at: Instant | None
    certificate: StationCertificate | None
    """The one that it dialled in with last."""
    new_certificate: StationCertificate | None
    """One that was made for it and that it has not dialled in with."""
    requested_at: Instant | None
    """When it asked for the certificate that nobody has signed yet."""
    problem: str | None
    """Why its last request came to nothing."""
    roots: list[RootCertificate]
    roots_read_at: Instant | None

    @classmethod
    def of(cls, station: StationNow, found: Proofs) -> StationProofs:
        """Show them."""
        credentials, held = found.credentials, found.certificates
        return cls(
            station_id=station.station.station_id,
            has_key=bool(station.door.key),
            security_profile=station.session.security_profile,
            minimum_profile=int(station.door.minimum_profile or 0),
            certificate_name=station.door.certificate_name or station.station.station_id,
            rotation=KeyRotation.of(credentials.rotation) if credentials.rotation is not None else None,
            rotated_at=iso(credentials.rotated_at),
            certificate=StationCertificate.of(held.current) if held.current is not None else None,
            new_certificate=StationCertificate.of(held.made) if held.made is not None else None,
            requested_at=iso(held.pending.asked_at) if held.pending is not None else None,
            problem=held.problem or None,
            roots=[RootCertificate.of(one) for one in held.roots],
            roots_read_at=iso(held.roots_read_at),
        )


class ExpiringCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate that a station dialled in with, in the order in which they end."""

    station_id: str
    serial: str
    issuer: str | None
    not_after: Instant
    replaced: bool
    """The station has accepted a newer one, and has not dialled in with it."""

    @classmethod
    def of(cls, found: CertificateNow) -> ExpiringCertificate:
        """Show it."""
        return cls(
            station_id=found.station_id,
            serial=found.serial,
            issuer=found.certificate.issuer if found.certificate is not None else None,
            not_after=instant(found.not_after),
            replaced=found.replaced,
        )


class RevokedCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate that opens no door any more."""

    serial: str
    issuer: str
    station_id: str | None
    reason: str | None
    revoked_at: Instant
    revoked_by: str

    @classmethod
    def of(cls, certificate_id: str, found: Revoked) -> RevokedCertificate:
        """Show it."""
        serial, _, issuer = certificate_id.partition("/")
        return cls(
            serial=serial,
            issuer=issuer,
            station_id=found.station_id or None,
            reason=found.reason or None,
            revoked_at=instant(found.at),
            revoked_by=found.by,
        )


class CertificateAuthority(msgspec.Struct, frozen=True, kw_only=True):
    """The built-in authority: its root, in PEM."""

    certificate: str


class SecurityPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The least security profile of a group; `*`: of every station."""

    group: str
    minimum_profile: int
