"""Sites: their documents, which are no station's state and so no commit of a station, and what their allocators did."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from shared.bus import keys
from shared.bus.lane import Lane
from shared.bus.scripts import PUT_SITE
from shared.records.packing import pack, unpack
from shared.records.sites import LoadReading, Site, SiteState

from .reading import names, replies


class Elsewhere(Exception):
    """A station is in another site already."""

    def __init__(self, station_id: str, site: str) -> None:
        super().__init__(f"station {station_id} is in site {site}")
        self.station_id = station_id
        self.site = site


class SiteNow(msgspec.Struct, frozen=True):
    """A site, and what is known of it at the moment; `state` None: no round has been."""

    site: Site
    state: SiteState | None
    loads: dict[str, LoadReading]
    holder: str
    """The worker that allocates for it; empty: none at the moment."""


async def page(lane: Lane, after: str, limit: int) -> tuple[list[Site], str]:
    """Return up to `limit` sites by name behind `after`, and the name to go on behind."""
    found = await names(lane, keys.SITES, "", after, limit + 1)
    packed = await replies(lane, [("GET", keys.site(name)) for name in found[:limit]])
    records = [unpack(data, Site) for data in packed if data is not None]
    return [one for one in records if not one.deleted_at], found[limit - 1] if len(found) > limit else ""


async def site(lane: Lane, name: str) -> Site | None:
    """Return a site's document; None where there is none, or it was deleted."""
    data = await lane.one("GET", keys.site(name))
    found = None if data is None else unpack(data, Site)
    return None if found is None or found.deleted_at else found


async def now(lane: Lane, name: str) -> SiteNow | None:
    """Return a site with what is known of it at the moment, or None."""
    data, state, loads, holder = await replies(
        lane,
        [
            ("GET", keys.site(name)),
            ("GET", keys.site_state(name)),
            ("HGETALL", keys.site_loads(name)),
            ("GET", keys.site_lease(name)),
        ],
    )
    found = None if data is None else unpack(data, Site)
    if found is None or found.deleted_at:
        return None
    read = None if state is None else unpack(state, SiteState)
    return SiteNow(found, read, loads_of(loads), holder.decode() if holder else "")


def loads_of(pairs: Sequence[bytes]) -> dict[str, LoadReading]:
    """Return what a site's hash of measured base loads holds."""
    return {name.decode(): unpack(data, LoadReading) for name, data in zip(pairs[::2], pairs[1::2], strict=True)}


async def site_of(lane: Lane, station_id: str) -> str:
    """Return the name of the site that a station is in; empty: none."""
    found = await lane.one("HGET", keys.SITE_STATIONS, station_id)
    return found.decode() if found else ""


async def strangers(lane: Lane, station_ids: Sequence[str]) -> list[str]:
    """Return which of the stations are not known."""
    if not station_ids:
        return []
    scores = await lane.one("ZMSCORE", keys.STATIONS, *station_ids)
    return [one for one, score in zip(station_ids, scores, strict=True) if score is None]


async def put(lane: Lane, record: Site, *, if_version: int | None = None) -> Site | None:
    """Write a site as the version after the one that is there, and return it as written.

    `if_version`: only over this version (0: over none); None comes back where it is another. Raises `Elsewhere`.
    """
    while True:
        data = await lane.one("GET", keys.site(record.name))
        before = None if data is None else unpack(data, Site)
        standing = before.version if before is not None and not before.deleted_at else 0
        if if_version is not None and if_version != standing:
            return None
        written = msgspec.structs.replace(record, version=(before.version if before else 0) + 1)
        stations = [one.station_id for one in written.stations]
        leaving = {one.station_id for one in before.stations} - set(stations) if before else set()
        arguments = [record.name, data or b"", pack(written), len(stations), *stations, *sorted(leaving)]
        touched = [keys.site(record.name), keys.SITES, keys.SITE_STATIONS]
        done = await lane.one(*PUT_SITE.command(touched, arguments))
        if done[0] == 2:
            raise Elsewhere(done[1].decode(), done[2].decode())
        if done[0] == 1:
            return written


async def delete(lane: Lane, name: str, at: int) -> bool:
    """Let a site go; False where it is not there. Its allocator clears its stations' profiles, then forgets it."""
    found = await site(lane, name)
    if found is None:
        return False
    gone = msgspec.structs.replace(found, stations=(), deleted_at=at, updated_at=at)
    return await put(lane, gone, if_version=found.version) is not None or await delete(lane, name, at)


async def put_load(lane: Lane, name: str, circuit: str, reading: LoadReading) -> None:
    """Keep a base load that was measured; the newest counts."""
    await lane.one("HSET", keys.site_loads(name), circuit, pack(reading))
