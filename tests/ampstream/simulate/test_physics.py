"""What a car draws."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ampstream.simulate.models import MODELS
from ampstream.simulate.physics import RAMP_DOWN_S, RAMP_UP_S, Charge, arriving_car

OUTLETS = [outlet for model in MODELS for outlet in model.outlets]
cars = st.builds(
    lambda seed, n: arriving_car(Random(seed), OUTLETS[n]), st.integers(), st.integers(0, len(OUTLETS) - 1)
)


@given(cars, st.floats(10, 4000))
def test_energy_is_the_integral_of_power(charge: Charge, until_s: float) -> None:
    """The closed form agrees with a numeric integral of the power."""
    steps = 4000
    width = until_s / steps
    stretch = charge.unhindered()
    numeric = sum(stretch.power_w((i + 0.5) * width) for i in range(steps)) * width / 3600
    assert stretch.energy_wh(until_s) == pytest.approx(numeric, rel=2e-3, abs=2)


@given(cars, st.lists(st.floats(0, 90000), min_size=2, max_size=20))
def test_energy_never_falls_and_fits_the_battery(charge: Charge, times: list[float]) -> None:
    """Energy is monotonic, power never above the plateau, and no more goes in than the battery lacks."""
    times.sort()
    stretch = charge.unhindered()
    energies = [stretch.energy_wh(t) for t in times]
    assert energies == sorted(energies)
    assert all(0 <= stretch.power_w(t) <= charge.plateau_w + 1e-9 for t in times)
    assert energies[-1] <= charge.lacking_wh + 1e-6
    assert charge.soc(energies[-1]) <= 100


@given(cars, st.floats(0, 100))
def test_time_is_the_inverse_of_energy(charge: Charge, share: float) -> None:
    """The time for an energy gives that energy back: a session taken up again goes on where it was."""
    energy = (charge.lacking_wh - 2) * share / 100
    assert charge.unhindered().energy_wh(charge.time_at_s(energy)) == pytest.approx(energy, abs=0.01)


@given(cars)
def test_taper(charge: Charge) -> None:
    """Power is whole at the knee, falls behind it, and is next to nothing when the battery is full."""
    stretch = charge.unhindered()
    knee = stretch.taper_at_s
    assert stretch.power_w(knee) == pytest.approx(charge.plateau_w)
    assert stretch.power_w(knee + 600) < charge.plateau_w
    assert charge.soc(stretch.energy_wh(charge.time_to_s(100))) == pytest.approx(100, abs=0.1)


@given(cars)
def test_plausible(charge: Charge) -> None:
    """No car draws more than its outlet gives, a single phase no more than its share."""
    outlet = charge.outlet
    assert charge.plateau_w <= outlet.max_power_w
    if outlet.current == "AC":
        assert charge.plateau_w <= outlet.max_power_w / outlet.phases * charge.phases + 1e-6
        assert charge.current_a(charge.plateau_w, 0.0, charge.phases) <= 32.0 + 1e-3


@given(cars, st.lists(st.tuples(st.floats(1, 4000), st.floats(0, 60000)), min_size=1, max_size=8))
def test_limits_over_time(charge: Charge, changes: list[tuple[float, float]]) -> None:
    """Under any limits power is never above the limit once the car has reacted, and energy stays whole and sound."""
    stretch, at = charge.unhindered(), 0.0
    for lasts, limit in changes:
        at += lasts
        before_w, before_wh = stretch.power_w(at), stretch.energy_wh(at)
        stretch = charge.stretch(at, before_wh, before_w, limit)
        assert stretch.power_w(at) == pytest.approx(before_w)
        assert stretch.energy_wh(at) == pytest.approx(before_wh)
        for later in (RAMP_DOWN_S, RAMP_UP_S, 100.0, 5000.0, 90000.0):
            assert stretch.power_w(at + later) <= max(limit, stretch.to_w) + 1e-6
            assert stretch.power_w(at + later) <= limit + 1e-6 or later < stretch.ramp_s
            assert (
                before_wh <= stretch.energy_wh(at + later) <= charge.lacking_wh + before_w * RAMP_DOWN_S / 3600 + 1e-6
            )
            energy = max(min(stretch.energy_wh(at + later), charge.full_wh), stretch.base_wh)
            assert stretch.energy_wh(min(stretch.time_at_s(energy), 1e9)) == pytest.approx(energy, abs=0.01)


@given(cars, st.floats(0.02, 0.9), st.floats(1, 3000))
def test_a_limit_moves_the_knee(charge: Charge, share: float, at: float) -> None:
    """However slowly it came there, a battery takes at one state of charge what it takes at that state unhindered."""
    free = charge.unhindered()
    slow = charge.stretch(at, free.energy_wh(at), free.power_w(at), charge.plateau_w * share)
    behind = slow.taper_at_s + 900
    tapers = slow.begin_s < free.taper_at_s and slow.taper_at_s > slow.begin_s + slow.ramp_s
    if tapers and slow.energy_wh(behind) < charge.full_wh:
        same = charge.time_at_s(slow.energy_wh(behind))
        assert slow.power_w(behind) == pytest.approx(free.power_w(same), rel=1e-3)
