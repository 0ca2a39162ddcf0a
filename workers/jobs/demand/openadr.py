"""A virtual end node of OpenADR 3: reads a VTN's events now and then, makes events of ours of them, and reports back.

What an event of the VTN became is remembered by its id. One that asks for something else is made anew, one that is
gone is cancelled; ids are made from what is asked, so that reading the same twice makes nothing twice.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from shared import metrics
from shared.bus import demand_keys as keys
from shared.bus.lane import Lane, LaneLost
from shared.logs import get_logger
from shared.records.commands import make_id
from shared.records.demand import OPENADR, DemandEvent, DemandRecord, DemandStation
from shared.records.packing import pack, unpack
from shared.records.prices import AREA_PATTERN, DEFAULT_AREA, MAX_AREA, Prices
from shared.records.queries import demand, prices, sites
from shared.records.queries.reading import TooManyError
from shared.settings import Settings

from . import oadr
from .oadr import OadrEvent, Target
from .vtn import Vtn, VtnError

log = get_logger(__name__)

PRICES_KEPT_MS: Final = 7 * 86_400_000


class Known(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an event of the VTN became: hash `idx:demand:sources`."""

    fingerprint: str
    program: str = ""
    ids: tuple[str, ...] = ()
    reports: tuple[str, ...] = ()
    areas: tuple[str, ...] = ()
    """Whose prices it told."""


