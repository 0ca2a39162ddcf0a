"""Plans by departures and prices: everybody ready in time where that is possible, at the least cost."""

from __future__ import annotations

from random import Random

import pytest

from shared.records.prices import PriceInterval
from workers.jobs.sites import planning
from workers.jobs.sites.planning import HOUR_MS, OF_CIRCUIT, Wish, slots, solve, waiting

from .alone import cheapest, watts_at

NOW = 1_700_000_000_000 // HOUR_MS * HOUR_MS


def wish(name: str, energy_wh: int, hours: float, watts: int = 10_000, circuits: tuple[str, ...] = ("main",)) -> Wish:
    """Return what a car lacks."""
    departs_at = NOW + round(hours * HOUR_MS)
    return Wish(name=name, circuits=circuits, energy_wh=energy_wh, departs_at=departs_at, watts=watts, least_watts=1380)


def hourly(*prices: float) -> list[PriceInterval]:
    """Return prices of the hours from now on."""
    return [PriceInterval(NOW + n * HOUR_MS, NOW + (n + 1) * HOUR_MS, price) for n, price in enumerate(prices)]


def test_the_cheap_hour_goes_round() -> None:
    """Two want the cheap second hour, which has room for one of them: one charges now, the one that it costs least."""
    prices = hourly(0.30, 0.10)
    room = {"main": round(9_000 / OF_CIRCUIT)}
    wishes = [wish("a", 9_000, 2), wish("b", 9_000, 2)]
    first = solve(wishes, slots(prices, NOW, NOW + 2 * HOUR_MS), [room, room])
    assert sum(first) == pytest.approx(9_000, rel=1e-3)
    plenty = {"main": 100_000}
    assert solve(wishes, slots(prices, NOW, NOW + 2 * HOUR_MS), [plenty, plenty]) == pytest.approx([0, 0])
    assert waiting(wishes, prices, NOW, lambda _at: plenty) == {"a", "b"}
    # A branch that is too small for both counts as well, whatever the root has.
    branch = [wish("a", 9_000, 2, circuits=("row", "main")), wish("b", 9_000, 2, circuits=("row", "main"))]
    tight = {"row": 9_000, "main": 99_999}
    assert sum(solve(branch, slots(prices, NOW, NOW + 2 * HOUR_MS), [tight, tight])) == pytest.approx(
        9_000 * OF_CIRCUIT
    )


def test_who_has_no_time_does_not_wait() -> None:
    """What can't be ready in time charges at once; of equal prices the earlier hour is taken."""
    dear = hourly(0.50, 0.10, 0.10)
    assert waiting([wish("late", 30_000, 2)], dear, NOW, lambda _at: {"main": 50_000}) == set()
    assert waiting([wish("any", 5_000, 3)], hourly(0.2, 0.2, 0.2), NOW, lambda _at: {"main": 50_000}) == set()
    assert waiting([wish("gone", 5_000, -1), wish("full", 0, 3)], dear, NOW, lambda _at: {"main": 50_000}) == set()


def shared(left: dict[str, float], hours: dict[str, float], free: float) -> dict[str, float]:
    """Share a quarter of an hour as the strategy does: first what each needs to be ready in time, then evenly."""
    given = dict.fromkeys(left, 0.0)
    for needs in (True, False):
        parts = {
            name: max(min(left[name], 2_750, left[name] / hours[name] / 4 if needs else free) - given[name], 0)
            for name in left
        }
        scale = min(free / max(sum(parts.values()), 1e-9), 1.0)
        for name, energy in parts.items():
            given[name] += energy * scale
        free -= sum(parts.values()) * scale
    return given


def night(joint: bool) -> tuple[float, float]:
    """Return what is missing at the departures, Wh, and what the night costs: by a joint plan, or each on its own."""
    random = Random(4)
    prices = hourly(*(0.40 if hour < 6 else 0.15 for hour in range(12)))
    cars = {f"c{n}": (random.randrange(8_000, 20_000), random.uniform(8, 12)) for n in range(10)}
    left = {name: float(energy) for name, (energy, _) in cars.items()}
    site_w, cost = 22_000, 0.0
    for step in range(48):
        now = NOW + step * HOUR_MS // 4
        here = [name for name in cars if left[name] > 1 and cars[name][1] * 4 > step]
        wishes = [
            Wish(name=name, circuits=("main",), energy_wh=round(left[name]), watts=11_000, least_watts=1_380,
                 departs_at=NOW + round(cars[name][1] * HOUR_MS))
            for name in here
        ]  # fmt: skip
        if joint:
            idle = waiting(wishes, prices, now, lambda _at: {"main": site_w})
        else:
            plans = {one.name: cheapest(prices, one.energy_wh, now, one.departs_at, one.watts) for one in wishes}
            idle = {name for name, plan in plans.items() if not watts_at(plan, now)}
        hours = {name: max(cars[name][1] - step / 4, 0.25) for name in here if name not in idle}
        given = shared({name: left[name] for name in hours}, hours, site_w / 4)
        for name, energy in given.items():
            left[name] -= energy
            cost += energy / 1000 * prices[step // 4].price
    return sum(left.values()), cost


def test_a_night_is_ready_by_morning() -> None:
    """Control included: cars that plan each on its own want the cheap hours at once, and are not ready."""
    missing, cost = night(joint=True)
    assert missing < 150, "a thousandth"
    at_once = 0.40 * 139
    assert cost < at_once
    alone, _ = night(joint=False)
    assert alone > 10_000


def test_without_a_plan_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the solver finds none in time, cars charge as they would without prices."""
    wishes, prices = [wish("a", 5_000, 8)], hourly(0.4, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1)
    assert waiting(wishes, prices, NOW, lambda _at: {"main": 50_000}) == {"a"}
    monkeypatch.setattr(planning, "SOLVING_S", 0.0)
    assert waiting(wishes, prices, NOW, lambda _at: {"main": 50_000}) == set()
