"""The audit log and security events stay within their bounds, and an altered log raises an alarm."""

from __future__ import annotations

import json

import pytest

from shared import metrics
from shared.bus import keys
from shared.bus.lane import Lane
from shared.records.audit import Actor, Checker, Entry
from shared.records.queries import audit, security_events
from shared.records.queries.audit import AuditLog
from shared.records.queries.security_events import SecurityFilter
from shared.records.security_events import SecurityRecord
from shared.settings import Settings
from tests.workers.jobs.test_quotas import context, now_of
from workers.jobs import security

DRAFT = Entry(seq=0, at=0, phase="refused", action="x", who=Actor(kind="token", name="ops"), status=403)


async def verdict_of(lane: Lane) -> Checker:
    checker = Checker()
    async for links in audit.links(lane):
        checker.feed(links)
    return checker


async def test_entries_leave_behind_an_entry_that_says_so(lane: Lane, settings: Settings) -> None:
    """What is too old goes; the rest verifies, from whatever it then begins with."""
    log = AuditLog(lane)
    for _ in range(20):
        await log.append(DRAFT)
    assert await security.trim_audit(context(lane, settings)) == 0
    assert await security.trim_audit(context(lane, settings, audit_retention_s=-60)) == 20
    found = (await verdict_of(lane)).verdict()
    assert (found.sound, found.first, found.entries) == (True, 21, 1)
    await log.append(DRAFT)
    assert (await verdict_of(lane)).verdict().sound


async def test_a_log_that_is_too_large_loses_its_oldest(lane: Lane, settings: Settings) -> None:
    """The newest stay, and the chain holds."""
    log = AuditLog(lane)
    for _ in range(3):
        await log.append(Entry(seq=0, at=0, phase="noted", action="x", who=DRAFT.who, details="x" * 4000))
    for _ in range(500):
        await log.append(DRAFT)
    size = await lane.one("MEMORY", "USAGE", keys.AUDIT)
    assert await security.trim_audit(context(lane, settings, audit_max_bytes=size // 2)) > 200
    assert await lane.one("MEMORY", "USAGE", keys.AUDIT) < size * 0.6
    found = (await verdict_of(lane)).verdict()
    assert (found.sound, found.last) == (True, 504)


async def test_an_altered_log_raises_an_alarm(lane: Lane, settings: Settings) -> None:
    """Whoever deletes an entry is noticed within the hour."""
    log = AuditLog(lane)
    placed = [await log.append(DRAFT) for _ in range(5)]
    assert await security.check_audit(context(lane, settings)) == 0
    await lane.one("XDEL", keys.AUDIT, placed[2][0].id)
    assert await security.check_audit(context(lane, settings)) > 0
    assert metrics.SECURITY_ALARMS.labels("AuditLogAltered").value == 1
    (event,), _ = await security_events.page(lane, SecurityFilter(severity="critical"), None, 10)
    assert event.kind == "AuditLogAltered"
    assert "entry 4 follows entry 2" in event.info


@pytest.mark.parametrize("noisy", [150, 400])
async def test_one_loud_station_does_not_push_out_the_others(lane: Lane, settings: Settings, noisy: int) -> None:
    """Events leave by age; where there are too many, those who sent the most give their oldest."""
    now = await now_of(lane)
    records = [
        SecurityRecord(id=f"{who}-{n}", kind="x", severity="informational", source="station", at=at, station_id=who)
        for who, count, at in (("LOUD", noisy, now), ("CALM", 10, now - 5000), ("OLD", 3, now - 9_000_000))
        for n in range(count)
    ]  # fmt: skip
    await security_events.write(lane, records)
    settings = context(lane, settings, security_event_max=100, security_event_retention_s=3600)["settings"]
    assert await security.trim_security_events(context(lane, settings)) == noisy + 13 - 90
    kept = [json.loads(one)["station_id"] for one in await lane.one("ZRANGE", keys.SECURITY, 0, -1)]
    assert (kept.count("CALM"), kept.count("LOUD")) == (10, 80)
