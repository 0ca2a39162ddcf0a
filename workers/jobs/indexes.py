"""What the fleet-wide indexes must hold of a station, by its own records; and how each kind of index is written.

The services keep the indexes by effects of their commits; the rules here say the same from the other end, so that the
one can be held against the other.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from shared.bus import keys
from shared.bus.lane import Command
from shared.records.certificates import Certificate, Certificates
from shared.records.certificates import index_member as certificate_member
from shared.records.commands import Commands, made_at
from shared.records.configuration import Configured
from shared.records.local_lists import LocalList
from shared.records.local_lists import index_member as list_member
from shared.records.packing import unpack
from shared.records.reservations import Reservations
from shared.records.stations import Connectors, SessionRecord, StationRecord
from shared.records.transactions import Charging, sort_time
from shared.records.tuning import Applied, Tuned, index_member

SECTIONS: Final = ("v", "st", "se", "co", "ch", "cm", "cf", "rs", "tu", "ll", "ce")
PRESENT: Final = frozenset({"open", "reconnecting"})
"""Connections of stations that count as online: one that Ampstream sent away does until its presence runs out."""
Value = int | str | None
"""A score, a hash's value, or None: a mere member."""


class Mended(msgspec.Struct):
    """How far an index was from the records."""

    added: int = 0
    changed: int = 0
    removed: int = 0

    def __str__(self) -> str:
        return f"{self.added:>8}{self.changed:>9}{self.removed:>9}"


class Form(enum.Enum):
    """What an index is in Redis: the commands that look members up, scan, add and remove."""

    SORTED = ("ZMSCORE", "ZSCAN", "ZADD", "ZREM")
    HASH = ("HMGET", "HSCAN", "HSET", "HDEL")
    SET = ("SMISMEMBER", "SSCAN", "SADD", "SREM")


INDEXES: Final[dict[str, Form]] = {
    keys.STATIONS: Form.SORTED,
    keys.ONLINE: Form.HASH,
    keys.NEVER_SEEN: Form.SET,
    keys.CONNECTORS: Form.HASH,
    keys.COMMANDS_INFLIGHT: Form.SET,
    keys.TRANSACTION_OWNERS: Form.HASH,
    keys.TRANSACTIONS: Form.SORTED,
    keys.TRANSACTIONS_OPEN: Form.SORTED,
    keys.QUARANTINE: Form.SORTED,
    keys.COMMANDS: Form.SORTED,
    keys.DRIFTS: Form.SORTED,
    keys.DRIFTING: Form.HASH,
    keys.RESERVATIONS: Form.SORTED,
    keys.TUNING: Form.SORTED,
    keys.LOCAL_LISTS: Form.SORTED,
    keys.CERTIFICATES: Form.SORTED,
}
"""Every index that stations' records make. Owners come before what is looked up by them."""
BY_TRANSACTION: Final = frozenset({keys.TRANSACTION_OWNERS, keys.TRANSACTIONS, keys.TRANSACTIONS_OPEN})
"""Indexes whose members are transaction ids; the others' are the station's id, or begin with it and a slash (of
`BEHIND`: end with it)."""
BEHIND: Final = frozenset({keys.TUNING, keys.LOCAL_LISTS})


class Held(msgspec.Struct):
    """A station's own records, as far as indexes follow from them. `token` None: it is no more."""

    station_id: str
    token: bytes | None
    station: StationRecord | None
    session: SessionRecord
    connectors: Connectors
    charging: Charging
    commands: Commands
    transactions: dict[int, int]
    """Transaction id -> time under which it is sorted."""
    quarantined: tuple[str, ...]
    listed: tuple[str, ...]
    """Ids of the commands that are kept: queued, outstanding or ended."""
    drifts: tuple[str, ...]
    drifts_open: int
    reservations: tuple[str, ...]
    """Ids of the reservations that are kept: live or ended."""
    tuned: dict[str, Applied]
    """How it stands to its templates."""
    local_list: str
    """Its member of the index of local lists; empty where it is to hold none."""
    certificate: Certificate | None
    """The one that it dialled in with last."""

    @classmethod
    def read(
        cls,
        station_id: str,
        sections: Sequence[bytes | None],
        transactions: dict[int, int],
        frames: Iterable[bytes],
        ended: Iterable[bytes],
        drifts: Iterable[bytes],
    ) -> Held:
        """Decode what Redis holds: `SECTIONS`, transactions, the ids of quarantined frames, ended commands, drifts."""
        token, station, session, connectors, charging, commands, configured, reserved, tuned, listed, proofs = sections
        held = unpack(reserved, Reservations) if reserved else Reservations()
        waiting = unpack(commands, Commands) if commands else Commands()
        pending = [one.command_id for one in (*waiting.queue, waiting.outstanding) if one is not None]
        return cls(
            station_id,
            token,
            unpack(station, StationRecord) if station else None,
            unpack(session, SessionRecord) if session else SessionRecord(),
            unpack(connectors, Connectors) if connectors else Connectors(),
            unpack(charging, Charging) if charging else Charging(),
            waiting,
            transactions,
            tuple(name.decode() for name in frames),
            (*pending, *(name.decode() for name in ended)),
            tuple(name.decode() for name in drifts),
            len(unpack(configured, Configured).drifts) if configured else 0,
            (*held.live, *held.ended),
            unpack(tuned, Tuned).templates if tuned else {},
            list_member(unpack(listed, LocalList), station_id) if listed else "",
            unpack(proofs, Certificates).current if proofs else None,
        )


