"""Charging profiles in the words of 1.6 (§5.5, §5.7, §5.16, §7.8), and the composite schedule as stations write it."""

from __future__ import annotations

import math
from typing import Any, Final

import msgspec

from shared.ocpp.payloads import PayloadError, parse
from shared.ocpp.timestamps import format_time, read_time
from shared.ocpp.v16.messages import (
    ClearChargingProfileRequest,
    GetCompositeScheduleRequest,
    GetCompositeScheduleResponse,
    SetChargingProfileRequest,
    TriggerMessageRequest,
)
from shared.ocpp.versions import OCPP16
from shared.records.probes import Criteria
from shared.records.profiles import Period, Profile, Unit
from shared.smartcharging.comparing import Reported
from workers.services.smartcharging.words import Message, Words, speaks

PURPOSES: Final = {
    "station_max": "ChargePointMaxProfile",
    "default": "TxDefaultProfile",
    "transaction": "TxProfile",
}


def install(profile: Profile) -> Message:
    """Return SetChargingProfile."""
    schedule: dict[str, Any] = {
        "chargingRateUnit": profile.unit,
        "chargingSchedulePeriod": [_period(period) for period in profile.periods],
    }
    if profile.duration_s is not None:
        schedule["duration"] = profile.duration_s
    if profile.start_at is not None:
        schedule["startSchedule"] = format_time(profile.start_at)
    if profile.min_rate is not None:
        schedule["minChargingRate"] = _number(profile.min_rate)
    wire: dict[str, Any] = {
        "chargingProfileId": profile.profile_id,
        "stackLevel": profile.stack_level,
        "chargingProfilePurpose": PURPOSES[profile.purpose],
        "chargingProfileKind": profile.kind.capitalize(),
        "chargingSchedule": schedule,
    }
    if profile.transaction_id:
        wire["transactionId"] = profile.transaction_id
    if profile.recurrence is not None:
        wire["recurrencyKind"] = profile.recurrence.capitalize()
    for field, at in (("validFrom", profile.valid_from), ("validTo", profile.valid_to)):
        if at is not None:
            wire[field] = format_time(at)
    return SetChargingProfileRequest.action, {"connectorId": profile.connector_id, "csChargingProfiles": wire}


def clear(profile: Profile) -> Message:
    """Return ClearChargingProfile, by the profile's id."""
    return ClearChargingProfileRequest.action, {"id": profile.profile_id}


def clear_where(criteria: Criteria) -> Message:
    """Return ClearChargingProfile, by what the criteria name."""
    purpose = None if criteria.purpose is None else PURPOSES[criteria.purpose]
    fields = {
        "id": criteria.profile_id,
        "connectorId": criteria.connector_id,
        "chargingProfilePurpose": purpose,
        "stackLevel": criteria.stack_level,
    }
    return ClearChargingProfileRequest.action, {name: value for name, value in fields.items() if value is not None}


def sample(connector_id: int) -> Message:
    """Return TriggerMessage for meter values."""
    return TriggerMessageRequest.action, {"requestedMessage": "MeterValues", "connectorId": connector_id}


def ask(connector_id: int, seconds: int, unit: Unit) -> Message:
    """Return GetCompositeSchedule."""
    payload = {"connectorId": connector_id, "duration": seconds, "chargingRateUnit": unit}
    return GetCompositeScheduleRequest.action, payload


def read(response: Any) -> Reported | None:
    """Return a composite schedule as a station gave it, strictly or loosely; None where it gave none."""
    try:
        answer = parse(GetCompositeScheduleResponse, msgspec.Raw(msgspec.json.encode(response))).value
    except PayloadError:
        return None
    schedule = answer.charging_schedule
    if not isinstance(schedule, msgspec.Struct) or not schedule.charging_schedule_period:
        return None
    start = answer.schedule_start or schedule.start_schedule
    periods = [
        Period(period.start_period, round(period.limit * 10))
        for period in schedule.charging_schedule_period
        if math.isfinite(period.limit)
    ]
    return Reported(
        "W" if str(schedule.charging_rate_unit).upper() == "W" else "A",
        tuple(sorted(periods, key=lambda period: period.start_s)),
        read_time(start, 0).ms if isinstance(start, str) else None,
        schedule.duration,
    )


def _period(period: Period) -> dict[str, Any]:
    wire: dict[str, Any] = {"startPeriod": period.start_s, "limit": _number(period.limit)}
    if period.phases:
        wire["numberPhases"] = period.phases
    return wire


def _number(tenths: int) -> float | int:
    return tenths // 10 if tenths % 10 == 0 else tenths / 10


speaks(OCPP16.subprotocol, Words(install, clear, clear_where, ask, read, sample))
