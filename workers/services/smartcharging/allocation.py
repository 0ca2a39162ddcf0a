"""Shares capacity among sessions: a tree of circuits with limits per phase, and who gets how much of it.

    admit in order (a minimum or nothing) ──> fill up, evenly or in order ──> step: what may be sent now

Currents are integers in tenths of an ampere, of each phase that a session uses. Two promises hold whatever comes in:
an allocation never takes a circuit above its limit on any phase, and neither does any mixture of what was allowed
before and what is allowed now (`step`): a limit is raised only into room that is free already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import msgspec

from shared.records.sites import Strategy as Strategy

from .room import PHASES as PHASES
from .room import Circuit as Circuit
from .room import Phase as Phase
from .room import Room as Room
from .room import Session as Session
from .room import UnknownCircuit as UnknownCircuit

HOUR_MS: Final = 3_600_000
Ceiling = Callable[[Session], int]


class Allocation(msgspec.Struct, frozen=True):
    """What each session gets (0: it pauses), and which circuit holds each back that would take more."""

    limits: dict[str, int]
    held_by: dict[str, str]


def allocate(
    circuits: Iterable[Circuit], sessions: Sequence[Session], strategy: Strategy, now: int, *, grain: int = 1
) -> Allocation:
    """Share the capacity; limits are multiples of `grain` beyond each minimum.

    `equal`: the same for all that can take it; `priority`: the greater first, equals evenly; `first_come`: one after
    the other; `deadline`: what each needs to be full in time first, the most urgent before the others, then evenly.
    What is `fixed` counts whether there is room or not; what is `last` gets what nobody else can use.
    Raises `UnknownCircuit`.
    """
    room = Room(circuits)
    limits = dict.fromkeys((session.name for session in sessions), 0)
    free: list[Session] = []
    for session in sessions:
        if session.fixed is None:
            room.force(session, session.excess)
            free.append(session)
        else:
            room.force(session, session.fixed)
            limits[session.name] = session.fixed
    needs = {one.name: needed(one, now) for one in free} if strategy == "deadline" else {}
    _admit(room, sorted(free, key=lambda one: _rank(one, strategy, now, needs)), limits)
    first = [one for one in free if not one.last and limits[one.name]]
    for group, ceiling in _rounds(first, strategy, needs):
        room.fill(group, limits, ceiling)
    if grain > 1:
        _to_grain(room, first, limits, grain)
    for session in sorted((one for one in free if one.last), key=lambda one: _rank(one, "equal", now, needs)):
        if not limits[session.name] and 0 < session.minimum <= session.maximum and room.take(session, session.minimum):
            limits[session.name] = session.minimum
    held = {}
    for session in free:
        limit = limits[session.name]
        wants = grain if limit else session.minimum
        if limit + wants <= session.maximum and room.free(session) < wants and not (session.last and limit):
            held[session.name] = room.tightest(session)
    return Allocation(limits, held)


def step(
    circuits: Iterable[Circuit],
    sessions: Sequence[Session],
    wanted: Mapping[str, int],
    may_draw: Mapping[str, int],
    room: Room | None = None,
) -> dict[str, int]:
    """Return the limits that may be sent now on the way to `wanted`.

    `may_draw`: what each session's station may draw until it is known to have taken a new limit: the last limit that
    it accepted, what an offline station may still do, or what a disobedient one was measured to draw. What is lowered
    is lowered at once, but its room is free only when the station has it; a raise gets no more than is free by then,
    and waits where that is less than the session's minimum. What is drawn in `excess` of a limit is in `may_draw`.
    `room`: what all that leaves, where it is known already.
    """
    room = room or taken(circuits, sessions, may_draw)
    now = {session.name: max(may_draw.get(session.name, 0) - session.excess, 0) for session in sessions}
    sent = {name: min(wanted.get(name, 0), limit) for name, limit in now.items()}
    rising = [session for session in sessions if wanted.get(session.name, 0) > now[session.name]]
    for session in sorted(rising, key=lambda one: wanted[one.name] - now[one.name]):
        free = min(wanted[session.name] - now[session.name], room.free(session))
        reached = now[session.name] + free
        if free > 0 and reached >= session.minimum and room.take(session, free):
            sent[session.name] = reached
    return sent


def taken(circuits: Iterable[Circuit], sessions: Iterable[Session], may_draw: Mapping[str, int]) -> Room:
    """Return what is left where every session draws all that it may."""
    room = Room(circuits)
    for session in sessions:
        room.force(session, may_draw.get(session.name, 0))
    return room


def needed(session: Session, now: int) -> int:
    """Return the current at which the session is full just in time; 0 where nobody said when it leaves."""
    if session.energy_left_wh is None or session.departs_at is None or session.energy_left_wh <= 0:
        return 0
    left_ms = max(session.departs_at - now, 1)
    watts = session.energy_left_wh * HOUR_MS // left_ms
    return min(-(-watts * 10 // (session.voltage * len(session.phases))), session.maximum)


def _admit(room: Room, ranked: Sequence[Session], limits: dict[str, int]) -> None:
    """Give minima in order; one that can't pause gets its own in any case."""
    for session in ranked:
        if not session.pauses:
            room.force(session, session.minimum)
            limits[session.name] = session.minimum
    for session in ranked:
        if session.last or not session.pauses:
            continue
        if session.minimum <= session.maximum and room.take(session, session.minimum):
            limits[session.name] = session.minimum


def _rank(session: Session, strategy: Strategy, now: int, needs: Mapping[str, int]) -> tuple[int, ...]:
    """Return whose minimum comes first: the least."""
    # Who charges and whose turn is over comes behind all that wait.
    waited = 0 if session.keeps else session.waiting_since or now + 1
    if strategy == "priority":
        return (-session.priority, waited, session.since)
    if strategy == "first_come":
        return (session.since,)
    if strategy == "deadline":
        return (-needs[session.name], waited, session.since)
    return (waited, session.since)


def _rounds(
    sessions: Sequence[Session], strategy: Strategy, needs: Mapping[str, int]
) -> Iterable[tuple[list[Session], Ceiling]]:
    """Yield who is filled together, and up to where."""
    if strategy == "priority":
        for priority in sorted({session.priority for session in sessions}, reverse=True):
            yield [session for session in sessions if session.priority == priority], _maximum
    elif strategy == "first_come":
        for session in sorted(sessions, key=lambda one: one.since):
            yield [session], _maximum
    else:
        if strategy == "deadline":
            # Whose minimum is enough has what it needs.
            urgent = [session for session in sessions if needs[session.name] > session.minimum]
            for session in sorted(urgent, key=lambda one: -needs[one.name]):
                yield [session], lambda one: needs[one.name]
        if sessions:
            yield list(sessions), _maximum


def _maximum(session: Session) -> int:
    return session.maximum


def _to_grain(room: Room, sessions: Sequence[Session], limits: dict[str, int], grain: int) -> None:
    """Round down to the grain, and hand out anew what that leaves."""
    for session in sessions:
        surplus = (limits[session.name] - session.minimum) % grain
        room.force(session, -surplus)
        limits[session.name] -= surplus
    room.top_up(sessions, limits, _maximum, grain)
