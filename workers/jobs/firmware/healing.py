"""Stations that are active for long: what became of them is read from their own state, so that no lost result stalls.

A result comes with the commit that ended an update, so there is nothing to heal as a rule. What is left: a request that
the workers gave up, or that a worker of an older release could not read, or a station that was deleted meanwhile.
"""

from __future__ import annotations

from typing import Final

from shared.bus import firmware_keys as keys
from shared.bus import keys as station_keys
from shared.records.firmware import Campaign, UpdateResult, Updating, tries_of
from shared.records.packing import unpack
from shared.records.queries.reading import replies
from workers.jobs.works import sort_out
from workers.uplinks import uplink_of

from . import places
from .places import Site

LOOK_AFTER_MS: Final = 20_000
LOST_MS: Final = 120_000
"""No trace after so long, with everything that was on the uplink then decided: its request came to nothing."""


async def look(site: Site, campaign: Campaign, at: int) -> int:
    """Look at stations that were begun a while ago; returns how many results were found."""
    healed = 0
    async for begun in places.of(site.lane, campaign).begun("active", at - LOOK_AFTER_MS):
        healed += await _look(site, campaign, begun, at)
    return healed


async def _look(site: Site, campaign: Campaign, begun: list[tuple[str, int]], at: int) -> int:
    stations = [name for name, _ in begun]
    _, _, unknown = await sort_out(site.lane, stations)
    await places.of(site.lane, campaign).refuse(unknown, at)
    states = await replies(site.lane, [("HGET", station_keys.state(name), "fw") for name in stations])
    tries = await site.lane.one("HMGET", keys.campaign_tries(campaign.campaign_id), *stations)
    results: list[tuple[str, UpdateResult]] = []
    for (name, begun_at), packed, known in zip(begun, states, tries, strict=True):
        turn, attempt = tries_of(known)
        update = unpack(packed, Updating) if packed is not None else Updating()
        if update.campaign_id == campaign.campaign_id and update.turn == turn:
            if update.result is not None:
                results.append((name, update.result))
        elif at - begun_at > LOST_MS and name not in unknown and await _decided(site, name, begun_at):
            detail = "its request came to nothing; the workers' logs tell why"
            results.append((name, UpdateResult(outcome="failed", turn=turn, attempt=attempt, at=at, detail=detail)))
    return await places.take_in(site.lane, campaign, results, at)


async def _decided(site: Site, station_id: str, begun_at: int) -> bool:
    """Tell whether everything that was on the station's uplink then has been decided."""
    oldest = await site.lane.one("XRANGE", uplink_of(station_id, site.partitions), "-", "+", "COUNT", 1)
    return not oldest or int(oldest[0][0].partition(b"-")[0]) > begun_at + LOOK_AFTER_MS
