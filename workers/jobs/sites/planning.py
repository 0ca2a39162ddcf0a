"""When transactions with a departure charge, so that all are ready in time and it costs the least: a linear program.

Cars that would each wait for the cheap hours on their own are too many for them: what one may have of an hour depends
on all others, and on every circuit above them. That is a linear program; HiGHS solves it (`highspy`, imported when a
plan is made: that costs 0.2 s, and most sites have no prices). A thousand cars over a day take 0.2 s of CPU a minute.

    least    price * energy + a little for each hour later + very much for what is missing at the departure
    where    each car gets what it lacks, within its own power
             at each circuit, each hour, all of them stay within what base load and others leave

Power is counted over all phases; which phase is full the rounds see to. What is taken is who charges now.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from shared.records.prices import PriceInterval
from shared.smartcharging.prices import price_at

HOUR_MS: Final = 3_600_000
MAX_SLOTS: Final = 36
"""Hours that are planned at most: what leaves later is planned then."""
OF_CAR: Final = 0.9
"""Of its power, and of a circuit's: what is counted on."""
OF_CIRCUIT: Final = 0.85
LATER: Final = 1e-4
"""What an hour later costs, per kWh: of equal prices the earlier is taken, for a car may leave sooner than it said."""
SOLVING_S: Final = 5.0
"""Longer than a program of some thousand cars takes; without a plan nobody waits."""
MISSING: Final = 1000.0
"""What a kWh costs that is missing at the departure."""


class NoPlanError(Exception):
    """The solver found no plan in time."""


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What a transaction lacks, by when, and how fast it can have it."""

    name: str
    circuits: tuple[str, ...]
    """Its own, and those above."""
    energy_wh: int
    departs_at: int
    watts: int
    least_watts: int


class Slot(msgspec.Struct, frozen=True):
    """A stretch of time with one price."""

    since: int
    until: int
    price: float

    @property
    def hours(self) -> float:
        """How long it is."""
        return (self.until - self.since) / HOUR_MS


def slots(prices: Sequence[PriceInterval], now: int, until: int) -> list[Slot]:
    """Return the time from now on in hours, or in what is left of one; an unknown price is the highest known."""
    highest = max((one.price for one in prices if one.end_at > now), default=0.0)
    made: list[Slot] = []
    since = now
    while since < until and len(made) < MAX_SLOTS:
        end = min((since // HOUR_MS + 1) * HOUR_MS, until)
        known = price_at(prices, (since + end) // 2)
        made.append(Slot(since, end, highest if known is None else known))
        since = end
    return made


def waiting(
    wishes: Sequence[Wish], prices: Sequence[PriceInterval], now: int, free: Callable[[int], Mapping[str, int]]
) -> set[str]:
    """Return who leaves the present hour to others; nobody, where no plan was found.

    `free(at)`: the watts that each circuit has for them then.
    """
    wishes = [one for one in wishes if one.energy_wh > 0 and one.departs_at > now]
    if not wishes:
        return set()
    times = slots(prices, now, max(one.departs_at for one in wishes))
    room = [free((one.since + one.until) // 2) for one in times]
    try:
        now_wh = solve(wishes, times, room)
    except NoPlanError:
        return set()
    hours = times[0].hours
    return {
        one.name
        for one, planned in zip(wishes, now_wh, strict=True)
        if planned < one.least_watts * hours / 2 and planned < one.energy_wh / 2
    }


def solve(wishes: Sequence[Wish], times: Sequence[Slot], room: Sequence[Mapping[str, int]]) -> list[float]:
    """Return what each is to get in the first slot, Wh; `room`: the watts of each circuit in each slot.

    Raises `NoPlanError`.
    """
    columns = [
        (number, at, _hours(one, times[at]))
        for number, one in enumerate(wishes)
        for at in range(len(times))
        if times[at].since < one.departs_at
    ]
    circuits = sorted({name for one in wishes for name in one.circuits})
    row = {name: len(wishes) + place * len(times) for place, name in enumerate(circuits)}
    entries = [
        *([number, *(row[name] + at for name in wishes[number].circuits)] for number, at, _ in columns),
        *([number] for number in range(len(wishes))),
    ]
    cost = [(times[at].price + LATER * at) / 1000 for _, at, _ in columns] + [MISSING / 1000] * len(wishes)
    most = [wishes[number].watts * OF_CAR * hours for number, _, hours in columns]
    most += [float(one.energy_wh) for one in wishes]
    upper = [float(one.energy_wh) for one in wishes]
    upper += [max(room[at][name], 0) * OF_CIRCUIT * times[at].hours for name in circuits for at in range(len(times))]
    lower = [float(one.energy_wh) for one in wishes] + [float("-inf")] * (len(circuits) * len(times))
    found = _highs(cost, most, lower, upper, entries)
    first = [0.0] * len(wishes)
    for (number, at, _), energy in zip(columns, found, strict=False):
        if at == 0:
            first[number] = energy
    return first


def _hours(one: Wish, slot: Slot) -> float:
    return (min(slot.until, one.departs_at) - slot.since) / HOUR_MS


def _highs(
    cost: Sequence[float], most: Sequence[float], lower: Sequence[float], upper: Sequence[float],
    entries: Iterable[Sequence[int]],
) -> list[float]:  # fmt: skip
    """Return the cheapest columns, each from 0 to `most`, of which each row's sum is within its bounds."""
    highspy: Any = importlib.import_module("highspy")
    numpy: Any = importlib.import_module("numpy")
    rows = [number for column in entries for number in column]
    starts = [0]
    for column in entries:
        starts.append(starts[-1] + len(column))
    program = highspy.HighsLp()
    program.num_col_, program.num_row_ = len(cost), len(lower)
    program.col_cost_, program.col_lower_, program.col_upper_ = cost, [0.0] * len(cost), most
    program.row_lower_, program.row_upper_ = lower, upper
    program.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    program.a_matrix_.start_ = numpy.asarray(starts, dtype=numpy.int32)
    program.a_matrix_.index_ = numpy.asarray(rows, dtype=numpy.int32)
    program.a_matrix_.value_ = numpy.ones(len(rows))
    solver = highspy.Highs()
    solver.silent()
    solver.setOptionValue("threads", 1)
    solver.setOptionValue("time_limit", SOLVING_S)
    solver.passModel(program)
    solver.run()
    if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        raise NoPlanError
    return list(solver.getSolution().col_value)
