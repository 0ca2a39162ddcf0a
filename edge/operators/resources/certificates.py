"""Certificates of stations: when they end, who has which; asked for anew, revoked; the built-in authority's root."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from edge.operators.call import Call
from edge.operators.models.base import Accepted, Cursor, Limit, Page, StationId
from edge.operators.models.certificates import (
    CertificateAuthority,
    ExpiringCertificate,
    RevokedCertificate,
    StationProofs,
)
from edge.operators.problems import ProblemError, missing
from edge.operators.resources.asking import ask, request_id
from edge.operators.resources.lists import page, position, shown
from edge.operators.resources.stations import StationPath, Text, known
from edge.operators.routes import Table
from edge.operators.serving import Answer
from shared.bus.clock import now_ms
from shared.certificates.names import certificate_id
from shared.records.certificates import Revoked
from shared.records.queries import certificates
from shared.records.requests import Disconnect, RenewCertificate

TABLE: Final = Table("credentials")
_route = TABLE.route
DAY_MS: Final = 24 * 3600 * 1000

Serial = Annotated[str, Meta(pattern=r"^[0-9A-Fa-f]{1,40}$", description="Serial number, hexadecimal.")]
Issuer = Annotated[str, Meta(min_length=1, max_length=500, description="As certificates are listed.")]


class CertificateList(msgspec.Struct, frozen=True, kw_only=True):
    """Filters of the list."""

    within_days: Annotated[int, Meta(ge=0, le=36500, description="Only those that end so soon, or have.")] | None = None
    limit: Limit = 100
    cursor: Cursor | None = None


class Revocation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to revoke: the certificate of a station, or one by serial number and issuer."""

    station_id: StationId | None = None
    serial: Serial | None = None
    issuer: Issuer | None = None
    reason: Text = ""


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """One certificate."""

    serial: Serial
    issuer: Issuer


@_route(
    "GET", "/certificates", "List certificates", scope="read", params=CertificateList,
    response=Page[ExpiringCertificate],
)  # fmt: skip
async def list_certificates(call: Call[CertificateList, None]) -> Page[ExpiringCertificate]:
    """Return the certificates that stations dialled in with last, those that end soonest first."""
    params = call.params
    query = ("certificates", params.within_days)
    before = 0 if params.within_days is None else await now_ms(call.lane) + params.within_days * DAY_MS
    found, after = await certificates.page(call.lane, before, position(params.cursor, *query), params.limit)
    return page(await shown(found, ExpiringCertificate.of), after, *query)


@_route(
    "GET", "/stations/{station_id}/credentials", "Show what a station proves itself by", scope="read",
    params=StationPath, response=StationProofs, errors=("not_found",),
)  # fmt: skip
async def show_credentials(call: Call[StationPath, None]) -> StationProofs:
    """Return where a change of its key stands, its certificates, and the roots that it says it has. Never a key."""
    station = await known(call, call.params.station_id)
    return StationProofs.of(station, await certificates.proofs(call.lane, call.params.station_id))


@_route(
    "POST", "/stations/{station_id}/certificate", "Have a station ask for a certificate", scope="operate",
    params=StationPath, response=Accepted, status=202, errors=("not_found", "conflict", "outcome_unknown"),
)  # fmt: skip
async def renew_certificate(call: Call[StationPath, None]) -> Accepted:
    """Ask a station for a signing request, which the authority then signs. 409 where there is no authority."""
    asked = RenewCertificate(request_id=request_id(call), by=call.token.name)
    await ask(call, call.params.station_id, asked)
    return Accepted(request_id=asked.request_id)


@_route(
    "GET", "/certificate-authority", "Show the built-in authority", scope="read", response=CertificateAuthority,
    errors=("not_found",),
)  # fmt: skip
async def show_authority(call: Call[Any, None]) -> CertificateAuthority:
    """Return the root of the built-in authority, to be installed where its certificates are checked."""
    root = await certificates.authority(call.lane)
    if not root:
        raise ProblemError("not_found", "there is no built-in authority: see AMPSTREAM_CERTIFICATE_AUTHORITY")
    return CertificateAuthority(certificate=root)


@_route("GET", "/revoked-certificates", "List revoked certificates", scope="read", response=Page[RevokedCertificate])
async def list_revoked(call: Call[Any, None]) -> Page[RevokedCertificate]:
    """Return the certificates that operators revoked, the newest first."""
    found = await certificates.revoked(call.lane)
    return Page([RevokedCertificate.of(name, one) for name, one in found.items()], None)


@_route(
    "POST", "/revoked-certificates", "Revoke a certificate", scope="operate", body=Revocation,
    response=RevokedCertificate, status=201, errors=("not_found", "conflict"),
)  # fmt: skip
async def revoke_certificate(call: Call[Any, Revocation]) -> Answer:
    """Let a certificate open no door any more, at once, and close the socket that it opened (named alone: soon)."""
    body = call.body
    name, station_id = await _meant(call)
    record = Revoked(at=await now_ms(call.lane), by=call.token.name, reason=body.reason, station_id=station_id or "")
    if not await certificates.revoke(call.lane, name, record):
        raise ProblemError("conflict", "it is revoked already")
    if station_id is not None:
        try:
            asked = Disconnect(request_id=request_id(call), by=call.token.name, reason="operator")
            await ask(call, station_id, asked)
        except ProblemError:
            pass  # It has no socket, or nobody could say; the door knows in any case.
    return Answer(RevokedCertificate.of(name, record), 201)


@_route(
    "DELETE", "/revoked-certificates", "Reinstate a certificate", scope="admin", params=Named, status=204,
    errors=("not_found",),
)  # fmt: skip
async def reinstate_certificate(call: Call[Named, None]) -> None:
    """Let a revoked certificate count again: it was revoked by mistake."""
    name = certificate_id(call.params.serial, call.params.issuer)
    if not await certificates.reinstate(call.lane, name):
        raise missing("revoked certificate", call.params.serial)


async def _meant(call: Call[Any, Revocation]) -> tuple[str, str | None]:
    """Return the certificate's id and, where it was named, the station."""
    body = call.body
    if (body.station_id is None) == (body.serial is None or body.issuer is None):
        message = "or `serial` and `issuer` must be given, and not both"
        raise ProblemError.of_field("bad_body", "body", "station_id", message)
    if body.station_id is None:
        return certificate_id(body.serial or "", body.issuer or ""), None
    await known(call, body.station_id)
    held = (await certificates.proofs(call.lane, body.station_id)).certificates.current
    if held is None:
        raise ProblemError("conflict", "the station has dialled in with no certificate")
    return held.id, body.station_id
