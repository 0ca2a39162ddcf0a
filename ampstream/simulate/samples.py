"""Meter readings as a station reports them (OCPP 1.6 §7.43): which measurands is a configuration key's choice."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final

import msgspec

from ampstream.simulate.physics import VOLTS, Charge
from shared.ocpp.timestamps import format_time
from shared.ocpp.v16.datatypes import MeterValue, SampledValue
from shared.ocpp.v16.enums import Location, Measurand, Phase, ReadingContext, UnitOfMeasure

_LINES: Final = (Phase.L1, Phase.L2, Phase.L3)
_LINE_TO_NEUTRAL: Final = (Phase.L1_N, Phase.L2_N, Phase.L3_N)


class Look(msgspec.Struct, frozen=True):
    """The meter at one moment; without a charge nothing flows."""

    register_wh: int
    charge: Charge | None = None
    power_w: float = 0.0
    energy_wh: float = 0.0
    """Of the session."""
    phases: int = 0
    """How many carry current; 0: all of the car's."""
    offered_a: float = math.inf
    """What charging profiles leave of what the outlet can, each phase."""

    @property
    def offered_w(self) -> float:
        """What the station lets the car draw."""
        if self.charge is None:
            return 0.0
        outlet = self.charge.outlet
        return min(outlet.max_power_w, self.offered_a * VOLTS * outlet.phases)


@lru_cache(maxsize=64)
def measurands(text: str) -> tuple[Measurand, ...]:
    """Read a configuration value like `Energy.Active.Import.Register,SoC`."""
    return tuple(Measurand(part.strip()) for part in text.split(",") if part.strip())


def meter_value(
    at_ms: int, look: Look, wanted: tuple[Measurand, ...], context: ReadingContext = ReadingContext.SAMPLE_PERIODIC
) -> MeterValue:
    """Return one reading; the energy register is always in it, for it is what is billed."""
    if Measurand.ENERGY_ACTIVE_IMPORT_REGISTER not in wanted:
        wanted = (Measurand.ENERGY_ACTIVE_IMPORT_REGISTER, *wanted)
    sampled = [value for measurand in wanted if measurand in _SAMPLERS for value in _SAMPLERS[measurand](look, context)]
    return MeterValue(timestamp=format_time(at_ms), sampled_value=tuple(sampled))


def _energy(look: Look, context: ReadingContext) -> Iterator[SampledValue]:
    yield SampledValue(
        value=str(look.register_wh),
        context=context,
        measurand=Measurand.ENERGY_ACTIVE_IMPORT_REGISTER,
        unit=UnitOfMeasure.WH,
    )


def _power(look: Look, context: ReadingContext) -> Iterator[SampledValue]:
    yield SampledValue(
        value=f"{look.power_w:.0f}", context=context, measurand=Measurand.POWER_ACTIVE_IMPORT, unit=UnitOfMeasure.W
    )


def _current(look: Look, context: ReadingContext) -> Iterator[SampledValue]:
    if look.charge is None:
        return
    used = look.phases or look.charge.phases
    value = f"{look.charge.current_a(look.power_w, look.energy_wh, used):.2f}"
    for number, phase in enumerate(_phases(look.charge, _LINES)):
        # A car that was taken from three phases to one has its other two without current.
        yield SampledValue(
            value=value if number < used else "0.00",
            context=context,
            measurand=Measurand.CURRENT_IMPORT,
            phase=phase,
            unit=UnitOfMeasure.A,
        )


def _voltage(look: Look, context: ReadingContext) -> Iterator[SampledValue]:
    if look.charge is None:
        return
    value = f"{look.charge.voltage_v(look.energy_wh):.1f}"
    for phase in _phases(look.charge, _LINE_TO_NEUTRAL):
        yield SampledValue(value=value, context=context, measurand=Measurand.VOLTAGE, phase=phase, unit=UnitOfMeasure.V)


def _soc(look: Look, context: ReadingContext) -> Iterator[SampledValue]:
    # Only the DC protocols tell the station how full the battery is.
    if look.charge is None or look.charge.outlet.current != "DC":
        return
    yield SampledValue(
        value=f"{look.charge.soc(look.energy_wh):.0f}",
        context=context,
        measurand=Measurand.SOC,
        location=Location.EV,
        unit=UnitOfMeasure.PERCENT,
    )


def _offered_power(look: Look, context: ReadingContext) -> Iterator[SampledValue]:
    if look.charge is not None:
        value = f"{look.offered_w:.0f}"
        yield SampledValue(value=value, context=context, measurand=Measurand.POWER_OFFERED, unit=UnitOfMeasure.W)


def _offered_current(look: Look, context: ReadingContext) -> Iterator[SampledValue]:
    if look.charge is not None:
        value = f"{look.offered_w / look.charge.outlet.phases / VOLTS:.1f}"
        yield SampledValue(value=value, context=context, measurand=Measurand.CURRENT_OFFERED, unit=UnitOfMeasure.A)


def _frequency(_look: Look, context: ReadingContext) -> Iterator[SampledValue]:
    # The standard has no unit for it (errata 3.46).
    yield SampledValue(value="50.00", context=context, measurand=Measurand.FREQUENCY)


def _temperature(look: Look, context: ReadingContext) -> Iterator[SampledValue]:
    yield SampledValue(
        value=f"{21 + look.power_w / 10_000:.1f}",
        context=context,
        measurand=Measurand.TEMPERATURE,
        location=Location.OUTLET,
        unit=UnitOfMeasure.CELSIUS,
    )


def _phases(charge: Charge, names: tuple[Phase, ...]) -> tuple[Phase | None, ...]:
    """Name the phases that carry current; a DC outlet is metered as one."""
    return (None,) if charge.outlet.current == "DC" else names[: charge.phases]


_SAMPLERS: Final[dict[Measurand, Callable[[Look, ReadingContext], Iterator[SampledValue]]]] = {
    Measurand.ENERGY_ACTIVE_IMPORT_REGISTER: _energy,
    Measurand.POWER_ACTIVE_IMPORT: _power,
    Measurand.CURRENT_IMPORT: _current,
    Measurand.VOLTAGE: _voltage,
    Measurand.SOC: _soc,
    Measurand.POWER_OFFERED: _offered_power,
    Measurand.CURRENT_OFFERED: _offered_current,
    Measurand.FREQUENCY: _frequency,
    Measurand.TEMPERATURE: _temperature,
}
