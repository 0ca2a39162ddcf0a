"""Counts transactions that look forgotten, for the gauge that every worker shows."""

from __future__ import annotations

from typing import Any, Final

from shared.bus import keys
from shared.bus.lane import Lane
from shared.records.stations import Connectors
from shared.records.transactions import Transaction

from .charging import busy_stations

AVAILABLE: Final = "Available"
SILENCE_MS: Final = 24 * 3600 * 1000
GRACE_MS: Final = 15 * 60 * 1000
"""A connector may be free so long before its transaction's stop arrives, or is given up."""


def is_stuck(transaction: Transaction, connectors: Connectors, now_ms: int) -> bool:
    """Tell whether nothing was heard of a transaction for a day, or its connector has been free for a while."""
    if now_ms - transaction.last_activity_at > SILENCE_MS:
        return True
    connector = connectors.by_id.get(transaction.connector_id)
    if connector is None or connector.status != AVAILABLE:
        return False
    return transaction.last_activity_at < connector.received_at < now_ms - GRACE_MS


async def count_stuck(ctx: dict[Any, Any]) -> int:
    """Count stuck transactions and leave the figure for the gauges; returns 0: there is nothing that was done."""
    lane: Lane = ctx["lane"]
    seconds, _ = await lane.one("TIME")
    stuck: set[int] = set()
    async for stations in busy_stations(lane):
        stuck.update(
            number
            for station in stations
            for number, transaction in station.charging.open.items()
            if is_stuck(transaction, station.connectors, int(seconds) * 1000)
        )
    await lane.one("SET", keys.STUCK, len(stuck))
    return 0
