"""Whatever happens in between (lost answers, reboots, changed templates), a station ends as it is wanted."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.records.tuning import index_member
from workers.services.tuning.templates import items

from .site import ALL_MEASURANDS, BOOT, SAMPLED, Site, template

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("answer"), st.integers(1, 4)),
        st.tuples(st.just("lose"), st.just(0)),
        st.tuples(st.just("wait"), st.sampled_from([1, 40, 100, 4000])),
        st.tuples(st.just("boot"), st.just(0)),
        st.tuples(st.just("reconnect"), st.just(0)),
        st.tuples(st.just("want"), st.integers(0, 3)),
    ),
    max_size=12,
)
WISHES: tuple[dict[str, Any], ...] = (
    {"keys": {"A": "1"}, "meter_data": {"sampled": ALL_MEASURANDS}},
    {"keys": {"A": "2", "B": "2"}, "meter_data": {"sampled": ALL_MEASURANDS[::-1], "sampled_interval_s": 30}},
    {"keys": {"B": "3", "C": "3"}},
    {"meter_data": {"sampled": ("SoC", "Voltage")}},
)


def play(site: Site, step: tuple[str, int], number: int) -> None:
    """Let one thing happen."""
    what, how = step
    if what == "answer":
        site.settle_commands(how)
    elif what == "lose":
        site.next_command()
    elif what == "wait":
        site.advance(how)
    elif what == "boot":
        site.open()
        site.call("BootNotification", BOOT)
    elif what == "reconnect":
        site.open()
    else:
        site.want(template(**WISHES[how], revision=number + 2))


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(STEPS, st.sets(st.sampled_from(ALL_MEASURANDS)), st.sampled_from([set[str](), {"B"}]))
def test_a_station_ends_as_it_is_wanted(steps: list[tuple[str, int]], supported: set[str], refused: set[str]) -> None:
    """After quiet boots all that is wanted is held, or was refused; nothing is under way, and the index says so."""
    site = Site({"A": "0", "B": "0", "C": "0"}, supported=supported, refused=dict.fromkeys(refused, "Rejected"))
    site.want(template(**WISHES[0]))
    site.boot()
    for number, step in enumerate(steps):
        play(site, step, number)
    for _ in range(3):
        site.advance(100)
        site.boot()
    tuned = site.view.tuned
    assert tuned.run is None
    assert tuned.keys
    for memory in tuned.keys.values():
        if memory.measurands:
            held = items(site.held[SAMPLED])
            assert set(memory.refused) == set(memory.measurands) - supported
            assert not memory.taken or set(held) == set(memory.taken) == set(memory.measurands) & supported
        elif memory.key in refused:
            assert memory.state == "refused"
        else:
            assert (memory.state, site.held[memory.key]) == ("in_line", memory.wanted)
    assert site.index() == {index_member(name, one, "CP1") for name, one in tuned.templates.items()}
