"""What is left of a tree of circuits, phase by phase, and how it is filled evenly.

Every circuit is up to four places: its three phases, and what it may carry in all. A session draws through the places
of its own circuit and of all above it. Filling raises all of a group at one level, like water: it looks only at the
moments where somebody joins, is full, or a place has nothing left, so that a thousand sessions take milliseconds.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal

import msgspec

Phase = Literal[1, 2, 3]
PHASES: Final[tuple[Phase, ...]] = (1, 2, 3)
IN_ALL: Final = 0
"""The place of a circuit that counts all phases together."""
UNLIMITED: Final = 10**9


class Circuit(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A node of the tree: what its fuse takes on each phase, and what else draws on it."""

    name: str
    capacity: tuple[int, int, int] = (UNLIMITED, UNLIMITED, UNLIMITED)
    total: int = UNLIMITED
    """What it takes on all phases together: a limit in watts, by the voltage."""
    parent: str = ""
    """Empty: the root of a tree."""
    base_load: tuple[int, int, int] = (0, 0, 0)
    """What is drawn below it by all that is no session: measured, or estimated; its children's included."""


class Session(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A transaction that wants to charge, or a connector where one may begin."""

    name: str
    circuit: str
    phases: tuple[Phase, ...] = PHASES
    """The circuit's phases that it draws from: the station's rotation is applied already."""
    minimum: int = 60
    """Below this it cannot charge (IEC 61851: 6 A); it gets this, or nothing."""
    maximum: int = 320
    priority: int = 0
    """Greater is sooner."""
    since: int = 0
    """When it began (ms)."""
    waiting_since: int = 0
    """When it last got less than its minimum (ms); 0: it charges. Who waited longest is next."""
    keeps: bool = False
    """It charges and its turn is not over: nobody who waits comes before it."""
    last: bool = False
    """Full, or nobody is there: it gets its minimum where that is left over, and no more."""
    fixed: int | None = None
    """What it draws whatever it is told: nobody can reach it, or it does not listen."""
    excess: int = 0
    """What it draws beyond what it is told, by a little: it counts beside its limit."""
    pauses: bool = True
    """False: it gets its minimum in any case, because nothing would end it, or lock it."""
    energy_left_wh: int | None = None
    departs_at: int | None = None
    voltage: int = 230


class UnknownCircuit(ValueError):
    """A session or a circuit names one that is not there, or the circuits form a ring."""


Place = tuple[str, int]
"""A circuit, and a phase of it or `IN_ALL`."""


class Room:
    """What is left of each place; negative where more is drawn than it takes."""

    def __init__(self, circuits: Iterable[Circuit]) -> None:
        by_name = {circuit.name: circuit for circuit in circuits}
        self._above = {name: _path(by_name, name) for name in by_name}
        self._names: list[Place] = [(name, phase) for name in by_name for phase in (*PHASES, IN_ALL)]
        self._number = {place: number for number, place in enumerate(self._names)}
        self._left = [
            one.total - sum(one.base_load) if phase == IN_ALL else one.capacity[phase - 1] - one.base_load[phase - 1]
            for one in by_name.values()
            for phase in (*PHASES, IN_ALL)
        ]
        self._ways: dict[tuple[str, tuple[Phase, ...]], list[tuple[int, int]]] = {}

    def _way(self, circuit: str, phases: tuple[Phase, ...]) -> list[tuple[int, int]]:
        """Return the places that a draw goes through that can be full, and how much of it each carries."""
        known = self._ways.get((circuit, phases))
        if known is None:
            each = [(self._number[name, phase], 1) for name in self._above[circuit] for phase in phases]
            whole = [(self._number[name, IN_ALL], len(phases)) for name in self._above[circuit]]
            known = [(place, weight) for place, weight in (*each, *whole) if self._left[place] < UNLIMITED // 2]
            self._ways[circuit, phases] = known
        return known

    def way(self, session: Session) -> list[tuple[int, int]]:
        """Return the places that the session draws through, by number, with weights; raises `UnknownCircuit`."""
        if session.circuit not in self._above:
            raise UnknownCircuit(f"session {session.name}: no circuit {session.circuit!r}")
        return self._way(session.circuit, session.phases)

    def places(self, session: Session) -> list[Place]:
        """Return every circuit and phase that the session draws through; raises `UnknownCircuit`."""
        return [self._names[place] for place, _ in self.way(session)]

    def free(self, session: Session) -> int:
        """Return how much more the session could draw; negative where a circuit is over its limit."""
        left = self._left
        return min((left[place] // weight for place, weight in self.way(session)), default=UNLIMITED)

    def left(self, places: Iterable[Place]) -> Iterator[tuple[Place, int]]:
        """Yield how much each of the places has left."""
        return ((place, self._left[self._number[place]]) for place in places)

    def over(self) -> set[str]:
        """Return the circuits that have less than nothing left."""
        return {self._names[number][0] for number, left in enumerate(self._left) if left < 0}

    def take(self, session: Session, amount: int) -> bool:
        """Give the session `amount` more; False, and nothing changes, where there is not so much."""
        return self._grant(session, amount, amount) == amount

    def _grant(self, session: Session, most: int, least: int) -> int:
        """Give as much as there is, up to `most`; nothing where that is less than `least`. Returns what was given."""
        left, way = self._left, self.way(session)
        for place, weight in way:
            if left[place] < most * weight:
                most = left[place] // weight
        if most < least:
            return 0
        for place, weight in way:
            left[place] -= weight * most
        return most

    def force(self, session: Session, amount: int) -> None:
        """Count what is drawn whether there is room or not."""
        left = self._left
        for place, weight in self.way(session):
            left[place] -= weight * amount

    def tightest(self, session: Session) -> str:
        """Return the name of the circuit that leaves the session the least; empty where none limits it."""
        left = self._left
        found = min(self.way(session), key=lambda one: left[one[0]] // one[1], default=None)
        return self._names[found[0]][0] if found else ""

    def fill(self, group: Sequence[Session], limits: dict[str, int], ceiling: Callable[[Session], int]) -> None:
        """Raise a group's limits together, the lowest first, until each is at its ceiling or a place is full."""
        if len(group) == 1:
            session = group[0]
            limits[session.name] += self._grant(session, ceiling(session) - limits[session.name], 1)
            return
        _Water(self._left, [(one, self.way(one), ceiling(one)) for one in group], limits).rise()
        self.top_up(group, limits, ceiling, 1)

    def top_up(
        self, group: Sequence[Session], limits: dict[str, int], ceiling: Callable[[Session], int], grain: int
    ) -> None:
        """Hand out by the grain what was too little for all, the lowest first."""
        growing = sorted(group, key=lambda one: limits[one.name])
        while growing:
            growing = [one for one in growing if limits[one.name] + grain <= ceiling(one) and self.take(one, grain)]
            for one in growing:
                limits[one.name] += grain


class _Water:
    """One filling. `left` of a place is kept as it was at `since`, the level when its weight last changed."""

    def __init__(
        self,
        left: list[int],
        members: Sequence[tuple[Session, list[tuple[int, int]], int]],
        limits: dict[str, int],
    ) -> None:
        self._left = left
        self._limits = limits
        wanting = [one for one in members if limits[one[0].name] < one[2]]
        self._joining = sorted(wanting, key=lambda one: limits[one[0].name], reverse=True)
        self._full: list[tuple[int, int]] = []
        self._members = wanting
        self._number = {one[0].name: number for number, one in enumerate(wanting)}
        self._growing: set[int] = set()
        self._weight: dict[int, int] = {}
        self._since: dict[int, int] = {}
        self._through: dict[int, list[int]] = {}
        self._dry: list[tuple[int, int]] = []
        self._level = 0

    def rise(self) -> None:
        """Let the level rise until nobody grows."""
        while self._growing or self._joining:
            joins = self._limits[self._joining[-1][0].name] if self._joining else UNLIMITED
            full = self._next_full()
            dry = self._next_dry()
            if joins <= min(full, dry):
                self._level = joins
                self._join()
            elif full <= dry:
                self._level = full
                self._stop([heapq.heappop(self._full)[1]])
            else:
                self._level = dry
                _, place = heapq.heappop(self._dry)
                self._stop([number for number in self._through[place] if number in self._growing])

    def _join(self) -> None:
        """Let all who are at the level grow with it."""
        added: dict[int, int] = {}
        while self._joining and self._limits[self._joining[-1][0].name] == self._level:
            session, way, ceiling = self._joining.pop()
            number = self._number[session.name]
            self._growing.add(number)
            heapq.heappush(self._full, (ceiling, number))
            for place, weight in way:
                added[place] = added.get(place, 0) + weight
                self._through.setdefault(place, []).append(number)
        for place, weight in added.items():
            self._settle(place)
            self._weight[place] = self._weight.get(place, 0) + weight
            heapq.heappush(self._dry, (self._dry_at(place), place))

    def _stop(self, numbers: Iterable[int]) -> None:
        removed: dict[int, int] = {}
        for number in numbers:
            session, way, _ = self._members[number]
            self._growing.discard(number)
            self._limits[session.name] = self._level
            for place, weight in way:
                removed[place] = removed.get(place, 0) + weight
        for place, weight in removed.items():
            self._settle(place)
            self._weight[place] -= weight

    def _settle(self, place: int) -> None:
        """Take from a place what its sessions have drawn since its weight last changed."""
        self._left[place] -= self._weight.get(place, 0) * (self._level - self._since.get(place, self._level))
        self._since[place] = self._level

    def _dry_at(self, place: int) -> int:
        """Return the highest level at which the place has room; a weight that sank since only puts it off."""
        weight = self._weight[place]
        if weight <= 0:
            return UNLIMITED
        return self._since[place] + max(self._left[place], 0) // weight

    def _next_full(self) -> int:
        while self._full and self._full[0][1] not in self._growing:
            heapq.heappop(self._full)
        return self._full[0][0] if self._full else UNLIMITED

    def _next_dry(self) -> int:
        while self._dry:
            level, place = self._dry[0]
            actual = self._dry_at(place)
            if actual == level:
                return level
            heapq.heappop(self._dry)
            if actual < UNLIMITED:
                heapq.heappush(self._dry, (actual, place))
        return UNLIMITED


def _path(by_name: Mapping[str, Circuit], name: str) -> tuple[str, ...]:
    """Return a circuit and all above it."""
    path: list[str] = []
    here = name
    while here:
        if here in path:
            raise UnknownCircuit(f"circuit {name!r} is its own parent, by way of {' > '.join([*path, here])}")
        if here not in by_name:
            raise UnknownCircuit(f"circuit {path[-1]!r}: no circuit {here!r} to be its parent")
        path.append(here)
        here = by_name[here].parent
    return tuple(path)
