r"""What a car draws: a pure function of time, in stretches during which what it may draw does not change.

    power
      │   ________________
      │  /                \__            ramp      linear, up within 12 s, down within 4 s (IEC 61851-1 allows 5 s)
      │ /                     \___       plateau   the least of what car, cable, station and its charging profiles allow
      │/                           ──    taper     beyond the knee of the battery, exponential towards full
      └───────────────────────────────   time

The battery takes less the fuller it is, whatever led there: a lower limit moves the knee up, and what is taken behind
it is the same. Energy is the integral of power in closed form, so it does not depend on how often one looks, and a
session that goes on after a restart goes on exactly where it was. Units: s, W, Wh, A, per cent. The grid holds 230 V.
"""

from __future__ import annotations

import math
from random import Random
from typing import Final, Literal

import msgspec

Current = Literal["AC", "DC"]

RAMP_UP_S: Final = 12.0
RAMP_DOWN_S: Final = 4.0
LEAST_A: Final = 6.0
"""Below this an AC car does not charge: the control pilot has no word for less (IEC 61851-1)."""
LEAST_DC_W: Final = 1000.0
VOLTS: Final = 230.0
_NEVER_S: Final = 1e15
"""No taper in sight; finite, for it is written as JSON."""
_FULL_WH_LEFT: Final = 1.0
"""A battery that lacks less counts as full: the taper never quite gets there."""


class Outlet(msgspec.Struct, frozen=True):
    """What one connector can deliver."""

    current: Current
    max_power_w: float
    phases: int


