"""Reservations of one station and of all, the newest first, and single ones."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from functools import partial

import msgspec

from shared.bus import keys
from shared.bus.lane import Lane
from shared.records.commands import made_at
from shared.records.packing import unpack
from shared.records.reservations import Reservation, Reservations, ReservationState

from .cursors import Position
from .reading import CHUNK, page_of, replies, station_of, walk


class ReservationFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which reservations; None and empty: all."""

    station_id: str = ""
    state: ReservationState | None = None

    def takes(self, record: Reservation) -> bool:
        """Tell whether a reservation is wanted."""
        return self.state in (None, record.state)


async def page(
    lane: Lane, wanted: ReservationFilter, after: Position | None, limit: int
) -> tuple[list[Reservation], Position | None]:
    """Return up to `limit` reservations behind `after`, newest first, and where to go on; None at the end."""
    source = _of_station(lane, wanted.station_id, after) if wanted.station_id else walk(lane, keys.RESERVATIONS, after)
    return await page_of(source, partial(_load, lane), wanted.takes, after, limit)


async def find(lane: Lane, reservation_id: str) -> Reservation | None:
    """Return a reservation by its id alone, or None. The id holds the time at which it stands in the index."""
    station_id = await station_of(lane, keys.RESERVATIONS, reservation_id, made_at(reservation_id))
    return None if station_id is None else await reservation(lane, station_id, reservation_id)


async def reservation(lane: Lane, station_id: str, reservation_id: str) -> Reservation | None:
    """Return a reservation of a station in whatever state, or None where it has none of this id."""
    record = await lane.one("GET", keys.reservation(station_id, reservation_id))
    return unpack(record, Reservation) if record is not None else None


async def numbers(lane: Lane, station_id: str) -> frozenset[int]:
    """Return the numbers that a station's live reservations have."""
    return frozenset(one.number for one in (await _section(lane, station_id)).live.values())


async def _section(lane: Lane, station_id: str) -> Reservations:
    section = await lane.one("HGET", keys.state(station_id), "rs")
    return unpack(section, Reservations) if section is not None else Reservations()


async def _of_station(lane: Lane, station_id: str, after: Position | None) -> AsyncIterator[list[Position]]:
    # What is live, and what is kept of the past, is bounded: all of their ids are read.
    section = await _section(lane, station_id)
    places = sorted(((made_at(one), f"{station_id}/{one}") for one in (*section.live, *section.ended)), reverse=True)
    if after is not None:
        places = [place for place in places if place < (after.score, after.member)]
    for begin in range(0, len(places), CHUNK):
        yield [Position(name, at) for at, name in places[begin : begin + CHUNK]]


async def _load(lane: Lane, positions: Sequence[Position]) -> list[Reservation | None]:
    pairs = [at.member.rpartition("/") for at in positions]
    found = await replies(lane, [("GET", keys.reservation(station, name)) for station, _, name in pairs])
    return [unpack(record, Reservation) if record is not None else None for record in found]
