"""What is wrong with a charging profile, before it is sent: by the standard, and by what its station takes.

Rules of OCPP 1.6: §3.13.1, §3.13.2, §5.16, §7.8 to §7.14 and the errata 3.43 to 3.45, 3.65, 3.66. Limits of a station:
the configuration keys of §9.4.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from shared.records.profiles import RECURRENCE_S, Profile, Unit

PHASES = (1, 2, 3)


class StationLimits(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a station takes; None: it does not say, and nothing is refused for it."""

    connectors: int | None = None
    max_stack_level: int | None = None
    units: frozenset[Unit] | None = None
    max_periods: int | None = None
    max_installed: int | None = None
    switches_phases: bool | None = None
    """Whether it can change between one phase and three during a transaction (ConnectorSwitch3to1PhaseSupported)."""
    min_current: int | None = None
    """Tenths of an ampere: a limit between 0 and this is refused or taken for 0."""
    refused_kinds: frozenset[str] = frozenset()
    """Kinds that it was seen to refuse."""
    refused_purposes: frozenset[str] = frozenset()
    refused_recurrences: frozenset[str] = frozenset()
    zero_ends: bool = False
    """A limit of 0 does not pause: it ends the session, locks it, does nothing, or is refused. It is never sent."""
    zero_why: str = ""
    """What it does instead, in words."""


class Fault(msgspec.Struct, frozen=True):
    """One thing that is wrong: where, and what to change."""

    field: str
    """Path in the profile, such as `periods[2].limit`."""
    message: str


def faults(
    profile: Profile, limits: StationLimits, *, installed: Sequence[Profile] = (), charging: bool = True
) -> list[Fault]:
    """Return everything that is wrong with a profile; empty: it may be sent.

    `installed`: what the station holds already. `charging`: whether a transaction runs on the profile's connector.
    """
    return [*_placed(profile, limits, charging=charging), *_timed(profile), *_periods(profile, limits),
            *_fitting(profile, limits, installed)]  # fmt: skip


def _placed(profile: Profile, limits: StationLimits, *, charging: bool) -> Iterator[Fault]:
    purpose, connector = profile.purpose, profile.connector_id
    if connector < 0 or (limits.connectors is not None and connector > limits.connectors):
        yield Fault("connector_id", f"the station has no connector {connector}")
    if purpose == "station_max" and connector != 0:
        yield Fault("connector_id", "a maximum for the station goes to connector 0")
    if purpose == "transaction" and connector == 0:
        yield Fault("connector_id", "a transaction's profile goes to its connector, not to 0")
    if purpose == "transaction" and not charging:
        yield Fault("purpose", "no transaction runs on the connector: start one, or use a default profile")
    if purpose != "transaction" and profile.transaction_id:
        yield Fault("transaction_id", "only a transaction's profile names one: remove it")
    if purpose == "station_max" and profile.kind == "relative":
        yield Fault("kind", "a maximum for the station counts from no transaction: make it absolute or recurring")


def _timed(profile: Profile) -> Iterator[Fault]:
    if profile.kind == "recurring" and profile.recurrence is None:
        yield Fault("recurrence", "a recurring profile needs one: daily or weekly")
    if profile.kind != "recurring" and profile.recurrence is not None:
        yield Fault("recurrence", f"only for recurring profiles, and this is {profile.kind}: remove it")
    if profile.kind == "relative" and profile.start_at is not None:
        yield Fault("start_at", "a relative profile begins with its transaction: remove it")
    if profile.kind != "relative" and profile.start_at is None:
        yield Fault("start_at", f"{profile.kind} profiles need one")
    if profile.valid_from is not None and profile.valid_to is not None and profile.valid_to <= profile.valid_from:
        yield Fault("valid_to", "must be later than valid_from")
    if profile.duration_s is not None and profile.duration_s <= 0:
        yield Fault("duration_s", "must be 1 or more")
    if profile.kind == "recurring" and profile.recurrence and profile.duration_s is not None:
        longest = RECURRENCE_S[profile.recurrence]
        if profile.duration_s > longest:
            yield Fault("duration_s", f"must not be longer than the recurrence, {longest}: the rest is never executed")


def _periods(profile: Profile, limits: StationLimits) -> Iterator[Fault]:
    if not profile.periods:
        yield Fault("periods", "needs one or more")
        return
    if profile.periods[0].start_s != 0:
        yield Fault("periods[0].start_s", "must be 0")
    ends = [end for end in (profile.duration_s, RECURRENCE_S.get(profile.recurrence or "")) if end]
    for number, period in enumerate(profile.periods):
        place = f"periods[{number}]"
        if number and period.start_s <= profile.periods[number - 1].start_s:
            yield Fault(f"{place}.start_s", "must be later than the period before")
        if any(period.start_s >= end for end in ends):
            yield Fault(f"{place}.start_s", f"is never reached: the schedule ends after {min(ends)} s")
        if wrong := _limit(period.limit, profile.unit, limits):
            yield Fault(f"{place}.limit", wrong)
        if period.phases and period.phases not in PHASES:
            yield Fault(f"{place}.phases", "must be 1, 2 or 3")
    if limits.switches_phases is False and len({period.phases or 3 for period in profile.periods}) > 1:
        yield Fault("periods", "the station can't change phases during a transaction: use one number of phases")


def _limit(limit: int, unit: Unit, limits: StationLimits) -> str:
    if limit < 0:
        return "must be 0 or more"
    if limit == 0 and limits.zero_ends:
        why = limits.zero_why or "ends its session at 0"
        return f"this model {why}: use its minimum, or stop the transaction"
    if unit == "A" and limits.min_current is not None and 0 < limit < limits.min_current:
        return f"must be 0, or {limits.min_current / 10:g} A or more"
    return ""


def _fitting(profile: Profile, limits: StationLimits, installed: Sequence[Profile]) -> Iterator[Fault]:
    if profile.stack_level < 0:
        yield Fault("stack_level", "must be 0 or more")
    if limits.max_stack_level is not None and profile.stack_level > limits.max_stack_level:
        yield Fault("stack_level", f"the station's highest is {limits.max_stack_level}")
    if limits.units is not None and profile.unit not in limits.units:
        taken = " or ".join(sorted(limits.units)) or "none"
        yield Fault("unit", f"the station takes {taken}: convert it, with the voltage and phases to assume")
    if limits.max_periods is not None and len(profile.periods) > limits.max_periods:
        yield Fault("periods", f"the station takes {limits.max_periods} at most, these are {len(profile.periods)}")
    if profile.kind in limits.refused_kinds:
        yield Fault("kind", f"this model refuses {profile.kind} profiles")
    if profile.purpose in limits.refused_purposes:
        yield Fault("purpose", f"this model does not serve {profile.purpose} profiles")
    if profile.recurrence is not None and profile.recurrence in limits.refused_recurrences:
        yield Fault("recurrence", f"this model does not serve {profile.recurrence} profiles")
    others = [one for one in installed if not replaces(profile, one)]
    if limits.max_installed is not None and len(others) >= limits.max_installed:
        yield Fault(
            "profile_id", f"the station holds {len(others)} profiles, {limits.max_installed} at most: clear one"
        )


def replaces(profile: Profile, other: Profile) -> bool:
    """Tell whether installing `profile` removes `other`: the same id, or the same place in the stack (§5.16.3)."""
    same_place = (profile.purpose, profile.stack_level, profile.connector_id) == (
        other.purpose,
        other.stack_level,
        other.connector_id,
    )
    return profile.profile_id == other.profile_id or same_place
