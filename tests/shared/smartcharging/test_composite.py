"""The composite schedule against a reference that looks at every second by itself."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.records.profiles import Period, Profile, Supply
from shared.smartcharging.composite import Limit, MixedUnits, Segment, Situation, compose, limit_at

NOW = 1_700_000_000_000
MINUTE = 60_000
DAY = 24 * 60 * MINUTE


def profile(number: int, limits: dict[int, int], **more: object) -> Profile:
    """Return an absolute default profile in A that starts now; `limits`: second -> tenths."""
    values = {"purpose": "default", "kind": "absolute", "unit": "A", "start_at": NOW} | more
    periods = tuple(Period(start, limit) for start, limit in limits.items())
    return msgspec.convert(
        {"profile_id": number, "periods": msgspec.to_builtins(periods), **values}, Profile, strict=True
    )


def window(seconds: int, **more: object) -> Situation:
    """Return a window that begins now, on connector 1, in A."""
    return Situation(**({"connector_id": 1, "since": NOW, "until": NOW + seconds * 1000, "unit": "A"} | more))  # type: ignore[arg-type]


def shown(segments: list[Segment]) -> list[tuple[int, int | None]]:
    """Return (second from now, limit) of each segment."""
    return [((one.since - NOW) // 1000, one.limit.limit if one.limit else None) for one in segments]


def test_periods_follow_each_other_until_the_duration_ends() -> None:
    """A period ends where the next begins, the last one with the schedule; behind it nothing limits."""
    assert shown(compose([profile(1, {0: 160, 60: 80}, duration_s=100)], window(120))) == [
        (0, 160),
        (60, 80),
        (100, None),
    ]


def test_the_highest_level_that_holds_prevails() -> None:
    """A higher level covers a lower one for as long as it is valid, has begun, and is not over."""
    base = profile(1, {0: 320})
    above = profile(2, {0: 100}, stack_level=1, start_at=NOW + 10_000, duration_s=20)
    dated = profile(3, {0: 60}, stack_level=2, valid_from=NOW + 15_000, valid_to=NOW + 25_000)
    expected = [(0, 320), (10, 100), (15, 60), (25, 100), (30, 320)]
    assert shown(compose([base, above, dated], window(60))) == expected


def test_the_stations_maximum_caps_the_others() -> None:
    """The lower of the two holds at each moment, with its profile's id and phases."""
    cap = profile(9, {0: 200, 30: 60}, purpose="station_max")
    found = compose([profile(1, {0: 100, 60: 40}), cap], window(90))
    assert [(one.limit.limit, one.limit.profile_id) for one in found if one.limit] == [(100, 1), (60, 9), (40, 1)]
    assert limit_at([cap], window(90), NOW) == Limit(200, 3, 9)


def test_a_transactions_own_profile_stands_in_for_the_default() -> None:
    """Only that of the transaction counts; where it is over the default holds again, unless the station does not."""
    default = profile(1, {0: 320})
    own = profile(2, {0: 100}, purpose="transaction", connector_id=1, kind="relative", transaction_id=7, duration_s=30)
    of_another = profile(3, {0: 10}, purpose="transaction", connector_id=1, transaction_id=8)
    held = [default, own, of_another]
    assert shown(compose(held, window(60, transaction_id=7))) == [(0, 100), (30, 320)]
    assert shown(compose(held, window(60, transaction_id=7, default_behind=False))) == [(0, 100), (30, None)]
    assert shown(compose(held, window(60, transaction_id=7, charging_since=NOW - 20_000))) == [(0, 100), (10, 320)]


def test_a_connectors_default_replaces_the_stations_at_its_level() -> None:
    """It does so on that connector alone, and levels that only the station has go on to count (§3.13.1)."""
    everywhere = profile(1, {0: 320})
    here = profile(2, {0: 160}, connector_id=1)
    above = profile(3, {0: 60}, stack_level=1, duration_s=10)
    held = [everywhere, here, above]
    assert shown(compose(held, window(20))) == [(0, 60), (10, 160)]
    assert shown(compose(held, window(20, connector_id=2))) == [(0, 60), (10, 320)]


def test_a_recurring_schedule_is_cut_at_its_next_start() -> None:
    """Each day begins anew, whatever is left of the periods; before its first start it does not hold."""
    daily = profile(
        1, {0: 60, 8 * 3600: 320, 30 * 3600: 10}, kind="recurring", recurrence="daily", start_at=NOW - DAY + 3_600_000
    )
    expected = [(0, 320), (3600, 60), (9 * 3600, 320), (25 * 3600, 60)]
    assert shown(compose([daily], window(26 * 3600))) == expected
    weekly = profile(1, {0: 60}, kind="recurring", recurrence="weekly", start_at=NOW + 5_000, duration_s=10)
    assert shown(compose([weekly], window(7 * 86400 + 30))) == [
        (0, None), (5, 60), (15, None), (7 * 86400 + 5, 60), (7 * 86400 + 15, None),
    ]  # fmt: skip


