"""Sharing capacity: never above a limit, nothing left over, in the order that was asked for."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.services.smartcharging.allocation import (
    PHASES,
    Circuit,
    Phase,
    Room,
    Session,
    Strategy,
    UnknownCircuit,
    allocate,
    step,
)

NOW = 1_700_000_000_000
HOUR = 3_600_000
MAIN = Circuit(name="main", capacity=(630, 630, 630))
STRATEGIES: tuple[Strategy, ...] = ("equal", "priority", "first_come", "deadline")


def sessions(count: int, **more: Any) -> list[Session]:
    """Return equal sessions `s0`, `s1`, ..., each a second younger than the one before."""
    return [Session(name=f"s{n}", circuit="main", since=n * 1000, **more) for n in range(count)]


def test_equal_shares() -> None:
    """Three share 63 A evenly; one that takes less leaves the rest to the others."""
    assert allocate([MAIN], sessions(3), "equal", NOW).limits == {"s0": 210, "s1": 210, "s2": 210}
    small = [Session(name="small", circuit="main", maximum=130), *sessions(2)]
    assert allocate([MAIN], small, "equal", NOW).limits == {"small": 130, "s0": 250, "s1": 250}


def test_a_minimum_or_nothing() -> None:
    """Eleven minima of 6 A do not fit 63 A: the one that waited the shortest pauses, and knows for which circuit."""
    many = [msgspec.structs.replace(one, waiting_since=1 + n) for n, one in enumerate(sessions(11))]
    found = allocate([MAIN], many, "equal", NOW)
    assert [name for name, limit in found.limits.items() if limit == 0] == ["s10"]
    assert found.held_by["s10"] == "main"
    assert sum(found.limits.values()) == 630


def test_single_phases_are_counted_apart() -> None:
    """Sessions on different phases do not take each other's room; one of three phases takes the least of all."""
    apart = [Session(name=f"p{phase}", circuit="main", phases=(phase,), maximum=400) for phase in PHASES]
    assert allocate([MAIN], apart, "equal", NOW).limits == {"p1": 400, "p2": 400, "p3": 400}
    three = [*apart[:1], Session(name="all", circuit="main", maximum=400)]
    assert allocate([MAIN], three, "equal", NOW).limits == {"p1": 315, "all": 315}


def test_the_tree_holds_at_every_node() -> None:
    """A small circuit holds back its own, and what it can't use goes to the others; base loads count."""
    tree = [
        msgspec.structs.replace(MAIN, base_load=(30, 30, 30)),
        Circuit(name="left", capacity=(160, 160, 160), parent="main"),
        Circuit(name="right", capacity=(630, 630, 630), parent="main"),
    ]
    cars = [Session(name="a", circuit="left"), Session(name="b", circuit="left"), Session(name="c", circuit="right")]
    found = allocate(tree, cars, "equal", NOW)
    assert found.limits == {"a": 80, "b": 80, "c": 320}
    assert found.held_by == {"a": "left", "b": "left"}


def test_priority_and_first_come() -> None:
    """The greater priority is full before others get more than their minimum; first come, first full."""
    cars = sessions(3)
    cars[2] = msgspec.structs.replace(cars[2], priority=5)
    assert allocate([MAIN], cars, "priority", NOW).limits == {"s0": 155, "s1": 155, "s2": 320}
    assert allocate([MAIN], cars, "first_come", NOW).limits == {"s0": 320, "s1": 250, "s2": 60}


def test_deadlines_first() -> None:
    """Who leaves soon gets the current that fills it in time; what is left is shared evenly."""
    hurried = Session(name="hurried", circuit="main", energy_left_wh=20_700, departs_at=NOW + HOUR)
    found = allocate([MAIN], [*sessions(2), hurried], "deadline", NOW)
    assert found.limits == {"s0": 165, "s1": 165, "hurried": 300}


def test_a_limit_of_watts_counts_all_phases() -> None:
    """What a circuit takes in all is shared by what each draws on all of its phases."""
    whole = Circuit(name="main", total=600)
    one, three = Session(name="one", circuit="main", phases=(2,), maximum=400), Session(name="three", circuit="main")
    assert allocate([whole], [one, three], "equal", NOW).limits == {"one": 150, "three": 150}
    assert allocate([whole], [one], "equal", NOW).limits == {"one": 400}


def test_what_does_not_follow_is_counted() -> None:
    """What is fixed or drawn beyond a limit leaves less; who never pauses has a minimum; the last get leftovers."""
    fixed = Session(name="fixed", circuit="main", fixed=200)
    inexact = Session(name="inexact", circuit="main", excess=10)
    found = allocate([MAIN], [fixed, inexact, *sessions(1)], "equal", NOW).limits
    assert found == {"fixed": 200, "inexact": 210, "s0": 210}
    assert step([MAIN], [inexact], {"inexact": 100}, {"inexact": 90}) == {"inexact": 100}
    small = msgspec.structs.replace(MAIN, capacity=(130, 130, 130))
    many = [
        *sessions(2),
        Session(name="stubborn", circuit="main", pauses=False),
        Session(name="full", circuit="main", last=True),
    ]
    assert allocate([small], many, "equal", NOW).limits == {"s0": 65, "s1": 0, "stubborn": 65, "full": 0}
    assert allocate([MAIN], [many[3], *sessions(1)], "equal", NOW).limits == {"full": 60, "s0": 320}


