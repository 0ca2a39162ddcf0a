"""Looks again at reconciliations whose time has come: a second way to what their timers do, over the same record."""

from __future__ import annotations

from typing import Any, Final

from shared import envelopes
from shared.bus import keys
from shared.bus.lane import Lane
from shared.envelopes import Kind, Uplink, Wakeup
from shared.records.packing import unpack
from shared.records.transactions import Charging

AT_ONCE: Final = 500
OVERDUE_MS: Final = 5_000
"""Timers come first; this job sees what they missed."""


async def reconcile(ctx: dict[Any, Any]) -> int:
    """Wake each station with a reconciliation that is past its deadline; returns how many."""
    lane: Lane = ctx["lane"]
    partitions: int = ctx["partitions"]
    seconds, _ = await lane.one("TIME")
    now_ms = int(seconds) * 1000
    woken, cursor = 0, b"0"
    while True:
        cursor, found = await lane.one("ZSCAN", keys.TRANSACTIONS_OPEN, cursor, "COUNT", AT_ONCE)
        ids = list(found[::2])
        owners = await lane.one("HMGET", keys.TRANSACTION_OWNERS, *ids) if ids else []
        stations = {owner.decode() for owner in owners if owner is not None}
        for station in stations:
            woken += await _wake(lane, station, partitions, now_ms)
        if cursor == b"0":
            return woken


async def _wake(lane: Lane, station: str, partitions: int, now_ms: int) -> int:
    data = await lane.one("HGET", keys.state(station), "ch")
    if data is None:
        return 0
    overdue = [
        record for record in unpack(data, Charging).reconciliations.values() if record.deadline_at + OVERDUE_MS < now_ms
    ]
    for record in overdue:
        body = envelopes.encode(Wakeup("reconcile", str(record.transaction_id), record.deadline_at))
        entry = Uplink(envelopes.VERSION, Kind.WAKEUP, station, "", 0, 0, body)
        stream = keys.uplink(keys.partition_of(station, partitions))
        await lane.one("XADD", stream, "*", envelopes.FIELD, envelopes.encode(entry))
    return len(overdue)
