"""What a station's profiles allow at which time: the composite schedule (OCPP 1.6 §3.13, §5.7, §7.8 to §7.14).

At each moment the prevailing profile of a purpose is that of the highest stack level among those that hold then. A
transaction's own profile stands in for the default ones, and the station's maximum caps the result. The errata settle
what the standard leaves open: a recurring schedule starts every 24 hours or 7 days (3.78), is cut at its next start
(3.44), and where a schedule is over the next lower level holds (3.43).
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

import msgspec

from shared.records.profiles import RECURRENCE_S, USUAL_PHASES, Period, Profile, Supply, Unit

SECOND_MS: Final = 1000


class MixedUnits(ValueError):
    """Profiles in A and in W were to be combined, and nobody said by which voltage."""

    def __init__(self) -> None:
        super().__init__("the profiles are in A and in W: give the voltage and the phases to convert by")


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """What the schedule is computed for.

    `until` is exclusive; both are ms. A connector without a transaction is taken as one that begins to charge at
    `since`. `zone`: recurring schedules start at the same local time there, over changes of its clocks too; None: every
    24 hours or 7 days, as the errata have it.
    """

    connector_id: int
    since: int
    until: int
    unit: Unit
    transaction_id: int = 0
    charging_since: int | None = None
    supply: Supply | None = None
    zone: tzinfo | None = None
    default_behind: bool = True
    """Where a transaction's profile is over the default ones hold again; False: not while it is installed."""

    @property
    def started_at(self) -> int:
        """The moment from which relative schedules count."""
        return self.since if self.charging_since is None else self.charging_since


class Limit(msgspec.Struct, frozen=True):
    """What holds at a moment: the limit in tenths of a unit, the phases, and the profile that sets it."""

    limit: int
    phases: int
    profile_id: int


class Segment(msgspec.Struct, frozen=True):
    """A stretch of time, ms, and what holds in it; None: no profile limits it."""

    since: int
    until: int
    limit: Limit | None


def compose(profiles: Sequence[Profile], situation: Situation) -> list[Segment]:
    """Return the composite schedule of a connector, without gaps; neighbours differ.

    Raises `MixedUnits` where a conversion is needed and `supply` is not set.
    """
    held = _held(profiles, situation)
    edges = sorted({situation.since, *(edge for profile in held for edge in _edges(profile, situation))})
    segments: list[Segment] = []
    for since, until in zip(edges, [*edges[1:], situation.until], strict=True):
        limit = _prevailing(held, situation, since)
        if segments and segments[-1].limit == limit:
            segments[-1] = msgspec.structs.replace(segments[-1], until=until)
        else:
            segments.append(Segment(since, until, limit))
    return segments


def limit_at(profiles: Sequence[Profile], situation: Situation, at: int) -> Limit | None:
    """Return what the profiles allow at a moment (ms); None: no profile limits it."""
    return _prevailing(_held(profiles, situation), situation, at)


# ── which profiles count ─────────────────────────────────────────────────────────────────────────────────────────────


def _held(profiles: Sequence[Profile], situation: Situation) -> list[Profile]:
    """Return the profiles that bear on the connector, in the unit that is wanted.

    A default profile of the connector stands in for the one of connector 0 at the same stack level (§3.13.1).
    """
    connector = situation.connector_id
    own = {p.stack_level for p in profiles if p.purpose == "default" and p.connector_id == connector != 0}
    return [
        _in_unit(profile, situation)
        for profile in profiles
        if (
            profile.purpose == "station_max"
            or (profile.purpose == "default" and profile.connector_id == connector)
            or (profile.purpose == "default" and profile.connector_id == 0 and profile.stack_level not in own)
            or (
                profile.purpose == "transaction"
                and profile.connector_id == connector
                and profile.transaction_id in (0, situation.transaction_id)
            )
        )
    ]


def _in_unit(profile: Profile, situation: Situation) -> Profile:
    if profile.unit == situation.unit:
        return profile
    if situation.supply is None:
        raise MixedUnits
    return situation.supply.in_unit(profile, situation.unit)


# ── what holds at a moment ───────────────────────────────────────────────────────────────────────────────────────────


