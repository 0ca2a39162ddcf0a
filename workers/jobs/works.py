"""Stations of a work, which is a job or a campaign of firmware, from one place to the next.

They wait, are begun, set aside because they are offline, taken up again, and end with a result. The scripts know a work
by its keys only; what is asked of a station, and what comes of it, is the kind's own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any, Final, Generic, TypeVar

import msgspec

from shared import envelopes
from shared.bus import keys
from shared.bus.lane import Lane
from shared.bus.scripts import FINISH_JOB, MOVE_STATIONS, SETTLE_STATIONS, START_STATIONS
from shared.records.events import Event
from shared.records.firmware import UpdateResult
from shared.records.jobs import JobResult
from shared.records.packing import pack
from shared.records.queries.reading import replies
from shared.records.queries.works import Works
from shared.records.requests import Request
from shared.records.works import WorkNow
from shared.series import Counter, Family
from workers.uplinks import append, asking, uplink_of

CHUNK: Final = 500
LOOKS: Final = 5
"""Chunks of waiting stations that are looked through in one go for some that are online."""
FORGOTTEN_AT_ONCE: Final = 100

N = TypeVar("N", bound=WorkNow[Any, Any, Any])
R = TypeVar("R", bound=JobResult | UpdateResult)


class Site(msgspec.Struct, frozen=True):
    """Where works act: Redis, the partitions, and under which name this worker holds the lease."""

    lane: Lane
    partitions: int
    holder: str


class Kind(msgspec.Struct, Generic[N, R], frozen=True, kw_only=True):
    """A kind of work: its records, further keys, and what a result of it is."""

    records: Works[N]
    runner: str
    """The lease of who advances them."""
    over: str
    """Sorted set: those that have ended, by when (ms)."""
    results: Callable[[str], str]
    ended: Callable[[str], str]
    others: Sequence[Callable[[str], str]] = ()
    """Further keys that go with it."""
    waits: Sequence[str]
    """The places where stations are that were not begun, or are to be begun again."""
    result: Callable[..., R]
    counted: Family[Counter]


class Work(Generic[R]):
    """The stations of one work."""

    def __init__(self, kind: Kind[Any, R], lane: Lane, number: str) -> None:
        self._kind = kind
        self._lane = lane
        self._number = number

    def _at(self, place: str) -> str:
        return self._kind.records.place(self._number, place)

    async def choose(self, count: int, now: int) -> list[str]:
        """Return waiting stations that are online, in the work's order; those passed over are set aside."""
        chosen: list[str] = []
        for _ in range(LOOKS):
            first = len(chosen)
            found = await self._lane.one("ZRANGE", self._at("waiting"), first, first + max(count, CHUNK) - 1)
            names = [name.decode() for name in found]
            online, offline, unknown = await sort_out(self._lane, names)
            wanted = count - first
            # What stands behind the last one that is wanted may as well wait where it is.
            last = names.index(online[wanted - 1]) if len(online) >= wanted else len(names)
            chosen += online[:wanted]
            passed = set(names[:last])
            await self.move("waiting", "offline", [name for name in offline if name in passed])
            await self.refuse([name for name in unknown if name in passed], now)
            if len(chosen) >= count or len(names) < CHUNK:
                break
        return chosen

    async def start(self, site: Site, source: str, requests: Sequence[tuple[str, Request]], most: int, now: int) -> int:
        """Begin stations that are at `source`, while no more than `most` are active; returns how many.

        -1: another worker advances works of this kind, or this one does not run.
        """
        streams = {station: uplink_of(station, site.partitions) for station, _ in requests}
        uplinks = sorted(set(streams.values()))
        arguments: list[Any] = [site.holder, now, most]
        for station, request in requests:
            entry = envelopes.encode(asking(station, request))
            arguments += (station, 5 + uplinks.index(streams[station]), entry)
        kind = self._kind
        touched = [kind.runner, kind.records.key(self._number), self._at(source), self._at("active"), *uplinks]
        return int(await site.lane.one(*START_STATIONS.command(touched, arguments)))

    async def take_up(self, now: int) -> int:
        """Let stations wait for their turn again that were offline and are back; returns how many."""
        back = 0
        async for names in self.members("offline"):
            online, _, unknown = await sort_out(self._lane, names)
            back += await self.move("offline", "waiting", online)
            await self.refuse(unknown, now)
        return back

    async def move(self, source: str, to: str, names: Sequence[str]) -> int:
        """Move stations from one place to another; returns how many were there."""
        if not names:
            return 0
        return int(await self._lane.one(*MOVE_STATIONS.command([self._at(source), self._at(to)], names)))

    async def settle(self, results: Iterable[tuple[str, R]]) -> int:
        """Count results; returns how many stations had none before."""
        every, counted, kind, number = list(results), 0, self._kind, self._number
        touched = [kind.records.key(number), kind.records.stations(number), kind.results(number), kind.ended(number)]
        touched += [self._at(place) for place in kind.records.places]
        for begin in range(0, len(every), CHUNK):
            arguments: list[Any] = []
            for station, result in every[begin : begin + CHUNK]:
                arguments += (station, result.outcome, pack(result))
            for outcome in await self._lane.one(*SETTLE_STATIONS.command(touched, arguments)):
                kind.counted.labels(outcome.decode()).inc()
                counted += 1
        return counted

    async def refuse(self, names: Sequence[str], now: int) -> None:
        """Give stations that are no more their result."""
        refused = self._kind.result(outcome="refused", at=now, detail="no such station")
        await self.settle([(name, refused) for name in names])

    async def end_waiting(self, outcome: str, now: int) -> int:
        """Give every station that was not begun, or is to be begun again, its result; returns how many."""
        ended = 0
        result = self._kind.result(outcome=outcome, at=now, detail="not begun")
        for place in self._kind.waits:
            while names := await self._lane.one("ZRANGE", self._at(place), 0, CHUNK - 1):
                ended += await self.settle([(name.decode(), result) for name in names])
        return ended

    async def ask(self, site: Site, place: str, request: Callable[[str], Request]) -> int:
        """Ask each station at a place for something; returns how many were asked."""
        asked = 0
        async for names in self.members(place):
            await replies(site.lane, [append(asking(name, request(name)), site.partitions) for name in names])
            asked += len(names)
        return asked

    async def members(self, place: str) -> AsyncIterator[list[str]]:
        """Yield the stations at a place, all that were there at the beginning, in chunks."""
        everything = await self._lane.one("ZRANGE", self._at(place), 0, -1)
        for begin in range(0, len(everything), CHUNK):
            yield [name.decode() for name in everything[begin : begin + CHUNK]]

    async def begun(self, place: str, before: int) -> AsyncIterator[list[tuple[str, int]]]:
        """Yield the stations at a place that were begun before, and when (ms), in chunks."""
        found = await self._lane.one("ZRANGE", self._at(place), "-inf", before, "BYSCORE", "WITHSCORES")
        every = [(name.decode(), int(float(at))) for name, at in zip(found[::2], found[1::2], strict=True)]
        for begin in range(0, len(every), CHUNK):
            yield every[begin : begin + CHUNK]

    async def finish(self, at: int, event: Event) -> bool:
        """End a work whose stations have all ended, and tell it; False where one has not."""
        kind = self._kind
        touched = [kind.records.key(self._number), kind.records.active, kind.over, keys.EVENTS]
        touched += [self._at(place) for place in kind.records.places]
        return bool(await self._lane.one(*FINISH_JOB.command(touched, [self._number, at, pack([event])])))