class Ven:
    """Asks in the background: a VTN that hangs delays nobody's events."""

    def __init__(self, lane: Lane, settings: Settings) -> None:
        self._lane = lane
        self._settings = settings
        self._vtn = Vtn(settings)
        self._levels = [int(part) for part in settings.openadr_levels.split(",")]
        self._next = 0.0
        self._task: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """End what is under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        await self._vtn.close()

    async def look(self, now: int) -> None:
        """Begin to ask the VTN, where it is time and the last question is answered."""
        clock = asyncio.get_running_loop().time()
        if not self._settings.openadr_url or clock < self._next or (self._task is not None and not self._task.done()):
            return
        self._next = clock + self._settings.openadr_poll_s
        self._task = asyncio.create_task(self._poll(now))

    async def _poll(self, now: int) -> None:
        try:
            events, odd = await self._vtn.events()
            await self.take(events, now)
        except (VtnError, LaneLost) as error:
            metrics.OPENADR_POLLS.labels("failed").inc()
            log.warning("the VTN was not read", error=str(error))
            return
        except Exception:
            metrics.OPENADR_POLLS.labels("failed").inc()
            log.exception("what the VTN said was not taken in")
            return
        metrics.OPENADR_POLLS.labels("ok").inc()
        if odd:
            log.warning("events of the VTN could not be read", count=odd)

    async def take(self, events: list[OadrEvent], now: int) -> None:
        """Make events and prices here of those of the VTN, and cancel what it has no more."""
        pairs = await self._lane.one("HGETALL", keys.SOURCES)
        known = {name.decode(): unpack(data, Known) for name, data in zip(pairs[::2], pairs[1::2], strict=True)}
        for event in events:
            before, mark = known.get(event.id), oadr.fingerprint(event)
            if before is not None and before.fingerprint == mark:
                continue
            if before is not None:
                await self._cancel(event.id, before, now)
            target = oadr.target_of(event, self._settings.openadr_ven_name)
            try:
                areas = await self._price(event, target, now)
                ids = [] if target is None else await self._make(event, target, mark, now)
            except TooManyError:
                log.warning("an event of the VTN has to wait: too many have not ended", vtn_event=event.id[:100])
                continue
            became = Known(mark, event.program_id, tuple(ids), oadr.reports_wanted(event), areas)
            await self._lane.one("HSET", keys.SOURCES, event.id, pack(became))
        for name in known.keys() - {event.id for event in events}:
            await self._cancel(name, known[name], now)
            await self._lane.one("HDEL", keys.SOURCES, name)

    async def _cancel(self, vtn_id: str, known: Known, now: int) -> None:
        for event_id in known.ids:
            await demand.cancel(self._lane, event_id, now, OPENADR)
        for area in known.areas:
            await prices.take_back(self._lane, area, vtn_id, now=now, by=OPENADR)

    async def _price(self, event: OadrEvent, target: Target | None, now: int) -> tuple[str, ...]:
        """Write the prices that an event tells; returns the areas that they are of."""
        currency, intervals = oadr.prices(event, now)
        if target is None or not intervals:
            return ()
        areas = await self._areas(target)
        # Noted first: whoever goes on after a crash knows what is to be taken back.
        await self._lane.one("HSET", keys.SOURCES, event.id, pack(Known("", event.program_id, areas=areas)))
        for area in areas:
            told = Prices(area=area, currency=currency, intervals=tuple(intervals), updated_at=now, updated_by=OPENADR)
            await prices.put(self._lane, told, now=now, kept_ms=PRICES_KEPT_MS, source=event.id)
        return areas

    async def _areas(self, target: Target) -> tuple[str, ...]:
        """Return whose prices an event tells: the areas that it names, else those of the sites that it names."""
        found = []
        for area in target.areas:
            if len(area) <= MAX_AREA and re.fullmatch(AREA_PATTERN, area):
                found.append(area)
            else:
                log.warning("an event of the VTN names an area that can't be", area=area[:100])
        if not target.areas:
            named = [await sites.site(self._lane, place.partition("/")[0]) for place in target.places]
            found = [site.price_area for site in named if site is not None]
        return tuple(dict.fromkeys(found)) if target.areas or target.places else (DEFAULT_AREA,)

    async def _make(self, event: OadrEvent, target: Target, mark: str, now: int) -> list[str]:
        ids = []
        for one in oadr.wanted(event, self._levels, now):
            if one.end_at <= now:
                continue
            for number, place in enumerate(await self._places(target)):
                event_id = make_id(max(one.start_at, 0), f"openadr:{event.id}:{mark}:{one.interval}:{number}")
                made = DemandEvent(
                    event_id=event_id,
                    name=event.event_name or f"OpenADR {event.id}"[:100],
                    kind=one.kind,
                    start_at=one.start_at,
                    end_at=one.end_at,
                    amount=one.amount,
                    percent=one.percent,
                    together=not place.get("site"),
                    source=OPENADR,
                    source_id=f"{event.id}/{one.interval}",
                    created_at=now,
                    created_by=OPENADR,
                    **place,
                )
                await demand.create(self._lane, made)
                ids.append(event_id)
        return ids

    async def _places(self, target: Target) -> list[dict[str, Any]]:
        """Return where an event applies: sites that are known, groups, else what the settings say."""
        found: list[dict[str, Any]] = []
        for place in target.places:
            where = await self._site(place)
            if where is None:
                log.warning("an event of the VTN names no site that is known", place=place[:100])
            else:
                found.append(where)
        found += [{"filter": {"group": group}} for group in target.groups]
        if target.places or target.groups:
            return found
        if not self._settings.openadr_site:
            return [{}]
        where = await self._site(self._settings.openadr_site)
        return [] if where is None else [where]

    async def _site(self, place: str) -> dict[str, Any] | None:
        name, _, circuit = place.partition("/")
        found = await sites.site(self._lane, name)
        if found is None or (circuit and found.circuit(circuit) is None):
            return None
        return {"site": name, "circuit": circuit}

    # --- reports

    async def tell(self, record: DemandRecord, rows: Mapping[str, DemandStation], now: int) -> None:
        """Tell the VTN what came of an event of its, where it asked for that; tried once, failures are logged."""
        if record.event.source != OPENADR or record.told_at or not self._settings.openadr_url:
            return
        vtn_id, _, interval = record.event.source_id.rpartition("/")
        data = await self._lane.one("HGET", keys.SOURCES, vtn_id)
        known = unpack(data, Known) if data is not None else None
        if known is None or not known.reports:
            return
        try:
            await self._vtn.report(report_of(record, rows, known, vtn_id, int(interval), self._settings))
        except VtnError as error:
            log.warning("the VTN did not take a report", error=str(error))
            return
        await demand.change(self._lane, record.event.event_id, lambda one: msgspec.structs.replace(one, told_at=now))


def report_of(
    record: DemandRecord,
    rows: Mapping[str, DemandStation],
    known: Known,
    vtn_id: str,
    interval: int,
    settings: Settings,
) -> dict[str, Any]:
    """Return a report on one interval, of all stations together, as OpenADR 3.0.1 has it."""
    values = {
        "USAGE": sum(row.energy_wh for row in rows.values()) / 1000,
        "DEMAND": sum(row.drawn_w or 0 for row in rows.values()) / 1000,
        "BASELINE": record.baseline_w / 1000,
    }
    payloads = [{"type": name, "values": [values[name]]} for name in known.reports]
    return {
        "objectType": "REPORT",
        "programID": known.program,
        "eventID": vtn_id,
        "clientName": settings.openadr_ven_name,
        "reportName": record.event.event_id,
        "resources": [{"resourceName": "AGGREGATED_REPORT", "intervals": [{"id": interval, "payloads": payloads}]}],
    }
