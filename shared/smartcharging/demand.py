"""Demand response as pure functions: which limit holds when, what it comes to, and who kept to it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from shared.records.demand import GRACE_MS, DemandEvent, DemandStation, Window
from shared.records.site_history import Point
from shared.records.sites import Amount, Amps

TOLERANCE: Final = 0.05
"""A station that draws so much more than its limit kept to it: meters and cars are not exact."""
TOLERANCE_W: Final = 250
TOLERANCE_A: Final = 10
"""Tenths of an ampere."""
HOUR_MS: Final = 3_600_000


class Held(msgspec.Struct, frozen=True):
    """The limit that holds on a circuit, and the events that set it, by name, else by id."""

    amount: Amount
    events: tuple[str, ...]


def limit_at(windows: Iterable[Window], now: int) -> dict[str, Held]:
    """Return what holds on each circuit at a moment (ms): the least of all windows that are open then."""
    held: dict[str, Held] = {}
    for window in windows:
        if window.start_at <= now < window.end_at:
            before = held.get(window.circuit)
            amount = window.cap if before is None else least(before.amount, window.cap)
            held[window.circuit] = Held(amount, (*(before.events if before else ()), window.name or window.event_id))
    return held


def least(one: Amount, other: Amount) -> Amount:
    """Return what keeps to both: phase by phase in A, and in W."""
    amps = one.amps if other.amps is None else other.amps
    if one.amps is not None and other.amps is not None:
        (a, b, c), (d, e, f) = one.amps, other.amps
        amps = (min(a, d), min(b, e), min(c, f))
    watts = [each for each in (one.watts, other.watts) if each is not None]
    return Amount(amps, min(watts) if watts else None)


def cap_of(event: DemandEvent, baseline_w: int, voltage: int = 230, sharing: int = 1) -> Amount:
    """Return what an event's limit comes to, given what was drawn before by all or, of stations each, by one.

    `sharing`: of an amount that is meant `together`, by how many stations. Never below nothing; watts round down.
    """
    amount, percent = event.amount, event.percent
    if percent is not None:
        kept = percent if event.kind == "curtail" else 100 - percent
        return Amount(watts=max(baseline_w * kept // 100, 0))
    if event.kind == "curtail":
        if amount is None:
            return Amount(watts=0)
        return _part(amount, sharing) if event.together else amount
    if amount is None:
        return Amount(watts=0)
    less = _part(amount, sharing) if event.together else amount
    return Amount(watts=max(baseline_w - _watts(less, voltage), 0))


def _part(amount: Amount, sharing: int) -> Amount:
    count = max(sharing, 1)
    amps = None if amount.amps is None else (amount.amps[0] // count, amount.amps[1] // count, amount.amps[2] // count)
    return Amount(amps, None if amount.watts is None else amount.watts // count)


def _watts(amount: Amount, voltage: int) -> int:
    """Return an amount in W; of both the lower."""
    found = [] if amount.watts is None else [amount.watts]
    if amount.amps is not None:
        found.append(sum(amount.amps) * voltage // 10)
    return min(found, default=0)


def watts_of(amount: Amount, voltage: int = 230) -> int:
    """Return a limit in W; of a limit in A and W the lower."""
    return _watts(amount, voltage)


# ── what was drawn, and who kept to it ───────────────────────────────────────────────────────────────────────────────


class Meter(msgspec.Struct, array_like=True, frozen=True):
    """One reading of a transaction: register and power, each None where it was not told."""

    at: int
    register_wh: float | None = None
    power_w: float | None = None


class Measured(msgspec.Struct, frozen=True):
    """What was drawn in a stretch of time; `mean_w` None: no reading tells."""

    mean_w: int | None
    peak_w: int | None
    energy_wh: int


NOTHING: Final = Measured(None, None, 0)


def measured(readings: Sequence[Meter], since: int, until: int, *, running: bool = False) -> Measured:
    """Return what one transaction drew from `since` to `until`, by its readings in order of time.

    Outside of its readings it had not begun, or was over; one that is `running` drew behind the last of them what it
    drew on the average before.

    By the register, read in between as if the power were even from reading to reading; where it has no register, by
    the power, taken to hold until the next reading. The peak is the highest power told, else the steepest rise of the
    register.
    """
    if until <= since:
        return NOTHING
    registers = [(one.at, one.register_wh) for one in readings if one.register_wh is not None]
    powers = [(one.at, one.power_w) for one in readings if one.power_w is not None]
    peak = _peak(registers, powers, since, until)
    if len(registers) > 1 and registers[0][0] < until and registers[-1][0] > since:
        begin, end = max(since, registers[0][0]), min(until, registers[-1][0])
        energy = max(_at(registers, end) - _at(registers, begin), 0.0)
        told_until = end if running else until
        return Measured(round(energy * HOUR_MS / max(told_until - since, 1)), peak, round(energy))
    if powers:
        energy = _held(powers, since, until)
        return Measured(round(energy * HOUR_MS / (until - since)), peak, round(energy))
    return NOTHING


def _at(points: Sequence[tuple[int, float]], at: int) -> float:
    """Return a register at a moment between two of its readings."""
    before = points[0]
    for point in points:
        if point[0] >= at:
            span = point[0] - before[0]
            return point[1] if span <= 0 else before[1] + (point[1] - before[1]) * (at - before[0]) / span
        before = point
    return before[1]


def _held(points: Sequence[tuple[int, float]], since: int, until: int) -> float:
    """Return the energy (Wh) of a power that holds from each reading to the next, and after the last for a minute."""
    ends = [*(at for at, _ in points[1:]), points[-1][0] + 60_000]
    energy = 0.0
    for (at, power), end in zip(points, ends, strict=True):
        energy += power * max(min(end, until) - max(at, since), 0) / HOUR_MS
    return energy


def _peak(
    registers: Sequence[tuple[int, float]], powers: Sequence[tuple[int, float]], since: int, until: int
) -> int | None:
    told = [power for at, power in powers if since <= at < until]
    if told:
        return round(max(told))
    rises = [
        (after - before) * HOUR_MS / (end - begin)
        for (begin, before), (end, after) in itertools.pairwise(registers)
        if end > begin >= since and end <= until
    ]
    return round(max(rises)) if rises else None


def together(parts: Iterable[Measured]) -> Measured:
    """Return what several transactions drew; their peaks are added, which is the most that it can have been."""
    found = [one for one in parts if one.mean_w is not None]
    if not found:
        return NOTHING
    peaks = [one.peak_w for one in found if one.peak_w is not None]
    return Measured(
        sum(one.mean_w or 0 for one in found), sum(peaks) if peaks else None, sum(one.energy_wh for one in found)
    )


def judged_from(event: DemandEvent) -> int:
    """Return the moment from which stations are held to an event: its start and a minute, or half of a short one."""
    return event.start_at + min(GRACE_MS, (event.end_at - event.start_at) // 2)


def carried(points: Iterable[Point | None]) -> Amps | None:
    """Return what a circuit carried on the average of its minutes, base load included; None: nobody knows."""
    known = [one for one in points if one is not None]
    if not known:
        return None
    each = [sum(one.drawn[phase] + one.base[phase] for one in known) // len(known) for phase in range(3)]
    return (each[0], each[1], each[2])


def kept_to(cap: Amount, amps: Amps, voltage: int = 230) -> bool:
    """Tell whether a circuit that carried so much kept to a limit, phase by phase and in all."""
    if cap.watts is not None and sum(amps) * voltage / 10 > cap.watts * (1 + TOLERANCE) + TOLERANCE_W:
        return False
    limits = cap.amps if cap.amps is not None else amps
    return all(one <= limit * (1 + TOLERANCE) + TOLERANCE_A for one, limit in zip(amps, limits, strict=True))


def complied(station: DemandStation) -> bool | None:
    """Tell whether a station kept to its limit on the average of the event; None: there is nothing to tell by."""
    if station.limit_w is None or station.drawn_w is None:
        return None
    return station.drawn_w <= station.limit_w * (1 + TOLERANCE) + TOLERANCE_W


def reduced_w(station: DemandStation) -> int | None:
    """Return by how much a station drew less than before; negative: more. None: there is nothing to tell by."""
    return None if station.drawn_w is None else station.baseline_w - station.drawn_w