def _prevailing(held: Sequence[Profile], situation: Situation, at: int) -> Limit | None:
    own = _of_purpose(held, "transaction", situation, at)
    overruled = not situation.default_behind and any(profile.purpose == "transaction" for profile in held)
    if own is None and not overruled:
        own = _of_purpose(held, "default", situation, at)
    cap = _of_purpose(held, "station_max", situation, at)
    if own is None or cap is None:
        return own or cap
    return min(own, cap, key=lambda limit: (limit.limit, limit.phases))


def _of_purpose(held: Iterable[Profile], purpose: str, situation: Situation, at: int) -> Limit | None:
    found: tuple[tuple[int, int], Limit] | None = None
    for profile in held:
        if profile.purpose == purpose and (period := _period_at(profile, situation, at)) is not None:
            # Two of one level cannot be installed; should a caller mix them, the greater id wins.
            rank = (profile.stack_level, profile.profile_id)
            if found is None or rank > found[0]:
                found = (rank, Limit(period.limit, period.phases or USUAL_PHASES, profile.profile_id))
    return None if found is None else found[1]


def _period_at(profile: Profile, situation: Situation, at: int) -> Period | None:
    if not (profile.valid_from or 0) <= at < (at + 1 if profile.valid_to is None else profile.valid_to):
        return None
    start = _start_before(profile, situation, at)
    if start is None:
        return None
    passed = at - start
    if profile.duration_s is not None and passed >= profile.duration_s * SECOND_MS:
        return None
    place = bisect.bisect_right(profile.periods, passed, key=lambda period: period.start_s * SECOND_MS)
    return profile.periods[place - 1] if place else None


def _start_before(profile: Profile, situation: Situation, at: int) -> int | None:
    """Return the last start of the schedule at or before `at`; None where it has not begun."""
    first = _first_start(profile, situation)
    if at < first:
        return None
    if profile.recurrence is None or profile.kind != "recurring":
        return first
    if situation.zone is None:
        every = RECURRENCE_S[profile.recurrence] * SECOND_MS
        return first + (at - first) // every * every
    days = RECURRENCE_S[profile.recurrence] // RECURRENCE_S["daily"]
    count = (at - first) // (RECURRENCE_S[profile.recurrence] * SECOND_MS)
    # A change of the clocks moves a start by an hour or so: it may be the one before or after.
    starts = [_local(first, n * days, situation.zone) for n in range(max(count - 1, 0), count + 2)]
    return max(start for start in starts if start <= at)


def _first_start(profile: Profile, situation: Situation) -> int:
    if profile.kind == "relative" or profile.start_at is None:
        return situation.started_at
    return profile.start_at


def _local(first: int, days: int, zone: tzinfo) -> int:
    """Return the moment that is `days` days later by the wall clock of `zone`."""
    begun = datetime.fromtimestamp(first / SECOND_MS, UTC).astimezone(zone)
    moved = (begun.replace(tzinfo=None) + timedelta(days=days)).replace(tzinfo=zone, fold=begun.fold)
    return round(moved.timestamp() * SECOND_MS)


# ── where something may change ───────────────────────────────────────────────────────────────────────────────────────


def _edges(profile: Profile, situation: Situation) -> Iterator[int]:
    """Yield the moments within the window at which a profile's limit may change."""
    since, until = situation.since, situation.until
    for start in _starts(profile, situation):
        ends = () if profile.duration_s is None else (profile.duration_s,)
        for offset in (*(period.start_s for period in profile.periods), *ends):
            if since < start + offset * SECOND_MS < until:
                yield start + offset * SECOND_MS
        if since < start < until:
            yield start
    for edge in (profile.valid_from, profile.valid_to):
        if edge is not None and since < edge < until:
            yield edge


def _starts(profile: Profile, situation: Situation) -> Iterator[int]:
    """Yield the starts of the schedule that matter for the window."""
    first = _first_start(profile, situation)
    if profile.recurrence is None or profile.kind != "recurring":
        yield first
        return
    days = RECURRENCE_S[profile.recurrence] // RECURRENCE_S["daily"]
    every = RECURRENCE_S[profile.recurrence] * SECOND_MS
    number = max((situation.since - first) // every - 1, 0)
    while True:
        start = first + number * every if situation.zone is None else _local(first, number * days, situation.zone)
        if start >= situation.until:
            return
        yield start
        number += 1
