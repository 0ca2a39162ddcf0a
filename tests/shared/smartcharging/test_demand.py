"""Which limit an event sets, and who kept to it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.records.demand import DemandEvent, DemandKind, DemandStation, Window
from shared.records.site_history import Point
from shared.records.sites import Amount
from shared.smartcharging.demand import (
    HOUR_MS,
    NOTHING,
    Measured,
    Meter,
    cap_of,
    carried,
    complied,
    judged_from,
    kept_to,
    least,
    limit_at,
    measured,
    reduced_w,
    together,
)

amounts = st.builds(
    Amount,
    st.none() | st.tuples(st.integers(0, 4000), st.integers(0, 4000), st.integers(0, 4000)),
    st.none() | st.integers(0, 300_000),
)
windows = st.lists(
    st.builds(
        lambda n, circuit, start, lasts, cap: Window(
            event_id=f"e{n}", name="peak" * (n % 2), circuit=circuit, start_at=start, end_at=start + lasts, cap=cap
        ),
        st.integers(0, 99),
        st.sampled_from(("main", "left", "right")),
        st.integers(0, 1000),
        st.integers(1, 500),
        amounts,
    ),
    max_size=8,
)


def event(**more: object) -> DemandEvent:
    """Return an event of an hour."""
    return DemandEvent(**{"event_id": "e", "start_at": 0, "end_at": HOUR_MS} | more)  # type: ignore[arg-type]


@given(windows, st.integers(0, 1600))
def test_every_open_window_holds_and_no_other(given_: list[Window], now: int) -> None:
    """What holds keeps to each window that is open on its circuit, and is one of their limits."""
    held = limit_at(given_, now)
    for circuit in ("main", "left", "right"):
        open_ = [one for one in given_ if one.circuit == circuit and one.start_at <= now < one.end_at]
        assert (circuit in held) == bool(open_)
        if open_:
            found = held[circuit]
            assert found.events == tuple(one.name or one.event_id for one in open_)
            watts = [one.cap.watts for one in open_ if one.cap.watts is not None]
            assert found.amount.watts == (min(watts) if watts else None)
            for phase in range(3):
                amps = [one.cap.amps[phase] for one in open_ if one.cap.amps is not None]
                assert (found.amount.amps[phase] if found.amount.amps else None) == (min(amps) if amps else None)


@given(amounts, amounts, amounts)
def test_the_least_of_limits(one: Amount, other: Amount, third: Amount) -> None:
    """In whatever order limits come together, the same is left."""
    assert least(one, other) == least(other, one)
    assert least(least(one, other), third) == least(one, least(other, third))
    assert least(one, one) == one


@given(st.sampled_from(("curtail", "shed")), amounts, st.none() | st.integers(0, 100), st.integers(0, 10**6))
def test_a_limit_is_never_below_nothing(kind: DemandKind, amount: Amount, percent: int | None, baseline: int) -> None:
    """Whatever was drawn before, a limit is 0 or more; a share and a shed are never above what was drawn."""
    cap = cap_of(event(kind=kind, amount=None if percent is not None else amount, percent=percent), baseline)
    assert (cap.watts or 0) >= 0
    if kind == "shed" or percent is not None:
        assert cap.watts is not None
        assert cap.watts <= baseline


@pytest.mark.parametrize(
    ("wanted", "cap"),
    [
        ({"amount": Amount(watts=5000)}, Amount(watts=5000)),
        ({"amount": Amount(amps=(160, 160, 160)), "together": True}, Amount(amps=(40, 40, 40))),
        ({"kind": "shed", "amount": Amount(watts=4000)}, Amount(watts=6000)),
        ({"kind": "shed", "amount": Amount(amps=(100, 100, 100))}, Amount(watts=3100)),
        ({"kind": "shed"}, Amount(watts=0)),
        ({"percent": 30}, Amount(watts=3000)),
        ({"kind": "shed", "percent": 30}, Amount(watts=7000)),
    ],
)
def test_what_a_limit_comes_to(wanted: dict[str, object], cap: Amount) -> None:
    """Where 10 kW were drawn before, and four stations share what is meant together."""
    assert cap_of(event(**wanted), 10_000, sharing=4) == cap


@given(st.lists(st.tuples(st.integers(1, 600), st.integers(0, 22_000)), min_size=2, max_size=30), st.data())
def test_energy_adds_up(steps: list[tuple[int, int]], data: st.DataObject) -> None:
    """What is drawn before and after any moment is what is drawn in all, and the mean is it over the time."""
    at, register, readings = 0, 1000.0, [Meter(0, 1000.0)]
    for seconds, power in steps:
        at += seconds * 1000
        register += power * seconds / 3600
        readings.append(Meter(at, register))
    middle = data.draw(st.integers(1, at))
    whole, first, second = (measured(readings, *span) for span in ((0, at), (0, middle), (middle, at)))
    assert whole.energy_wh == pytest.approx(register - 1000, abs=1)
    assert first.energy_wh + second.energy_wh == pytest.approx(whole.energy_wh, abs=2)
    assert (whole.mean_w or 0) == pytest.approx(whole.energy_wh * HOUR_MS / at, abs=HOUR_MS / at + 1)
    assert (whole.peak_w or 0) >= (whole.mean_w or 0) - 1


def test_power_without_a_register() -> None:
    """A power holds until the next reading, the last for a minute; no reading tells nothing."""
    minute = 60_000
    told = [Meter(0, None, 6000.0), Meter(10 * minute, None, 3000.0)]
    assert measured(told, 0, 30 * minute) == Measured(2100, 6000, 1050)
    assert measured([], 0, minute) == NOTHING
    assert measured(told, minute, minute) == NOTHING
    rising = [Meter(0, 0.0), Meter(10 * minute, 1000.0)]
    assert measured(rising, 0, 20 * minute) == Measured(3000, 6000, 1000)
    assert measured(rising, 0, 20 * minute, running=True) == Measured(6000, 6000, 1000)
    assert together([Measured(1000, None, 5), NOTHING, Measured(500, 700, 2)]) == Measured(1500, 700, 7)
    assert together([NOTHING]) == NOTHING


def test_what_a_circuit_carried() -> None:
    """The mean of its minutes with the base load, held against the limit of each phase and of all together."""
    minutes = [Point(drawn=(100, 0, 0), base=(20, 20, 20)), None, Point(drawn=(300, 0, 0), base=(20, 20, 20))]
    amps = carried(minutes)
    assert amps == (220, 20, 20)
    assert carried([None]) is carried([]) is None
    assert kept_to(Amount(amps=(205, 30, 30)), amps)
    assert not kept_to(Amount(amps=(190, 30, 30)), amps)
    assert kept_to(Amount(watts=5700), amps)
    assert not kept_to(Amount(watts=5400, amps=(300, 300, 300)), amps)


def test_who_kept_to_it() -> None:
    """A little above the limit is kept to it; without a limit or a meter nothing is said."""
    kept, above = DemandStation(limit_w=4000, drawn_w=4400, baseline_w=9000), DemandStation(limit_w=4000, drawn_w=4500)
    assert (complied(kept), complied(above)) == (True, False)
    assert (reduced_w(kept), reduced_w(above)) == (4600, -4500)
    assert complied(DemandStation(limit_w=4000)) is complied(DemandStation(drawn_w=3)) is None
    assert reduced_w(DemandStation()) is None
    assert (judged_from(event()), judged_from(event(end_at=60_000))) == (60_000, 30_000)
