"""Numbers and units of samples, normalised exactly: no value passes through binary arithmetic.

`normalise` gives an integer where the value is whole, else the float nearest to the exact decimal (the same decimal
again for up to 15 significant digits), and the text itself where it is no number.
"""

from __future__ import annotations

from decimal import Context, Decimal, InvalidOperation
from typing import Final

Value = int | float | str
Normal = tuple[Value, str, tuple[str, ...]]
"""Value, unit, flags: `unit_unknown`, `unit_spelling`, `not_a_number`, `decimal_comma`."""

_EXACT_DIGITS: Final = 15
"""A float gives back every decimal of so many significant digits."""
_CONTEXT: Final = Context(prec=60, Emin=-10_000, Emax=10_000)
_MAX_TEXT: Final = 64
_MAX_MAGNITUDE: Final = 15
"""Digits before the point: more is no measurement, and would not fit a 64-bit integer."""

_UNITS: Final[dict[str, tuple[str, int]]] = {
    "Wh": ("Wh", 0),
    "kWh": ("Wh", 3),
    "varh": ("varh", 0),
    "kvarh": ("varh", 3),
    "W": ("W", 0),
    "kW": ("W", 3),
    "VA": ("VA", 0),
    "kVA": ("VA", 3),
    "VAh": ("VAh", 0),
    "kVAh": ("VAh", 3),
    "var": ("var", 0),
    "kvar": ("var", 3),
    "A": ("A", 0),
    "V": ("V", 0),
    "Celsius": ("Celsius", 0),
    "Percent": ("Percent", 0),
    # Frequency has no unit in 1.6, its samples are Hertz (errata 3.84); stations send either spelling.
    "Hz": ("Hz", 0),
    "Hertz": ("Hz", 0),
    "RPM": ("RPM", 0),
}
"""Unit as the standards spell it -> unit kept, power of ten."""
_SPELLINGS: Final[dict[str, str]] = {
    **{unit.lower(): unit for unit in _UNITS},
    "celcius": "Celsius",
    "°c": "Celsius",
    "c": "Celsius",
    "%": "Percent",
    "mwh": "",  # megawatt hours or milliwatt hours: nobody knows
}
_DEFAULTS: Final[dict[str, str]] = {
    "Current": "A",
    "Voltage": "V",
    "Frequency": "Hz",
    "SoC": "Percent",
    "Temperature": "Celsius",
    "RPM": "RPM",
}


def normalise(raw: str | float, unit: str, measurand: str) -> Normal:
    """Return `raw` in the unit that is kept for `unit`, or for the measurand where the sample has none."""
    known = _UNITS.get(unit)
    if known is None:
        return _with_other_unit(raw, unit, measurand)
    kept, shift = known
    if type(raw) is str:
        if not shift and len(raw) <= _EXACT_DIGITS and raw.isdigit() and raw.isascii():
            return int(raw), kept, ()
        value = _shifted_text(raw, shift)
        if value is not None:
            return value, kept, ()
    return _exactly(raw, kept, shift, ())


def default_unit(measurand: str) -> str:
    """Return the unit of a sample without one (OCPP 1.6 section 7.43: Wh for energy), `""` where there is none."""
    head, _, tail = measurand.partition(".")
    reactive = tail.startswith("Reactive")
    if head == "Energy":
        return "varh" if reactive else "Wh"
    if head == "Power":
        return "" if tail == "Factor" else "var" if reactive else "W"
    return _DEFAULTS.get(head, "")


def _with_other_unit(raw: str | float, unit: str, measurand: str) -> Normal:
    """Handle what is no standard spelling: no unit, temperatures, other spellings, unknown ones."""
    if not unit:
        default = default_unit(measurand)
        return normalise(raw, default, measurand) if default else _exactly(raw, "", 0, ())
    if unit in ("Fahrenheit", "K"):
        return _celsius(raw, unit)
    meant = _SPELLINGS.get(unit.strip().lower())
    if meant:
        kept, shift = _UNITS[meant]
        return _exactly(raw, kept, shift, ("unit_spelling",))
    return _exactly(raw, unit, 0, ("unit_unknown",))


def _shifted_text(text: str, shift: int) -> int | float | None:
    """Move the point of a plain decimal `123.45`; None where it is anything else, or too long for a float."""
    if len(text) > _EXACT_DIGITS - shift or not text.isascii():
        return None
    whole, point, fraction = text.partition(".")
    if not whole.isdigit() or (point and not fraction.isdigit()):
        return None
    fraction = fraction.rstrip("0")
    if len(fraction) <= shift:
        return int(whole + fraction.ljust(shift, "0"))
    return float(f"{whole}{fraction[:shift]}.{fraction[shift:]}")


def _exactly(raw: str | float, unit: str, shift: int, flags: tuple[str, ...]) -> Normal:
    """Handle signs, exponents, blanks, decimal commas and long numbers."""
    number, flags = _decimal(raw, flags)
    if number is None:
        return str(raw), unit, flags
    return _plain(number.scaleb(shift, _CONTEXT)), unit, flags


def _celsius(raw: str | float, unit: str) -> Normal:
    """Convert Kelvin exactly, Fahrenheit to a hundredth of a degree."""
    number, flags = _decimal(raw, ())
    if number is None:
        return str(raw), unit, flags
    if unit == "K":
        return _plain(_CONTEXT.subtract(number, Decimal("273.15"))), "Celsius", flags
    scaled = _CONTEXT.divide(_CONTEXT.multiply(number - 32, Decimal(5)), Decimal(9))
    return _plain(round(scaled, 2)), "Celsius", flags


def _decimal(raw: str | float, flags: tuple[str, ...]) -> tuple[Decimal | None, tuple[str, ...]]:
    text = raw.strip() if isinstance(raw, str) else str(raw)
    if text.count(",") == 1 and "." not in text:
        text, flags = text.replace(",", "."), (*flags, "decimal_comma")
    try:
        number = Decimal(text) if len(text) <= _MAX_TEXT and "_" not in text else None
    except InvalidOperation:
        number = None
    if number is None or not number.is_finite() or not (number.is_zero() or -30 <= number.adjusted() < _MAX_MAGNITUDE):
        return None, (*flags, "not_a_number")
    return number, flags


def _plain(number: Decimal) -> int | float:
    return int(number) if number == number.to_integral_value() else float(number)
