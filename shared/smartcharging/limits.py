"""What a station takes, as its configuration tells: the keys of OCPP 1.6 §9.4, read as loosely as stations write."""

from __future__ import annotations

from typing import Final

from shared.records.configuration import Snapshot
from shared.records.profiles import Unit

from .validation import StationLimits

MAX_CONNECTORS: Final = 128
"""No station has more; greater numbers are garbage (quirk 21)."""
_UNITS: Final[dict[str, Unit]] = {"current": "A", "power": "W", "a": "A", "w": "W"}


def limits_of(snapshot: Snapshot | None) -> StationLimits:
    """Return what a station takes; what its configuration does not say, or says in words of its own, is not limited."""
    if snapshot is None:
        return StationLimits()
    told = {name.lower(): (held.value or "").strip() for name, held in snapshot.keys.items()}
    rates = told.get("chargingscheduleallowedchargingrateunit", "").lower().split(",")
    units = {_UNITS.get(rate.strip()) for rate in rates}
    connectors = _number(told, "numberofconnectors")
    switches = told.get("connectorswitch3to1phasesupported", "").lower()
    return StationLimits(
        connectors=connectors if connectors is not None and 0 < connectors <= MAX_CONNECTORS else None,
        max_stack_level=_number(told, "chargeprofilemaxstacklevel"),
        units=frozenset(unit for unit in units if unit) or None,
        max_periods=_number(told, "chargingschedulemaxperiods"),
        max_installed=_number(told, "maxchargingprofilesinstalled"),
        switches_phases={"true": True, "false": False}.get(switches),
    )


def _number(told: dict[str, str], key: str) -> int | None:
    text = told.get(key, "")
    return int(text) if text.isdecimal() and len(text) < 10 else None