def expected(held: Held) -> dict[str, dict[str, Value]]:
    """Return per index the members that follow from a station's records, with their values."""
    name, found = held.station_id, dict[str, dict[str, Value]]((index, {}) for index in INDEXES)
    if held.station is not None:
        found[keys.STATIONS][name] = 0
        if held.session.connection in PRESENT:
            found[keys.ONLINE][name] = held.session.subprotocol
        if not held.session.opened_at:
            found[keys.NEVER_SEEN][name] = None
        for number, connector in held.connectors.by_id.items():
            found[keys.CONNECTORS][f"{name}/{number}"] = connector.status
    if held.commands.outstanding is not None:
        found[keys.COMMANDS_INFLIGHT][f"{name}/{held.commands.outstanding.command_id}"] = None
    started = {**{number: sort_time(one) for number, one in held.charging.open.items()}, **held.transactions}
    for number, at in started.items():
        found[keys.TRANSACTION_OWNERS][str(number)] = name
        found[keys.TRANSACTIONS][str(number)] = at
        if number in held.charging.open:
            found[keys.TRANSACTIONS_OPEN][str(number)] = at
    _kept(held, found)
    return found


def _kept(held: Held, found: dict[str, dict[str, Value]]) -> None:
    """Add what is listed of what a station's keys hold beside its state."""
    name = held.station_id
    for frame in held.quarantined:
        found[keys.QUARANTINE][f"{name}/{frame}"] = received_at(frame)
    for command_id in held.listed:
        found[keys.COMMANDS][f"{name}/{command_id}"] = made_at(command_id)
    for reservation_id in held.reservations:
        found[keys.RESERVATIONS][f"{name}/{reservation_id}"] = made_at(reservation_id)
    for template, applied in held.tuned.items():
        found[keys.TUNING][index_member(template, applied, name)] = 0
    if held.local_list:
        found[keys.LOCAL_LISTS][held.local_list] = 0
    if held.certificate is not None:
        found[keys.CERTIFICATES][certificate_member(name, held.certificate)] = held.certificate.not_after
    for drift_id in held.drifts:
        found[keys.DRIFTS][f"{name}/{drift_id}"] = made_at(drift_id)
    if held.drifts_open:
        found[keys.DRIFTING][name] = str(held.drifts_open)


def owner(index: str, member: str) -> str:
    """Return the station that a member tells of; no station's id has a slash."""
    return member.rpartition("/")[2] if index in BEHIND else member.partition("/")[0]


def received_at(quarantine_id: str) -> int:
    """Return when a quarantined frame came (ms): its id is `<partition>-<uplink entry id>`."""
    return int(quarantine_id.split("-")[1])


def read(index: str, members: Iterable[str]) -> Command:
    """Return the command that looks members up; `value_of` reads its answer."""
    return (INDEXES[index].value[0], index, *members)


def value_of(index: str, reply: Any) -> tuple[bool, Value]:
    """Return whether a member is there, and its value."""
    form = INDEXES[index]
    if form is Form.SET:
        return bool(reply), None
    if reply is None:
        return False, None
    return True, int(float(reply)) if form is Form.SORTED else reply.decode()


def add(index: str, member: str, value: Value) -> Command:
    """Return the command that adds a member, or gives it another value."""
    form = INDEXES[index]
    if form is Form.SET:
        return ("SADD", index, member)
    if form is Form.SORTED:
        return ("ZADD", index, value, member)
    return ("HSET", index, member, value)


def remove(index: str, members: Iterable[str]) -> Command:
    """Return the command that removes members."""
    return (INDEXES[index].value[3], index, *members)


def scan(index: str, cursor: bytes | int, count: int) -> Command:
    """Return the command that reads a part of an index; `scanned` reads its answer."""
    return (INDEXES[index].value[1], index, cursor, "COUNT", count)


def scanned(index: str, reply: Any) -> tuple[bytes, list[str]]:
    """Return the next cursor (`b"0"`: at the end) and the members found."""
    cursor, found = reply
    step = 1 if INDEXES[index] is Form.SET else 2
    return cursor, [member.decode() for member in found[::step]]
