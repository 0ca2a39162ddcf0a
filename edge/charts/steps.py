"""Values over time: each holds from a moment to another, and where nobody knows there is none."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

MOST: Final = 1500
"""Steps of a curve at most: about what a picture has pixels for."""
ROUNDING: Final = 1e-6


class Step(NamedTuple):
    """A value from `since` to before `until` (ms)."""

    since: int
    until: int
    value: float


Steps = list[Step]
"""In the order of time; none overlaps another."""
Pick = Callable[[float, float], float]
"""Which of two values stands for both: `max` or `min`."""


def joined(steps: Iterable[Step]) -> Steps:
    """Return the steps with neighbours of one value made one."""
    found: Steps = []
    for one in steps:
        if found and found[-1].until == one.since and found[-1].value == one.value:
            found[-1] = Step(found[-1].since, one.until, one.value)
        elif one.until > one.since:
            found.append(one)
    return found


def within(steps: Iterable[Step], since: int, until: int) -> Steps:
    """Return what lies between two moments."""
    cut = (Step(max(one.since, since), min(one.until, until), one.value) for one in steps)
    return [one for one in cut if one.until > one.since]


def thinned(steps: Steps, since: int, until: int, pick: Pick, most: int = MOST) -> Steps:
    """Return at most `most` steps: where there are more, one for each of so many equal slots.

    A slot has what `pick` makes of the values that touch it, so that no peak is lost; it is as wide as what it knows.
    """
    if len(steps) <= most:
        return steps
    width = max(-(-(until - since) // most), 1)
    slots: dict[int, Step] = {}
    for one in within(steps, since, until):
        for number in range((one.since - since) // width, (one.until - 1 - since) // width + 1):
            begin = since + number * width
            left, right = max(one.since, begin), min(one.until, begin + width)
            held = slots.get(number)
            if held is None:
                slots[number] = Step(left, right, one.value)
            else:
                slots[number] = Step(held.since, right, pick(held.value, one.value))
    return joined(slots.values())


def value_at(steps: Sequence[Step], at: int) -> float | None:
    """Return what holds at a moment; None: nobody knows."""
    place = bisect.bisect_right(steps, at, key=lambda one: one.since)
    return steps[place - 1].value if place and steps[place - 1].until > at else None


def above(draws: Steps, limits: Steps, tolerance: float) -> Steps:
    """Return when a draw is above its limit by more than `tolerance` times it; the value is 1."""
    edges = sorted({edge for curve in (draws, limits) for one in curve for edge in (one.since, one.until)})
    found: Steps = []
    for since, until in itertools.pairwise(edges):
        draw, limit = value_at(draws, since), value_at(limits, since)
        if draw is not None and limit is not None and draw > limit * tolerance + ROUNDING:
            found.append(Step(since, until, 1.0))
    return joined(found)


def lasting(steps: Iterable[Step]) -> int:
    """Return how long the steps last together, ms."""
    return sum(one.until - one.since for one in steps)
