"""What curves are made of: steps, gaps, thinning, phases, readings, marks of the axes."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from edge.charts import axes, sites, stations
from edge.charts.chart import Curve, Panel
from edge.charts.stations import Session
from edge.charts.steps import Step, Steps, above, joined, lasting, thinned, value_at
from shared.records.profiles import Assigned, Period, Profile
from shared.records.queries.site_history import Past
from shared.records.site_history import MINUTE_MS, Point
from shared.records.sites import Amps
from shared.records.transactions import Reading, Sample, Transaction
from shared.smartcharging.metering import CURRENT, POWER

T0 = 1_772_319_600_000
"""2026-03-01, midnight in Berlin."""


def _steps(values: list[float | None], width: int = MINUTE_MS) -> Steps:
    """Return one step a value; None: a gap."""
    return [Step(T0 + n * width, T0 + (n + 1) * width, one) for n, one in enumerate(values) if one is not None]


def _past(*points: Point | None) -> Past:
    return Past([T0 + n * MINUTE_MS for n in range(len(points))], list(points))


def _curve(panel: Panel, kind: str) -> Curve:
    return next(one for one in panel.curves if one.kind == kind)


def _even(limit: int | None, drawn: int, base: int = 0, *, watts: int = 0, allocated: int = 0) -> Point:
    amps: Amps | None = None if limit is None else (limit,) * 3
    return Point(amps, (allocated,) * 3, (drawn,) * 3, (base,) * 3, watts)


# ── steps ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.lists(st.none() | st.floats(0, 100), min_size=1, max_size=400), st.integers(1, 40))
def test_thinning_keeps_the_greatest_and_the_gaps(values: list[float | None], most: int) -> None:
    """Of however many values so many are left; the greatest is among them, and none begins or ends in a gap."""
    steps, until = joined(_steps(values)), T0 + len(values) * MINUTE_MS
    thin = thinned(steps, T0, until, max, most)
    assert len(thin) <= max(most, len(steps) if len(steps) <= most else 0)
    known = [one for one in values if one is not None]
    assert max((one.value for one in thin), default=None) == max(known, default=None)
    assert all(one.since < two.since and one.until <= two.since for one, two in itertools.pairwise(thin))
    for one in thin:
        assert value_at(steps, one.since) is not None
        assert value_at(steps, one.until - 1) is not None
    least = thinned(steps, T0, until, min, most)
    assert min((one.value for one in least), default=None) == min(known, default=None)


def test_equal_neighbours_are_one_step_and_a_gap_parts_them() -> None:
    """A limit that does not change is one step; where a minute is not known it is two."""
    assert joined(_steps([16, 16, 16])) == [Step(T0, T0 + 3 * MINUTE_MS, 16)]
    assert [one.value for one in joined(_steps([16, None, 16]))] == [16, 16]


def test_above_the_limit_is_told_to_the_minute() -> None:
    """A draw counts as above its limit where both are known, and by more than what meters are off by."""
    found = above(_steps([10, 20, 20.3, 30, 30]), _steps([20, 20, 20, 20, None]), 1.02)
    assert found == [Step(T0 + 3 * MINUTE_MS, T0 + 4 * MINUTE_MS, 1)]
    assert lasting(found) == MINUTE_MS


# ── of sites ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_phases_that_are_the_same_share_a_panel() -> None:
    """Three that are equal are one panel, one that differs has its own, and a station's idle ones have none."""
    even = sites.panels(_past(_even(160, 100)), "A", T0, T0 + MINUTE_MS)
    assert [one.title for one in even] == ["A on each phase"]
    uneven = _past(Point((160,) * 3, (100, 0, 0), (90, 0, 0)))
    assert [one.title for one in sites.panels(uneven, "A", T0, T0 + MINUTE_MS)] == ["A on R", "A on S, T"]
    of_station = sites.panels(uneven, "A", T0, T0 + MINUTE_MS, idle_phases=False)
    assert [one.title for one in of_station] == ["A on R"]


def test_a_base_load_is_drawn_below_what_stations_draw() -> None:
    """What counts against the limit is both together, and it is above it where both together are."""
    (panel,) = sites.panels(_past(_even(300, 100, 150), None, _even(300, 200, 150)), "A", T0, T0 + 3 * MINUTE_MS)
    assert [one.value for one in _curve(panel, "drawn").steps] == [25, 35]
    assert [one.value for one in _curve(panel, "base").steps] == [15, 15]
    assert panel.above == [Step(T0 + 2 * MINUTE_MS, T0 + 3 * MINUTE_MS, 1)]


def test_power_is_of_all_phases_and_the_lower_limit_holds() -> None:
    """In kW the limit is the lower of the one in W and the one in A; a site with limits in W alone is drawn so."""
    (panel,) = sites.panels(_past(_even(100, 50, watts=5000)), "kW", T0, T0 + MINUTE_MS)
    assert [one.value for one in _curve(panel, "limit").steps] == [5]
    assert round(_curve(panel, "drawn").steps[0].value, 3) == 3.45
    assert sites.unit_of(_past(_even(None, 50, watts=5000))) == "kW"
    both = _past(_even(100, 50, watts=5000))
    assert sites.unit_of(both) == "A"
    titles = [one.title for one in sites.panels(both, "A", T0, T0 + MINUTE_MS)]
    assert titles == ["A on each phase", "kW, all phases together"]
    assert sites.unit_of(Past([], [])) == "A"