def test_a_recurrence_by_the_wall_clock() -> None:
    """With a time zone 7 o'clock stays 7 o'clock when the clocks change; without one it is every 24 hours."""
    zone = ZoneInfo("Europe/Berlin")
    start = round(datetime(2026, 3, 28, 7, tzinfo=zone).timestamp() * 1000)
    daily = profile(1, {0: 60}, kind="recurring", recurrence="daily", start_at=start, duration_s=3600)
    changed = round(datetime(2026, 3, 29, 7, tzinfo=zone).timestamp() * 1000)
    assert changed - start == DAY - 60 * MINUTE
    by_clock = window(0, since=start, until=start + 2 * DAY, zone=zone)
    assert [one.since for one in compose([daily], by_clock) if one.limit] == [
        start,
        changed,
        changed + DAY,
    ]
    plain = window(0, since=start, until=start + 2 * DAY)
    assert [one.since for one in compose([daily], plain) if one.limit] == [start, start + DAY]


def test_units_are_converted_only_with_a_supply() -> None:
    """A and W are combined by the voltage and the phases that were given, rounded down, or not at all."""
    amperes, watts = profile(1, {0: 160}), profile(2, {0: 69_999}, purpose="station_max", unit="W")
    with pytest.raises(MixedUnits, match="voltage"):
        compose([amperes, watts], window(10))
    assert shown(compose([amperes, watts], window(10, supply=Supply(230, 3)))) == [(0, 101)]
    in_watts = window(10, unit="W", supply=Supply(230, 3))
    assert shown(compose([amperes, watts], in_watts)) == [(0, 69_999)]
    assert shown(compose([amperes], in_watts)) == [(0, 160 * 690)]


# ── the reference ────────────────────────────────────────────────────────────────────────────────────────────────────


def reference(held: list[Profile], situation: Situation, at: int) -> int | None:
    """Return the limit at a moment, by the words of the standard, one moment at a time."""
    own = _highest(held, "transaction", situation, at)
    if own is None:
        own = _highest(held, "default", situation, at)
    both = [limit for limit in (own, _highest(held, "station_max", situation, at)) if limit is not None]
    return min(both) if both else None


def _highest(held: list[Profile], purpose: str, situation: Situation, at: int) -> int | None:
    found = None
    for level in range(4):
        here = [p for p in held if (p.purpose, p.stack_level) == (purpose, level)]
        if any(p.connector_id == situation.connector_id for p in here):
            here = [p for p in here if p.connector_id == situation.connector_id]
        for one in here:
            if one.connector_id in (0, situation.connector_id):
                limit = _of_one(one, situation, at)
                found = found if limit is None else limit
    return found


def _of_one(one: Profile, situation: Situation, at: int) -> int | None:
    valid = (one.valid_from is None or at >= one.valid_from) and (one.valid_to is None or at < one.valid_to)
    start = situation.started_at if one.kind == "relative" or one.start_at is None else one.start_at
    if one.kind == "recurring":
        step = timedelta(days=1 if one.recurrence == "daily" else 7)
        here, begun = (datetime.fromtimestamp(moment / 1000, UTC) for moment in (at, start))
        while begun + step <= here:
            begun += step
        start = round(begun.timestamp() * 1000)
    second = (at - start) / 1000
    if not valid or second < 0 or (one.duration_s is not None and second >= one.duration_s):
        return None
    return [period.limit for period in one.periods if period.start_s <= second][-1]


SECONDS = st.integers(-120, 240)
MAYBE = st.none() | SECONDS.map(lambda second: NOW + second * 1000)
PERIODS = st.lists(st.integers(1, 200), max_size=4, unique=True).flatmap(
    lambda starts: st.lists(st.integers(0, 400), min_size=len(starts) + 1, max_size=len(starts) + 1).map(
        lambda limits: tuple(Period(start, limit) for start, limit in zip([0, *sorted(starts)], limits, strict=True))
    )
)


@st.composite
def profiles(draw: st.DrawFn) -> list[Profile]:
    """Draw what a station may hold: of a purpose, connector and level one profile at most."""
    found: dict[tuple[str, int, int], Profile] = {}
    for number in range(draw(st.integers(0, 6))):
        purpose = draw(st.sampled_from(["station_max", "default", "transaction"]))
        connector = {"station_max": 0, "transaction": 1}.get(purpose, draw(st.integers(0, 2)))
        level = draw(st.integers(0, 3))
        kind = draw(st.sampled_from(["absolute", "recurring", "relative"]))
        far = draw(st.sampled_from([0, 0, -DAY, -7 * DAY, -3 * DAY]))
        found[purpose, connector, level] = Profile(
            profile_id=number,
            purpose=purpose,  # type: ignore[arg-type]
            kind=kind,  # type: ignore[arg-type]
            unit="A",
            periods=draw(PERIODS),
            connector_id=connector,
            stack_level=level,
            recurrence=draw(st.sampled_from(["daily", "weekly"])) if kind == "recurring" else None,
            valid_from=draw(MAYBE),
            valid_to=draw(MAYBE),
            start_at=None if kind == "relative" else NOW + far + draw(SECONDS) * 1000,
            duration_s=draw(st.none() | st.integers(1, 300)),
        )
    return list(found.values())


@given(profiles(), SECONDS)
def test_every_second_is_as_the_reference_says(held: list[Profile], began: int) -> None:
    """At each second of a window the schedule's limit is the reference's, and it has no gap and no equal neighbours."""
    situation = window(180, charging_since=NOW + began * 1000)
    segments = compose(held, situation)
    assert segments[0].since == situation.since
    assert segments[-1].until == situation.until
    assert all(one.until == two.since and one.limit != two.limit for one, two in itertools.pairwise(segments))
    for one in segments:
        for at in range(one.since, one.until, 1000):
            assert (one.limit.limit if one.limit else None) == reference(held, situation, at)
