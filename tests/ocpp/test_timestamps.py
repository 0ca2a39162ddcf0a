"""What stations write as time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.ocpp.quirks import TIME_QUIRKS, quirk_of
from shared.ocpp.timestamps import MAX_AGE_MS, MAX_AHEAD_MS, format_time, read_time

NOW = int(datetime(2024, 7, 1, 12, tzinfo=UTC).timestamp()) * 1000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected", "quirks"),
    [
        ("2024-07-01T12:00:00Z", 0, set()),
        ("2024-07-01T12:00:00.000Z", 0, set()),
        ("2024-07-01T12:00:00.5Z", 500, set()),
        ("2024-07-01T12:00:00.123456789Z", 123, set()),
        ("2024-07-01T12:00:00.1234567890123456789Z", 123, set()),
        ("2024-07-01t12:00:00z", 0, set()),
        ("2024-07-01T14:00:00+02:00", 0, set()),
        ("2024-07-01T06:30:00-05:30", 0, set()),
        ("2024-07-01T14:00:00+02", 0, {"short_offset"}),
        ("2024-07-01T14:00:00.25+02", 250, {"short_offset"}),
        ("2024-07-01T14:00:00+0200", 0, {"loose_time"}),
        ("2024-07-01 12:00:00Z", 0, {"loose_time"}),
        ("2024-07-01T12:00Z", 0, {"loose_time"}),
        ("2024-07-01T12:00:00,5Z", 500, {"loose_time"}),
        (" 2024-07-01T12:00:00Z ", 0, set()),
        ("2024-07-01T12:00:00", 0, {"no_zone"}),
        ("2024-07-01T12:00:60Z", 59_000, set()),
        ("2024-07-01T11:59:60Z", -1_000, set()),
        ("1719835200", 0, {"loose_time"}),
        ("1719835200123", 123, {"loose_time"}),
    ],
)
def test_a_time_is_read(text: str, expected: int, quirks: set[str]) -> None:
    """Every form seen is read to the millisecond, its deviation named."""
    ms, flags = read_time(text, NOW)
    assert ms is not None
    assert ms - NOW == expected
    assert flags == {f"{quirk}:timestamp" for quirk in quirks}


@pytest.mark.parametrize("text", ["1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "2099-12-31T23:59:59Z"])
def test_a_clock_that_was_never_set_is_implausible(text: str) -> None:
    """1970, 0001 and 2099 are read and flagged (quirk 6)."""
    ms, flags = read_time(text, NOW)
    assert ms is not None
    assert flags == {"implausible:timestamp"}


@pytest.mark.parametrize(
    ("offset", "plausible"),
    [(-MAX_AGE_MS, True), (-MAX_AGE_MS - 1, False), (MAX_AHEAD_MS, True), (MAX_AHEAD_MS + 1, False)],
)
def test_plausible_has_two_bounds(offset: int, plausible: bool) -> None:
    """A year back and a day ahead of ours."""
    assert bool(read_time(format_time(NOW + offset), NOW).flags) is not plausible


@pytest.mark.parametrize(
    "text",
    [
        *("", "now", "2024-13-01T00:00:00Z", "2024-02-30T00:00:00Z", "0000-01-01T00:00:00Z", "2024-07-01T25:00:00Z"),
        *("2024-07-01", "12:00:00", "2024-07-01T12:00:00+99:00", "2024-07-01T12:00:0٣Z", "x" * 10_000, "12", "1" * 40),
        *("2024-07-01T12:00:00Z" + "0" * 100, "2024-07-01T12:00:00." + "0" * 100 + "Z"),
    ],
)
def test_what_is_no_time_is_unreadable(text: str) -> None:
    """No text raises; the time of receipt takes its place."""
    ms, flags = read_time(text, NOW)
    assert ms is None
    assert flags == {"unreadable_time:timestamp"}


def test_a_time_without_zone_is_in_the_stations() -> None:
    """The station's zone is used where the time names none, summer time included (quirk 4)."""
    berlin = ZoneInfo("Europe/Berlin")
    assert read_time("2024-07-01T14:00:00", NOW, berlin).ms == NOW
    assert read_time("2024-01-01T13:00:00", NOW, berlin) == (
        *(NOW - 182 * 24 * 3600 * 1000, frozenset({"no_zone:timestamp"})),
    )
    assert read_time("2024-07-01T12:00:00Z", NOW, berlin).ms == NOW


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("0001-01-01T00:00:00+02:00", "0001-01-01T00:00:00.000Z"),
        ("9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59.999Z"),
    ],
)
def test_the_ends_of_the_calendar_can_be_written(text: str, written: str) -> None:
    """A zone does not carry a time out of the years that exist."""
    ms, _ = read_time(text, NOW)
    assert ms is not None
    assert format_time(ms) == written


def test_flags_name_the_field() -> None:
    """The field is the caller's to name."""
    assert read_time("2024-07-01T12:00:00", NOW, field="meterValue.timestamp").flags == {"no_zone:meterValue.timestamp"}


@given(time=st.datetimes(timezones=st.just(UTC)), minutes=st.integers(-14 * 60, 14 * 60), digits=st.integers(0, 6))
def test_any_iso_time_is_read_as_python_reads_it(time: datetime, minutes: int, digits: int) -> None:
    """Read in any zone and precision, a time is the one that was written, to the millisecond."""
    time = time.replace(microsecond=time.microsecond // 10 ** (6 - digits) * 10 ** (6 - digits))
    try:
        local = time.astimezone(timezone(timedelta(minutes=minutes)))
    except OverflowError:
        local = time
    ms, flags = read_time(local.isoformat(), NOW)
    assert ms == (time - EPOCH) // timedelta(milliseconds=1)
    assert flags <= {"implausible:timestamp"}


@given(time=st.datetimes(timezones=st.just(UTC)))
def test_what_is_written_is_read_back(time: datetime) -> None:
    """Our own form ends in Z with three digits and reads back exactly (quirk 7)."""
    ms = (time - EPOCH) // timedelta(milliseconds=1)
    text = format_time(ms)
    assert len(text) == 24
    assert text.endswith("Z")
    assert read_time(text, NOW).ms == ms


@given(text=st.text(max_size=40) | st.from_regex(r"[0-9T:+\-Zz. ]{15,35}", fullmatch=True))
def test_no_text_raises(text: str) -> None:
    """Whatever is written, reading it returns, the result can be written, and the flags are of the closed set."""
    ms, flags = read_time(text, NOW)
    assert (ms is None) == ("unreadable_time:timestamp" in flags)
    assert {quirk_of(flag) for flag in flags} <= TIME_QUIRKS.keys()
    if ms is not None:
        format_time(ms)
