"""What OpenADR 3 says, read loosely, and what it means here: pure.

Object shapes are those of the OpenADR 3.0.1 OpenAPI (event, interval, intervalPeriod, valuesMap); the targets of 3.1,
a list of texts, are read as well. Payload types are those of its definitions:

    SIMPLE                      level 1 to 3: a share of what was drawn before is left (a setting); 0: nothing is asked
    DISPATCH_SETPOINT           no more than so much (KW)
    DISPATCH_SETPOINT_RELATIVE  below 0: so much less than before (KW); above: nothing is asked
    IMPORT_CAPACITY_LIMIT       no more than so much (KW)
    PRICE                       the price of a kWh

Everything else is passed over, and so is an interval whose time can't be read.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from shared.records.demand import DemandKind
from shared.records.prices import PriceInterval
from shared.records.sites import Amount

FOR_EVER_MS: Final = 10 * 365 * 86_400_000
"""What an interval without a duration, or of P9999Y, lasts."""
MOST: Final = 1e9
"""No number of an event means more; what is no number at all does not lie below it either."""
_DURATION: Final = re.compile(
    r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?"
)
_UNITS_S: Final = (365 * 86400, 30 * 86400, 7 * 86400, 86400, 3600, 60, 1)
_WATTS: Final = {"KW": 1000.0, "KVA": 1000.0, "W": 1.0, "MW": 1e6, "": 1000.0}
_KWH: Final = {"KWH": 1.0, "MWH": 0.001, "WH": 1000.0, "": 1.0}
"""By unit: what a price is multiplied by to be one per kWh."""


class ValuesMap(msgspec.Struct, frozen=True):
    """`valuesMap`: a type and its values."""

    type: str = ""
    values: list[Any] = []


class Period(msgspec.Struct, frozen=True, rename="camel"):
    """`intervalPeriod`."""

    start: str = ""
    duration: str | None = None


class Interval(msgspec.Struct, frozen=True, rename="camel"):
    """`interval`."""

    id: int = 0
    interval_period: Period | None = None
    payloads: list[ValuesMap] = []


class Descriptor(msgspec.Struct, frozen=True, rename="camel"):
    """`eventPayloadDescriptor`, or `reportDescriptor`."""

    payload_type: str = ""
    units: str | None = None
    currency: str | None = None


class OadrEvent(msgspec.Struct, frozen=True, rename="camel"):
    """`event`."""

    id: str
    program_id: str = msgspec.field(name="programID", default="")
    event_name: str | None = None
    created_date_time: str | None = None
    modification_date_time: str | None = None
    targets: list[Any] | None = None
    payload_descriptors: list[Descriptor] | None = None
    report_descriptors: list[Descriptor] | None = None
    interval_period: Period | None = None
    intervals: list[Interval] = []


class Wanted(msgspec.Struct, frozen=True):
    """A limit for a time, as one interval asks for it."""

    interval: int
    start_at: int
    end_at: int
    kind: DemandKind
    amount: Amount | None = None
    percent: int | None = None


class Target(msgspec.Struct, frozen=True):
    """Whom an event is about: names of sites (or `site/circuit`), groups of stations; none of both: not said.

    `areas`: whose prices it tells; limits do not go by them.
    """

    places: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    areas: tuple[str, ...] = ()


def fingerprint(event: OadrEvent) -> str:
    """Return a text that is another where the event asks for something else."""
    said = msgspec.json.encode(
        [event.program_id, event.targets, event.interval_period, event.intervals, event.payload_descriptors]
    )
    return hashlib.blake2b(said, digest_size=12).hexdigest()


def target_of(event: OadrEvent, ven_name: str) -> Target | None:
    """Return whom an event is about; None: other VENs."""
    vens: list[str] = []
    places: list[str] = []
    groups: list[str] = []
    areas: list[str] = []
    named = {"VEN_NAME": vens, "RESOURCE_NAME": places, "GROUP": groups, "SERVICE_AREA": areas}
    named |= {"POWER_SERVICE_LOCATION": places, "SERVICE_LOCATION": places}
    for target in event.targets or ():
        if isinstance(target, str):
            kind, _, name = target.partition(":")
            named.get(kind.upper() if name else "RESOURCE_NAME", places).append(name or target)
        elif isinstance(target, dict):
            held = named.get(str(target.get("type", "")).upper())
            values = target.get("values")
            if held is not None and isinstance(values, list):
                held += [str(value) for value in values]
    if vens and ven_name not in vens:
        return None
    return Target(tuple(places), tuple(groups), tuple(areas))


def wanted(event: OadrEvent, levels: Sequence[int], seen_at: int) -> list[Wanted]:
    """Return the limits that an event asks for, in the order of its intervals.

    `levels`: what is left at SIMPLE's levels 1 to 3, in %. `seen_at`: when "now" is, for an event that begins so.
    """
    units = {one.payload_type: (one.units or "").upper() for one in event.payload_descriptors or ()}
    found = []
    for interval, start_at, end_at in _timed(event, seen_at):
        for payload in interval.payloads:
            limit = _limit(payload, units.get(payload.type, ""), levels)
            if limit is not None:
                kind, amount, percent = limit
                found.append(Wanted(interval.id, start_at, end_at, kind, amount, percent))
    return found


def prices(event: OadrEvent, seen_at: int) -> tuple[str, list[PriceInterval]]:
    """Return the currency and the prices per kWh that an event tells."""
    described = next((one for one in event.payload_descriptors or () if one.payload_type == "PRICE"), Descriptor())
    factor = _KWH.get((described.units or "").upper())
    if factor is None:
        return "", []
    found = [
        PriceInterval(start_at, end_at, value * factor)
        for interval, start_at, end_at in _timed(event, seen_at)
        for payload in interval.payloads
        if payload.type == "PRICE" and (value := _number(payload)) is not None
    ]
    return described.currency or "", sorted(found, key=lambda one: one.start_at)


def reports_wanted(event: OadrEvent) -> tuple[str, ...]:
    """Return the payload types of reports that an event asks for and that can be told."""
    return tuple(one.payload_type for one in event.report_descriptors or () if one.payload_type in REPORTS)


REPORTS: Final = ("USAGE", "DEMAND", "BASELINE")
"""Energy in kWh, mean power in kW, and mean power before the event in kW."""


def _limit(payload: ValuesMap, unit: str, levels: Sequence[int]) -> tuple[DemandKind, Amount | None, int | None] | None:
    value, factor = _number(payload), _WATTS.get(unit)
    if value is None:
        return None
    if payload.type == "SIMPLE":
        level = int(value)
        return ("curtail", None, levels[level - 1]) if 1 <= level <= len(levels) else None
    if factor is None:
        return None
    if payload.type in ("DISPATCH_SETPOINT", "IMPORT_CAPACITY_LIMIT"):
        return "curtail", Amount(watts=max(int(value * factor), 0)), None
    if payload.type == "DISPATCH_SETPOINT_RELATIVE" and value < 0:
        return "shed", Amount(watts=-int(value * factor)), None
    return None


def _number(payload: ValuesMap) -> float | None:
    value = payload.values[0] if payload.values else None
    if not isinstance(value, int | float) or isinstance(value, bool) or not -MOST <= value <= MOST:
        return None
    return float(value)


def _timed(event: OadrEvent, seen_at: int) -> Iterator[tuple[Interval, int, int]]:
    """Yield the intervals with their times; those without one follow each other from the event's start on."""
    whole = event.interval_period
    told = _moment(event.modification_date_time) or _moment(event.created_date_time) or seen_at
    at = _start(whole, told) if whole is not None else None
    for interval in event.intervals:
        own = interval.interval_period
        start = _start(own, told) if own is not None and own.start else at
        lasts = _duration_ms(own.duration if own is not None and own.duration else whole.duration if whole else None)
        if start is None or lasts is None:
            continue
        yield interval, start, start + lasts
        at = start + lasts


def _start(period: Period, told: int) -> int | None:
    """Return when a period begins; one that begins in the year 0 or 1 begins when it was told."""
    if period.start.startswith(("0000", "0001")):
        return told
    return _moment(period.start)


def _moment(text: str | None) -> int | None:
    """Return a time in ms, in UTC where it names no zone; None for what is none."""
    try:
        read = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return round((read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp() * 1000)


def _duration_ms(text: str | None) -> int | None:
    """Return a duration (ISO 8601) in ms; for none, and for nothing, for ever. None for what can't be read."""
    if not text:
        return FOR_EVER_MS
    read = _DURATION.fullmatch(text)
    if read is None:
        return None
    seconds = sum(float(part) * unit for part, unit in zip(read.groups(), _UNITS_S, strict=True) if part)
    return min(round(seconds * 1000), FOR_EVER_MS) or FOR_EVER_MS
