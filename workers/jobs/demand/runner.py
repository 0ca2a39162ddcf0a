"""Begins and ends events on time: one worker at a time holds the lease, and loses it when it stops asking.

A beat reads every event about which something is to be done, and does what is next:

    scheduled   at its start: baselines, limits, `demand.started`
    running     stations get their profiles, those that are back too; what they draw is measured; at its end: ended
    ended       profiles are taken back; once late meter values had their time, measured for the last time
    cancelled   the same, at once
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Final

import msgspec

from shared import metrics
from shared.bus import demand_keys, keys
from shared.bus.clock import now_ms
from shared.bus.lane import Lane
from shared.bus.lease import Lease
from shared.logs import get_logger
from shared.records.demand import BASELINE_MS, DemandRecord, DemandStation
from shared.records.events import DemandEnded, DemandStarted, Event
from shared.records.packing import pack
from shared.records.queries import demand
from shared.settings import Settings
from shared.smartcharging.demand import complied, judged_from
from workers.jobs.alone import alone
from workers.jobs.rhythm import Rhythm
from workers.jobs.works import Site

from . import beginning, holding
from .measuring import Span, measure
from .openadr import Ven

log = get_logger(__name__)

HOLD_MS: Final = 5000
"""Another worker takes over so long after the last beat of one that died."""
BEAT_S: Final = 1.0
HOLD_S: Final = 2.0
"""How often stations are looked at that have not taken their limit."""
MEASURE_S: Final = 60.0
LATE_MS: Final = 120_000
"""Meter values may come so long after the end, before the last look."""
FORGET_S: Final = 3600.0


class Conductor:
    """One worker's; `holder` is the worker's unique name."""

    def __init__(self, lane: Lane, settings: Settings, partitions: int, holder: str) -> None:
        self.lease = Lease(lane, demand_keys.RUNNER, holder, HOLD_MS)
        self._site = Site(lane, partitions, holder)
        self._lane = lane
        self._settings = settings
        self._clock = asyncio.get_running_loop().time
        self._rhythms: defaultdict[str, Rhythm] = defaultdict(Rhythm)
        """Event -> what is done for it now and then; under no event: what is done for all."""
        self._ven = Ven(lane, settings)

    async def run(self) -> None:
        """Beat until cancelled; raises `LaneLost` and ReplyError."""
        try:
            while True:
                await self.beat()
                await asyncio.sleep(BEAT_S)
        finally:
            await self._ven.close()

    async def beat(self) -> bool:
        """Do what is next for every event, where this worker holds the lease; tells whether it does."""
        if not await self.lease.mine():
            self._rhythms.clear()
            return False
        now = await now_ms(self._lane)
        events = await demand.active(self._lane, now)
        for gone in self._rhythms.keys() - {"", *(one.event.event_id for one in events)}:
            del self._rhythms[gone]
        for record in events:
            with alone(log, "demand event failed to advance; the others go on", event_id=record.event.event_id):
                await self._advance(record, now)
        metrics.DEMAND_RUNNING.labels().set(sum(one.state == "running" for one in events))
        if self._rhythms[""].is_time("forget", self._clock(), FORGET_S):
            await demand.forget(self._lane, now - self._settings.demand_retention_s * 1000)
        await self._ven.look(now)
        return True

    async def _advance(self, record: DemandRecord, now: int) -> None:
        event = record.event
        if record.state == "scheduled":
            if now >= event.start_at:
                await self._begin(record, now)
        elif record.state == "running":
            if now >= event.end_at:
                await self._end(record, now)
            else:
                await self._hold(record, now)
        elif record.state == "cancelled" or now >= event.end_at + LATE_MS:
            await self._conclude(record, now)

    # --- from state to state

    async def _begin(self, record: DemandRecord, now: int) -> None:
        event = record.event
        if now >= event.end_at:
            await self._become(
                record, msgspec.structs.replace(record, state="ended", detail="nobody was there to begin it"), now
            )
            return
        try:
            running = await beginning.begin(self._lane, record, now)
        except beginning.NothingToLimit as error:
            await self._become(record, msgspec.structs.replace(record, state="ended", detail=str(error)), now)
            return
        if await self._become(record, running, now):
            metrics.DEMAND_EVENTS.labels(event.source, event.kind).inc()
            await self._hold(running, now)

    async def _end(self, record: DemandRecord, now: int) -> None:
        if await self._become(record, msgspec.structs.replace(record, state="ended"), now):
            await self._let_go(record)

    async def _conclude(self, record: DemandRecord, now: int) -> None:
        """Do what is left once an event is over, and be done with it."""
        await self._let_go(record)
        rows = await self._measure(record, now)
        for row in rows.values():
            metrics.DEMAND_STATIONS.labels(_verdict(row)).inc()
        if record.state == "cancelled" and record.total:
            await self._emit(_ended(record, rows, now))
        record = await demand.record(self._lane, record.event.event_id) or record
        await self._ven.tell(record, rows, now)
        await demand.done(self._lane, record.event.event_id)

    async def _become(self, before: DemandRecord, after: DemandRecord, now: int) -> bool:
        """Write how an event stands and tell of it; False where somebody cancelled it meanwhile.

        The event is told first: after a crash it is told again, under the same id.
        """
        current = await demand.record(self._lane, before.event.event_id)
        if current is None or current.state != before.state:
            return False
        if after.state == "running":
            await self._emit(_started(after, now))
        elif before.state == "running":
            await self._emit(_ended(after, await demand.stations(self._lane, after.event.event_id), now))
        written = msgspec.structs.replace(after, changed_at=now)
        return (
            await demand.change(
                self._lane, after.event.event_id, lambda one: written if one.state == before.state else None
            )
            is not None
        )

    async def _emit(self, event: Event) -> None:
        await self._lane.one("XADD", keys.EVENTS, "*", "v", pack([event]))

    # --- while it runs

    async def _hold(self, record: DemandRecord, now: int) -> None:
        event = record.event
        rhythm = self._rhythms[event.event_id]
        if not event.site and rhythm.is_time("hold", self._clock(), HOLD_S):
            rows = await demand.stations(self._lane, event.event_id)
            await demand.put_stations(self._lane, event.event_id, await holding.hold(self._site, event, rows, now))
        if now > judged_from(event) and rhythm.is_time("measure", self._clock(), MEASURE_S):
            await self._measure(record, now)

    async def _let_go(self, record: DemandRecord) -> None:
        rows = await demand.stations(self._lane, record.event.event_id)
        # Those too whose row says that nothing was sent: who died between sending and noting it left it so.
        await holding.release(self._site, record.event.event_id, [] if record.event.site else list(rows))

    async def _measure(self, record: DemandRecord, now: int) -> dict[str, DemandStation]:
        """Measure what the stations drew so far, and the time before anew: readings of it may have come late."""
        event = record.event
        rows = await demand.stations(self._lane, event.event_id)
        until = min(now, event.end_at, record.changed_at if record.state == "cancelled" else event.end_at)
        since = judged_from(event)
        if until <= since or not rows:
            return rows
        before = Span(event.start_at - BASELINE_MS, event.start_at)
        spans = [before, Span(since, until), Span(event.start_at, until)]
        found = await measure(self._lane, list(rows), spans)
        measured = {
            name: msgspec.structs.replace(
                row,
                baseline_w=found[name][0].mean_w or row.baseline_w,
                drawn_w=found[name][1].mean_w,
                peak_w=found[name][1].peak_w,
                energy_wh=found[name][2].energy_wh,
            )
            for name, row in rows.items()
        }
        await demand.put_stations(self._lane, event.event_id, measured)
        total = sum(row.baseline_w for row in measured.values())
        await demand.change(
            self._lane,
            event.event_id,
            lambda one: msgspec.structs.replace(one, measured_at=now, baseline_w=total),
        )
        return measured


def _verdict(row: DemandStation) -> str:
    kept = complied(row)
    if kept is None:
        return "site" if row.outcome == "site" else "unknown"
    return "complied" if kept else "exceeded"


def _started(record: DemandRecord, now: int) -> DemandStarted:
    event, cap = record.event, record.cap
    return DemandStarted(
        station_id="",
        at=now,
        id=f"demand:{event.event_id}:started",
        event_id=event.event_id,
        name=event.name,
        kind=event.kind,
        site=event.site,
        stations=record.total,
        baseline_w=record.baseline_w,
        limit_w=cap.watts if cap is not None else None,
        limit_a=min(cap.amps) / 10 if cap is not None and cap.amps is not None else None,
        end_at=event.end_at,
    )


def _ended(record: DemandRecord, rows: dict[str, DemandStation], now: int) -> DemandEnded:
    event = record.event
    known = [row for row in rows.values() if row.drawn_w is not None]
    return DemandEnded(
        station_id="",
        at=now,
        id=f"demand:{event.event_id}:{record.state}",
        event_id=event.event_id,
        name=event.name,
        site=event.site,
        state=record.state,
        stations=record.total,
        complied=sum(complied(row) is True for row in rows.values()),
        exceeded=sum(complied(row) is False for row in rows.values()),
        baseline_w=record.baseline_w,
        drawn_w=sum(row.drawn_w or 0 for row in known) if known else None,
        detail=record.detail,
    )
