"""What a charging profile is: limits over time, when they hold, and which profile prevails (OCPP 1.6 §3.13, §7.8).

Limits are integers in tenths of an ampere (of each phase) or of a watt (of all phases): the standard allows one
decimal, and floats would not add up. Times are milliseconds since 1970, durations seconds.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

Purpose = Literal["station_max", "default", "transaction"]
"""`station_max`: the whole station; `default`: transactions without a profile of their own; `transaction`: one."""
Kind = Literal["absolute", "recurring", "relative"]
Recurrence = Literal["daily", "weekly"]
Unit = Literal["A", "W"]

DAY_S: Final = 24 * 3600
RECURRENCE_S: Final[dict[str, int]] = {"daily": DAY_S, "weekly": 7 * DAY_S}
USUAL_PHASES: Final = 3
"""What holds where a period names no number of phases (§7.14)."""


class Period(msgspec.Struct, frozen=True, omit_defaults=True):
    """A limit from `start_s` after the schedule's start until the next period's."""

    start_s: int
    limit: int
    """Tenths of the schedule's unit."""
    phases: int = 0
    """How many may be used; 0: not named, which means three."""


class Profile(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A charging profile as it is installed on a connector (0: the station, or all of its connectors)."""

    profile_id: int
    purpose: Purpose
    kind: Kind
    unit: Unit
    periods: tuple[Period, ...]
    connector_id: int = 0
    stack_level: int = 0
    recurrence: Recurrence | None = None
    transaction_id: int = 0
    """Of a transaction's profile: which; 0: whatever transaction runs on the connector."""
    valid_from: int | None = None
    valid_to: int | None = None
    start_at: int | None = None
    """Start of the schedule; None: the transaction's start."""
    duration_s: int | None = None
    """None: the last period goes on."""
    min_rate: int | None = None
    """Below this charging is inefficient; tenths of the unit."""


class Supply(msgspec.Struct, frozen=True):
    """What a conversion between A and W assumes: volts between phase and neutral, and the number of phases."""

    voltage: int
    phases: int = USUAL_PHASES

    def convert(self, limit: int, unit: Unit, wanted: Unit, phases: int = 0) -> int:
        """Return a limit in the `wanted` unit, in tenths; rounded down: a limit is never raised."""
        if unit == wanted:
            return limit
        factor = self.voltage * (phases or self.phases)
        return limit * factor if wanted == "W" else limit // factor

    def in_unit(self, profile: Profile, wanted: Unit) -> Profile:
        """Return a profile with its amounts in the `wanted` unit."""
        if profile.unit == wanted:
            return profile
        periods = tuple(
            msgspec.structs.replace(period, limit=self.convert(period.limit, profile.unit, wanted, period.phases))
            for period in profile.periods
        )
        rate = profile.min_rate
        min_rate = None if rate is None else self.convert(rate, profile.unit, wanted)
        return msgspec.structs.replace(profile, unit=wanted, periods=periods, min_rate=min_rate)


MAINS: Final = Supply(230)
"""What a comparison across units assumes where nobody said."""


class LibraryProfile(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A profile of the library: key `p:{name}:profile`; where it goes is said when it is assigned."""

    name: str
    profile: Profile
    version: int = 1
    """Raised by each change; stations keep the version that they were sent."""
    note: str = ""
    updated_at: int = 0


AssignedState = Literal["wanted", "accepted", "verified", "differs", "refused", "unconfirmed"]
"""`verified`, `differs`: what the station computes from its profiles is, or is not, what Ampstream does.

`unconfirmed`: no answer came, so it may or may not have been taken.
"""


class Assigned(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A profile that is wanted on a station, and how far it got."""

    profile: Profile
    name: str = ""
    """In the library; empty: it was given whole."""
    version: int = 0
    state: AssignedState = "wanted"
    since: int = 0
    """When it came into this state."""
    command_id: str = ""
    """What is under way: setting it, or clearing it."""
    check_id: str = ""
    """The request for the composite schedule that is under way."""
    clearing: bool = False
    detail: str = ""
    """Why it was refused, how the station differs, or what it drew beyond it."""
    accepted_at: int = 0
    verify: bool = True
    """Whether its station is asked for the composite schedule that comes of it."""
    converted: Supply | None = None
    """By what its amounts were converted from the other unit; None: it is as it was given."""
    over_since: int = 0
    """Since when the measured value has been above the limit; 0: it is not."""

    @property
    def installed(self) -> bool:
        """Whether the station holds it, as far as is known."""
        return self.state in ("accepted", "verified", "differs", "unconfirmed")


class Limits(msgspec.Struct, frozen=True, omit_defaults=True):
    """Section `sc`: the charging profiles of a station, by their place in its stack."""

    by_slot: dict[str, Assigned] = {}


def slot_of(profile: Profile) -> str:
    """Return a profile's place: a station holds one profile in each (OCPP 1.6 §3.13.2)."""
    return f"{profile.purpose}/{profile.connector_id}/{profile.stack_level}"
