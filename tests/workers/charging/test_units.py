"""Numbers and units: exact, whatever the spelling (OCPP 1.6 sections 7.43 and 7.45)."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.services.units import default_unit, normalise

ENERGY = "Energy.Active.Import.Register"


@pytest.mark.parametrize(
    ("text", "unit", "value", "kept"),
    [
        ("1500", "Wh", 1500, "Wh"),
        ("1.5", "kWh", 1500, "Wh"),
        ("12.345", "kWh", 12345, "Wh"),
        ("12.3456", "kWh", 12345.6, "Wh"),
        ("0.1", "kWh", 100, "Wh"),
        ("7.360", "kW", 7360, "W"),
        ("230.0", "V", 230, "V"),
        ("-16.1", "A", -16.1, "A"),
        ("1e3", "Wh", 1000, "Wh"),
        (" 42 ", "Wh", 42, "Wh"),
        ("1.1", "kvarh", 1100, "varh"),
        ("3", "kVA", 3000, "VA"),
        ("0", "kWh", 0, "Wh"),
        ("0.000", "kWh", 0, "Wh"),
        ("50", "Hertz", 50, "Hz"),
        ("99999999999999999", "Wh", "99999999999999999", "Wh"),
        (8.1, "A", 8.1, "A"),
        (7, "kWh", 7000, "Wh"),
    ],
)
def test_units_are_normalised(text: str | float, unit: str, value: object, kept: str) -> None:
    """Kilo units lose their prefix, whole values are integers, and no digit is lost."""
    assert normalise(text, unit, ENERGY)[:2] == (value, kept)
    assert type(normalise(text, unit, ENERGY)[0]) is type(value)


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [("20.5", "Celsius", 20.5), ("20.5", "Celcius", 20.5), ("293.65", "K", 20.5), ("68.9", "Fahrenheit", 20.5)],
)
def test_temperatures_become_celsius(text: str, unit: str, value: float) -> None:
    """Every temperature is kept in degrees Celsius, the misspelled one too (quirk 9)."""
    assert normalise(text, unit, "Temperature")[:2] == (value, "Celsius")


@pytest.mark.parametrize(
    ("measurand", "unit"),
    [
        (ENERGY, "Wh"),
        ("Energy.Reactive.Import.Register", "varh"),
        ("Power.Active.Import", "W"),
        ("Power.Reactive.Import", "var"),
        ("Power.Factor", ""),
        ("Current.Import", "A"),
        ("Voltage", "V"),
        ("Frequency", "Hz"),
        ("SoC", "Percent"),
        ("Temperature", "Celsius"),
        ("Request.Energy", ""),
    ],
)
def test_a_missing_unit_is_the_measurands_own(measurand: str, unit: str) -> None:
    """Without a unit a sample has its measurand's: Wh for energy (section 7.43), Hertz for frequency (errata 3.84)."""
    assert default_unit(measurand) == unit
    assert normalise("5", "", measurand) == (5, unit, ())


@pytest.mark.parametrize(
    ("text", "unit", "flag"),
    [
        ("5", "furlong", "unit_unknown"),
        ("5", "KWH", "unit_spelling"),
        ("5", "mWh", "unit_unknown"),
        ("50", "%", "unit_spelling"),
        ("1,5", "kWh", "decimal_comma"),
        ("n/a", "Wh", "not_a_number"),
        ("NaN", "Wh", "not_a_number"),
        ("1e999999999", "kWh", "not_a_number"),
        ("1_0", "Wh", "not_a_number"),
        ("", "Wh", "not_a_number"),
        ("٣", "Wh", ""),
    ],
)
def test_odd_samples_are_flagged(text: str, unit: str, flag: str) -> None:
    """What is not as the standard says is kept and flagged, and never raises."""
    flags = normalise(text, unit, ENERGY)[2]
    assert flags == ((flag,) if flag else ())


def test_what_is_no_number_stays_text() -> None:
    """A value that is no number is kept as it came."""
    assert normalise("n/a", "Wh", ENERGY)[:2] == ("n/a", "Wh")


SHIFTS = {"Wh": 0, "kWh": 3, "W": 0, "kW": 3, "A": 0, "V": 0, "kvarh": 3, "Percent": 0}


@given(
    number=st.decimals(min_value=-(10**9), max_value=10**9, places=5, allow_nan=False, allow_infinity=False),
    unit=st.sampled_from(sorted(SHIFTS)),
)
def test_normalising_is_exact(number: Decimal, unit: str) -> None:
    """A normalised value is the decimal that the station wrote, times the unit's power of ten, exactly."""
    value, _, flags = normalise(str(number), unit, ENERGY)
    assert flags == ()
    assert Decimal(str(value)) == number.scaleb(SHIFTS[unit])


@given(wh=st.integers(min_value=0, max_value=10**12), zeros=st.integers(min_value=0, max_value=4))
def test_whole_watt_hours_survive_kilo(wh: int, zeros: int) -> None:
    """Whole Wh that are written as kWh come back as the same integer."""
    text = f"{wh // 1000}.{wh % 1000:03d}{'0' * zeros}"
    assert normalise(text, "kWh", ENERGY)[0] == wh


@given(st.text(max_size=40), st.text(max_size=12), st.text(max_size=12))
def test_nothing_that_a_station_writes_raises(text: str, unit: str, measurand: str) -> None:
    """Any text, unit and measurand give some value that fits a record."""
    value, _, _ = normalise(text, unit, measurand)
    assert isinstance(value, str) or abs(value) < 2**63