# ── of stations ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _session(
    *readings: tuple[int, dict[str, float]], stopped_at: int = 0, measurand: str = "Current.Import"
) -> Session:
    unit = "A" if measurand == CURRENT else "W"
    transaction = Transaction(
        transaction_id=1, station_id="CP1", connector_id=1, id_tag="T", started_at=T0, received_at=T0,
        meter_start_wh=0, start_key="", state="closed" if stopped_at else "open", stopped_at=stopped_at,
    )  # fmt: skip
    made = [
        Reading(T0 + minute * MINUTE_MS, tuple(Sample(measurand, value, unit, phase) for phase, value in each.items()))
        for minute, each in readings
    ]
    return Session(transaction, made)


def test_a_reading_counts_until_the_next_or_a_quarter_of_an_hour() -> None:
    """A meter that falls silent leaves a gap; after the present, or a transaction's end, nothing is drawn."""
    session = _session((0, {"L1": 10}), (5, {"L1": 12}), (60, {"L1": 8}), stopped_at=T0 + 62 * MINUTE_MS)
    (panel,) = stations.panels([session], [], "A", Step(T0, T0 + 90 * MINUTE_MS, 0), T0 + 61 * MINUTE_MS)
    assert panel.title == "A on L1"
    minutes = [
        ((one.since - T0) // MINUTE_MS, (one.until - T0) // MINUTE_MS, one.value) for one in panel.curves[0].steps
    ]
    assert minutes == [(0, 5, 10), (5, 21, 12), (60, 61, 8)]


def test_a_meter_of_power_alone_is_drawn_as_power() -> None:
    """Currents are not made of power: the chart is in kW then; with currents it may be either."""
    power = _session((0, {"": 11_000}), measurand=POWER)
    assert stations.unit_of([power], []) == "kW"
    assert stations.drawn_of(power.readings[0]) == (None, 11.0)
    current = _session((0, {"L1": 10, "L2-N": 10}))
    assert stations.unit_of([current], []) == "A"
    in_watts = Profile(profile_id=1, purpose="default", kind="absolute", unit="W", start_at=T0, periods=(Period(0, 1),))
    held = Assigned(profile=in_watts, state="verified")
    assert stations.unit_of([current], [held]) == "kW", "nobody guesses over how many phases the watts go"
    drawn = stations.drawn_of(current.readings[0])
    assert drawn is not None
    assert (drawn.amps, drawn.kilowatts) == ((10, 10, 0), 4.6)


def test_direct_current_is_drawn_as_the_grid_sees_it() -> None:
    """A battery's current is none of the grid's: its power counts, on three phases, beside limits at the grid."""
    told = (("Current.Import", 20.0, "A"), ("Power.Active.Import", 6900.0, "W"), ("SoC", 40, "Percent"))
    reading = Reading(T0, tuple(Sample(name, value, unit) for name, value, unit in told), T0, 1)
    assert stations.drawn_of(reading) == ((10.0, 10.0, 10.0), 6.9)


def test_limits_are_steps_from_when_they_are_known() -> None:
    """They begin where the station took the last of its profiles, and change at periods; refused ones do not count."""
    profile = Profile(
        profile_id=1, purpose="default", kind="absolute", unit="A", start_at=T0,
        periods=(Period(0, 160), Period(1800, 0)),
    )  # fmt: skip
    held = [
        Assigned(profile=profile, state="verified", accepted_at=T0 + 10 * MINUTE_MS),
        Assigned(profile=profile, state="accepted", accepted_at=T0),
        Assigned(profile=profile, state="refused", accepted_at=T0 + 20 * MINUTE_MS),
    ]
    span = Step(T0, T0 + 60 * MINUTE_MS, 0)
    found = stations.limits(held, [], 1, "A", span)
    assert [((one.since - T0) // MINUTE_MS, one.value) for one in found] == [(10, 16), (30, 0)]
    assert round(stations.limits(held, [], 1, "kW", span)[0].value, 2) == 11.04


# ── axes ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_axes_have_round_marks() -> None:
    """Values go up to a round number that is not below the greatest; zeros alone have an axis too."""
    assert axes.top(63) == (80, 20)
    assert axes.top(5) == (5, 1)
    assert axes.top(0.13)[0] >= 0.13
    assert axes.top(0) == (10, 2)


def test_clocks_of_the_zone_are_marked_over_a_change_too() -> None:
    """The night that loses an hour in Berlin has marks at round hours on both sides of it, and none at 2 o'clock."""
    zone = ZoneInfo("Europe/Berlin")
    begin = round(datetime(2026, 3, 28, 23, tzinfo=UTC).timestamp() * 1000)
    marks = axes.times(begin, begin + 6 * 3_600_000, zone, 8)
    assert [one.clock for one in marks] == ["00:00", "01:00", "03:00", "04:00", "05:00", "06:00"]
    assert (marks[0].day, marks[1].day) == ("29 Mar", "")
    assert (axes.offset(begin, zone), axes.offset(begin + 6 * 3_600_000, zone)) == ("UTC+1", "UTC+2")
