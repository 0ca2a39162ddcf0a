"""Charging profiles on a station (OCPP 1.6 §3.13, §5.16, §5.5, §5.7): kept by the rules, read back, and obeyed.

Schedules run by the station's clock, the one that it writes into its messages. 230 V per phase turn A into W.
What a behaviour does wrong here is done to the cars alone: the composite tells what an honest station would do.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from ampstream.simulate.allowance import Allowed, Installed, Limit, Purpose, prevailing, stack, turns
from ampstream.simulate.physics import VOLTS
from shared.ocpp.timestamps import format_time
from shared.ocpp.v16.datatypes import ChargingProfile, ChargingSchedule, ChargingSchedulePeriod
from shared.ocpp.v16.enums import (
    ChargingProfileKindType,
    ChargingProfileStatus,
    ChargingRateUnitType,
    GetCompositeScheduleStatus,
)
from shared.ocpp.v16.messages import (
    ClearChargingProfileRequest,
    GetCompositeScheduleRequest,
    GetCompositeScheduleResponse,
)

if TYPE_CHECKING:
    from ampstream.simulate.chargepoint import ChargePoint

_AHEAD_S: Final = 86_400.0
"""How far ahead a change is looked for; nothing lasts longer without another look."""
_UNIT_NAMES: Final = {ChargingRateUnitType.A: "Current", ChargingRateUnitType.W: "Power"}
SWITCHES_PHASES: Final = "ConnectorSwitch3to1PhaseSupported"


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
        self.changed()
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
        if purpose == Purpose.CHARGE_POINT_MAX_PROFILE:
            # It is about a station, which has no start to count from.
            return connector == 0 and profile.charging_profile_kind != ChargingProfileKindType.RELATIVE
        outlet = self._cp.find(connector)
        if purpose == Purpose.TX_DEFAULT_PROFILE:
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

        return self._keep([one for one in self._installed if not meant(one)])

    def ended(self, connector: int) -> None:
        """Forget the profiles of a transaction that is over (§3.13.1)."""
        tx = Purpose.TX_PROFILE
        self._keep(
            [one for one in self._installed if one.connector != connector or one.profile.charging_profile_purpose != tx]
        )
        if len(self._cp.connectors) > 1:
            # What it had of the station's maximum is the others' now.
            self.changed()

    def forget(self) -> None:
        """Forget everything."""
        self._keep([])

    def _keep(self, kept: list[Installed]) -> bool:
        found = len(kept) < len(self._installed)
        self._installed = kept
        if found:
            self.changed()
        return found

    # --- what cars may draw

    def changed(self) -> None:
        """Let every car that charges look at what it may draw."""
        for connector in self._cp.connectors:
            connector.check_limits()

    def allowed(self, number: int, phases: int) -> tuple[Allowed, float]:
        """Return what a car on a connector may draw now, and in how many seconds of the clock that may change.

        `phases`: how many the car could use. The station's maximum is shared in equal parts by those that charge.
        """
        if not self._installed:
            return Allowed(math.inf, phases), math.inf
        now_s, obeyed = self._now_s(), self._cp.behaviour.obeys_purposes
        held = [
            one for one in self._installed if obeyed is None or one.profile.charging_profile_purpose.value in obeyed
        ]
        started_s = self._started_s(number)
        own = self._amps(self._own_limit(held, number, started_s, now_s), phases)
        cap = self._amps(prevailing(stack(held, Purpose.CHARGE_POINT_MAX_PROFILE, 0), None, now_s), phases)
        charging = sum(1 for one in self._cp.connectors if one.session is not None and not one.full)
        found = Allowed(min(own.amps, cap.amps / max(charging, 1)), min(own.phases, cap.phases))
        return found, min((t for one in held for t in turns(one, started_s, now_s, _AHEAD_S)), default=_AHEAD_S)

    def _amps(self, limit: Limit | None, phases: int) -> Allowed:
        if limit is None:
            return Allowed(math.inf, phases)
        switches = limit.phases is not None and self._switches_phases
        used = min(phases, limit.phases or phases) if switches else phases
        in_amps = limit.unit == ChargingRateUnitType.A or self._cp.behaviour.takes_watts_for_amps
        return Allowed(limit.value if in_amps else limit.value / (VOLTS * used), used)

    @property
    def _switches_phases(self) -> bool:
        try:
            return self._cp.configuration.switch(SWITCHES_PHASES)
        except KeyError:
            return False

    def _started_s(self, number: int) -> float | None:
        outlet = self._cp.find(number)
        session = outlet.session if outlet is not None else None
        return session.started_ms / 1000 if session is not None else None

    # --- GetCompositeSchedule

    def composite(self, request: GetCompositeScheduleRequest) -> GetCompositeScheduleResponse:
        """Answer GetCompositeSchedule: the least of what holds at each moment, from now on (§5.7)."""
        outlets = [one for one in self._cp.connectors if request.connector_id in (0, one.number)]
        unit = request.charging_rate_unit or ChargingRateUnitType.W
        if not outlets or request.duration <= 0:
            return GetCompositeScheduleResponse(status=GetCompositeScheduleStatus.REJECTED)
        now_s, duration = self._now_s(), float(request.duration)
        starts = {self._started_s(outlet.number) for outlet in outlets}
        moments = {t for one in self._installed for start in starts for t in turns(one, start, now_s, duration)}
        periods: list[ChargingSchedulePeriod] = []
        for moment in sorted({0.0, *moments}):
            limit = sum(self._limit(outlet.number, now_s + moment, unit) for outlet in outlets)
            cap = prevailing(stack(self._installed, Purpose.CHARGE_POINT_MAX_PROFILE, 0), None, now_s + moment)
            limit = round(min(limit, _in(unit, cap, outlets[0].outlet.phases)), 1)
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

    def _limit(self, number: int, at_s: float, unit: ChargingRateUnitType) -> float:
        """Return a connector's limit in a unit: what the outlet can, and what its profiles allow."""
        outlet = self._cp.find(number)
        if outlet is None:
            return 0.0
        phases = outlet.outlet.phases
        most = outlet.outlet.max_power_w / (1.0 if unit == ChargingRateUnitType.W else VOLTS * phases)
        return min(_in(unit, self._own_limit(self._installed, number, self._started_s(number), at_s), phases), most)

    @staticmethod
    def _own_limit(held: list[Installed], number: int, started_s: float | None, at_s: float) -> Limit | None:
        """Return what a connector's profiles allow: a transaction's before a default one (§3.13.1)."""
        own = prevailing(stack(held, Purpose.TX_PROFILE, number), started_s, at_s)
        return own or prevailing(stack(held, Purpose.TX_DEFAULT_PROFILE, number), started_s, at_s)


def _in(unit: ChargingRateUnitType, limit: Limit | None, phases: int) -> float:
    """Return a limit in a unit, infinity for none."""
    if limit is None:
        return math.inf
    if limit.unit == unit:
        return limit.value
    factor = VOLTS * (limit.phases or phases)
    return limit.value * factor if unit == ChargingRateUnitType.W else limit.value / factor
