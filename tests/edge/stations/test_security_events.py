"""What the door refuses for a security reason is kept as a security event, a flood of it as one."""

from __future__ import annotations

from edge.security import MAX_ALIKE, SecurityLog
from shared import metrics
from shared.bus import keys
from shared.bus.lane import Lane
from shared.clock import ManualClock
from shared.records.queries import security_events
from shared.records.queries.security_events import SecurityFilter
from shared.settings import Settings
from tests.support import wait_until


async def test_a_flood_is_one_event_and_then_its_count(settings: Settings) -> None:
    """The first is written at once, the rest once the minute is over, as one; memory is bounded."""
    lane = await Lane.open(settings.redis_url.reveal(), name="test")
    clock = ManualClock()
    log = SecurityLog(lane, clock)
    for _ in range(500):
        log.note("StationLoginsFailed", address="192.0.2.1", info="as CP1")
    log.note("DowngradeTried", station_id="CP2", address="192.0.2.1")

    async def kept() -> list[tuple[str, str, int]]:
        found, _ = await security_events.page(lane, SecurityFilter(), None, 100)
        return sorted((one.kind, one.severity, one.count) for one in found)

    async def both() -> bool:
        return len(await kept()) == 2

    await wait_until(both)
    await clock.advance(61)

    async def counted() -> bool:
        return ("StationLoginsFailed", "informational", 499) in await kept()

    await wait_until(counted)
    (downgrade,), _ = await security_events.page(lane, SecurityFilter(station_id="CP2"), None, 10)
    assert (downgrade.kind, downgrade.severity, downgrade.source) == ("DowngradeTried", "critical", "ampstream")
    assert await lane.one("XLEN", keys.EVENTS) > 0
    assert metrics.SECURITY_EVENTS.labels("informational").value == 500
    for number in range(2 * MAX_ALIKE):
        log.note("StationLoginsFailed", address=f"a{number}")
    assert len(log._alike) <= MAX_ALIKE
    await log.stop()
    await lane.close()
