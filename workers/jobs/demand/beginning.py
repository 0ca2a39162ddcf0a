"""An event begins: which stations it is about, what they drew before, and what its limit comes to."""

from __future__ import annotations

from typing import Final

import msgspec

from shared.bus.lane import Lane
from shared.records.demand import BASELINE_MS, DemandEvent, DemandRecord, DemandStation
from shared.records.queries import demand, sites, stations
from shared.records.queries.sites import SiteNow
from shared.records.queries.stations import StationFilter
from shared.records.sites import Amount
from shared.smartcharging.demand import cap_of, watts_of

from .measuring import Span, measure

PAGE: Final = 500


class NothingToLimit(Exception):
    """There is nobody whom the event is about; says why."""


async def begin(lane: Lane, record: DemandRecord, now: int) -> DemandRecord:
    """Write the rows of an event's stations and return its record as it runs. Raises `NothingToLimit`.

    The rows come first: a record that runs has all of them.
    """
    event = record.event
    rows, cap, total_w = await (_of_site(lane, event) if event.site else _of_stations(lane, event))
    await demand.put_stations(lane, event.event_id, rows)
    return msgspec.structs.replace(
        record, state="running", changed_at=now, total=len(rows), baseline_w=total_w, cap=cap
    )


async def _of_site(lane: Lane, event: DemandEvent) -> tuple[dict[str, DemandStation], Amount, int]:
    found = await sites.now(lane, event.site)
    if found is None:
        raise NothingToLimit(f"there is no site {event.site}")
    site = found.site
    root = next((one.name for one in site.circuits if not one.parent), "")
    circuit = event.circuit or root
    if site.circuit(circuit) is None:
        raise NothingToLimit(f"site {event.site} has no circuit {circuit}")
    below = [one.station_id for one in site.stations if circuit in site.path(one.circuit)]
    drawn = await _baselines(lane, below, event)
    cars = sum(drawn.values())
    cap = cap_of(event, cars + _base_w(found, circuit), site.voltage)
    rows = {name: DemandStation(baseline_w=watts, outcome="site") for name, watts in drawn.items()}
    return rows, cap, cars


def _base_w(found: SiteNow, circuit: str) -> int:
    """Return what is drawn on a circuit beside its stations, as its allocator counted last."""
    for one in found.state.circuits if found.state is not None else ():
        if one.name == circuit:
            return sum(one.base) * found.site.voltage // 10
    return 0


async def _of_stations(lane: Lane, event: DemandEvent) -> tuple[dict[str, DemandStation], Amount, int]:
    names = list(event.stations) if event.stations else await _matching(lane, event)
    if not names:
        raise NothingToLimit("no station matches its filter")
    drawn = await _baselines(lane, names, event)
    rows = {}
    for name, watts in drawn.items():
        limit = cap_of(event, watts, sharing=len(names))
        rows[name] = DemandStation(baseline_w=watts, limit_w=watts_of(limit))
    cap = cap_of(event, sum(drawn.values()) // len(names), sharing=len(names))
    return rows, cap, sum(drawn.values())


async def _matching(lane: Lane, event: DemandEvent) -> list[str]:
    wanted, after, names = StationFilter(**event.filter), "", list[str]()  # type: ignore[arg-type]
    while True:
        found, after = await stations.page(lane, wanted, after, PAGE)
        names += [one.station.station_id for one in found]
        if not after:
            return names


async def _baselines(lane: Lane, names: list[str], event: DemandEvent) -> dict[str, int]:
    span = Span(event.start_at - BASELINE_MS, event.start_at)
    found = await measure(lane, names, [span])
    return {name: found[name][0].mean_w or 0 for name in names}
