"""Maintenance windows: what is open when, in local time, also where the clocks change."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.records.windows import DAY, Window, Windows, parse_window, written

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = Windows((parse_window("mon-fri 22:00-05:00"),), "Europe/Berlin")


def at(text: str) -> int:
    """Return a local time in Berlin as ms."""
    return round(datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp() * 1000)


@pytest.mark.parametrize(
    ("text", "open_"),
    [
        ("2026-11-23T21:59", False),
        ("2026-11-23T22:00", True),
        ("2026-11-24T04:59", True),
        ("2026-11-24T05:00", False),
        ("2026-11-28T04:00", True),  # Saturday morning is Friday's night.
        ("2026-11-28T23:00", False),
        ("2026-11-30T04:00", False),  # Monday morning would be Sunday's.
        ("2026-07-01T22:30", True),  # Summer time.
    ],
)
def test_what_is_open(text: str, open_: bool) -> None:
    """By the clock on the wall; what goes past midnight belongs to the day on which it began."""
    assert NIGHT.is_open(at(text)) is open_


def test_when_it_changes() -> None:
    """The next opening or closing, over a weekend and through a change of the clocks."""
    assert NIGHT.changes_at(at("2026-11-28T12:00")) == at("2026-11-30T22:00")
    assert NIGHT.changes_at(at("2026-11-23T23:00")) == at("2026-11-24T05:00")
    # On 2026-10-25 the clocks go back at 03:00: from midnight to 05:00 it is six hours.
    every = Windows((Window(begin=22 * 60, end=5 * 60),), "Europe/Berlin")
    assert every.changes_at(at("2026-10-25T00:00")) - at("2026-10-25T00:00") == 6 * 3_600_000
    assert Windows().is_open(0)
    assert Windows().changes_at(0) == 0


@given(
    st.builds(
        Window,
        st.lists(st.integers(0, 6), unique=True).map(lambda days: tuple(sorted(days))),
        st.integers(0, DAY - 1),
        st.integers(0, DAY),
    )
)
def test_words_are_read_back(window: Window) -> None:
    """What is written is read back as it was, and is open for as long as it says on a day of its own."""
    assert parse_window(written(window)) == window
    if not window.days:
        minutes = sum(window.holds(0, minute) for minute in range(DAY))
        assert minutes == ((window.end - window.begin) % DAY or DAY)


@pytest.mark.parametrize("text", ["", "22:00", "noon-14:00", "25:00-26:00", "foo 22:00-23:00", "mon-xyz 1:00-2:00"])
def test_what_is_no_window(text: str) -> None:
    """It is refused in words."""
    with pytest.raises(ValueError, match=r"is no (window|day|time)"):
        parse_window(text)
