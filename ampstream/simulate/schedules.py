"""Charging profiles on a station (OCPP 1.6 §3.13, §5.16, §5.5, §5.7): kept by the rules, and read back as a composite.

Simple and honest about it: cars draw what `physics` says, whatever the profiles allow. 230 V per phase turn A into W.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, NamedTuple

from shared.ocpp.timestamps import format_time, read_time
from shared.ocpp.v16.datatypes import ChargingProfile, ChargingSchedule, ChargingSchedulePeriod
from shared.ocpp.v16.enums import (
    ChargingProfileKindType,
    ChargingProfilePurposeType,
    ChargingProfileStatus,
    ChargingRateUnitType,
    GetCompositeScheduleStatus,
    RecurrencyKindType,
)
from shared.ocpp.v16.messages import (
    ClearChargingProfileRequest,
    GetCompositeScheduleRequest,
    GetCompositeScheduleResponse,
)

if TYPE_CHECKING:
    from ampstream.simulate.chargepoint import ChargePoint

_VOLTS: Final = 230.0
_DAY_S: Final = 86_400.0
_PERIOD_S: Final = {RecurrencyKindType.DAILY: _DAY_S, RecurrencyKindType.WEEKLY: 7 * _DAY_S}
_UNIT_NAMES: Final = {ChargingRateUnitType.A: "Current", ChargingRateUnitType.W: "Power"}
_Purpose = ChargingProfilePurposeType


class Installed(NamedTuple):
    """A profile, the connector that it is for, and when it came."""

    connector: int
    profile: ChargingProfile
    at_s: float


class Schedules:
    """The profiles of one station, at most one per connector, purpose and stack level."""

    __slots__ = ("_cp", "_installed")

    def __init__(self, cp: ChargePoint) -> None:
        self._cp = cp
        self._installed: list[Installed] = []

    def _now_s(self) -> float:
        return self._cp.world.wall_ms() / 1000

    # --- SetChargingProfile, ClearChargingProfile

    def install(self, connector: int, profile: ChargingProfile) -> ChargingProfileStatus:
        """Do what SetChargingProfile asks; one with its id or its place is replaced (§5.16.3)."""
        if not self._fits(connector, profile):
            return ChargingProfileStatus.REJECTED
        place = (connector, profile.charging_profile_purpose, profile.stack_level)
        others = [
            one
            for one in self._installed
            if one.profile.charging_profile_id != profile.charging_profile_id
            and (one.connector, one.profile.charging_profile_purpose, one.profile.stack_level) != place
        ]
        if len(others) >= self._cp.configuration.number("MaxChargingProfilesInstalled"):
            return ChargingProfileStatus.REJECTED
        self._installed = [*others, Installed(connector, profile, self._now_s())]
        return ChargingProfileStatus.ACCEPTED

    def _fits(self, connector: int, profile: ChargingProfile) -> bool:
        configuration, schedule = self._cp.configuration, profile.charging_schedule
        units = configuration.text("ChargingScheduleAllowedChargingRateUnit").split(",")
        periods = schedule.charging_schedule_period
        starts = [period.start_period for period in periods]
        return (
            0 <= profile.stack_level <= configuration.number("ChargeProfileMaxStackLevel")
            and 0 < len(periods) <= configuration.number("ChargingScheduleMaxPeriods")
            and starts[0] == 0
            and starts == sorted(starts)
            and _UNIT_NAMES[schedule.charging_rate_unit] in units
            and self._may_stand(connector, profile)
        )

    def _may_stand(self, connector: int, profile: ChargingProfile) -> bool:
        """§3.13.1: the station's limit stands on connector 0, a transaction's where one runs."""
        purpose = profile.charging_profile_purpose
        recurring = profile.charging_profile_kind == ChargingProfileKindType.RECURRING
        if recurring and profile.recurrency_kind is None:
            return False
        if purpose == _Purpose.CHARGE_POINT_MAX_PROFILE:
            # It is about a station, which has no start to count from.
            return connector == 0 and profile.charging_profile_kind != ChargingProfileKindType.RELATIVE
        outlet = self._cp.find(connector)
        if purpose == _Purpose.TX_DEFAULT_PROFILE:
            return connector == 0 or outlet is not None
        if outlet is None or outlet.session is None:
            return False
        return profile.transaction_id in (None, outlet.session.charging.transaction_id)

    def clear(self, request: ClearChargingProfileRequest) -> bool:
        """Do what ClearChargingProfile asks: what fits all that it names (§5.5); False where nothing does."""

        def meant(one: Installed) -> bool:
            if request.id is not None:
                return one.profile.charging_profile_id == request.id
            return (
                request.connector_id in (None, one.connector)
                and request.charging_profile_purpose in (None, one.profile.charging_profile_purpose)
                and request.stack_level in (None, one.profile.stack_level)
            )

        kept = [one for one in self._installed if not meant(one)]
        found = len(kept) < len(self._installed)
        self._installed = kept
        return found

    def ended(self, connector: int) -> None:
        """Forget the profiles of a transaction that is over (§3.13.1)."""
        tx = _Purpose.TX_PROFILE
        self._installed = [
            one for one in self._installed if one.connector != connector or one.profile.charging_profile_purpose != tx
        ]

    # --- GetCompositeSchedule

    def composite(self, request: GetCompositeScheduleRequest) -> GetCompositeScheduleResponse:
        """Answer GetCompositeSchedule: the least of what holds at each moment, from now on (§5.7)."""
        outlets = [one for one in self._cp.connectors if request.connector_id in (0, one.number)]
        unit = request.charging_rate_unit or ChargingRateUnitType.W
        if not outlets or request.duration <= 0:
            return GetCompositeScheduleResponse(status=GetCompositeScheduleStatus.REJECTED)
        now_s, duration = self._now_s(), float(request.duration)
        moments = sorted({0.0, *(t for one in self._installed for t in self._turns(one, now_s, duration))})
        periods: list[ChargingSchedulePeriod] = []
        for moment in moments:
            limit_w = sum(self._limit_w(outlet.number, now_s + moment) for outlet in outlets)
            limit_w = min(limit_w, self._least_w(self._of(0, _Purpose.CHARGE_POINT_MAX_PROFILE), 0, now_s + moment))
            limit = round(
                limit_w if unit == ChargingRateUnitType.W else limit_w / (_VOLTS * outlets[0].outlet.phases), 1
            )
            if not periods or periods[-1].limit != limit:
                periods.append(ChargingSchedulePeriod(start_period=int(moment), limit=limit))
        return GetCompositeScheduleResponse(
            status=GetCompositeScheduleStatus.ACCEPTED,
            connector_id=request.connector_id,
            schedule_start=format_time(round(now_s * 1000)),
            charging_schedule=ChargingSchedule(
                charging_rate_unit=unit, charging_schedule_period=tuple(periods), duration=request.duration
            ),
        )

    def _of(self, connector: int, purpose: ChargingProfilePurposeType) -> list[Installed]:
        """Return the profiles that may hold on a connector, the highest stack level first."""
        found = [
            one
            for one in self._installed
            if one.connector == connector and one.profile.charging_profile_purpose == purpose
        ]
        return sorted(found, key=lambda one: -one.profile.stack_level)

    def _limit_w(self, number: int, at_s: float) -> float:
        """Return a connector's limit: what the outlet can, a transaction's profile before a default one."""
        outlet = self._cp.find(number)
        most = outlet.outlet.max_power_w if outlet is not None else 0.0
        for purpose, connector in (
            (_Purpose.TX_PROFILE, number),
            (_Purpose.TX_DEFAULT_PROFILE, number),
            (_Purpose.TX_DEFAULT_PROFILE, 0),
        ):
            found = self._least_w(self._of(connector, purpose), number, at_s)
            if found < float("inf"):
                return min(found, most)
        return most

    def _least_w(self, profiles: Iterable[Installed], number: int, at_s: float) -> float:
        """Return what the first profile that holds at a time allows, infinity where none does."""
        for one in profiles:
            elapsed = self._elapsed_s(one, number, at_s)
            period = _period_at(one.profile.charging_schedule, elapsed) if elapsed is not None else None
            if period is None:
                continue
            if one.profile.charging_schedule.charging_rate_unit == ChargingRateUnitType.W:
                return period.limit
            outlets = [outlet for outlet in self._cp.connectors if number in (0, outlet.number)]
            return period.limit * _VOLTS * (period.number_phases or outlets[0].outlet.phases)
        return float("inf")

    def _elapsed_s(self, one: Installed, number: int, at_s: float) -> float | None:
        """Return how far into its schedule a profile is; None: it does not hold."""
        profile = one.profile
        valid_from, valid_to = _seconds(profile.valid_from), _seconds(profile.valid_to)
        if (valid_from is not None and at_s < valid_from) or (valid_to is not None and at_s >= valid_to):
            return None
        start = _seconds(profile.charging_schedule.start_schedule)
        if profile.charging_profile_kind == ChargingProfileKindType.RELATIVE or start is None:
            outlet = self._cp.find(number)
            session = outlet.session if outlet is not None else None
            start = self._now_s() - outlet.elapsed_s(session) if outlet is not None and session else one.at_s
        elapsed = at_s - start
        if profile.charging_profile_kind == ChargingProfileKindType.RECURRING and profile.recurrency_kind is not None:
            return elapsed % _PERIOD_S[profile.recurrency_kind]
        return elapsed if elapsed >= 0 else None

    def _turns(self, one: Installed, now_s: float, duration: float) -> list[float]:
        """Return when, from now on, a profile may change what it allows."""
        schedule = one.profile.charging_schedule
        edges = [float(period.start_period) for period in schedule.charging_schedule_period]
        edges += [float(schedule.duration)] if schedule.duration is not None else []
        elapsed = self._elapsed_s(one, one.connector, now_s)
        turns = [edge - elapsed for edge in edges] if elapsed is not None else []
        if one.profile.recurrency_kind is not None:
            period = _PERIOD_S[one.profile.recurrency_kind]
            turns += [turn + period * n for turn in turns for n in range(1, int(duration // period) + 2)]
        start = _seconds(schedule.start_schedule)
        if elapsed is None and start is not None:
            turns += [start + edge - now_s for edge in edges]
        turns += [
            t - now_s for t in (_seconds(one.profile.valid_from), _seconds(one.profile.valid_to)) if t is not None
        ]
        return [turn for turn in turns if 0 < turn < duration]


def _seconds(time: str | None) -> float | None:
    read = read_time(time, 0).ms if time is not None else None
    return read / 1000 if read is not None else None


def _period_at(schedule: ChargingSchedule, elapsed: float) -> ChargingSchedulePeriod | None:
    if schedule.duration is not None and elapsed >= schedule.duration:
        return None
    begun = [period for period in schedule.charging_schedule_period if period.start_period <= elapsed]
    return begun[-1] if begun else None
