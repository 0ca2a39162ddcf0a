"""Jobs that look at open transactions: overdue reconciliations and forgotten ones."""

import pytest

from shared.bus import keys
from shared.bus.lane import Lane
from shared.policy import Policy
from shared.records.packing import unpack
from shared.records.stations import ConnectorRecord, Connectors
from shared.records.transactions import Charging, Transaction
from shared.settings import Settings
from tests.support import wait_until
from tests.workers.jobs.stage import System, stage
from workers.jobs import reconcile as reconciling
from workers.jobs.reconcile import reconcile
from workers.jobs.stuck import GRACE_MS, SILENCE_MS, count_stuck, is_stuck

NOW = 1_800_000_000_000


async def charging_of(system: System, station: str) -> Charging:
    """Return a station's open transactions."""
    return unpack(await system.lane.one("HGET", keys.state(station), "ch"), Charging)


async def test_overdue_reconciliation_is_brought_to_its_end(
    settings: Settings, lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the timer was lost, the job wakes the station, and the transaction that is over is closed."""
    monkeypatch.setattr(reconciling, "OVERDUE_MS", 0)
    policy = Policy(unknown_stations="accept", unknown_tags="accept", reconcile_after_ms=500, reconcile_ask_ms=100)
    async with stage(settings, lane, policy) as system:
        first = await system.dial("CP1")
        await first.start("tag")
        await first.status(1, "Charging")
        again = await system.dial("CP1")
        await again.status(1, "Available")
        assert (await charging_of(system, "CP1")).reconciliations
        await lane.one("DEL", *(keys.wakeups(number) for number in range(system.partitions)))

        async def closed() -> bool:
            await reconcile({"lane": lane, "partitions": system.partitions})
            return not (await charging_of(system, "CP1")).open

        await wait_until(closed, interval_s=0.2)
        await system.settle()
        assert await reconcile({"lane": lane, "partitions": system.partitions}) == 0


def transaction(**changes: int) -> Transaction:
    """An open transaction that was active an hour ago."""
    return Transaction(
        transaction_id=1, station_id="CP1", connector_id=1, id_tag="t", started_at=NOW, received_at=NOW,
        meter_start_wh=0, start_key="k", last_activity_at=changes.get("last_activity_at", NOW - 3_600_000),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("ago", "status", "since", "expected"),
    [
        (SILENCE_MS + 1, "Charging", 0, True),
        (3_600_000, "Charging", NOW - 1_800_000, False),
        (3_600_000, "Available", NOW - 1_800_000, True),
        (3_600_000, "Available", NOW - GRACE_MS + 1, False),
        (3_600_000, "Available", NOW - 7_200_000, False),
    ],
)
def test_what_counts_as_stuck(ago: int, status: str, since: int, expected: bool) -> None:
    """A day of silence, or a connector that was set free after the last sign of life and stayed so."""
    record = ConnectorRecord(connector_id=1, status=status, received_at=since)
    found = is_stuck(transaction(last_activity_at=NOW - ago), Connectors({1: record}), NOW)
    assert found is expected


async def test_stuck_transactions_are_counted(settings: Settings, lane: Lane) -> None:
    """The figure for the gauges is left in Redis, where every worker reads it."""
    async with stage(settings, lane) as system:
        await (await system.dial("CP1")).start("tag")
    await count_stuck({"lane": lane})
    assert await lane.one("GET", keys.STUCK) == b"0"
