"""What a station's chart is made of: its transactions of a stretch of time, and what their meters told."""

from __future__ import annotations

import asyncio
from typing import Final

from shared.bus.lane import Lane
from shared.records.queries import transactions
from shared.records.queries.transactions import TransactionFilter
from shared.records.transactions import Reading, Transaction

from .stations import Session

NEWEST: Final = 500
"""Transactions of a station that are looked at: of more, the oldest are left out."""
CHUNK: Final = 100
READINGS: Final = 50_000
"""Readings of all of them together."""


async def sessions(lane: Lane, station_id: str, connector_id: int, since: int, until: int) -> list[Session]:
    """Return a connector's transactions that ran between two moments (ms), newest first, with their readings."""
    wanted = TransactionFilter(station_id=station_id, until=until)
    newest, _ = await transactions.page(lane, wanted, None, NEWEST)
    running = [
        one for one in newest if one.connector_id == connector_id and (one.state == "open" or one.stopped_at > since)
    ]
    found: list[Session] = []
    left = READINGS
    for one in running:
        readings = await _readings(lane, one, max(since, one.started_at) - 1, until, left)
        left -= len(readings)
        found.append(Session(one, readings))
    return found


async def _readings(lane: Lane, one: Transaction, since: int, until: int, most: int) -> list[Reading]:
    """Return readings that came from `since` on; stations that were away report earlier ones later, never sooner."""
    found: list[Reading] = []
    after = str(max(since, 0))
    while len(found) < most:
        some, after = await transactions.readings(lane, one.station_id, one.transaction_id, after, CHUNK)
        found += [reading for reading in some if since <= reading.taken_at < until]
        if not after:
            break
        await asyncio.sleep(0)
    return found
