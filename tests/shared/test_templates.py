"""Templates as records: who matches, who wins, and which patterns are taken."""

from __future__ import annotations

import time

import pytest

from shared.records.stations import StationRecord
from shared.records.templates import (
    Match,
    MeterData,
    MeterKeys,
    Template,
    desired,
    pattern_problem,
    wants_the_same,
    wishes_of,
)

METER = MeterKeys({"sampled": "List"}, {"sampled_interval_s": "Interval"})
STATION = StationRecord(
    station_id="CP1", created_at=1, vendor="Nordwall", model="Home 11", firmware="2.4.1", group="north"
)


@pytest.mark.parametrize(
    "pattern", ["", ".*", "Home .*", r"2\..*", "a{3}b+", "(x|y)z", r"v?\d+\.\d+", "(?:ab){2,8}", "[a-z]*"]
)
def test_patterns_that_people_write_are_taken(pattern: str) -> None:
    """What ends soon on any text is no problem."""
    assert pattern_problem(pattern) == ""


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+b",
        "(a|aa)+b",
        "((a*)b?)*c",
        ".*.*.*.*x",
        "(?:(?:a|b)c{2,})*",
        "(.{1,99})+x",
        "(?=(a+)+)b",
        "(",
        "*",
        "[z-a]",
    ],
)
def test_patterns_that_might_match_for_ever_are_refused(pattern: str) -> None:
    """Repetitions in repetitions, alternatives in them, too many of them; and what does not compile."""
    assert pattern_problem(pattern)


def test_the_worst_pattern_that_is_taken_ends_soon() -> None:
    """Three repetitions over the longest text that a station can choose."""
    begun = time.process_time()
    assert not Match(vendor=".*a.*a.*b").takes("a" * 255, "", "", "")
    assert time.process_time() - begun < 1


def test_who_matches() -> None:
    """The whole text, in any case; the group literally; empty takes all."""
    about = (STATION.vendor, STATION.model, STATION.firmware, STATION.group)
    assert Match().takes(*about)
    assert Match(vendor="NORD.*", model="home 11", firmware=r"2\..*", group="north").takes(*about)
    assert not Match(vendor="Nord").takes(*about)
    assert not Match(group="North").takes(*about)


def test_the_stronger_wins_key_by_key() -> None:
    """Priority, then name; what both want is no conflict."""
    weak = Template(name="a", priority=1, keys={"X": "1", "Y": "1"}, meter_data=MeterData(sampled=("A",)))
    strong = Template(name="z", priority=2, keys={"x": "2", "Y": "1"})
    twin = Template(name="b", priority=2, keys={"Z": "b", "x": "3"}, reboot="never")
    other = Template(name="c", match=Match(vendor="Else"), keys={"Q": "1"})
    found = desired([weak, strong, twin, other], METER, STATION)
    assert [one.name for one in found.templates] == ["b", "z", "a"]
    assert {name: (one.value, one.template, one.reboot) for name, one in found.wishes.items()} == {
        "z": ("b", "b", False),
        "x": ("3", "b", False),
        "y": ("1", "z", True),
        "list": ("A", "a", True),
    }
    assert [(one.key, one.loser) for one in found.conflicts] == [("x", "z"), ("x", "a")]


def test_meter_data_becomes_the_keys_that_carry_it() -> None:
    """A list, an empty list and an interval of 0 are wanted; what is absent is not."""
    policy = MeterData(sampled=(), sampled_interval_s=0)
    found = wishes_of(Template(name="t", meter_data=policy), METER)
    assert {name: (one.value, one.measurands) for name, one in found.items()} == {
        "interval": ("0", None),
        "list": ("", ()),
    }


def test_a_note_is_no_new_version() -> None:
    """Only what concerns a station makes two templates differ."""
    one = Template(name="t", keys={"X": "1"}, note="a", version=1)
    assert wants_the_same(one, Template(name="t", keys={"X": "1"}, note="b", version=7))
    assert not wants_the_same(one, Template(name="t", keys={"X": "1"}, reboot="never"))