class Stretch(msgspec.Struct, frozen=True, gc=False):
    """What is drawn from a moment on: times since the contactor closed, energy since then."""

    begin_s: float
    base_wh: float
    """Delivered before."""
    from_w: float
    to_w: float
    ramp_s: float
    taper_at_s: float
    tau_s: float
    """Time constant of the taper."""
    phases: int
    """How many carry current, of an AC car; a DC outlet draws on all of its own."""

    def power_w(self, elapsed_s: float) -> float:
        """Return the power at a time."""
        passed = elapsed_s - self.begin_s
        if passed <= 0:
            return self.from_w
        if passed < self.ramp_s:
            return self.from_w + (self.to_w - self.from_w) * passed / self.ramp_s
        if elapsed_s < self.taper_at_s:
            return self.to_w
        return self.to_w * math.exp(-(elapsed_s - self.taper_at_s) / self.tau_s) if self.tau_s > 0 else 0.0

    @property
    def _ramped_wh(self) -> float:
        return self.base_wh + (self.from_w + self.to_w) / 2 * self.ramp_s / 3600

    def energy_wh(self, elapsed_s: float) -> float:
        """Return the energy delivered up to a time."""
        passed = elapsed_s - self.begin_s
        if passed <= 0:
            return self.base_wh
        if passed < self.ramp_s:
            rise = (self.to_w - self.from_w) / (2 * self.ramp_s)
            return self.base_wh + (self.from_w * passed + rise * passed**2) / 3600
        whole = min(elapsed_s, self.taper_at_s) - self.begin_s - self.ramp_s
        energy = self._ramped_wh + self.to_w * whole / 3600
        if elapsed_s <= self.taper_at_s or self.tau_s <= 0:
            return energy
        return energy - self.to_w * self.tau_s / 3600 * math.expm1(-(elapsed_s - self.taper_at_s) / self.tau_s)

    def time_at_s(self, energy_wh: float) -> float:
        """Return when so much was delivered, infinity where it never is; the stretch's begin for what was before it."""
        wanted, ramped = energy_wh - self.base_wh, self._ramped_wh
        if wanted <= 0:
            return self.begin_s
        if energy_wh <= ramped:
            slope = (self.to_w - self.from_w) / (2 * self.ramp_s)
            root = math.sqrt(max(self.from_w**2 + 4 * slope * wanted * 3600, 0.0))
            return self.begin_s + 2 * wanted * 3600 / (self.from_w + root)
        if self.to_w <= 0:
            return math.inf
        at_s = self.begin_s + self.ramp_s + (energy_wh - ramped) / self.to_w * 3600
        if at_s <= self.taper_at_s:
            return at_s
        missing = energy_wh - self.energy_wh(self.taper_at_s)
        behind = self.to_w * self.tau_s / 3600
        return self.taper_at_s - self.tau_s * math.log1p(-missing / behind) if missing < behind else math.inf


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
    """The most that car, cable and outlet agree on."""
    step_a: float = 0.0
    """What the on-board charger can be told apart: a limit is taken down to a multiple of this; 0: any limit."""

    @property
    def lacking_wh(self) -> float:
        """What the battery takes until it is full."""
        return self.capacity_wh * (100 - self.soc_start) / 100

    @property
    def full_wh(self) -> float:
        """Delivered so much, the battery is as good as full."""
        return self.lacking_wh - _FULL_WH_LEFT

    @property
    def _knee_wh(self) -> float:
        """Where the taper begins without any limit; a battery that is nearly full begins with it, after the ramp."""
        below_knee = max(self.knee_soc - self.soc_start, 0.0) / 100 * self.capacity_wh
        return max(below_knee, self.plateau_w * RAMP_UP_S / 2 / 3600)

    @property
    def _tau_s(self) -> float:
        """Time constant of the battery: what is missing is power times this, so that the taper ends exactly at full."""
        return max(self.lacking_wh - self._knee_wh, 0.0) / self.plateau_w * 3600

    def unhindered(self) -> Stretch:
        """Return what the car draws from its contactor on where nothing limits it."""
        return self.stretch(0.0, 0.0, 0.0)

    def stretch(
        self, begin_s: float, base_wh: float, from_w: float, limit_w: float = math.inf, phases: int | None = None
    ) -> Stretch:
        """Return how it goes on from a moment at which `base_wh` were delivered, under a limit in W."""
        tau_s = self._tau_s
        missing = max(self.lacking_wh - base_wh, 0.0)
        takes_w = missing * 3600 / tau_s if tau_s > 0 else self.plateau_w
        used = min(self.phases, phases or self.phases)
        to_w = min(limit_w, self.plateau_w / self.phases * used, takes_w)
        ramp_s = RAMP_UP_S if to_w >= from_w else RAMP_DOWN_S
        ramped_wh = base_wh + (from_w + to_w) / 2 * ramp_s / 3600
        if to_w <= 0:
            return Stretch(begin_s, base_wh, from_w, 0.0, ramp_s, _NEVER_S, 0.0, used)
        knee_wh = max(self.lacking_wh - to_w * tau_s / 3600, ramped_wh)
        taper_at_s = begin_s + ramp_s + (knee_wh - ramped_wh) / to_w * 3600
        left = max(self.lacking_wh - knee_wh, 0.0)
        return Stretch(begin_s, base_wh, from_w, to_w, ramp_s, taper_at_s, left / to_w * 3600, used)

    def soc(self, energy_wh: float) -> float:
        """Return the state of charge in per cent after so much energy, 100 at most."""
        return min(self.soc_start + energy_wh / self.capacity_wh * 100, 100.0)

    def time_to_s(self, soc: float) -> float:
        """Return when the battery reaches `soc` per cent unhindered; for 100 and above when it is as good as full."""
        return self.time_at_s((soc - self.soc_start) / 100 * self.capacity_wh)

    def time_at_s(self, energy_wh: float) -> float:
        """Return when so much is delivered unhindered, 0 for nothing; when it is as good as full for more."""
        return max(self.unhindered().time_at_s(min(energy_wh, self.full_wh)), 0.0)

    def voltage_v(self, energy_wh: float) -> float:
        """Return the voltage of each phase. DC: that of the battery."""
        return VOLTS if self.outlet.current == "AC" else 320.0 + 0.9 * self.soc(energy_wh)

    def current_a(self, power_w: float, energy_wh: float, phases: int) -> float:
        """Return the current of each phase that carries any. DC: that of the battery."""
        return power_w / (self.voltage_v(energy_wh) * (phases if self.outlet.current == "AC" else 1))


_BATTERIES_KWH: Final = (17, 27, 36, 40, 50, 58, 64, 77, 82, 95, 107)


def arriving_car(random: Random, outlet: Outlet) -> Charge:
    """Make up a car that plugs in: battery, charge left, on-board charger."""
    battery = random.choice(_BATTERIES_KWH)
    soc = min(max(random.gauss(42, 18), 4.0), 88.0)
    if outlet.current == "DC":
        phases, car_w, knee = 1, random.uniform(50e3, 190e3), random.uniform(52, 66)
    else:
        phases = random.choice((1, 1, 2, 3, 3, 3, 3)) if outlet.phases == 3 else 1
        car_w, knee = phases * VOLTS * random.choice((16, 16, 16, 32)), random.uniform(86, 95)
    plateau = min(car_w, outlet.max_power_w / outlet.phases * phases if outlet.current == "AC" else outlet.max_power_w)
    return Charge(
        outlet=outlet,
        phases=phases,
        capacity_wh=battery * 1000.0,
        soc_start=round(soc, 1),
        knee_soc=round(knee, 1),
        plateau_w=round(plateau, 1),
        # Small cars have the simpler charger.
        step_a=1.0 if outlet.current == "AC" and battery < 50 else 0.0,
    )
