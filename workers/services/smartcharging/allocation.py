"""Shares capacity among sessions: a tree of circuits with limits per phase, and who gets how much of it.

    admit in order (a minimum or nothing) ──> fill up, evenly or in order ──> step: what may be sent now

Currents are integers in tenths of an ampere, of each phase that a session uses. Two promises hold whatever comes in:
an allocation never exceeds a circuit's limit on any phase, and neither does any mixture of what was allowed before and
what is allowed now (`step`): a limit is raised only into room that is free already.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal

import msgspec

Strategy = Literal["equal", "priority", "first_come", "deadline"]
Phase = Literal[1, 2, 3]
PHASES: Final[tuple[Phase, ...]] = (1, 2, 3)
HOUR_MS: Final = 3_600_000


class Circuit(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A node of the tree: what its fuse takes on each phase, and what else draws on it."""

    name: str
    capacity: tuple[int, int, int]
    parent: str = ""
    """Empty: the root of a tree."""
    base_load: tuple[int, int, int] = (0, 0, 0)
    """What is drawn below it by all that is no session: measured, or estimated."""


class Session(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A transaction that wants to charge."""

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
    energy_left_wh: int | None = None
    departs_at: int | None = None
    voltage: int = 230


class Allocation(msgspec.Struct, frozen=True):
    """What each session gets (0: it pauses), and which circuit holds each back that would take more."""

    limits: dict[str, int]
    held_by: dict[str, str]


class UnknownCircuit(ValueError):
    """A session or a circuit names one that is not there, or the circuits form a ring."""


def allocate(
    circuits: Iterable[Circuit], sessions: Sequence[Session], strategy: Strategy, now: int, *, grain: int = 1
) -> Allocation:
    """Share the capacity; limits are multiples of `grain` beyond each minimum.

    `equal`: the same for all that can take it; `priority`: the greater first, equals evenly; `first_come`: one after
    the other; `deadline`: what each needs to be full in time first, the most urgent before the others, then evenly.
    Raises `UnknownCircuit`.
    """
    room = Room(circuits)
    limits = dict.fromkeys((session.name for session in sessions), 0)
    for session in sorted(sessions, key=lambda one: _rank(one, strategy, now)):
        if session.minimum <= session.maximum and room.take(session, session.minimum):
            limits[session.name] = session.minimum
    held: dict[str, str] = {}
    for group, ceiling in _rounds(sessions, strategy, now):
        _fill(room, [one for one in group if limits[one.name]], _Level(ceiling, grain), limits, held)
    for session in sessions:
        if not limits[session.name]:
            held[session.name] = room.tightest(session)
    return Allocation(limits, held)


def step(
    circuits: Iterable[Circuit], sessions: Sequence[Session], wanted: Mapping[str, int], may_draw: Mapping[str, int]
) -> dict[str, int]:
    """Return the limits that may be sent now on the way to `wanted`.

    `may_draw`: what each session's station may draw until it is known to have taken a new limit: the last limit that
    it accepted, what an offline station may still do, or what a disobedient one was measured to draw. What is lowered
    is lowered at once, but its room is free only when the station has it; a raise gets no more than is free by then,
    and waits where that is less than the session's minimum.
    """
    room = Room(circuits)
    now = {session.name: may_draw.get(session.name, 0) for session in sessions}
    for session in sessions:
        room.force(session, now[session.name])
    sent = {name: min(wanted.get(name, 0), limit) for name, limit in now.items()}
    for session in sorted(sessions, key=lambda one: wanted.get(one.name, 0) - now[one.name]):
        more = wanted.get(session.name, 0) - now[session.name]
        if more <= 0:
            continue
        free = min(more, room.free(session))
        reached = now[session.name] + free
        if free > 0 and reached >= session.minimum and room.take(session, free):
            sent[session.name] = reached
    return sent


class Room:
    """What is left of each circuit on each phase."""

    def __init__(self, circuits: Iterable[Circuit]) -> None:
        by_name = {circuit.name: circuit for circuit in circuits}
        self._left = {
            (name, phase): circuit.capacity[phase - 1] - circuit.base_load[phase - 1]
            for name, circuit in by_name.items()
            for phase in PHASES
        }
        self._above = {name: _path(by_name, name) for name in by_name}

    def places(self, session: Session) -> list[tuple[str, Phase]]:
        """Return every circuit and phase that the session draws through; raises `UnknownCircuit`."""
        try:
            above = self._above[session.circuit]
        except KeyError:
            raise UnknownCircuit(f"session {session.name}: no circuit {session.circuit!r}") from None
        return [(name, phase) for name in above for phase in session.phases]

    def free(self, session: Session) -> int:
        """Return how much more the session could draw; negative where a circuit is over its limit."""
        return min(self._left[place] for place in self.places(session))

    def left(self, places: Iterable[tuple[str, Phase]]) -> Iterator[tuple[tuple[str, Phase], int]]:
        """Yield how much each of the places has left."""
        return ((place, self._left[place]) for place in places)

    def take(self, session: Session, amount: int) -> bool:
        """Give the session `amount` more; False, and nothing changes, where there is not so much."""
        if self.free(session) < amount:
            return False
        self.force(session, amount)
        return True

    def force(self, session: Session, amount: int) -> None:
        """Count what is drawn whether there is room or not."""
        for place in self.places(session):
            self._left[place] -= amount

    def tightest(self, session: Session) -> str:
        """Return the name of the circuit that leaves the session the least."""
        return min(self.places(session), key=lambda place: self._left[place])[0]


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


def _rank(session: Session, strategy: Strategy, now: int) -> tuple[int, ...]:
    """Return whose minimum comes first: the least."""
    waited = session.waiting_since or now + 1
    if strategy == "priority":
        return (-session.priority, waited, session.since)
    if strategy == "first_come":
        return (session.since,)
    if strategy == "deadline":
        return (-_needed(session, now), waited, session.since)
    return (waited, session.since)


def _rounds(
    sessions: Sequence[Session], strategy: Strategy, now: int
) -> Iterable[tuple[list[Session], Mapping[str, int]]]:
    """Yield who is filled together, and up to where."""
    maxima = {session.name: session.maximum for session in sessions}
    if strategy == "priority":
        for priority in sorted({session.priority for session in sessions}, reverse=True):
            yield [session for session in sessions if session.priority == priority], maxima
    elif strategy == "first_come":
        for session in sorted(sessions, key=lambda one: one.since):
            yield [session], maxima
    else:
        if strategy == "deadline":
            needs = {session.name: _needed(session, now) for session in sessions}
            for session in sorted(sessions, key=lambda one: -needs[one.name]):
                yield [session], needs
        yield list(sessions), maxima


def _needed(session: Session, now: int) -> int:
    """Return the current at which the session is full just in time; 0 where nobody said when it leaves."""
    if session.energy_left_wh is None or session.departs_at is None or session.energy_left_wh <= 0:
        return 0
    left_ms = max(session.departs_at - now, 1)
    watts = session.energy_left_wh * HOUR_MS // left_ms
    return min(-(-watts * 10 // (session.voltage * len(session.phases))), session.maximum)


class _Level(msgspec.Struct, frozen=True):
    """How a group is filled: up to where, in which steps."""

    ceiling: Mapping[str, int]
    grain: int

    def left(self, session: Session, limit: int) -> int:
        """Return how much more the session may get, a multiple of the grain."""
        return max(min(self.ceiling[session.name], session.maximum) - limit, 0) // self.grain * self.grain


def _fill(room: Room, group: Sequence[Session], level: _Level, limits: dict[str, int], held: dict[str, str]) -> None:
    """Raise the group's limits together, the lowest first, until each is at its ceiling or a circuit is full."""
    growing = list(group)
    while True:
        for session in growing:
            if room.free(session) < level.grain and level.left(session, limits[session.name]):
                held[session.name] = room.tightest(session)
        growing = [
            session
            for session in growing
            if level.left(session, limits[session.name]) and room.free(session) >= level.grain
        ]
        if not growing:
            return
        _raise(room, growing, level, limits)


def _raise(room: Room, growing: Sequence[Session], level: _Level, limits: dict[str, int]) -> None:
    """Raise those at the lowest limit by as much as all of them can have, or by a grain each while there is room."""
    lowest = min(limits[session.name] for session in growing)
    low = [session for session in growing if limits[session.name] == lowest]
    above = [limits[session.name] - lowest for session in growing if limits[session.name] > lowest]
    sharers = Counter(place for session in low for place in room.places(session))
    common = min(
        *(left // sharers[place] for place, left in room.left(sharers)),
        *(level.left(session, lowest) for session in low),
        *above,
    )
    amount = max(common // level.grain * level.grain, level.grain)
    for session in low:
        if room.take(session, amount):
            limits[session.name] += amount
