"""Reservations of one station and of all, the newest first, and single ones."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Final

import msgspec

from shared.bus import keys
from shared.bus.lane import Lane
from shared.records.commands import made_at
from shared.records.packing import unpack
from shared.records.reservations import Reservation, Reservations, ReservationState

from .cursors import Position
from .reading import SCAN_BUDGET, newest, replies

CHUNK: Final = 200
"""Records read at once: decoding them holds the event loop, which may carry frames."""


class ReservationFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which reservations; None and empty: all."""

    station_id: str = ""
    state: ReservationState | None = None


async def page(
    lane: Lane, wanted: ReservationFilter, after: Position | None, limit: int
) -> tuple[list[Reservation], Position | None]:
    """Return up to `limit` reservations behind `after`, newest first, and where to go on; None at the end."""
    kept: list[Reservation] = []
    last, seen = after, 0
    source = _of_station(lane, wanted.station_id, after) if wanted.station_id else _of_all(lane, after)
    async for positions in source:
        for at, record in zip(positions, await _load(lane, positions), strict=True):
            if record is not None and wanted.state in (None, record.state):
                if len(kept) == limit:
                    return kept, last
                kept.append(record)
            last = at
        seen += len(positions)
        if seen >= SCAN_BUDGET:
            return kept, last
    return kept, None


async def find(lane: Lane, reservation_id: str) -> Reservation | None:
    """Return a reservation by its id alone, or None. The id holds the time at which it stands in the index."""
    at = made_at(reservation_id)
    suffix = f"/{reservation_id}".encode()
    around: list[bytes] = await lane.one("ZRANGE", keys.RESERVATIONS, at, at, "BYSCORE")
    for found in around:
        if found.endswith(suffix):
            return await reservation(lane, found[: -len(suffix)].decode(), reservation_id)
    return None


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


async def _of_all(lane: Lane, after: Position | None) -> AsyncIterator[list[Position]]:
    last = after
    while positions := await newest(lane, keys.RESERVATIONS, last, CHUNK):
        yield positions
        last = positions[-1]


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
