"""Stations with open transactions, read in batches: what the jobs that look at charging go through."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import msgspec

from shared.bus import keys
from shared.bus.lane import Lane
from shared.records.packing import unpack
from shared.records.queries.reading import replies
from shared.records.stations import Connectors
from shared.records.transactions import Charging

AT_ONCE: Final = 200


class Busy(msgspec.Struct, frozen=True):
    """A station with open transactions, and what its connectors last reported."""

    station_id: str
    charging: Charging
    connectors: Connectors


async def busy_stations(lane: Lane) -> AsyncIterator[list[Busy]]:
    """Yield every station that has an open transaction; one may come twice."""
    cursor = b"0"
    while True:
        cursor, pairs = await lane.one("ZSCAN", keys.TRANSACTIONS_OPEN, cursor, "COUNT", AT_ONCE)
        ids = pairs[::2]
        owners = await lane.one("HMGET", keys.TRANSACTION_OWNERS, *ids) if ids else []
        names = sorted({owner.decode() for owner in owners if owner is not None})
        found = await replies(lane, [("HMGET", keys.state(name), "ch", "co") for name in names])
        yield [
            Busy(name, unpack(charging, Charging), unpack(connectors, Connectors) if connectors else Connectors())
            for name, (charging, connectors) in zip(names, found, strict=True)
            if charging is not None
        ]
        if cursor == b"0":
            return
