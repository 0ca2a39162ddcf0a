"""What a connector may draw by its profiles, and drew by its meter, as panels.

Limits are those of the profiles that it has now, from when it accepted the last of them: what was there before is not
kept. So nothing is said of obedience either: workers judge it as readings come. Between A and W 230 V are assumed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from shared.records.profiles import MAINS, Assigned
from shared.records.transactions import Reading, Sample, Transaction
from shared.smartcharging.composite import Situation, compose
from shared.smartcharging.metering import CURRENT, POWER, direct_w

from .chart import Curve, Panel, Unit
from .steps import Step, Steps, joined, thinned, within

HOLD_MS: Final = 16 * 60_000
"""A reading counts until the next, at most for so long: stations report every quarter of an hour at least."""
LATE_MS: Final = 15 * 60_000
"""A reading that says it is this much older than its arrival, or newer, is from a station whose clock is wrong."""
PHASES: Final = ("L1", "L2", "L3")


class Session(NamedTuple):
    """A transaction and what its meter told, in the order of the time."""

    transaction: Transaction
    readings: Sequence[Reading]


class Drawn(NamedTuple):
    """One reading: A of each phase, kW of all; None: not told."""

    amps: tuple[float, float, float] | None
    kilowatts: float | None


def panels(sessions: Sequence[Session], limit: Steps, unit: Unit, span: Step, now: int) -> tuple[Panel, ...]:
    """Return a panel per phase that differs, or one of power; none where nothing is known. `limit` is in `unit`."""
    since, until = span.since, span.until
    drawn = _kilowatts(sessions) if unit == "kW" else _amps(sessions)
    found: list[Panel] = []
    for title, steps in drawn:
        seen = within(steps, since, min(until, now))
        curves = []
        if seen:
            curves.append(Curve("drawn", "drawn", thinned(seen, since, until, max)))
        if limit:
            curves.append(Curve("limit", "limit of its present profiles", thinned(limit, since, until, min)))
        if curves:
            found.append(Panel(title, tuple(curves)))
    return tuple(found)


def unit_of(sessions: Sequence[Session], held: Iterable[Assigned]) -> Unit:
    """Return the unit in which limit and draw compare: A, or kW where profiles are in W alone or no current is told.

    To show a limit in W as a current the car's phases would have to be guessed.
    """
    found = [drawn_of(reading) for session in sessions for reading in session.readings]
    drawn = [one for one in found if one is not None]
    if drawn and all(one.amps is None for one in drawn):
        return "kW"
    by_power = {one.profile.unit for one in held} == {"W"}
    return "kW" if by_power and (not drawn or any(one.kilowatts is not None for one in drawn)) else "A"


def limits(held: Iterable[Assigned], sessions: Sequence[Session], connector: int, unit: Unit, span: Step) -> Steps:
    """Return what the installed profiles allow the connector: A of each phase, or kW of all phases."""
    taken = [one for one in held if one.installed and not one.clearing]
    known = max((one.accepted_at for one in taken), default=0)
    if not taken or known >= span.until:
        return []
    running = next((one.transaction for one in sessions if one.transaction.state == "open"), None)
    situation = Situation(
        connector_id=connector,
        since=max(span.since, known),
        until=span.until,
        unit="W" if unit == "kW" else "A",
        transaction_id=running.transaction_id if running else 0,
        charging_since=running.started_at if running else None,
        supply=MAINS,
    )
    scale = 10_000 if unit == "kW" else 10
    return joined(
        Step(one.since, one.until, one.limit.limit / scale)
        for one in compose([one.profile for one in taken], situation)
        if one.limit is not None
    )


# ── what meters tell ─────────────────────────────────────────────────────────────────────────────────────────────────


def drawn_of(reading: Reading) -> Drawn | None:
    """Return what a reading tells of the draw from the grid; None: nothing."""
    direct = direct_w(reading.samples)
    if direct is not None:
        each = direct / (MAINS.voltage * MAINS.phases)
        return Drawn((each, each, each), direct / 1000)
    amps = _by_phase(reading.samples, CURRENT, "A")
    watts = _by_phase(reading.samples, POWER, "W")
    currents = None
    if any(phase in amps for phase in PHASES):
        currents = (amps.get("L1", 0.0), amps.get("L2", 0.0), amps.get("L3", 0.0))
    elif "" in amps:
        currents = (amps[""], amps[""], amps[""])
    kilowatts = None
    if watts:
        kilowatts = watts.get("", sum(value for phase, value in watts.items() if phase)) / 1000
    elif currents is not None and "" not in amps:
        kilowatts = sum(currents) * MAINS.voltage / 1000
    return None if currents is None and kilowatts is None else Drawn(currents, kilowatts)


def _by_phase(samples: Iterable[Sample], measurand: str, unit: str) -> Mapping[str, float]:
    """Return values by phase (`L1`; empty: of all); what a station measures at its inlet is not the car's."""
    found: dict[str, float] = {}
    for one in samples:
        if one.measurand == measurand and one.unit in (unit, "") and one.location == "Outlet":
            name = one.phase.removesuffix("-N")
            if isinstance(one.value, int | float) and (not name or name in PHASES):
                found[name] = float(one.value)
    return found


def _amps(sessions: Sequence[Session]) -> list[tuple[str, Steps]]:
    by_phase = [_steps(sessions, _phase(number)) for number in range(len(PHASES))]
    busy = [number for number, steps in enumerate(by_phase) if any(one.value for one in steps)]
    if not busy or all(steps == by_phase[0] for steps in by_phase):
        return [("A on each phase", by_phase[0])]
    found: list[tuple[str, Steps]] = []
    while busy:
        same = [number for number in busy if by_phase[number] == by_phase[busy[0]]]
        found.append((f"A on {', '.join(PHASES[number] for number in same)}", by_phase[same[0]]))
        busy = [number for number in busy if number not in same]
    return found


def _phase(number: int) -> Callable[[Drawn], float | None]:
    return lambda one: None if one.amps is None else one.amps[number]


def _kilowatts(sessions: Sequence[Session]) -> list[tuple[str, Steps]]:
    return [("kW, all phases together", _steps(sessions, lambda one: one.kilowatts))]


def _steps(sessions: Sequence[Session], of: Callable[[Drawn], float | None]) -> Steps:
    """Return one quantity over all sessions; nothing is known of the time between them."""
    found: Steps = []
    for session in sorted(sessions, key=lambda one: one.transaction.started_at):
        values = sorted(_values(session, of))
        end = session.transaction.stopped_at or None
        for number, (at, value) in enumerate(values):
            until = values[number + 1][0] if number + 1 < len(values) else at + HOLD_MS
            until = min(until, at + HOLD_MS, end or until)
            begin = max(at, found[-1].until) if found else at
            if until > begin:
                found.append(Step(begin, until, value))
    return joined(found)


def _values(session: Session, of: Callable[[Drawn], float | None]) -> Iterator[tuple[int, float]]:
    for reading in session.readings:
        drawn = drawn_of(reading)
        value = None if drawn is None else of(drawn)
        if value is not None:
            yield _taken_at(reading), value


def _taken_at(reading: Reading) -> int:
    received = reading.received_at or reading.taken_at
    return reading.taken_at if abs(received - reading.taken_at) <= LATE_MS else received
