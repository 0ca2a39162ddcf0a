"""The past of a site's circuits and stations as panels: one for each phase that differs, one of power, or both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from shared.records.queries.site_history import Past
from shared.records.site_history import MINUTE_MS, Point
from shared.records.sites import GRID, Amps

from .chart import TOLERANCE, Curve, Kind, Panel, Unit
from .steps import MOST, Pick, Step, Steps, above, joined, thinned


class Level(NamedTuple):
    """One minute of one quantity after the other; None: not known, or not limited. Draws include the base load."""

    limit: float | None
    allocated: float
    drawn: float
    base: float


def panels(past: Past, unit: Unit, since: int, until: int, *, idle_phases: bool = True) -> tuple[Panel, ...]:
    """Return a panel per phase that differs from the others, or one of power; none where nothing is known.

    Where limits are in A and in kW, both hold: that of power comes after those of phases.
    `idle_phases`: show phases that nothing is drawn on, or meant to be, too.
    """
    known = [(at, point) for at, point in zip(past.at, past.points, strict=True) if point is not None]
    if not known:
        return ()
    power: tuple[Panel, ...] = ()
    if unit == "kW" or any(point.limit_w for _, point in known):
        levels = [(at, _power(point, past.voltage)) for at, point in known]
        power = (_panel("kW, all phases together", levels, since, until),)
    if unit == "kW":
        return power
    by_phase = [[(at, _current(point, phase)) for at, point in known] for phase in range(len(GRID))]
    found = [_panel(title, levels, since, until) for title, levels in _grouped(by_phase, idle_phases=idle_phases)]
    return (*found, *power)


def unit_of(past: Past) -> Unit:
    """Return the unit that the limits are in: A, or kW where nothing has a limit in A."""
    points = [point for point in past.points if point is not None]
    by_power = any(point.limit_w for point in points) and all(point.limit is None for point in points)
    return "kW" if by_power else "A"


def _current(point: Point, phase: int) -> Level:
    limit = None if point.limit is None else point.limit[phase] / 10
    base = point.base[phase]
    return Level(limit, (point.allocated[phase] + base) / 10, (point.drawn[phase] + base) / 10, base / 10)


def _power(point: Point, voltage: int) -> Level:
    def kilowatts(amps: Amps) -> float:
        return sum(amps) * voltage / 10_000

    limits = [kilowatts(point.limit)] if point.limit is not None else []
    limits += [point.limit_w / 1000] if point.limit_w else []
    base = kilowatts(point.base)
    return Level(min(limits, default=None), kilowatts(point.allocated) + base, kilowatts(point.drawn) + base, base)


def _grouped(
    by_phase: Sequence[list[tuple[int, Level]]], *, idle_phases: bool
) -> Iterator[tuple[str, list[tuple[int, Level]]]]:
    """Yield phases, those that are the same all the time together, with a title that names them."""
    busy = [any(level.allocated or level.drawn for _, level in levels) for levels in by_phase]
    shown = [n for n in range(len(by_phase)) if idle_phases or busy[n] or not any(busy)]
    left = list(shown)
    while left:
        same = [n for n in left if by_phase[n] == by_phase[left[0]]]
        left = [n for n in left if n not in same]
        names = ", ".join(GRID[n] for n in same)
        title = "A on each phase" if len(same) == len(GRID) else f"A on {names}"
        yield title, by_phase[same[0]]


def _panel(title: str, levels: Sequence[tuple[int, Level]], since: int, until: int) -> Panel:
    has_base = any(level.base for _, level in levels)
    more = " and base load" if has_base else ""
    limits = _steps([(at, level.limit) for at, level in levels])
    drawn = _steps([(at, level.drawn) for at, level in levels])
    curves: list[tuple[Kind, str, Steps, Pick]] = [
        ("drawn", f"drawn{more}", drawn, max),
        ("base", "base load", _steps([(at, level.base) for at, level in levels]) if has_base else [], max),
        ("allocated", f"allocated{more}", _steps([(at, level.allocated) for at, level in levels]), max),
        ("limit", "limit", limits, min),
    ]
    thin = [Curve(kind, name, thinned(steps, since, until, pick, MOST)) for kind, name, steps, pick in curves if steps]
    return Panel(title, tuple(thin), above(drawn, limits, TOLERANCE))


def _steps(values: Sequence[tuple[int, float | None]]) -> Steps:
    return joined(Step(at, at + MINUTE_MS, value) for at, value in values if value is not None)
