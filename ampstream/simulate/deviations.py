"""What stations answer to charging profiles where their model gets it wrong (quirk 25): by name, and they combine.

What its cars draw is another matter (`behaviours`); here is what a station takes, clears and says that it computes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import msgspec

from shared.ocpp.v16 import enums
from shared.ocpp.v16 import messages as m
from shared.ocpp.v16.datatypes import ChargingProfile

if TYPE_CHECKING:
    from ampstream.simulate.chargepoint import ChargePoint

MOST_PERIODS: Final = 6
LEAST_A: Final = 8.0
DEVIATIONS: Final[Mapping[str, str]] = {
    "one-level": "refuses stack levels above 0, whatever its configuration says",
    "absolute-only": "refuses Relative and Recurring profiles",
    "six-periods": "refuses more than 6 periods, whatever its configuration says",
    "no-zero": "refuses a limit of 0",
    "above-8": "refuses limits between 0 and 8 A",
    "amperes-only": "refuses limits in W, whatever its configuration says",
    "no-station-max": "answers NotSupported to ChargePointMaxProfile",
    "clears-all": "answers Unknown to ClearChargingProfile by anything: without criteria alone it clears",
    "clears-nothing": "accepts every ClearChargingProfile that names criteria, and clears nothing",
    "takes-anything": "accepts a TxProfile without a transaction, and throws it away",
    "schedule-absent": "answers Rejected to GetCompositeSchedule",
    "schedule-constant": "tells the same composite schedule whatever it holds",
}
"""Name -> what it does."""
_Kind = enums.ChargingProfileKindType
_Purpose = enums.ChargingProfilePurposeType
_Set = enums.ChargingProfileStatus


def check(names: frozenset[str]) -> None:
    """Raise ValueError for a deviation that does not exist."""
    if unknown := sorted(names - DEVIATIONS.keys()):
        raise ValueError(f"profile_faults: there is no {', '.join(unknown)}")


def install(cp: ChargePoint, request: m.SetChargingProfileRequest) -> m.SetChargingProfileResponse | None:
    """Return what a deviating station answers to SetChargingProfile; None: it does as it should."""
    odd, profile = cp.behaviour.profile_faults, request.cs_charging_profiles
    if not odd:
        return None
    if "no-station-max" in odd and profile.charging_profile_purpose == _Purpose.CHARGE_POINT_MAX_PROFILE:
        return m.SetChargingProfileResponse(status=_Set.NOT_SUPPORTED)
    if _refused(odd, profile):
        return m.SetChargingProfileResponse(status=_Set.REJECTED)
    if "takes-anything" in odd and profile.charging_profile_purpose == _Purpose.TX_PROFILE:
        outlet = cp.find(request.connector_id)
        if outlet is not None and outlet.session is None:
            return m.SetChargingProfileResponse(status=_Set.ACCEPTED)
    return None


def clear(cp: ChargePoint, request: m.ClearChargingProfileRequest) -> m.ClearChargingProfileResponse | None:
    """Return what a deviating station answers to ClearChargingProfile; None: it does as it should."""
    odd = cp.behaviour.profile_faults
    if not odd or all(getattr(request, name) is None for name in request.__struct_fields__):
        return None
    if "clears-all" in odd:
        return m.ClearChargingProfileResponse(status=enums.ClearChargingProfileStatus.UNKNOWN)
    if "clears-nothing" in odd:
        return m.ClearChargingProfileResponse(status=enums.ClearChargingProfileStatus.ACCEPTED)
    return None


def composite(
    cp: ChargePoint, request: m.GetCompositeScheduleRequest, honest: m.GetCompositeScheduleResponse
) -> m.GetCompositeScheduleResponse:
    """Return what a deviating station answers to GetCompositeSchedule."""
    odd = cp.behaviour.profile_faults
    if "schedule-absent" in odd:
        return m.GetCompositeScheduleResponse(status=enums.GetCompositeScheduleStatus.REJECTED)
    schedule = honest.charging_schedule
    if "schedule-constant" not in odd or schedule is None:
        return honest
    most = 32.0 if request.charging_rate_unit == enums.ChargingRateUnitType.A else 22_080.0
    period = msgspec.structs.replace(schedule.charging_schedule_period[0], start_period=0, limit=most)
    constant = msgspec.structs.replace(schedule, charging_schedule_period=(period,))
    return msgspec.structs.replace(honest, charging_schedule=constant)


def _refused(odd: frozenset[str], profile: ChargingProfile) -> bool:
    schedule = profile.charging_schedule
    limits = [period.limit for period in schedule.charging_schedule_period]
    in_amps = schedule.charging_rate_unit == enums.ChargingRateUnitType.A
    return (
        ("one-level" in odd and profile.stack_level > 0)
        or ("absolute-only" in odd and profile.charging_profile_kind != _Kind.ABSOLUTE)
        or ("six-periods" in odd and len(limits) > MOST_PERIODS)
        or ("no-zero" in odd and min(limits) == 0)
        or ("above-8" in odd and in_amps and 0 < min(limits) < LEAST_A)
        or ("amperes-only" in odd and not in_amps)
    )
