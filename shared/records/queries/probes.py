"""Probes: what runs on a station, its last report, and what was learned of a model."""

from __future__ import annotations

import msgspec

from shared.bus import keys
from shared.bus.lane import Lane
from shared.records.packing import unpack
from shared.records.probes import Abilities, ProbeReport, Probing

from .reading import replies


async def of_station(lane: Lane, station_id: str) -> Probing:
    """Return what runs on a station, and how the last probe ended."""
    data = await lane.one("HGET", keys.state(station_id), "pr")
    return Probing() if data is None else unpack(data, Probing)


async def report(lane: Lane, station_id: str) -> ProbeReport | None:
    """Return the report of a station's last probe, or None."""
    data = await lane.one("GET", keys.probe(station_id))
    return None if data is None else unpack(data, ProbeReport)


async def abilities(lane: Lane) -> dict[str, Abilities]:
    """Return what was learned, by model key."""
    held = await lane.one("HGETALL", keys.MODELS_CHARGING)
    found: dict[str, Abilities] = {}
    for n in range(0, len(held), 2):
        try:
            found[held[n].decode()] = unpack(held[n + 1], Abilities)
        except msgspec.MsgspecError:  # Of another release: it is learned again.
            continue
    return found


async def abilities_of(lane: Lane, key: str) -> Abilities | None:
    """Return what was learned of a model, or None."""
    (data,) = await replies(lane, [("HGET", keys.MODELS_CHARGING, key)])
    return None if data is None else unpack(data, Abilities)
