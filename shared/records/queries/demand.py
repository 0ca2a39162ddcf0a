"""Demand response events: written by operators and by OpenADR, advanced by the workers; no commit of a station.

A record is swapped whole, so that two writers lose nothing. Indexes are written first: what they name and is not there
is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from shared.bus import demand_keys as keys
from shared.bus.lane import Lane
from shared.bus.scripts import SWAP_RECORD
from shared.records.demand import MAX_EVENTS, DemandEvent, DemandRecord, DemandState, DemandStation, Window
from shared.records.packing import pack, unpack
from shared.records.sites import Site

from .cursors import Position
from .reading import TooManyError, page_of, replies, walk

CHUNK: Final = 500


async def create(lane: Lane, event: DemandEvent) -> DemandRecord:
    """Write a new event; raises `TooManyError`."""
    if int(await lane.one("ZCARD", keys.ACTIVE)) >= MAX_EVENTS:
        raise TooManyError(f"{MAX_EVENTS} events have not ended; that is the most")
    made = DemandRecord(event=event, changed_at=event.created_at)
    swap = SWAP_RECORD.command(keys=[keys.record(event.event_id)], args=[b"", pack(made)])
    await replies(
        lane,
        [
            ("ZADD", keys.EVENTS, event.start_at, event.event_id),
            ("ZADD", keys.ACTIVE, event.start_at, event.event_id),
            swap,
        ],
    )
    return made


async def record(lane: Lane, event_id: str) -> DemandRecord | None:
    """Return an event as it stands, or None."""
    data = await lane.one("GET", keys.record(event_id))
    return None if data is None else unpack(data, DemandRecord)


async def records(lane: Lane, event_ids: Sequence[str]) -> list[DemandRecord | None]:
    """Return events in the order of their ids, None for what is not there."""
    found = await replies(lane, [("GET", keys.record(one)) for one in event_ids]) if event_ids else []
    return [None if data is None else unpack(data, DemandRecord) for data in found]


async def change(lane: Lane, event_id: str, into: Callable[[DemandRecord], DemandRecord | None]) -> DemandRecord | None:
    """Swap a record for what `into` makes of it and return that; None where there is none, or `into` says so."""
    while True:
        data = await lane.one("GET", keys.record(event_id))
        changed = None if data is None else into(unpack(data, DemandRecord))
        if changed is None:
            return None
        if await lane.one(*SWAP_RECORD.command(keys=[keys.record(event_id)], args=[data, pack(changed)])):
            return changed


async def cancel(lane: Lane, event_id: str, at: int, by: str) -> DemandRecord | None:
    """Cancel an event that has not ended; None where it has, or is not there. Workers then let its stations go."""

    def cancelled(now: DemandRecord) -> DemandRecord | None:
        if not now.open:
            return None
        return msgspec.structs.replace(now, state="cancelled", changed_at=at, changed_by=by)

    changed = await change(lane, event_id, cancelled)
    if changed is not None:
        await lane.one("ZADD", keys.ACTIVE, "XX", 0, event_id)
    return changed


async def page(
    lane: Lane, state: DemandState | None, after: Position | None, limit: int
) -> tuple[list[DemandRecord], Position | None]:
    """Return up to `limit` events behind `after`, the latest start first, and where to go on; None at the end."""

    async def load(positions: list[Position]) -> Sequence[DemandRecord | None]:
        return await records(lane, [at.member for at in positions])

    source = walk(lane, keys.EVENTS, after)
    return await page_of(source, load, lambda one: state is None or one.state == state, after, limit)


async def active(lane: Lane, until: int | None = None) -> list[DemandRecord]:
    """Return every event about which something is still to be done; `until`: that has begun by then (ms)."""
    found = await lane.one("ZRANGE", keys.ACTIVE, "-inf", "+inf" if until is None else until, "BYSCORE")
    ids = [one.decode() for one in found]
    return [one for one in await records(lane, ids) if one is not None]


async def done(lane: Lane, event_id: str) -> None:
    """Note that nothing is to be done about an event any more."""
    await lane.one("ZREM", keys.ACTIVE, event_id)


async def windows(lane: Lane, site: Site, until: int | None = None) -> list[Window]:
    """Return the limits that events set on a site's circuits; `demand.limit_at` says which hold.

    `until`: those alone that begin by then (ms); a site may have a day of them before it, in quarters of an hour.
    """
    found: list[Window] = []
    root = next((one.name for one in site.circuits if not one.parent), "")
    for one in await active(lane, until):
        event, cap = one.event, one.cap or one.event.cap
        if event.site == site.name and one.open and cap is not None:
            circuit = event.circuit or root
            found.append(
                Window(
                    event_id=event.event_id, name=event.name, circuit=circuit, start_at=event.start_at,
                    end_at=event.end_at, cap=cap,
                )
            )  # fmt: skip
    return found


# ── stations ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def stations(lane: Lane, event_id: str) -> dict[str, DemandStation]:
    """Return the stations under an event by their ids, in order."""
    pairs = await lane.one("HGETALL", keys.stations(event_id))
    found = {name.decode(): unpack(data, DemandStation) for name, data in zip(pairs[::2], pairs[1::2], strict=True)}
    return dict(sorted(found.items()))


async def put_stations(lane: Lane, event_id: str, some: Mapping[str, DemandStation]) -> None:
    """Write how stations do under an event."""
    names = list(some)
    for begin in range(0, len(names), CHUNK):
        pairs = [each for name in names[begin : begin + CHUNK] for each in (name, pack(some[name]))]
        await lane.one("HSET", keys.stations(event_id), *pairs)


async def forget(lane: Lane, before: int) -> int:
    """Remove events that began before `before` (ms) and about which nothing is to be done; returns how many."""
    gone = 0
    active_ids = {one.decode() for one in await lane.one("ZRANGE", keys.ACTIVE, 0, -1)}
    for name in await lane.one("ZRANGE", keys.EVENTS, "-inf", f"({before}", "BYSCORE", "LIMIT", 0, CHUNK):
        event_id = name.decode()
        if event_id not in active_ids:
            await replies(
                lane,
                [("UNLINK", keys.record(event_id), keys.stations(event_id)), ("ZREM", keys.EVENTS, event_id)],
            )
            gone += 1
    return gone
