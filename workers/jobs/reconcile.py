"""Looks again at reconciliations whose time has come: a second way to what their timers do, over the same record."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from shared import envelopes
from shared.bus.lane import Command, Lane
from shared.envelopes import Kind, Uplink, Wakeup
from shared.records.queries.reading import replies
from workers.uplinks import append

from .charging import Busy, busy_stations

OVERDUE_MS: Final = 5_000
"""Timers come first; this job sees what they missed."""


async def reconcile(ctx: dict[Any, Any]) -> int:
    """Wake each station with a reconciliation that is past its deadline; returns how many were woken for."""
    lane: Lane = ctx["lane"]
    seconds, _ = await lane.one("TIME")
    woken = 0
    async for stations in busy_stations(lane):
        commands = list(_wakeups(stations, ctx["partitions"], int(seconds) * 1000 - OVERDUE_MS))
        await replies(lane, commands)
        woken += len(commands)
    return woken


def _wakeups(stations: Iterable[Busy], partitions: int, before_ms: int) -> Iterable[Command]:
    for station in stations:
        for record in station.charging.reconciliations.values():
            if record.deadline_at < before_ms:
                body = envelopes.encode(Wakeup("reconcile", str(record.transaction_id), record.deadline_at))
                entry = Uplink(envelopes.VERSION, Kind.WAKEUP, station.station_id, "", 0, 0, body)
                yield append(entry, partitions)
