"""Stations as they are now: what a station is, who holds its socket, its connectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec

from shared.bus import keys
from shared.bus.clock import ms_of
from shared.bus.lane import Command, Lane
from shared.records.packing import unpack
from shared.records.reservations import Reservation, Reservations, of_connector
from shared.records.stations import ConnectorRecord, Connectors, Door, Registration, SessionRecord, StationRecord

from .reading import SCAN_BUDGET, names, replies

StationState = Literal["online", "offline", "never_seen"]
CHUNK: Final = 200
"""Records read at once: decoding them holds the event loop, which may carry frames."""
WHOLE_CHUNK: Final = 50
"""The same for stations with all that belongs to them."""
MAX_CONNECTOR: Final = 2**31
"""Stands behind every connector of a station."""

_NO_SESSION: Final = SessionRecord()
_NO_RESERVATIONS: Final = Reservations()


class StationNow(msgspec.Struct, frozen=True, kw_only=True):
    """A station's sections, and what is left of its presence (ms; 0: none) at `read_at` (Redis ms)."""

    station: StationRecord
    session: SessionRecord
    connectors: tuple[ConnectorRecord, ...] = ()
    reserved: Reservations = Reservations()
    door: Door = Door()
    presence_ttl_ms: int = 0
    read_at: int = 0

    @property
    def state(self) -> StationState:
        """`online`: its session is open, or Ampstream sent it away and its presence is still alive."""
        return _state(self.session, self.presence_ttl_ms)


class StationFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which stations; empty: all. `q` begins the id; what a station says of itself is whole and case-insensitive."""

    q: str = ""
    state: StationState | None = None
    vendor: str = ""
    model: str = ""
    group: str = ""
    firmware: str = ""
    registration: Registration | None = None
    flag: str = ""
    """A flag as the station shows it, or the part before its colon."""

    @property
    def by_content(self) -> bool:
        """Whether records must be looked at to tell."""
        return self != StationFilter(q=self.q)

    def takes(self, station: StationRecord, state: StationState) -> bool:
        """Tell whether a station is wanted."""
        wanted = (
            (self.vendor, station.vendor),
            (self.model, station.model),
            (self.group, station.group),
            (self.firmware, station.firmware),
        )
        return (
            all(not want or want.casefold() == has.casefold() for want, has in wanted)
            and (not self.flag or any(self.flag in {flag, flag.partition(":")[0]} for flag in station.flags))
            and (self.state is None or self.state == state)
            and (self.registration is None or self.registration == station.registration)
        )


class ConnectorNow(msgspec.Struct, frozen=True):
    """A connector and whose it is."""

    station_id: str
    connector: ConnectorRecord
    reservation: Reservation | None = None


async def station(lane: Lane, station_id: str) -> StationNow | None:
    """Return a station, or None where it is not known."""
    return (await stations(lane, [station_id]))[0]


async def stations(lane: Lane, station_ids: Sequence[str]) -> list[StationNow | None]:
    """Return the stations of these ids in their order, None for what is not known; one round trip."""
    commands: list[Command] = [("TIME",)]
    for station_id in station_ids:
        commands += (
            ("HMGET", keys.state(station_id), "st", "se", "co", "rs"),
            ("PTTL", keys.presence(station_id)),
            ("HGETALL", keys.door(station_id)),
        )
    time, *found = await replies(lane, commands)
    now = ms_of(time)
    return [_now(now, *found[n : n + 3]) for n in range(0, len(found), 3)]


async def page(lane: Lane, wanted: StationFilter, after: str, limit: int) -> tuple[list[StationNow], str]:
    """Return up to `limit` stations by id behind `after`, and the id to go on behind; empty at the end."""
    kept: list[str] = []
    last, seen = after, 0
    while True:
        chunk = CHUNK if wanted.by_content else min(limit - len(kept) + 1, 1000)
        ids = await names(lane, keys.STATIONS, wanted.q, last, chunk)
        for station_id in await _matching(lane, wanted, ids):
            if len(kept) == limit:
                return await _known(lane, kept), kept[-1]
            kept.append(station_id)
        seen += len(ids)
        if len(ids) < chunk:
            return await _known(lane, kept), ""
        last = ids[-1]
        if seen >= SCAN_BUDGET:
            return await _known(lane, kept), last


async def connectors_page(lane: Lane, status: str, after: str, limit: int) -> tuple[list[ConnectorNow], str]:
    """Return up to `limit` connectors by station and number, those with `status` where it is set, and where to go on.

    `after` and what is returned are `<station>/<connector>`; empty at the end.
    """
    kept: list[ConnectorNow] = []
    begin, _, number = after.rpartition("/")
    again, passed = ([begin], int(number)) if after else ([], -1)
    seen = 0
    while True:
        ids = again + await names(lane, keys.STATIONS, "", begin, CHUNK)
        sections = await replies(lane, [("HMGET", keys.state(station_id), "co", "rs") for station_id in ids])
        for station_id, (section, reserved) in zip(ids, sections, strict=True):
            for connector in _connectors(section):
                behind = station_id != begin or connector.connector_id > passed
                if behind and (not status or connector.status == status):
                    if len(kept) == limit:
                        return kept, f"{kept[-1].station_id}/{kept[-1].connector.connector_id}"
                    held = of_connector(_reserved(reserved), connector.connector_id)
                    kept.append(ConnectorNow(station_id, connector, held))
        seen += len(ids)
        if len(ids) - len(again) < CHUNK:
            return kept, ""
        begin, again, passed = ids[-1], [], MAX_CONNECTOR
        if seen >= SCAN_BUDGET:
            return kept, f"{begin}/{MAX_CONNECTOR}"


async def _matching(lane: Lane, wanted: StationFilter, ids: list[str]) -> list[str]:
    if not wanted.by_content:
        return ids
    commands: list[Command] = []
    for station_id in ids:
        commands += (("HMGET", keys.state(station_id), "st", "se"), ("PTTL", keys.presence(station_id)))
    found = await replies(lane, commands)
    kept = []
    for n, station_id in enumerate(ids):
        (record, session), ttl = found[2 * n], found[2 * n + 1]
        if record is None:
            continue
        state = _state(unpack(session, SessionRecord) if session else _NO_SESSION, ttl)
        if wanted.takes(unpack(record, StationRecord), state):
            kept.append(station_id)
    return kept


async def _known(lane: Lane, ids: Sequence[str]) -> list[StationNow]:
    found: list[StationNow] = []
    for begin in range(0, len(ids), WHOLE_CHUNK):
        found += [one for one in await stations(lane, ids[begin : begin + WHOLE_CHUNK]) if one is not None]
    return found


def _state(session: SessionRecord, presence_ttl_ms: int) -> StationState:
    if session.connection == "open" or (session.connection == "reconnecting" and presence_ttl_ms > 0):
        return "online"
    return "offline" if session.opened_at else "never_seen"


def _now(now: int, sections: list[bytes | None], ttl: int, door: list[bytes]) -> StationNow | None:
    record, session, connectors, reserved = sections
    if record is None:
        return None
    return StationNow(
        station=unpack(record, StationRecord),
        session=unpack(session, SessionRecord) if session else _NO_SESSION,
        connectors=_connectors(connectors),
        reserved=_reserved(reserved),
        door=_door(door),
        presence_ttl_ms=max(ttl, 0),
        read_at=now,
    )


def _connectors(section: bytes | None) -> tuple[ConnectorRecord, ...]:
    if section is None:
        return ()
    by_id = unpack(section, Connectors).by_id
    return tuple(by_id[number] for number in sorted(by_id))


def _reserved(section: bytes | None) -> Reservations:
    return unpack(section, Reservations) if section is not None else _NO_RESERVATIONS


def _door(fields: list[bytes]) -> Door:
    texts: dict[str, Any] = {fields[n].decode(): fields[n + 1].decode() for n in range(0, len(fields), 2)}
    return msgspec.convert(texts, Door)
