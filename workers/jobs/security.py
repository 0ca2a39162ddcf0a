"""What operators' changes and security events take up, kept within bounds; and whether the audit log is whole."""

from __future__ import annotations

import secrets
from collections import Counter
from typing import Any, Final

from shared import metrics
from shared.bus import keys
from shared.bus.lane import Lane
from shared.logs import get_logger
from shared.records.audit import RETENTION, Actor, Checker, Entry
from shared.records.queries import audit, security_events
from shared.records.queries.audit import AuditLog
from shared.records.queries.reading import replies
from shared.records.security_events import SecurityRecord, read, severity_of
from shared.settings import Settings

from .quotas import SHARE, water_level

log = get_logger(__name__)

AT_ONCE: Final = 500
ALTERED: Final = "AuditLogAltered"
_SYSTEM: Final = Actor(kind="system", name="ampstream")


async def trim_audit(ctx: dict[Any, Any]) -> int:
    """Take entries off the audit log that are too old, or too many, behind an entry that says so."""
    lane: Lane = ctx["lane"]
    settings: Settings = ctx["settings"]
    seconds, _ = await lane.one("TIME")
    oldest = (int(seconds) - settings.audit_retention_s) * 1000
    found = await lane.one("XREVRANGE", keys.AUDIT, str(max(oldest, 0)), "-", "COUNT", 1)
    through = found[0][0].decode() if found else ""
    size = int(await lane.one("MEMORY", "USAGE", keys.AUDIT) or 0)
    if size > settings.audit_max_bytes:
        length = int(await lane.one("XLEN", keys.AUDIT))
        log.warning("the audit log is full; its oldest entries leave", entries=length, bytes=size)
        through = max(through, await _at(lane, length - int(length * SHARE * settings.audit_max_bytes / size)), key=_id)
    if not through:
        return 0
    draft = Entry(seq=0, at=0, phase="noted", action=RETENTION, who=_SYSTEM)
    return await audit.retire(lane, AuditLog(lane), through, draft)


async def check_audit(ctx: dict[Any, Any]) -> int:
    """Check the chain of the audit log; returns how many problems it has, each a reason for an alarm."""
    lane: Lane = ctx["lane"]
    checker = Checker()
    async for links in audit.links(lane):
        checker.feed(links)
    problems = checker.verdict().problems
    if problems:
        log.error("the audit log was altered", problems=problems[:10])
        metrics.SECURITY_EVENTS.labels(severity_of(ALTERED)).inc()
        metrics.SECURITY_ALARMS.labels(ALTERED).inc()
        seconds, _ = await lane.one("TIME")
        record = SecurityRecord(
            id=f"worker:{secrets.token_hex(8)}",
            kind=ALTERED,
            severity=severity_of(ALTERED),
            source="ampstream",
            at=int(seconds) * 1000,
            info=problems[0][:255],
            count=len(problems),
        )
        await security_events.write(lane, [record])
    return len(problems)


async def trim_security_events(ctx: dict[Any, Any]) -> int:
    """Drop security events that are too old, and where there are too many, the oldest of those who sent the most."""
    lane: Lane = ctx["lane"]
    settings: Settings = ctx["settings"]
    seconds, _ = await lane.one("TIME")
    oldest = (int(seconds) - settings.security_event_retention_s) * 1000
    removed = int(await lane.one("ZREMRANGEBYSCORE", keys.SECURITY, "-inf", f"({oldest}"))
    if int(await lane.one("ZCARD", keys.SECURITY)) <= settings.security_event_max:
        return removed
    members = await _all(lane)
    owners = [record.station_id if (record := read(one.decode())) else "" for one in members]
    counts = Counter(owners)
    level = water_level(list(counts.values()), int(settings.security_event_max * SHARE))
    surplus = []
    for one, owner in zip(members, owners, strict=True):  # The oldest first.
        if counts[owner] > level:
            counts[owner] -= 1
            surplus.append(one)
    for begin in range(0, len(surplus), AT_ONCE):
        await replies(lane, [("ZREM", keys.SECURITY, *surplus[begin : begin + AT_ONCE])])
    log.warning("there are too many security events; the oldest leave", removed=len(surplus))
    return removed + len(surplus)


async def _all(lane: Lane) -> list[bytes]:
    members: list[bytes] = []
    while some := await lane.one("ZRANGE", keys.SECURITY, len(members), len(members) + AT_ONCE - 1):
        members += some
    return members


async def _at(lane: Lane, number: int) -> str:
    """Return the id of the entry at this place of the log; empty for none."""
    begin, last, left = "-", "", number
    while left > 0 and (found := await lane.one("XRANGE", keys.AUDIT, begin, "+", "COUNT", min(left, AT_ONCE))):
        left -= len(found)
        last = found[-1][0].decode()
        begin = f"({last}"
    return last


def _id(text: str) -> tuple[int, int]:
    at, _, seq = text.partition("-")
    return (int(at or 0), int(seq or 0))