def test_bad_trees_are_named() -> None:
    """A missing circuit, a missing parent and a ring are errors that say where."""
    for circuits, words in [
        ([], "session s0: no circuit 'main'"),
        ([msgspec.structs.replace(MAIN, parent="grid")], "no circuit 'grid'"),
        ([msgspec.structs.replace(MAIN, parent="main")], "its own parent"),
    ]:
        with pytest.raises(UnknownCircuit, match=words):
            allocate(circuits, sessions(1), "equal", NOW)


# ── properties ───────────────────────────────────────────────────────────────────────────────────────────────────────


def load(circuits: list[Circuit], cars: list[Session], limits: dict[str, int]) -> dict[tuple[str, int], int]:
    """Return what is drawn on each phase of each circuit, computed from the leaves up."""
    parents = {one.name: one.parent for one in circuits}
    found: dict[tuple[str, int], int] = {
        (one.name, phase): one.base_load[phase - 1] for one in circuits for phase in PHASES
    }
    for car in cars:
        here = car.circuit
        while here:
            for phase in car.phases:
                found[here, phase] += limits.get(car.name, 0)
            here = parents[here]
    return found


@st.composite
def sites(draw: st.DrawFn) -> tuple[list[Circuit], list[Session]]:
    """Draw a tree of circuits with base loads below their limits, and sessions on it."""
    circuits: list[Circuit] = []
    for number in range(draw(st.integers(1, 5))):
        capacity = draw(st.tuples(*[st.integers(0, 1000)] * 3))
        base = tuple(draw(st.integers(0, limit)) for limit in capacity)
        parent = draw(st.sampled_from(["", *(one.name for one in circuits)])) if circuits else ""
        circuits.append(Circuit(name=f"c{number}", capacity=capacity, base_load=base, parent=parent))  # type: ignore[arg-type]
    phases: st.SearchStrategy[tuple[Phase, ...]] = st.sampled_from([(1,), (2,), (3,), (1, 2, 3), (2, 3)])
    cars = [
        Session(
            name=f"s{number}",
            circuit=draw(st.sampled_from([one.name for one in circuits])),
            phases=draw(phases),
            minimum=draw(st.integers(1, 80)),
            maximum=draw(st.integers(0, 400)),
            priority=draw(st.integers(0, 3)),
            since=draw(st.integers(0, 1000)),
            waiting_since=draw(st.integers(0, 1000)),
            energy_left_wh=draw(st.none() | st.integers(0, 50_000)),
            departs_at=draw(st.none() | st.integers(NOW - HOUR, NOW + 9 * HOUR)),
        )
        for number in range(draw(st.integers(0, 8)))
    ]
    return circuits, cars


@given(sites(), st.sampled_from(STRATEGIES), st.sampled_from([1, 10]))
def test_never_above_a_limit_and_nothing_left(
    site: tuple[list[Circuit], list[Session]], strategy: Strategy, grain: int
) -> None:
    """Every circuit holds on every phase; a session gets 0 or its range; who could take a grain more is held back."""
    circuits, cars = site
    found = allocate(circuits, cars, strategy, NOW, grain=grain)
    capacity: dict[tuple[str, int], int] = {
        (one.name, phase): one.capacity[phase - 1] for one in circuits for phase in PHASES
    }
    assert all(drawn <= capacity[place] for place, drawn in load(circuits, cars, found.limits).items())
    room = Room(circuits)
    for car in cars:
        limit = found.limits[car.name]
        assert limit == 0 or car.minimum <= limit <= car.maximum
        room.force(car, limit)
    for car in cars:
        limit = found.limits[car.name]
        wants = grain if limit else car.minimum
        if limit + wants <= car.maximum and (limit or car.minimum <= car.maximum):
            assert room.free(car) < wants, (car.name, found.limits)


@given(sites(), st.lists(st.tuples(st.sampled_from(STRATEGIES), st.integers(0, 2**8 - 1)), max_size=6))
def test_no_mixture_of_old_and_new_is_above_a_limit(
    site: tuple[list[Circuit], list[Session]], rounds: list[tuple[Strategy, int]]
) -> None:
    """Stations take new limits in any order, or not at all: on the way, too, every circuit holds."""
    circuits, cars = site
    capacity: dict[tuple[str, int], int] = {
        (one.name, phase): one.capacity[phase - 1] for one in circuits for phase in PHASES
    }
    may_draw: dict[str, int] = {}
    for strategy, obeying in rounds:
        wanted = allocate(circuits, cars, strategy, NOW).limits
        sent = step(circuits, cars, wanted, may_draw)
        worst = {name: max(limit, may_draw.get(name, 0)) for name, limit in sent.items()}
        assert all(drawn <= capacity[place] for place, drawn in load(circuits, cars, worst).items())
        for (name, limit), bit in zip(sent.items(), itertools.count(), strict=False):
            # What a station has not taken it may still draw; what it was allowed beyond that as well.
            may_draw[name] = limit if obeying >> bit & 1 else worst[name]


@given(sites(), st.sampled_from(STRATEGIES))
def test_steps_arrive(site: tuple[list[Circuit], list[Session]], strategy: Strategy) -> None:
    """Where the stations obey, what is wanted is reached within two steps."""
    circuits, cars = site
    before = allocate(circuits, cars, "first_come", NOW).limits
    wanted = allocate(circuits, cars, strategy, NOW).limits
    once = step(circuits, cars, wanted, before)
    assert step(circuits, cars, wanted, once) == wanted
