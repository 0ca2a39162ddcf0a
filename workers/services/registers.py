"""What samples tell of a transaction: its energy register, power and state of charge; and guards on the register.

A register never goes back (OCPP 1.6 section 7.31: "MUST be monotonically increasing in time"): a lower value, and one
that no station could have reached in the time, is kept as a sample, flagged, and not counted. Energy is in whole Wh;
a fraction counts once it is whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from shared.records.transactions import Reading, Sample, Transaction

from . import flags
from .clocks import is_ahead
from .quirks import Quirks
from .reported import ENERGY, POWER, SOC

MAX_POWER_W: Final = 4_000_000
"""More than the strongest truck charger (MCS: 3.75 MW)."""
SLACK_WH: Final = 100_000
"""What a guard on power lets pass whatever the time: clocks jump."""
MAX_ENERGY_WH: Final = 20_000_000
"""What a guard lets pass where the times can't be trusted."""
MAX_REGISTER_WH: Final = 2**53
"""Beyond any meter, and the largest integer that JSON readers keep."""


class _Known:
    """What is known of a transaction after some of its readings."""

    __slots__ = ("count", "marks", "meter", "newest", "power", "soc", "start", "started_at")

    def __init__(self, transaction: Transaction) -> None:
        self.start = transaction.meter_start_wh
        self.started_at = 0 if flags.CLOCK_SUSPECT in transaction.flags else transaction.started_at
        self.newest = transaction.last_sample_at
        self.meter = transaction.last_meter_wh
        self.power = transaction.last_power_w
        self.soc = transaction.last_soc
        self.count = transaction.sample_count
        self.marks = transaction.flags

    def forget(self) -> None:
        """Begin before the first reading."""
        self.newest, self.count = 0, 0
        self.meter = self.power = self.soc = None

    def take(self, reading: Reading, rules: Quirks, received_at: int) -> None:
        """Go on by one reading, which is later than all before."""
        for sample in reading.samples:
            if sample.flags and flags.CONFLICTING_SAMPLES in sample.flags:
                self.mark(flags.CONFLICTING_SAMPLES)
            value, measurand = sample.value, sample.measurand
            if isinstance(value, str):
                continue
            if measurand == ENERGY:
                if _is_overall(sample):
                    self._take_register(int(value // 1), reading.taken_at, rules)
            elif measurand == POWER:
                self.power = value if _is_overall(sample) else _power(reading)
            elif measurand == SOC and not sample.phase:
                self.soc = value
        self.count += len(reading.samples)
        if reading.taken_at > self.newest and not is_ahead(reading.taken_at, received_at):
            self.newest = reading.taken_at

    def _take_register(self, register: int, taken_at: int, rules: Quirks) -> None:
        if self.meter is None and flags.METER_START_INVALID in self.marks:
            self.start = register
        if rules.session_register:
            register += self.start
            self.mark(flags.SESSION_REGISTER)
        if register < (self.start if self.meter is None else self.meter):
            self.mark(flags.REGISTER_BACK)
        elif register - self.start > most_energy(self.started_at, taken_at):
            self.mark(flags.REGISTER_JUMPED)
        else:
            self.meter = register

    def mark(self, flag: str) -> None:
        """Flag the transaction."""
        if flag not in self.marks:
            self.marks = (*self.marks, flag)

    def onto(self, transaction: Transaction) -> Transaction:
        """Return the transaction with what is known now."""
        return msgspec.structs.replace(
            transaction,
            meter_start_wh=self.start,
            energy_wh=self.meter - self.start if self.meter is not None else 0,
            last_sample_at=self.newest,
            last_meter_wh=self.meter,
            last_power_w=self.power,
            last_soc=self.soc,
            sample_count=self.count,
            flags=self.marks,
        )


def advance(transaction: Transaction, fresh: Iterable[Reading], rules: Quirks, received_at: int) -> Transaction:
    """Return the transaction after readings that are later than all before, in order of time."""
    known = _Known(transaction)
    for reading in fresh:
        known.take(reading, rules, received_at)
    return known.onto(transaction)


def derive(
    transaction: Transaction, history: Iterable[Reading], fresh: Iterable[Reading], rules: Quirks, received_at: int
) -> Transaction:
    """Return the transaction after all its readings, in whatever order they came."""
    known = _Known(transaction)
    known.forget()
    by_time: dict[tuple[int, int], list[Sample]] = {}
    for reading in (*history, *fresh):
        # A time from the future says nothing about the order: its receipt does.
        at = reading.received_at if is_ahead(reading.taken_at, reading.received_at) else reading.taken_at
        by_time.setdefault((at, reading.taken_at), []).extend(reading.samples)
    for at, taken_at in sorted(by_time):
        known.take(Reading(taken_at, tuple(by_time[at, taken_at])), rules, received_at)
    return known.onto(transaction)


def most_energy(started_at: int, until: int) -> int:
    """Return the energy (Wh) that no station exceeds between two times (ms); a start of 0 is not known."""
    if not started_at:
        return MAX_ENERGY_WH
    return SLACK_WH + max(until - started_at, 0) * MAX_POWER_W // 3_600_000


def newest_register(readings: Iterable[Reading]) -> int | None:
    """Return the last value of the energy register in readings, in whole Wh."""
    return max(registers_of(readings), default=(0, None))[1]


def registers_of(readings: Iterable[Reading]) -> list[tuple[int, int]]:
    """Return (time, whole Wh) of every overall sample of the energy register."""
    return [
        (reading.taken_at, int(sample.value // 1))
        for reading in readings
        for sample in reading.samples
        if sample.measurand == ENERGY and not isinstance(sample.value, str) and _is_overall(sample)
    ]


def first_register(readings: Iterable[Reading], before: int) -> tuple[int, int] | None:
    """Return (time, whole Wh) of the register at a transaction's begin, as its samples until `before` tell it.

    A `Transaction.Begin` sample (OCPP 1.6 section 3.16.6, errata 3.14) says it, else the earliest one.
    """
    begins = [
        msgspec.structs.replace(one, samples=tuple(s for s in one.samples if s.context == "Transaction.Begin"))
        for one in readings
    ]
    found = registers_of(begins) or registers_of(readings)
    return min((one for one in found if one[0] < before), default=None)


def in_wh(meter: int, rules: Quirks) -> int:
    """Return a meterStart or meterStop in Wh; -1 where no meter shows it."""
    value = meter * 1000 if rules.meter_in_kwh else meter
    return value if 0 <= value < MAX_REGISTER_WH else -1


def _power(reading: Reading) -> float:
    """Return the power of a reading: the overall sample's, else the sum of the phases."""
    overall: float | None = None
    of_phases: dict[str, float] = {}
    for one in reading.samples:
        if one.measurand == POWER and not isinstance(one.value, str):
            if one.phase:
                of_phases[one.phase] = one.value
            elif overall is None or one.location == "Outlet":
                overall = one.value
    return sum(of_phases.values()) if overall is None else overall


def bounded(number: int) -> int:
    """Return a number from a station as far as a record can hold it."""
    return max(-MAX_REGISTER_WH, min(number, MAX_REGISTER_WH))


def _is_overall(sample: Sample) -> bool:
    return not sample.phase and sample.location == "Outlet"
