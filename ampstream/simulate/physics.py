r"""What a car draws: a pure function of the time since its contactor closed.

    power
      │   ________________
      │  /                \__            ramp      linear from 0 to the plateau
      │ /                     \___       plateau   the least of what car, cable and station can
      │/                           ──    taper     beyond the knee of the battery, exponential towards full
      └───────────────────────────────   time

Energy is the integral of power in closed form, so it does not depend on how often one looks, and a session that goes on
after a restart goes on exactly where it was. Units: s, W, Wh, per cent.
"""

from __future__ import annotations

import math
from random import Random
from typing import Final, Literal

import msgspec

Current = Literal["AC", "DC"]

_RAMP_S: Final = 12.0
_FULL_WH_LEFT: Final = 1.0
"""A battery that lacks less counts as full: the taper never quite gets there."""
_VOLTAGE: Final = 230.0


class Outlet(msgspec.Struct, frozen=True):
    """What one connector can deliver."""

    current: Current
    max_power_w: float
    phases: int


class Charge(msgspec.Struct, frozen=True):
    """One car on one outlet: battery, state of charge at plug-in, and the power between."""

    outlet: Outlet
    phases: int
    capacity_wh: float
    soc_start: float
    """Per cent."""
    knee_soc: float
    """Per cent above which the battery limits the power."""
    plateau_w: float

    @property
    def _below_knee_wh(self) -> float:
        return max(self.knee_soc - self.soc_start, 0.0) / 100 * self.capacity_wh

    @property
    def _ramp_wh(self) -> float:
        return self.plateau_w * _RAMP_S / 2 / 3600

    @property
    def taper_at_s(self) -> float:
        """When the taper begins; a battery that is nearly full begins with it, after the ramp."""
        return _RAMP_S + max(self._below_knee_wh - self._ramp_wh, 0.0) / self.plateau_w * 3600

    @property
    def _tau_s(self) -> float:
        """Time constant of the taper: the missing energy is power times tau, so that it ends exactly at full."""
        missing = self.capacity_wh * (100 - self.soc_start) / 100 - self._energy_before_taper_wh
        return max(missing, 0.0) / self.plateau_w * 3600

    @property
    def _energy_before_taper_wh(self) -> float:
        return self._ramp_wh + self.plateau_w * (self.taper_at_s - _RAMP_S) / 3600

    def power_w(self, elapsed_s: float) -> float:
        """Return the power at a time since the contactor closed."""
        if elapsed_s <= 0:
            return 0.0
        if elapsed_s < _RAMP_S:
            return self.plateau_w * elapsed_s / _RAMP_S
        if elapsed_s < self.taper_at_s:
            return self.plateau_w
        tau = self._tau_s
        return self.plateau_w * math.exp(-(elapsed_s - self.taper_at_s) / tau) if tau > 0 else 0.0

    def energy_wh(self, elapsed_s: float) -> float:
        """Return the energy delivered up to a time since the contactor closed."""
        if elapsed_s <= 0:
            return 0.0
        if elapsed_s < _RAMP_S:
            return self.plateau_w * elapsed_s**2 / (2 * _RAMP_S) / 3600
        if elapsed_s < self.taper_at_s:
            return self._ramp_wh + self.plateau_w * (elapsed_s - _RAMP_S) / 3600
        tau = self._tau_s
        if tau <= 0:
            return self._energy_before_taper_wh
        share = -math.expm1(-(elapsed_s - self.taper_at_s) / tau)
        return self._energy_before_taper_wh + self.plateau_w * tau / 3600 * share

    def soc(self, elapsed_s: float) -> float:
        """Return the state of charge in per cent, 100 at most."""
        return min(self.soc_start + self.energy_wh(elapsed_s) / self.capacity_wh * 100, 100.0)

    def time_to_s(self, soc: float) -> float:
        """Return when the battery reaches `soc` per cent; for 100 and above when it is as good as full."""
        return self.time_at_s((soc - self.soc_start) / 100 * self.capacity_wh)

    def time_at_s(self, energy_wh: float) -> float:
        """Return when so much was delivered, 0 for nothing; for more than fits, when the battery is as good as full."""
        full = self._energy_before_taper_wh + self.plateau_w * self._tau_s / 3600
        wanted = min(energy_wh, full - _FULL_WH_LEFT)
        if wanted <= 0:
            return 0.0
        if wanted <= self._ramp_wh:
            return math.sqrt(wanted * 3600 * 2 * _RAMP_S / self.plateau_w)
        if wanted <= self._energy_before_taper_wh:
            return _RAMP_S + (wanted - self._ramp_wh) / self.plateau_w * 3600
        share = (wanted - self._energy_before_taper_wh) / (self.plateau_w * self._tau_s / 3600)
        return self.taper_at_s - self._tau_s * math.log1p(-share)

    def voltage_v(self, elapsed_s: float) -> float:
        """Return the voltage of each phase: the grid breathes by about one per cent. DC: that of the battery."""
        if self.outlet.current == "DC":
            return 320.0 + 0.9 * self.soc(elapsed_s)
        return _VOLTAGE * (1 + 0.01 * math.sin(elapsed_s / 97.0))

    def current_a(self, elapsed_s: float) -> float:
        """Return the current of each phase that carries any."""
        return self.power_w(elapsed_s) / (self.voltage_v(elapsed_s) * self.phases)


_BATTERIES_KWH: Final = (17, 27, 36, 40, 50, 58, 64, 77, 82, 95, 107)


def arriving_car(random: Random, outlet: Outlet) -> Charge:
    """Make up a car that plugs in: battery, charge left, on-board charger."""
    capacity = random.choice(_BATTERIES_KWH) * 1000.0
    soc = min(max(random.gauss(42, 18), 4.0), 88.0)
    if outlet.current == "DC":
        phases, car_w, knee = 1, random.uniform(50e3, 190e3), random.uniform(52, 66)
    else:
        phases = random.choice((1, 1, 2, 3, 3, 3, 3)) if outlet.phases == 3 else 1
        car_w, knee = phases * _VOLTAGE * random.choice((16, 16, 16, 32)), random.uniform(86, 95)
    plateau = min(car_w, outlet.max_power_w / outlet.phases * phases if outlet.current == "AC" else outlet.max_power_w)
    return Charge(
        outlet=outlet,
        phases=phases,
        capacity_wh=capacity,
        soc_start=round(soc, 1),
        knee_soc=round(knee, 1),
        plateau_w=round(plateau, 1),
    )