async def standing(lane: Lane, kind: Kind[N, Any], numbers: Sequence[str]) -> list[tuple[N, list[Any]]]:
    """Return works as they stand, each with the results that came and are not counted (a hash as Redis replies it).

    What is no more is taken out of those that are under way.
    """
    if not numbers:
        return []
    read = [(*kind.records.reading(number), ("HGETALL", kind.ended(number))) for number in numbers]
    found = iter(await replies(lane, [command for commands in read for command in commands]))
    every: list[tuple[N, list[Any]]] = []
    for number, commands in zip(numbers, read, strict=True):
        *fields, ended = (next(found) for _ in commands)
        one = kind.records.read(fields)
        if one is None:
            await lane.one("HDEL", kind.records.active, number)
        else:
            every.append((one, ended))
    return every


async def sort_out(lane: Lane, names: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """Return which stations are online, which are offline, and which are not known, each in the given order."""
    if not names:
        return [], [], []
    protocols, scores = await replies(lane, [("HMGET", keys.ONLINE, *names), ("ZMSCORE", keys.STATIONS, *names)])
    online, offline, unknown = list[str](), list[str](), list[str]()
    for name, protocol, score in zip(names, protocols, scores, strict=True):
        (online if protocol is not None else offline if score is not None else unknown).append(name)
    return online, offline, unknown


async def forget(kind: Kind[Any, Any], lane: Lane, kept_s: int) -> int:
    """Remove what is left of works that ended longer than `kept_s` ago; returns how many."""
    records = kind.records
    seconds, _ = await lane.one("TIME")
    before, forgotten = (int(seconds) - kept_s) * 1000, 0
    while found := await lane.one("ZRANGE", kind.over, "-inf", before, "BYSCORE", "LIMIT", 0, FORGOTTEN_AT_ONCE):
        for number in (name.decode() for name in found):
            whole = [key(number) for key in (records.key, records.stations, kind.results, kind.ended, *kind.others)]
            whole += [records.place(number, place) for place in records.places]
            # The index last: a crash in between leaves a work that is found here again.
            await replies(lane, [("UNLINK", *whole), ("ZREM", records.index, number), ("ZREM", kind.over, number)])
            forgotten += 1
    return forgotten
