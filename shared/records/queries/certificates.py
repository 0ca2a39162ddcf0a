"""Certificates of stations, soonest end first; what is revoked; the least security profile of groups."""

from __future__ import annotations

import msgspec

from shared.bus import keys
from shared.bus.lane import Lane
from shared.records.certificates import Certificate, Certificates, Revoked
from shared.records.credentials import Credentials
from shared.records.packing import pack, unpack

from .cursors import Position
from .reading import CHUNK, replies


class CertificateNow(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate that a station dialled in with, and when it ends (ms)."""

    station_id: str
    serial: str
    not_after: int
    certificate: Certificate | None = None
    """None where the station has another by now."""
    replaced: bool = False
    """A newer one was made for the station, and accepted."""


class Proofs(msgspec.Struct, frozen=True, kw_only=True):
    """What a station proves itself by, beside what its door holds."""

    credentials: Credentials
    certificates: Certificates


async def page(
    lane: Lane, before: int, after: Position | None, limit: int
) -> tuple[list[CertificateNow], Position | None]:
    """Return up to `limit` certificates that end before `before` (ms; 0: all), soonest first, and where to go on."""
    high = f"({before}" if before else "+inf"
    start = int(await lane.one("ZCOUNT", keys.CERTIFICATES, "-inf", f"({after.score}")) if after else 0
    kept: list[Position] = []
    while len(kept) <= limit:
        found = await lane.one(
            "ZRANGE", keys.CERTIFICATES, "-inf", high, "BYSCORE", "LIMIT", start, CHUNK, "WITHSCORES"
        )
        some = [Position(found[n].decode(), int(float(found[n + 1]))) for n in range(0, len(found), 2)]
        kept += [at for at in some if after is None or (at.score, at.member) > (after.score, after.member)]
        if len(some) < CHUNK:
            break
        start += len(some)
    shown, more = kept[:limit], len(kept) > limit
    return await _load(lane, shown), shown[-1] if more else None


async def _load(lane: Lane, found: list[Position]) -> list[CertificateNow]:
    split = [(at.member.rpartition("/"), at.score) for at in found]
    states = await replies(lane, [("HGET", keys.state(name[0]), "ce") for name, _ in split])
    items = []
    for (name, not_after), packed in zip(split, states, strict=True):
        held = unpack(packed, Certificates) if packed else Certificates()
        current = held.current if held.current is not None and held.current.serial == name[2] else None
        items.append(
            CertificateNow(
                station_id=name[0],
                serial=name[2],
                not_after=not_after,
                certificate=current,
                replaced=held.made is not None and held.made.state == "accepted",
            )
        )
    return items


async def proofs(lane: Lane, station_id: str) -> Proofs:
    """Return what is kept of a station's key and certificates; empty for one that is not known."""
    (fields,) = await replies(lane, [("HMGET", keys.state(station_id), "ke", "ce")])
    return Proofs(
        credentials=unpack(fields[0], Credentials) if fields[0] else Credentials(),
        certificates=unpack(fields[1], Certificates) if fields[1] else Certificates(),
    )


async def authority(lane: Lane) -> str:
    """Return the built-in authority's root in PEM; empty where there is none."""
    found = await lane.one("HGET", keys.AUTHORITY, "certificate")
    return found.decode() if found else ""


async def revoked(lane: Lane) -> dict[str, Revoked]:
    """Return every revoked certificate by its id, the newest first."""
    found = await lane.one("HGETALL", keys.REVOKED)
    read = {name.decode(): unpack(packed, Revoked) for name, packed in zip(found[::2], found[1::2], strict=True)}
    return dict(sorted(read.items(), key=lambda item: item[1].at, reverse=True))


async def revoke(lane: Lane, certificate_id: str, record: Revoked) -> bool:
    """Revoke a certificate; False where it was."""
    return bool(await lane.one("HSETNX", keys.REVOKED, certificate_id, pack(record)))


async def reinstate(lane: Lane, certificate_id: str) -> bool:
    """Let a revoked certificate count again; False where it was not revoked."""
    return bool(await lane.one("HDEL", keys.REVOKED, certificate_id))


async def policies(lane: Lane) -> dict[str, int]:
    """Return the least security profile by group, in lower case; `*`: of every station."""
    found = await lane.one("HGETALL", keys.SECURITY_POLICIES)
    return {name.decode(): int(value) for name, value in sorted(zip(found[::2], found[1::2], strict=True))}


async def set_policy(lane: Lane, group: str, least: int) -> None:
    """Set a group's least security profile."""
    await lane.one("HSET", keys.SECURITY_POLICIES, group.casefold(), least)


async def drop_policy(lane: Lane, group: str) -> bool:
    """Let a group have none of its own; False where it had none."""
    return bool(await lane.one("HDEL", keys.SECURITY_POLICIES, group.casefold()))
