"""Charging profiles as operators write and see them: amperes and watts, times in ISO-8601."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from edge.operators.times import GivenInstant, Instant, iso, milliseconds
from shared.records import profiles
from shared.records.profiles import AssignedState, Kind, Purpose, Recurrence, Unit

Amount = Annotated[float, Meta(ge=0, le=1_000_000, description="In the profile's unit; one decimal at most.")]
Seconds = Annotated[int, Meta(ge=0, le=366 * 24 * 3600)]
ProfileName = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]*$")]
ShownState = AssignedState | Literal["sent"]


class Period(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A limit from `start_s` after the schedule's start until the next period's."""

    start_s: Seconds = 0
    limit: Amount
    phases: Annotated[int, Meta(ge=1, le=3)] | None = None


class ProfileBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A charging profile, without the place where it goes."""

    purpose: Purpose = "default"
    kind: Kind = "absolute"
    unit: Unit = "A"
    periods: Annotated[list[Period], Meta(min_length=1, max_length=1000)]
    recurrence: Recurrence | None = None
    start_at: GivenInstant | None = None
    """Of absolute and recurring profiles; absent: the moment of the request."""
    duration_s: Seconds | None = None
    valid_from: GivenInstant | None = None
    valid_to: GivenInstant | None = None
    stack_level: Annotated[int, Meta(ge=0, le=1000)] = 0
    min_rate: Amount | None = None

    def record(self, now: int) -> profiles.Profile:
        """Return the profile as it is stored; its id and its connector are given later."""
        start = None if self.start_at is None else milliseconds(self.start_at)
        return profiles.Profile(
            profile_id=0,
            purpose=self.purpose,
            kind=self.kind,
            unit=self.unit,
            periods=tuple(profiles.Period(one.start_s, tenths(one.limit), one.phases or 0) for one in self.periods),
            recurrence=self.recurrence,
            # Whole seconds: many stations can't read more.
            start_at=now // 1000 * 1000 if start is None and self.kind != "relative" else start,
            duration_s=self.duration_s,
            valid_from=None if self.valid_from is None else milliseconds(self.valid_from),
            valid_to=None if self.valid_to is None else milliseconds(self.valid_to),
            stack_level=self.stack_level,
            min_rate=None if self.min_rate is None else tenths(self.min_rate),
        )


class ShownPeriod(msgspec.Struct, frozen=True, kw_only=True):
    """A limit from `start_s` after the schedule's start."""

    start_s: int
    limit: float
    phases: int | None


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """A charging profile."""

    purpose: Purpose
    kind: Kind
    unit: Unit
    periods: list[ShownPeriod]
    recurrence: Recurrence | None
    start_at: Instant | None
    duration_s: int | None
    valid_from: Instant | None
    valid_to: Instant | None
    stack_level: int
    min_rate: float | None


class LibraryProfile(Profile, frozen=True, kw_only=True):
    """A profile of the library; `version` rises with each change."""

    name: str
    version: int
    note: str
    updated_at: Instant | None

    @classmethod
    def of(cls, record: profiles.LibraryProfile) -> LibraryProfile:
        """Show a record."""
        return cls(
            name=record.name,
            version=record.version,
            note=record.note,
            updated_at=iso(record.updated_at),
            **shown(record.profile),
        )


class Converted(msgspec.Struct, frozen=True, kw_only=True):
    """What a conversion between A and W assumed: volts between phase and neutral, and the number of phases."""

    voltage: int
    phases: int


class StationProfile(Profile, frozen=True, kw_only=True):
    """A profile of a station, and how far it got."""

    id: int
    connector_id: int
    transaction_id: int | None
    name: str | None
    """In the library, and its version there."""
    version: int | None
    state: ShownState
    since: Instant | None
    detail: str | None
    """Why it was refused or could not be verified, or how the station differs."""
    clearing: bool
    converted: Converted | None
    """By what it was converted from the unit in which it was given."""
    over_limit_since: Instant | None
    """Since when the station has drawn more than it allows."""
    command_id: str | None

    @classmethod
    def of(cls, record: profiles.Assigned, sent: str = "") -> StationProfile:
        """Show a record; `sent` is the command that the station has and has not answered."""
        state: ShownState = record.state
        return cls(
            id=record.profile.profile_id,
            connector_id=record.profile.connector_id,
            transaction_id=record.profile.transaction_id or None,
            name=record.name or None,
            version=record.version or None,
            state="sent" if state == "wanted" and sent and sent == record.command_id else state,
            since=iso(record.since),
            detail=record.detail or None,
            clearing=record.clearing,
            converted=None if (by := record.converted) is None else Converted(voltage=by.voltage, phases=by.phases),
            over_limit_since=iso(record.over_since),
            command_id=record.command_id or None,
            **shown(record.profile),
        )


class ScheduleSegment(msgspec.Struct, frozen=True, kw_only=True):
    """What holds from `since` until `until`; null: no profile limits it."""

    since: Instant | None
    until: Instant | None
    limit: float | None
    phases: int | None
    profile_id: int | None


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """What a station's profiles allow on a connector, as Ampstream computes it (OCPP 1.6 §3.13)."""

    station_id: str
    connector_id: int
    unit: Unit
    transaction_id: int | None
    segments: list[ScheduleSegment]
    assumed: dict[str, int] | None
    """The voltage and phases that A and W were converted by."""


def shown(profile: profiles.Profile) -> dict[str, Any]:
    """Return the fields of a `Profile`."""
    return {
        "purpose": profile.purpose,
        "kind": profile.kind,
        "unit": profile.unit,
        "periods": [
            ShownPeriod(start_s=one.start_s, limit=one.limit / 10, phases=one.phases or None) for one in profile.periods
        ],
        "recurrence": profile.recurrence,
        "start_at": _time(profile.start_at),
        "duration_s": profile.duration_s,
        "valid_from": _time(profile.valid_from),
        "valid_to": _time(profile.valid_to),
        "stack_level": profile.stack_level,
        "min_rate": None if profile.min_rate is None else profile.min_rate / 10,
    }


def tenths(amount: float) -> int:
    """Return an amount as it is stored; more than one decimal is rounded down: a limit is never raised."""
    # 8.1 is 8.0999... in binary: what is within a hundred-thousandth of a tenth is that tenth.
    return int(amount * 10 + 1e-4)


def _time(ms: int | None) -> str | None:
    return None if ms is None else iso(ms)
