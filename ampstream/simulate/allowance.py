"""What installed charging profiles allow at a moment (OCPP 1.6 §3.13), and when that may change: pure.

The simulator's own reading of the standard, made apart from the system's: the two are compared by tests.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from shared.ocpp.timestamps import read_time
from shared.ocpp.v16.datatypes import ChargingProfile, ChargingSchedulePeriod
from shared.ocpp.v16.enums import (
    ChargingProfileKindType,
    ChargingProfilePurposeType,
    ChargingRateUnitType,
    RecurrencyKindType,
)

_DAY_S: Final = 86_400.0
_PERIOD_S: Final = {RecurrencyKindType.DAILY: _DAY_S, RecurrencyKindType.WEEKLY: 7 * _DAY_S}
Purpose = ChargingProfilePurposeType


class Installed(NamedTuple):
    """A profile, the connector that it is for, and when it came."""

    connector: int
    profile: ChargingProfile
    at_s: float


class Limit(NamedTuple):
    """A limit in its schedule's own unit; `phases` None: the schedule names no number."""

    value: float
    unit: ChargingRateUnitType
    phases: int | None


class Allowed(NamedTuple):
    """What a car may draw: A of each phase, and on how many phases at most."""

    amps: float
    phases: int


def stack(installed: Iterable[Installed], purpose: Purpose, connector: int) -> list[Installed]:
    """Return the profiles of a purpose that bear on a connector, the highest stack level first.

    A default profile of the connector stands in for that of connector 0 at the same level (§3.13.1).
    """
    found = [one for one in installed if one.profile.charging_profile_purpose == purpose]
    own = [one for one in found if one.connector == connector]
    if purpose == Purpose.TX_DEFAULT_PROFILE and connector:
        levels = {one.profile.stack_level for one in own}
        own += [one for one in found if one.connector == 0 and one.profile.stack_level not in levels]
    return sorted(own, key=lambda one: -one.profile.stack_level)


def prevailing(profiles: Sequence[Installed], started_s: float | None, at_s: float) -> Limit | None:
    """Return what the first of `profiles` that holds at a moment allows; None: none does."""
    for one in profiles:
        period = _period_at(one, started_s, at_s)
        if period is not None:
            return Limit(period.limit, one.profile.charging_schedule.charging_rate_unit, period.number_phases)
    return None


def _start_s(one: Installed, started_s: float | None) -> float:
    """Return where the schedule begins: its own start, else the transaction's, else when it came."""
    start = _seconds(one.profile.charging_schedule.start_schedule)
    if one.profile.charging_profile_kind == ChargingProfileKindType.RELATIVE or start is None:
        return one.at_s if started_s is None else started_s
    return start


def _every_s(one: Installed) -> float:
    """Return how often the schedule begins again; infinity: never."""
    profile = one.profile
    if profile.charging_profile_kind != ChargingProfileKindType.RECURRING or profile.recurrency_kind is None:
        return math.inf
    return _PERIOD_S[profile.recurrency_kind]


def _period_at(one: Installed, started_s: float | None, at_s: float) -> ChargingSchedulePeriod | None:
    profile = one.profile
    valid_from, valid_to = _seconds(profile.valid_from), _seconds(profile.valid_to)
    if (valid_from is not None and at_s < valid_from) or (valid_to is not None and at_s >= valid_to):
        return None
    elapsed = at_s - _start_s(one, started_s)
    if elapsed < 0:
        return None
    every = _every_s(one)
    elapsed = elapsed % every if every < math.inf else elapsed
    schedule = profile.charging_schedule
    if schedule.duration is not None and elapsed >= schedule.duration:
        return None
    begun = [period for period in schedule.charging_schedule_period if period.start_period <= elapsed]
    return begun[-1] if begun else None


def turns(one: Installed, started_s: float | None, now_s: float, duration_s: float) -> Iterator[float]:
    """Yield when, in so many seconds from now, what a profile allows may change."""
    schedule, every = one.profile.charging_schedule, _every_s(one)
    edges = [float(period.start_period) for period in schedule.charging_schedule_period]
    edges += [float(schedule.duration)] if schedule.duration is not None else []
    start = _start_s(one, started_s)
    if every < math.inf:
        start += max((now_s - start) // every, 0.0) * every
    while start < now_s + duration_s:
        yield from (start + edge - now_s for edge in edges if 0 < start + edge - now_s < duration_s)
        start += every
    ends = (_seconds(one.profile.valid_from), _seconds(one.profile.valid_to))
    yield from (end - now_s for end in ends if end is not None and 0 < end - now_s < duration_s)


def _seconds(time: str | None) -> float | None:
    read = read_time(time, 0).ms if time is not None else None
    return read / 1000 if read is not None else None
