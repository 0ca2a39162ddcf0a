"""Failures by key: a model with all failures in a list counts the same."""

from hypothesis import given
from hypothesis import strategies as st

from edge.tally import WINDOW_S, Tally

STEPS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 25)), max_size=60)


@given(STEPS)
def test_a_keys_minute_begins_with_its_first_failure(steps: list[tuple[str, int]]) -> None:
    """Whatever comes in whatever rhythm: within a minute of a key's first failure each is counted, then none is."""
    tally = Tally[str](10, "")
    begun: dict[str, float] = {}
    counts: dict[str, int] = {}
    now = 0.0
    for key, pause in steps:
        now += pause
        if now >= begun.get(key, -WINDOW_S) + WINDOW_S:
            begun[key], counts[key] = now, 0
        counts[key] += 1
        assert tally.add(key, now) == counts[key]
        for other, since in begun.items():
            over = now >= since + WINDOW_S
            assert tally.of(other, now) == (0 if over else counts[other])
            assert tally.ends_s(other, now) == (0 if over else since + WINDOW_S - now)


def test_beyond_the_most_all_share_one_count_until_there_is_room() -> None:
    """What is over makes room."""
    tally = Tally[str](2, "rest")
    for key in ("a", "b", "c", "d"):
        tally.add(key, 1.0)
    assert (tally.of("a", 1.0), tally.of("c", 1.0), tally.of("rest", 1.0), len(tally)) == (1, 0, 2, 3)
    assert tally.add("c", 61.0) == 1
    assert (tally.of("c", 61.0), len(tally)) == (1, 1)
