"""What a station takes: what its configuration tells, what a probe has shown, then what rules say; the last wins.

The configuration's keys are those of OCPP 1.6 §9.4, read as loosely as stations write.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from shared.quirk_profiles.rules import NO_RULE, RULES, number_of
from shared.records.configuration import Snapshot
from shared.records.probes import Abilities, Criterion
from shared.records.profiles import Unit

from .validation import StationLimits

MAX_CONNECTORS: Final = 128
"""No station has more; greater numbers are garbage (quirk 21)."""
_UNITS: Final[dict[str, Unit]] = {"current": "A", "power": "W", "a": "A", "w": "W"}
_KINDS: Final = {
    "absolute": frozenset({"relative", "recurring"}),
    "no_relative": frozenset({"relative"}),
    "no_recurring": frozenset({"recurring"}),
}
_ZERO: Final = {
    "ends": "ends its session at 0",
    "locks": "does not go on after 0",
    "ignored": "ignores a limit of 0",
    "refused": "refuses a limit of 0",
}
_WAYS: Final[dict[str | None, Criterion]] = {"id": "id", "place": "place", "all": "all"}
change = msgspec.structs.replace


def limits_of(
    snapshot: Snapshot | None, abilities: Abilities | None = None, rules: Mapping[str, str] | None = None
) -> StationLimits:
    """Return what a station takes; what nobody tells, or tells in words of its own, is not limited.

    `abilities`: what probes have shown of its model; `rules`: the quirk rules of model and station.
    """
    found = _told(snapshot) if snapshot is not None else StationLimits()
    if abilities is not None:
        found = _shown(found, abilities)
    return _ruled(found, rules) if rules else found


def clearing_of(abilities: Abilities | None, rules: Mapping[str, str] | None = None) -> Criterion:
    """Return by what a profile is taken off: its id, its place, or all of them at once, the others then set again."""
    said = (rules or {}).get("profile_clear")
    if said in _WAYS:
        return _WAYS[said]
    if abilities is None or "id" not in abilities.clears_not:
        return "id"
    works = next((way for way in (_WAYS["place"], _WAYS["all"]) if way in abilities.clears), None)
    # What nobody could see to work is better than what is known not to.
    return works or ("id" if "all" in abilities.clears_not else "all")


# ── its configuration ────────────────────────────────────────────────────────────────────────────────────────────────


def _told(snapshot: Snapshot) -> StationLimits:
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


# ── what a probe has shown ───────────────────────────────────────────────────────────────────────────────────────────


def _shown(limits: StationLimits, known: Abilities) -> StationLimits:
    numbers: dict[str, Any] = {
        name: value
        for name in ("max_stack_level", "max_periods", "max_installed", "min_current")
        if (value := getattr(known, name)) is not None
    }
    return change(
        limits,
        **numbers,
        units=frozenset(known.units) or limits.units,
        refused_kinds=limits.refused_kinds | frozenset(known.refused_kinds),
        refused_purposes=limits.refused_purposes | frozenset(known.refused_purposes),
        refused_recurrences=limits.refused_recurrences | frozenset(known.refused_recurrences),
        zero_ends=known.zero in _ZERO,
        zero_why=_ZERO.get(known.zero or "", ""),
    )


# ── what rules say ───────────────────────────────────────────────────────────────────────────────────────────────────


def _ruled(limits: StationLimits, rules: Mapping[str, str]) -> StationLimits:
    said = {name: value for name, value in rules.items() if value != NO_RULE and name in RULES}
    changes: dict[str, Any] = {}
    for name, field, factor in _NUMBERS:
        if name in said:
            changes[field] = round(number_of(dict(said), name) * factor)
    if unit := {"A": "A", "W": "W"}.get(said.get("profile_unit", "")):
        changes["units"] = frozenset({unit})
    if kinds := _KINDS.get(said.get("profile_kinds", "")):
        changes["refused_kinds"] = kinds
    if zero := said.get("limit_zero"):
        changes |= {"zero_ends": zero in _ZERO, "zero_why": _ZERO.get(zero, "")}
    return change(limits, **changes) if changes else limits


_NUMBERS: Final = (
    ("profile_levels", "max_stack_level", 1),
    ("profile_periods", "max_periods", 1),
    ("profile_count", "max_installed", 1),
    ("limit_minimum", "min_current", 10),
)
