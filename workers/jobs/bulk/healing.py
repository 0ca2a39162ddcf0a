"""Stations that took long: what became of them is read from their own records, so that no lost result stalls a job.

A result comes with the commit that ended a command, so there is nothing to heal as a rule. What is left: a command that
waits in its station's queue (the station left, or is not accepted) gives its place to another; a request that the
workers gave up, or that a worker of an older release served, gets its result from here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from shared.records.jobs import Job, JobResult, Place
from shared.records.queries.reading import replies
from workers.jobs.works import Site, sort_out
from workers.uplinks import uplink_of

from . import places
from .kinds import KINDS, Seen

LOOK_AFTER_MS: Final = 5_000
"""A station is looked at once it has been begun for so long."""
LOST_MS: Final = 60_000
"""No trace after so long, with everything that was on the uplink then decided: its request came to nothing."""
MARGIN_MS: Final = 10_000


async def look(site: Site, job: Job, place: Place, now: int, hold_ms: int) -> int:
    """Look at stations that were begun a while ago and are at `place`; returns how many results were found.

    An active one whose command is still queued goes to `queued`: at once where the station is offline, else after
    `hold_ms`.
    """
    healed = 0
    async for begun in places.of(site.lane, job).begun(place, now - LOOK_AFTER_MS):
        healed += await _look(site, job, place, begun, now, hold_ms)
    return healed


async def _look(site: Site, job: Job, place: Place, begun: Sequence[tuple[str, int]], now: int, hold_ms: int) -> int:
    names, work = [name for name, _ in begun], places.of(site.lane, job)
    seen = await KINDS[job.kind].look(site.lane, job, begun, now)
    online, _, _ = await sort_out(site.lane, names)
    present = set(online)
    aside = [
        name
        for (name, at), one in zip(begun, seen, strict=True)
        if one == "queued" and (name not in present or now - at > hold_ms)
    ]
    if place == "active":
        await work.move("active", "queued", aside)
    lost = await _lost(site, begun, seen, now)
    results = [(name, one) for name, one in zip(names, seen, strict=True) if isinstance(one, JobResult)]
    nothing = JobResult(outcome="error", at=now, detail="its request came to nothing; the workers' logs tell why")
    return await work.settle([*results, *((name, nothing) for name in lost)])


async def _lost(site: Site, begun: Sequence[tuple[str, int]], seen: Sequence[Seen], now: int) -> list[str]:
    """Return the stations whose requests are decided, and left no trace."""
    old = [(name, at) for (name, at), one in zip(begun, seen, strict=True) if one is None and now - at > LOST_MS]
    if not old:
        return []
    streams = sorted({uplink_of(name, site.partitions) for name, _ in old})
    heads = await replies(site.lane, [("XRANGE", stream, "-", "+", "COUNT", 1) for stream in streams])
    oldest = {
        stream: int(entries[0][0].partition(b"-")[0]) if entries else now
        for stream, entries in zip(streams, heads, strict=True)
    }
    return [name for name, at in old if oldest[uplink_of(name, site.partitions)] > at + MARGIN_MS]
