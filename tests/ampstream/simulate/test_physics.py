"""What a car draws."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ampstream.simulate.models import MODELS
from ampstream.simulate.physics import Charge, arriving_car

OUTLETS = [outlet for model in MODELS for outlet in model.outlets]
cars = st.builds(
    lambda seed, n: arriving_car(Random(seed), OUTLETS[n]), st.integers(), st.integers(0, len(OUTLETS) - 1)
)


@given(cars, st.floats(10, 4000))
def test_energy_is_the_integral_of_power(charge: Charge, until_s: float) -> None:
    """The closed form agrees with a numeric integral of the power."""
    steps = 4000
    width = until_s / steps
    numeric = sum(charge.power_w((i + 0.5) * width) for i in range(steps)) * width / 3600
    assert charge.energy_wh(until_s) == pytest.approx(numeric, rel=2e-3, abs=2)


@given(cars, st.lists(st.floats(0, 90000), min_size=2, max_size=20))
def test_energy_never_falls_and_fits_the_battery(charge: Charge, times: list[float]) -> None:
    """Energy is monotonic, power never above the plateau, and no more goes in than the battery lacks."""
    times.sort()
    energies = [charge.energy_wh(t) for t in times]
    assert energies == sorted(energies)
    assert all(0 <= charge.power_w(t) <= charge.plateau_w + 1e-9 for t in times)
    lacking = charge.capacity_wh * (100 - charge.soc_start) / 100
    assert energies[-1] <= lacking + 1e-6
    assert charge.soc(times[-1]) <= 100


@given(cars, st.floats(0, 100))
def test_time_is_the_inverse_of_energy(charge: Charge, share: float) -> None:
    """The time for an energy gives that energy back: a session taken up again goes on where it was."""
    lacking = charge.capacity_wh * (100 - charge.soc_start) / 100
    energy = (lacking - 2) * share / 100
    assert charge.energy_wh(charge.time_at_s(energy)) == pytest.approx(energy, abs=0.01)


@given(cars)
def test_taper(charge: Charge) -> None:
    """Power is whole at the knee, falls behind it, and is next to nothing when the battery is full."""
    knee = charge.taper_at_s
    assert charge.power_w(knee) == pytest.approx(charge.plateau_w)
    assert charge.power_w(knee + 600) < charge.plateau_w
    assert charge.soc(charge.time_to_s(100)) == pytest.approx(100, abs=0.1)


@given(cars)
def test_plausible(charge: Charge) -> None:
    """No car draws more than its outlet gives, a single phase no more than its share."""
    outlet = charge.outlet
    assert charge.plateau_w <= outlet.max_power_w
    if outlet.current == "AC":
        assert charge.plateau_w <= outlet.max_power_w / outlet.phases * charge.phases + 1e-6
        assert 220 < charge.voltage_v(1234) < 240
        assert charge.current_a(600) <= 32.5
