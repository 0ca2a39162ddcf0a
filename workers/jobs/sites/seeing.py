"""A station as a round sees it, and what its meter says of each phase of the grid."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from shared.records.profiles import Limits
from shared.records.sites import NOTHING, Amps, Place
from shared.records.transactions import Reading, Sample, Transaction
from shared.smartcharging.metering import CURRENT, POWER, at_outlet, direct_w
from shared.smartcharging.validation import StationLimits

USED: Final = 10
"""Tenths of an ampere: a phase that carries less carries nothing."""
CLEAR: Final = 30
"""With this on one phase it is plain which of them a car uses."""
LATE_MS: Final = 3_600_000
"""A reading that came so much later than it was taken is judged by when it came: the station's clock is wrong."""
MAX_CONNECTORS: Final = 16


class Seen(msgspec.Struct, kw_only=True):
    """What a station's records say at the moment of a round."""

    known: bool = False
    online: bool = False
    ever: bool = False
    """Whether it has ever dialled in."""
    booted_at: int = 0
    statuses: dict[int, str] = {}
    """By connector, 0 left out."""
    running: dict[int, Transaction] = {}
    """By connector: the newest that is open."""
    limits: Limits = Limits()
    readings: dict[int, tuple[Reading, ...]] = {}
    """By transaction: the newest first."""
    takes: StationLimits = StationLimits()

    @property
    def connectors(self) -> list[int]:
        """The numbers of its connectors, one where none is known."""
        found = {number for number in (*self.statuses, *self.running) if 0 < number <= MAX_CONNECTORS}
        return sorted(found) or [1]


class Drawn(msgspec.Struct, frozen=True):
    """What a meter says was drawn, by phases of the grid."""

    amps: Amps
    at: int
    phases: tuple[int, ...]
    """Those that are used; empty: it can't be told."""


def drawn(readings: Iterable[Reading], place: Place, voltage: int, known: Sequence[int]) -> Drawn | None:
    """Return the newest reading that tells current or power; None: none does.

    Power of all phases together is spread over the phases that are `known` to be used, else over all of the station's.
    Of direct current the power counts, on all of the station's phases.
    """
    for reading in readings:
        amps = _told(reading.samples, place, voltage, known)
        if amps is not None:
            per_phase, told_apart = amps
            used: tuple[int, ...] = ()
            if told_apart and max(per_phase) >= CLEAR:
                used = tuple(phase for phase in place.phases if per_phase[phase] >= USED)
            return Drawn(per_phase, taken_at(reading), used)
    return None


def taken_at(reading: Reading) -> int:
    """Return when a reading was taken (ms), or when it came where the station's clock is wrong."""
    received = reading.received_at or reading.taken_at
    return reading.taken_at if 0 <= received - reading.taken_at <= LATE_MS else received


def _told(samples: Sequence[Sample], place: Place, voltage: int, known: Sequence[int]) -> tuple[Amps, bool] | None:
    direct = direct_w(samples)
    if direct is not None:
        return _spread({"": direct * 10 / voltage / len(place.phases)}, place, ())
    samples = at_outlet(samples)
    return _currents(samples, place, known) or _powers(samples, place, voltage, known)


def _currents(samples: Iterable[Sample], place: Place, known: Sequence[int]) -> tuple[Amps, bool] | None:
    found = {one.phase: one.value for one in samples if one.measurand == CURRENT and one.unit == "A"}
    return _spread({phase: float(value) * 10 for phase, value in found.items() if _is_number(value)}, place, known)


def _powers(samples: Iterable[Sample], place: Place, voltage: int, known: Sequence[int]) -> tuple[Amps, bool] | None:
    found = {one.phase: one.value for one in samples if one.measurand == POWER and one.unit in ("", "W")}
    watts = {phase: float(value) for phase, value in found.items() if _is_number(value)}
    amps = {phase: value * 10 / voltage for phase, value in watts.items()}
    if "" in amps and len(amps) == 1:
        amps[""] /= len(known or place.phases)
    return _spread(amps, place, known)


def _spread(found: dict[str, float], place: Place, known: Sequence[int]) -> tuple[Amps, bool] | None:
    """Put a station's phases where the grid has them; a value without a phase is of each that is used."""
    phases = place.phases
    made = list(NOTHING)
    apart = False
    for name, value in found.items():
        number = int(name[1]) - 1 if len(name) > 1 and name[0] == "L" and name[1] in "123" else -1
        if 0 <= number < len(phases):
            made[phases[number]] = round(value)
            apart = True
    if not apart:
        if "" not in found:
            return None
        for phase in known or phases:
            made[phase] = round(found[""])
    return (made[0], made[1], made[2]), apart


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)
