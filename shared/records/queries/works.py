"""What jobs and campaigns of firmware share: work at many stations is staged, made, changed and listed.

No station's state, so no commit of a station. The scripts know a work by its keys only.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Generic, Literal, Protocol, TypeVar

import msgspec

from shared.bus import keys
from shared.bus.lane import Command, Lane
from shared.bus.scripts import CHANGE_JOB, CREATE_JOB
from shared.records.events import Event
from shared.records.packing import pack
from shared.records.works import WorkNow, turn_of

from .cursors import Position
from .reading import TooManyError, page_by_name, page_of, replies, walk

CHUNK: Final = 500
STAGED_S: Final = 600
"""Stations of a work that was never made are forgotten after so long."""
REQUEST_KEPT_MS: Final = 24 * 3600 * 1000
"""A repeated request gets its work for so long."""

Change = Literal["changed", "unchanged", "conflict", "missing"]
_CHANGES: Final[dict[int, Change]] = {1: "changed", 2: "unchanged", 3: "conflict", 4: "missing"}

N = TypeVar("N", bound=WorkNow[Any, Any, Any])
P = TypeVar("P", bound=str)


class Result(Protocol):
    """What came of a work at one station."""

    @property
    def outcome(self) -> str:
        """How it ended."""


R = TypeVar("R", bound=Result)


class AtStation(msgspec.Struct, Generic[P, R], frozen=True):
    """Where a station of a work is, or what came of it."""

    station_id: str
    place: P | None
    result: R | None


A = TypeVar("A", bound=AtStation[Any, Any])


class Made(msgspec.Struct, frozen=True):
    """A work to be: what is stored of it, and what is told."""

    id: str
    record: msgspec.Struct
    total: int
    at: int
    by: str
    event: Event


class Works(msgspec.Struct, Generic[N], frozen=True, kw_only=True):
    """A kind of work: its keys and words, and how one is read."""

    nouns: str
    index: str
    """Sorted set: ids by creation (ms)."""
    active: str
    """Hash: ids of those that have not ended -> state."""
    key: Callable[[str], str]
    stations: Callable[[str], str]
    place: Callable[[str, str], str]
    request: Callable[[str], str]
    places: Sequence[str]
    outcomes: Sequence[str]
    most: int
    """How many may be active."""
    sources: Mapping[Any, Sequence[str]]
    """State -> the states from which one may come there."""
    now: Callable[[dict[str, bytes], dict[str, Any]], N]
    """Returns one as it stands, from what Redis holds, and from the fields of `WorkNow`."""

    async def create(self, lane: Lane, made: Made, stations: Sequence[str], *, state: str, digest: str) -> str:
        """Make a work and return its id; a repetition of the same request (`digest`) gets the first one's.

        Raises `TooManyError`. The stations are written first, under a TTL: a work that is there has all of them.
        """
        staged = self.stations(made.id), self.place(made.id, "waiting")
        for begin in range(0, len(stations), CHUNK):
            await replies(lane, _staging(made.id, stations[begin : begin + CHUNK], staged))
        touched = [self.key(made.id), *staged, self.request(digest), self.index, self.active, keys.EVENTS]
        about: list[str | int | bytes] = [made.id, made.at, state, made.by, pack(made.record)]
        limits = [made.total, self.most, REQUEST_KEPT_MS]
        result, found = await lane.one(*CREATE_JOB.command(touched, [*about, *limits, pack([made.event])]))
        if result == 3:
            raise TooManyError(f"{found} {self.nouns} are under way; that is the most")
        if result == 4:
            raise RuntimeError(f"{self.nouns} {made.id}: {found} of {made.total} stations were staged")
        return str(found.decode())

    async def made_by(self, lane: Lane, digest: str) -> str:
        """Return the id of the work that a request made before; empty where it made none."""
        found = await lane.one("GET", self.request(digest))
        return found.decode() if found else ""

    async def change(self, lane: Lane, number: str, to: str, *, at: int, by: str, event: Event) -> Change:
        """Bring a work to another state; nothing more is begun once this has returned for another than `running`."""
        touched = [self.key(number), self.active, keys.EVENTS]
        arguments = [number, to, at, by, pack([event]), *self.sources[to]]
        reply = await lane.one(*CHANGE_JOB.command(touched, arguments))
        return _CHANGES[reply[0]]

    async def one(self, lane: Lane, number: str) -> N | None:
        """Return a work, or None where it is not known."""
        return (await self.several(lane, [number]))[0]

    async def several(self, lane: Lane, numbers: Sequence[str]) -> list[N | None]:
        """Return the works of these ids in their order, None for what is not known; one round trip."""
        commands = [command for number in numbers for command in self.reading(number)]
        found = await replies(lane, commands) if commands else []
        step = 1 + len(self.places)
        return [self.read(found[n : n + step]) for n in range(0, len(found), step)]

    def reading(self, number: str) -> list[Command]:
        """Return the commands whose replies `read` makes a work of."""
        return [("HGETALL", self.key(number)), *(("ZCARD", self.place(number, place)) for place in self.places)]

    def read(self, found: Sequence[Any]) -> N | None:
        """Return a work from what Redis holds; None where it holds nothing."""
        pairs, *counts = found
        fields = {name.decode(): value for name, value in zip(pairs[::2], pairs[1::2], strict=True)}
        if "r" not in fields:
            return None
        shared = {
            "state": fields["state"].decode(),
            "changed_at": int(fields["changed_at"]),
            "changed_by": fields["changed_by"].decode(),
            "ended_at": int(fields.get("ended_at", 0)),
            "places": {place: int(count) for place, count in zip(self.places, counts, strict=True)},
            "outcomes": {outcome: int(fields.get(f"n:{outcome}", 0)) for outcome in self.outcomes},
        }
        return self.now(fields, shared)

    async def page(
        self, lane: Lane, state: str | None, after: Position | None, limit: int
    ) -> tuple[list[N], Position | None]:
        """Return up to `limit` works behind `after`, the newest first, and where to go on; None at the end."""

        async def load(positions: list[Position]) -> Sequence[N | None]:
            return await self.several(lane, [at.member for at in positions])

        source = walk(lane, self.index, after, min(limit + 1, CHUNK))
        return await page_of(source, load, lambda found: state is None or found.state == state, after, limit)

    async def at_stations(
        self,
        lane: Lane,
        number: str,
        load: Callable[[list[str]], Awaitable[Sequence[A]]],
        wanted: str | None,
        after: str,
        limit: int,
    ) -> tuple[list[A], str]:
        """Return up to `limit` stations of a work by id behind `after`, those with an outcome or at a place.

        Also the id to go on behind; empty at the end.
        """

        def takes(one: A) -> bool:
            return wanted is None or wanted == (one.result.outcome if one.result else one.place)

        return await page_by_name(lane, self.stations(number), load, takes, after, limit, chunk=CHUNK)


def _staging(number: str, some: Sequence[str], staged: tuple[str, str]) -> list[Command]:
    known, waiting = staged
    in_order = [part for station in some for part in (0, station)]
    in_turn = [part for station in some for part in (turn_of(number, station), station)]
    return [
        ("ZADD", known, *in_order),
        ("ZADD", waiting, *in_turn),
        ("EXPIRE", known, STAGED_S),
        ("EXPIRE", waiting, STAGED_S),
    ]
