"""A station's smart charging as a model of it: by the standard (OCPP 1.6), or with what it gets wrong.

model = Modelled(levels=0, zero_refused=True)
model.answer("SetChargingProfile", payload, now)      # payload of the answer, or an OcppError's code as text
"""

from __future__ import annotations

from typing import Any

import msgspec

from shared.ocpp.timestamps import format_time, read_time
from shared.records.profiles import MAINS, Period, Profile, slot_of
from shared.smartcharging.composite import Situation, compose
from workers.handlers.v16.charging_profiles import PURPOSES

_PURPOSES: dict[str, Any] = {wire: own for own, wire in PURPOSES.items()}
LOCAL = 320
"""What its cable takes, in tenths of an ampere."""


class Modelled(msgspec.Struct, kw_only=True):
    """What a station takes, and how it computes."""

    levels: int = 3
    periods: int = 12
    installed: int = 10
    units: str = "AW"
    kinds: tuple[str, ...] = ("absolute", "recurring", "relative")
    purposes: tuple[str, ...] = ("station_max", "default", "transaction")
    takes_idle_transaction: bool = False
    zero: str = "taken"
    minimum: int = 0
    composite: str = "truthful"
    clears: tuple[str, ...] = ("id", "criteria", "all")
    ignores_validity: bool = False
    watts_as_amperes: bool = False
    knows_nothing: bool = False
    transaction_id: int = 0
    held: dict[str, Profile] = {}

    def answer(self, action: str, payload: dict[str, Any], now: int) -> dict[str, Any] | str:
        """Return the answer's payload, or the code of a CALLERROR."""
        if self.knows_nothing:
            return "NotSupported"
        if action == "SetChargingProfile":
            return {"status": "Accepted" if self._install(payload) else "Rejected"}
        if action == "ClearChargingProfile":
            return {"status": "Accepted" if self._clear(payload) else "Unknown"}
        if action == "GetCompositeSchedule":
            return self._composite(payload, now)
        return {"status": "Accepted"}

    def _install(self, payload: dict[str, Any]) -> bool:
        profile = read(payload)
        if not self._takes(profile):
            return False
        if self.ignores_validity:
            profile = msgspec.structs.replace(profile, valid_from=None, valid_to=None)
        if self.watts_as_amperes and profile.unit == "W":
            periods = tuple(msgspec.structs.replace(one, limit=one.limit * 690) for one in profile.periods)
            profile = msgspec.structs.replace(profile, periods=periods)
        others = {slot: one for slot, one in self.held.items() if one.profile_id != profile.profile_id}
        if len(others.keys() - {slot_of(profile)}) >= self.installed:
            return False
        self.held = {**others, slot_of(profile): profile}
        return True

    def _takes(self, profile: Profile) -> bool:
        lowest = min(period.limit for period in profile.periods)
        running = self.transaction_id > 0 and profile.transaction_id in (0, self.transaction_id)
        return (
            profile.stack_level <= self.levels
            and len(profile.periods) <= self.periods
            and profile.unit in self.units
            and profile.kind in self.kinds
            and profile.purpose in self.purposes
            and (lowest > 0 or self.zero != "refused")
            and (lowest == 0 or profile.unit == "W" or lowest >= self.minimum)
            and (profile.purpose != "transaction" or running or self.takes_idle_transaction)
        )

    def _clear(self, payload: dict[str, Any]) -> bool:
        way = "all" if not payload else "id" if "id" in payload else "criteria"
        wire = {"connectorId": "connector_id", "stackLevel": "stack_level", "id": "profile_id"}

        def meant(one: Profile) -> bool:
            if "id" in payload:
                return bool(one.profile_id == payload["id"])
            purpose = payload.get("chargingProfilePurpose")
            named = all(getattr(one, wire[name]) == value for name, value in payload.items() if name in wire)
            return named and purpose in (None, PURPOSES[one.purpose])

        found = {slot for slot, one in self.held.items() if meant(one)}
        if way in self.clears:
            self.held = {slot: one for slot, one in self.held.items() if slot not in found}
        return bool(found)

    def _composite(self, payload: dict[str, Any], now: int) -> dict[str, Any]:
        if self.composite == "absent":
            return {"status": "Rejected"}
        unit = payload.get("chargingRateUnit", "A")
        situation = Situation(
            connector_id=payload["connectorId"],
            since=now,
            until=now + payload["duration"] * 1000,
            unit=unit,
            transaction_id=self.transaction_id,
            supply=MAINS,
        )
        held = [] if self.composite == "constant" else list(self.held.values())
        most = MAINS.convert(LOCAL, "A", unit)
        periods = []
        for one in compose(held, situation):
            limit = min(one.limit.limit, most) if one.limit is not None else most
            if self.zero == "ignored" and limit == 0:
                limit = most
            periods.append({"startPeriod": (one.since - now) // 1000, "limit": limit / 10})
        schedule = {"chargingRateUnit": unit, "chargingSchedulePeriod": periods, "duration": payload["duration"]}
        return {
            "status": "Accepted",
            "connectorId": payload["connectorId"],
            "scheduleStart": format_time(now),
            "chargingSchedule": schedule,
        }


def read(payload: dict[str, Any]) -> Profile:
    """Return the profile of a SetChargingProfile."""
    wire = payload["csChargingProfiles"]
    schedule = wire["chargingSchedule"]

    def at(text: str | None) -> int | None:
        return None if text is None else read_time(text, 0).ms

    return Profile(
        profile_id=wire["chargingProfileId"],
        purpose=_PURPOSES[wire["chargingProfilePurpose"]],
        kind=wire["chargingProfileKind"].lower(),
        unit=schedule["chargingRateUnit"],
        periods=tuple(
            Period(one["startPeriod"], round(one["limit"] * 10), one.get("numberPhases", 0))
            for one in schedule["chargingSchedulePeriod"]
        ),
        connector_id=payload["connectorId"],
        stack_level=wire["stackLevel"],
        recurrence=wire["recurrencyKind"].lower() if "recurrencyKind" in wire else None,
        transaction_id=wire.get("transactionId", 0),
        valid_from=at(wire.get("validFrom")),
        valid_to=at(wire.get("validTo")),
        start_at=at(schedule.get("startSchedule")),
        duration_s=schedule.get("duration"),
    )
