"""The search for the largest list of measurands that a station takes."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.records.packing import pack, unpack
from shared.records.tuning import Search
from workers.services.tuning import search as searching

NAMES = [f"Measurand.{n}" for n in range(24)]


class Station:
    """Takes lists as OCPP 1.6 section 3.16.4 has it; `limit` 0: of any length."""

    def __init__(self, supported: set[str], limit: int = 0, held: tuple[str, ...] = ()) -> None:
        self.supported = supported
        self.limit = limit
        self.held = held
        self.calls = 0

    def change(self, wanted: tuple[str, ...]) -> bool:
        """Answer a ChangeConfiguration."""
        self.calls += 1
        taken = set(wanted) <= self.supported and (not self.limit or len(wanted) <= self.limit)
        if taken:
            self.held = wanted
        return taken


def run(station: Station, search: Search) -> Search:
    """Search to the end, through storage at every step."""
    while (attempt := searching.attempt(search)) is not None:
        assert attempt, "an empty list is no attempt"
        assert len(set(attempt)) == len(attempt)
        search = unpack(pack(searching.told(search, station.change(attempt))), Search)
    assert search.calls == station.calls
    return search


def bound(n: int, k: int) -> int:
    """Return the most calls that are allowed for `k` unsupported of `n`."""
    return 2 + 2 * k * math.ceil(math.log2(n)) if n > 1 else 2


@st.composite
def lists(draw: st.DrawFn) -> tuple[tuple[str, ...], set[str]]:
    """A list of up to 24 items, and those of them that are supported."""
    n = draw(st.integers(1, 24))
    wanted = tuple(NAMES[:n])
    refused = draw(st.sets(st.sampled_from(wanted), max_size=n))
    return wanted, set(wanted) - refused


@settings(deadline=None)
@given(lists())
def test_the_largest_list_within_the_bound(given_lists: tuple[tuple[str, ...], set[str]]) -> None:
    """All that is supported is set, in order, within 2 + 2·k·⌈log2 n⌉ calls; all else is named as refused."""
    wanted, supported = given_lists
    station = Station(supported)
    found = run(station, searching.begin(wanted))
    assert found.good == tuple(item for item in wanted if item in supported)
    assert set(found.bad) == set(wanted) - supported
    assert station.held == found.good
    assert station.calls <= bound(len(wanted), len(wanted) - len(supported))


@pytest.mark.parametrize("n", range(1, 13))
def test_every_set_of_refusals_of_short_lists(n: int) -> None:
    """The same for each of the 2ⁿ sets of refusals."""
    wanted = tuple(NAMES[:n])
    for mask in range(2**n):
        supported = {item for bit, item in enumerate(wanted) if not mask >> bit & 1}
        station = Station(supported)
        found = run(station, searching.begin(wanted))
        assert set(station.held) == set(found.good) == supported
        assert station.calls <= bound(n, n - len(supported))


@settings(deadline=None)
@given(lists(), st.integers(1, 24))
def test_a_limit_that_the_station_tells(given_lists: tuple[tuple[str, ...], set[str]], limit: int) -> None:
    """The most important that fit are set within the same bound; no list is longer than the station says."""
    wanted, supported = given_lists
    station = Station(supported, limit)
    found = run(station, searching.begin(wanted, limit))
    assert found.good == tuple(item for item in wanted if item in supported)[:limit]
    assert station.held == found.good
    assert not set(found.bad) & supported
    assert station.calls <= bound(len(wanted), len(wanted) - len(supported))


@settings(deadline=None)
@given(lists(), st.integers(1, 24))
def test_a_limit_that_nobody_told(given_lists: tuple[tuple[str, ...], set[str]], limit: int) -> None:
    """A list that is full is told from items that are refused: as many as fit are set, for one search more."""
    wanted, supported = given_lists
    station = Station(supported, limit)
    found = run(station, searching.begin(wanted))
    fitting = tuple(item for item in wanted if item in supported)
    assert found.good == fitting[:limit]
    assert station.held == found.good
    lost = len(fitting) > limit
    assert station.calls <= bound(len(wanted), len(wanted) - len(supported) + lost) + 2 * lost
    # At most one item is mistaken for one that is not supported.
    assert len(set(found.bad) & supported) <= lost


@settings(deadline=None)
@given(lists())
def test_what_a_model_is_known_to_refuse_takes_one_call(given_lists: tuple[tuple[str, ...], set[str]]) -> None:
    """The next station of a model is set by one call, or none where it takes nothing."""
    wanted, supported = given_lists
    known = run(Station(supported), searching.begin(wanted)).bad
    station = Station(supported)
    found = run(station, searching.begin(wanted, known=known))
    assert station.calls == bool(supported)
    assert set(found.good) == supported


@settings(deadline=None)
@given(lists(), st.sets(st.sampled_from(NAMES)))
def test_false_knowledge_costs_one_call(given_lists: tuple[tuple[str, ...], set[str]], known: set[str]) -> None:
    """Where the model refuses more than is known the search begins anew, within the bound."""
    wanted, supported = given_lists
    station = Station(supported)
    found = run(station, searching.begin(wanted, known=known))
    if set(wanted) - supported - known:
        assert set(found.good) == supported
    else:
        assert set(found.good) == supported - known
    assert station.calls <= bound(len(wanted), len(wanted) - len(supported))


def test_nothing_wanted() -> None:
    """An empty list needs no search."""
    assert searching.attempt(searching.begin(())) is None


def test_the_same_item_twice_is_one() -> None:
    """A list says what, not how often."""
    assert searching.begin(("a", "b", "a")).wanted == ("a", "b")


def test_an_answer_can_be_stored_at_each_step() -> None:
    """A search is a value: msgpack gives it back whole."""
    search = searching.told(searching.begin(NAMES), False)
    assert unpack(pack(search), Search) == search
    assert msgspec.structs.asdict(search)["stage"] == "halve"
