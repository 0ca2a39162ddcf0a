"""How fast a job goes: never faster than its rate, never more at a time, and never standing without need."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from workers.jobs.bulk.pace import AHEAD_S, Bucket, Pace

rates = st.sampled_from([0.1, 1.0, 7.0, 10.0, 100.0])
jitters = st.sampled_from([0.0, 0.3, 1.0, 5.0])
beats = st.lists(st.tuples(st.floats(0.01, 3.0), st.integers(0, 20)), min_size=1, max_size=60)
"""Time since the last beat, and how many places are free at it."""


@given(rates, jitters, beats, st.integers(0, 9))
def test_never_faster_than_the_rate(rate: float, jitter: float, found: list[tuple[float, int]], seed: int) -> None:
    """In any stretch no more begin than the rate allows over it and the jitter before it; never more than are free."""
    pace, now, begun = Pace(rate, jitter, Random(seed).random), 0.0, list[float]()
    for passed, free in found:
        now += passed
        pace.plan(now, free)
        assert pace.planned <= free
        begun += [now] * pace.due(now)
    for n, first in enumerate(begun):
        # What was set for the stretch to the last one, and a beat of 3 s or the jitter before it.
        stretch = begun[-1] - first + jitter + AHEAD_S + 3.0
        assert len(begun) - n <= rate * stretch + 1


@settings(max_examples=40)
@given(rates, jitters, st.integers(0, 9))
def test_as_fast_as_the_rate_where_nothing_stands_in_the_way(rate: float, jitter: float, seed: int) -> None:
    """With places free and beats in time, the rate is what comes of it, but for the jitter at the end."""
    pace, begun, beat, duration = Pace(rate, jitter, Random(seed).random), 0, 0.2, 20.0
    for n in range(1, round(duration / beat) + 1):
        pace.plan(n * beat, 10**6)
        begun += pace.due(n * beat)
    assert rate * (duration - jitter - 2 * beat) - 1 <= begun <= rate * (duration + AHEAD_S) + 1


@given(rates, st.floats(0.1, 100.0))
def test_a_pause_is_not_made_up_for(rate: float, pause: float) -> None:
    """After a time without free places no more begin at once than within a moment."""
    pace = Pace(rate, 0.0, Random(0).random)
    pace.plan(0.0, 1000)
    before = pace.due(0.0)
    pace.drop()
    pace.plan(pause, 1000)
    assert pace.due(pause) <= max(before, 1)


@given(st.floats(0.5, 1000.0), st.lists(st.tuples(st.floats(0.0, 2.0), st.integers(0, 1000)), max_size=100))
def test_the_bound_over_all_jobs(rate: float, asked: list[tuple[float, int]]) -> None:
    """No more is given than the rate, and a moment's worth at the beginning; who asks for none gets none."""
    bucket, now, taken = Bucket(rate), 0.0, 0
    for passed, count in asked:
        now += passed
        given_now = bucket.take(now, count)
        assert 0 <= given_now <= count
        taken += given_now
    assert taken <= rate * now + max(rate * AHEAD_S, 1.0) + 1e-6
