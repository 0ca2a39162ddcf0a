"""Reads what a batch needs: every station's state and every want, in one pipeline."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec

from shared import metrics
from shared.bus import keys
from shared.bus.barrier import Barrier
from shared.bus.clock import ms_of
from shared.bus.lane import Command, Lane, sound
from shared.bus.scripts import ACQUIRE_SLOT, STATE_TOKENS
from shared.records import local_lists
from shared.records.authorization import Policies
from shared.records.commands import CommandRecord
from shared.records.configuration import Snapshot
from shared.records.drifts import Drift, DriftRules
from shared.records.packing import unpack
from shared.records.quarantine import Quarantined
from shared.records.tags import IdTag, Verdict
from shared.records.templates import Templates
from shared.records.transactions import Reading, Transaction
from shared.records.tuning import ModelList

from . import wants
from .view import FIELDS, StationView
from .wants import Want

Parser = Callable[[Any], Any]
Need = tuple[str, str, Iterable[Want]]
"""Entry id, station, what its decision wants: the same want of two entries is two (each start gets its own id)."""
READINGS_WITHOUT_TRANSACTION: Final = 1000


class TransactionIds:
    """Hands out transaction ids from a block that is durable before its first use.

    `appendfsync always` makes the reply to INCRBY imply that the block is on disk. A block is dropped when the lane has
    reconnected: a Redis that came back without the block's last write would hand the same ids out again.
    """

    BLOCK: Final = 100
    LARGEST: Final = 2**31 - 1

    def __init__(self, lane: Lane, barrier: Barrier) -> None:
        self._lane = lane
        self._barrier = barrier
        self._next = self._end = 0
        self._connects = 0

    async def take(self) -> int:
        """Return an id that nobody had; raises OverflowError when 31 bits are used up."""
        if self._next >= self._end or self._connects != self._lane.connects:
            command = ("INCRBY", keys.META_TRANSACTION_ID, self.BLOCK)
            (reply,) = await self._barrier.execute(self._lane, [command])
            last = int(sound(reply))
            if last > self.LARGEST:
                raise OverflowError("transaction ids are used up: OCPP 1.6 has 31 bits")
            self._next, self._end, self._connects = last - self.BLOCK + 1, last + 1, self._lane.connects
        self._next += 1
        return self._next - 1


class Loaded:
    """What a round read: `now_ms`, a view per station, and the wants per entry."""

    __slots__ = ("now_ms", "views", "wanted")

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms
        self.views: dict[str, StationView] = {}
        self.wanted: dict[str, dict[Want, Any]] = {}


class Loader:
    """Loads views and wants over one lane; keeps the views of `kept` stations under their version tokens."""

    def __init__(self, lane: Lane, barrier: Barrier | None = None, kept: int = 0) -> None:
        self._lane = lane
        self._ids = TransactionIds(lane, barrier or Barrier())
        self._limit = kept
        self._kept: dict[str, StationView] = {}

    def keep(self, view: StationView) -> None:
        """Keep a view whose commit is known; it serves as long as Redis has its token."""
        if not self._limit or view.token is None:
            return
        if view.station_id not in self._kept and len(self._kept) >= self._limit:
            del self._kept[next(iter(self._kept))]
        self._kept[view.station_id] = view

    async def load(self, stations: Iterable[str], needed: Iterable[Need]) -> Loaded:
        """Read Redis TIME, the state of each station and what each entry needs: one round trip, or two.

        The second is for stations whose kept view is no longer the state: what else their entries need is read again
        as well, after the state. Raises `LaneLost`, and ReplyError where Redis refuses a read.
        """
        names, needs = list(dict.fromkeys(stations)), list(needed)
        loaded, outdated = await self._read(names, needs)
        if outdated:
            stale = set(outdated)
            for name in outdated:
                del self._kept[name]
            metrics.WORKER_KEPT_OUTDATED.labels().inc(len(outdated))
            again, _ = await self._read(outdated, [need for need in needs if need[1] in stale])
            loaded.views |= again.views
            loaded.wanted |= again.wanted
        for entry_id, _, some in needs:
            for want in some:
                if type(want) is wants.WantTransactionId:
                    loaded.wanted.setdefault(entry_id, {})[want] = await self._ids.take()
        return loaded

    async def _read(self, names: Sequence[str], needs: Sequence[Need]) -> tuple[Loaded, list[str]]:
        """Return what was read, and the stations whose kept view is outdated."""
        known = [name for name in names if name in self._kept]
        unknown = [name for name in names if name not in self._kept]
        commands: list[Command] = [("TIME",)]
        if known:
            commands.append(STATE_TOKENS.command([keys.state(name) for name in known], ()))
        commands += [("HMGET", keys.state(name), *FIELDS) for name in unknown]
        reads: list[tuple[str, Want, Parser]] = []
        for entry_id, station, some in needs:
            for want in some:
                if type(want) is not wants.WantTransactionId:
                    command, parser = _READS[type(want)](station, want)
                    commands.append(command)
                    reads.append((entry_id, want, parser))
        replies = iter(await self._lane.execute(commands))
        loaded = Loaded(ms_of(sound(next(replies))))
        outdated: list[str] = []
        for name, token in zip(known, sound(next(replies)) if known else (), strict=True):
            view = self._kept[name]
            if token == view.token:
                loaded.views[name] = view
            else:
                outdated.append(name)
        for name in unknown:
            found = sound(next(replies))
            loaded.views[name] = StationView(name, found[0], dict(zip(FIELDS, found, strict=True)))
        for (entry_id, want, parser), reply in zip(reads, replies, strict=True):
            loaded.wanted.setdefault(entry_id, {})[want] = parser(sound(reply))
        return loaded, outdated


def _as(kind: type[Any]) -> Parser:
    return lambda reply: None if reply is None else unpack(reply, kind)


def _readings(entries: list[Any]) -> tuple[Reading, ...]:
    return tuple(unpack(fields[1], Reading) for _, fields in entries)


def _presence(reply: bytes | None) -> tuple[str, int] | None:
    if reply is None:
        return None
    node, _, epoch = reply.decode().rpartition("/")
    return node, int(epoch)


@lru_cache(maxsize=2)
def _templates(reply: bytes | None) -> Templates | None:
    """Decode every template once, not once a station: after a power cut thousands are looked at."""
    return None if reply is None else unpack(reply, Templates)


def _read_readings(station: str, want: wants.WantReadings) -> tuple[Command, Parser]:
    if want.transaction_id:
        return ("XRANGE", keys.meter(station, want.transaction_id), "-", "+"), _readings
    newest = ("XREVRANGE", keys.samples(station), "+", "-", "COUNT", READINGS_WITHOUT_TRANSACTION)
    return newest, lambda entries: _readings(entries[::-1])


@lru_cache(maxsize=2)
def _policies(reply: bytes | None) -> Policies | None:
    return None if reply is None else unpack(reply, Policies)


def _read_items(_: str, want: wants.WantListItems) -> tuple[Command, Parser]:
    begin, end = f"({want.cursor}" if want.cursor else "-", f"({want.upto + 1:0{local_lists.DIGITS}}/"
    asked = ("ZRANGE", keys.list_items(want.policy), begin, end, "BYLEX", "LIMIT", 0, want.count)
    return asked, lambda members: tuple(map(local_lists.read, members))


def _read_slot(_: str, want: wants.WantSlot) -> tuple[Command, Parser]:
    return ACQUIRE_SLOT.command([keys.holders(want.id_tag)], [want.holder, want.limit]), lambda reply: bool(reply == 1)


_READS: Final[dict[type[msgspec.Struct], Callable[[str, Any], tuple[Command, Parser]]]] = {
    wants.WantTag: lambda _, want: (("GET", keys.tag(want.id_tag)), _as(IdTag)),
    wants.WantVerdict: lambda _, want: (("GET", keys.verdict(want.id_tag)), _as(Verdict)),
    wants.WantSite: lambda s, _: (("HGET", keys.SITE_STATIONS, s), lambda reply: reply.decode() if reply else ""),
    wants.WantPolicies: lambda _, __: (("GET", keys.AUTHORIZATION), _policies),
    wants.WantListHead: lambda _, want: (("GET", keys.list_head(want.policy)), _as(local_lists.Head)),
    wants.WantListItems: _read_items,
    wants.WantTransaction: lambda s, want: (("GET", keys.transaction(s, want.transaction_id)), _as(Transaction)),
    wants.WantStart: lambda s, want: (
        ("HGET", keys.starts(s), want.start_key),
        lambda reply: None if reply is None else int(reply),
    ),
    wants.WantReadings: _read_readings,
    wants.WantLatestReadings: lambda s, want: (
        ("XREVRANGE", keys.meter(s, want.transaction_id), "+", "-", "COUNT", want.count),
        lambda entries: _readings(entries[::-1]),
    ),
    wants.WantTemplates: lambda _, __: (("GET", keys.TEMPLATES), _templates),
    wants.WantModelList: lambda _, want: (("HGET", keys.MODEL_LISTS, want.digest), _as(ModelList)),
    wants.WantSeen: lambda s, want: (("GET", keys.seen(s, want.digest)), lambda reply: reply),
    wants.WantCommand: lambda s, want: (("GET", keys.command(s, want.command_id)), _as(CommandRecord)),
    wants.WantSurplusCommands: lambda s, want: (
        ("ZREVRANGE", keys.commands(s), want.keep, -1),
        lambda members: tuple(member.decode() for member in members),
    ),
    wants.WantSnapshot: lambda s, _: (("GET", keys.configuration(s)), _as(Snapshot)),
    wants.WantDrifts: lambda s, _: (
        ("HVALS", keys.drifts(s)),
        lambda values: tuple(unpack(value, Drift) for value in values),
    ),
    wants.WantDriftRules: lambda _, __: (("GET", keys.DRIFT_RULES), _as(DriftRules)),
    wants.WantQuarantined: lambda s, want: (("HGET", keys.quarantine(s), want.quarantine_id), _as(Quarantined)),
    wants.WantPresence: lambda s, _: (("GET", keys.presence(s)), _presence),
    wants.WantLeastProfile: lambda s, _: (
        ("HGET", keys.door(s), "minimum_profile"),
        lambda reply: int(reply or 0),
    ),
    wants.WantSlot: _read_slot,
}
