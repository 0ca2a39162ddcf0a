"""The audit log and security events as operators see them."""

from __future__ import annotations

from typing import Any

import msgspec

from edge.operators.times import Instant, instant, iso
from shared.records.audit import Actor, Entry, Kind, Outcome
from shared.records.security_events import SecurityRecord, Severity, Source


class Who(msgspec.Struct, frozen=True, kw_only=True):
    """Who did something."""

    kind: Kind
    """`token`, `person` (logged in at the issuer), `local` (on a machine with access to Redis), `system`."""
    id: str | None
    name: str
    scope: str | None

    @classmethod
    def of(cls, actor: Actor) -> Who:
        """Show an actor."""
        return cls(kind=actor.kind, id=actor.id or None, name=actor.name, scope=actor.scope or None)


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A change that somebody asked for, and what became of it."""

    seq: int
    at: Instant
    who: Who
    address: str | None
    action: str
    """The operation's id, as in this document."""
    method: str | None
    route: str | None
    target: dict[str, str]
    """The path's parameters; an id tag as its pseudonym, `tag:...`."""
    details: Any
    """Query and body, shortened, without secrets; id tags as pseudonyms."""
    outcome: Outcome
    """`done`, `refused` (4xx), `failed` (a fault of ours), `unknown` (nobody can tell whether it happened)."""
    status: int | None
    problem: str | None
    result: str | None
    """Id of what was made."""
    request_id: str | None
    """What the answer's X-Request-Id and our log have."""

    @classmethod
    def of(cls, entry: Entry) -> AuditEntry:
        """Show an entry."""
        return cls(
            seq=entry.seq,
            at=instant(entry.at),
            who=Who.of(entry.who),
            address=entry.address or None,
            action=entry.action,
            method=entry.method or None,
            route=entry.route or None,
            target=entry.target,
            details=entry.details,
            outcome=entry.outcome,
            status=entry.status or None,
            problem=entry.problem or None,
            result=entry.result or None,
            request_id=entry.request_id or None,
        )


class SecurityEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a station reported, or that Ampstream noticed, of an attack or of what makes one possible."""

    id: str
    type: str
    """The standard's, or Ampstream's own."""
    severity: Severity
    """`critical`: what the standard calls so (OCPP 1.6 security white paper, chapter 8), a reboot included."""
    source: Source
    station_id: str | None
    at: Instant
    """When Ampstream received or noticed it."""
    reported_at: Instant | None
    info: str | None
    address: str | None
    count: int
    """How many alike came within a minute."""

    @classmethod
    def of(cls, record: SecurityRecord) -> SecurityEvent:
        """Show a record."""
        return cls(
            id=record.id,
            type=record.kind,
            severity=record.severity,
            source=record.source,
            station_id=record.station_id or None,
            at=instant(record.at),
            reported_at=iso(record.reported_at),
            info=record.info or None,
            address=record.address or None,
            count=record.count,
        )
