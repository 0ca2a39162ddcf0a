"""What is refused before it is sent, and what the words say to change."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from shared.records.profiles import DAY_S, Period, Profile
from shared.smartcharging.validation import StationLimits, faults

GOOD = Profile(
    profile_id=1, purpose="default", kind="absolute", unit="A", periods=(Period(0, 160), Period(60, 60)), start_at=1
)
RECURRING = msgspec.structs.replace(GOOD, kind="recurring", recurrence="daily")
OWN = msgspec.structs.replace(GOOD, purpose="transaction", connector_id=1, transaction_id=7, stack_level=3)


@pytest.mark.parametrize(
    "profile",
    [
        GOOD,
        OWN,
        RECURRING,
        msgspec.structs.replace(GOOD, kind="relative", start_at=None),
        msgspec.structs.replace(GOOD, purpose="station_max", valid_from=1, valid_to=2, duration_s=61),
    ],
)
def test_what_is_good(profile: Profile) -> None:
    """Good profiles pass for a station that says nothing, and for one that takes them."""
    assert faults(profile, StationLimits()) == []
    generous = StationLimits(
        connectors=2, max_stack_level=3, units=frozenset({"A", "W"}), max_periods=2, max_installed=1,
        switches_phases=False, min_current=60,
    )  # fmt: skip
    assert faults(profile, generous) == []


CASES: list[tuple[Profile, dict[str, Any], str]] = [
    (GOOD, {"connector_id": 3}, "connector_id"),
    (GOOD, {"connector_id": -1}, "connector_id"),
    (GOOD, {"purpose": "station_max", "connector_id": 1}, "connector_id"),
    (OWN, {"connector_id": 0}, "connector_id"),
    (GOOD, {"transaction_id": 7}, "transaction_id"),
    (GOOD, {"purpose": "station_max", "kind": "relative", "start_at": None}, "kind"),
    (GOOD, {"kind": "recurring"}, "recurrence"),
    (RECURRING, {"kind": "absolute"}, "recurrence"),
    (GOOD, {"kind": "relative"}, "start_at"),
    (GOOD, {"start_at": None}, "start_at"),
    (GOOD, {"valid_from": 5, "valid_to": 5}, "valid_to"),
    (GOOD, {"duration_s": 0}, "duration_s"),
    (RECURRING, {"duration_s": DAY_S + 1}, "duration_s"),
    (GOOD, {"periods": ()}, "periods"),
    (GOOD, {"periods": (Period(1, 100),)}, "periods[0].start_s"),
    (GOOD, {"periods": (Period(0, 100), Period(9, 90), Period(9, 80))}, "periods[2].start_s"),
    (GOOD, {"duration_s": 60}, "periods[1].start_s"),
    (RECURRING, {"periods": (Period(0, 100), Period(DAY_S, 90))}, "periods[1].start_s"),
    (GOOD, {"periods": (Period(0, -1),)}, "periods[0].limit"),
    (GOOD, {"periods": (Period(0, 59),)}, "periods[0].limit"),
    (GOOD, {"periods": (Period(0, 0),)}, "periods[0].limit"),
    (GOOD, {"periods": (Period(0, 100, 4),)}, "periods[0].phases"),
    (GOOD, {"periods": (Period(0, 100, 1), Period(60, 100))}, "periods"),
    (GOOD, {"periods": tuple(Period(n, 100) for n in range(5))}, "periods"),
    (GOOD, {"stack_level": 4}, "stack_level"),
    (GOOD, {"stack_level": -1}, "stack_level"),
    (GOOD, {"unit": "W"}, "unit"),
    (GOOD, {"profile_id": 5, "stack_level": 2}, "profile_id"),
    (GOOD, {"kind": "relative", "start_at": None}, "kind"),
]
STRICT = StationLimits(
    connectors=2, max_stack_level=3, units=frozenset({"A"}), max_periods=4, max_installed=1, switches_phases=False,
    min_current=60, zero_ends=True, refused_kinds=frozenset({"relative"}),
)  # fmt: skip


@pytest.mark.parametrize(("base", "change", "field"), CASES)
def test_what_is_wrong_names_its_place(base: Profile, change: dict[str, Any], field: str) -> None:
    """Each rule finds the profile that breaks it, at the field to change."""
    broken = msgspec.structs.replace(base, **change)
    found = faults(broken, STRICT, installed=[msgspec.structs.replace(GOOD, profile_id=broken.profile_id % 5)])
    assert field in [fault.field for fault in found]
    assert all(fault.message for fault in found)


def test_a_transactions_profile_needs_a_transaction() -> None:
    """It is refused in advance of one (§5.16.4)."""
    assert [fault.field for fault in faults(OWN, StationLimits(), charging=False)] == ["purpose"]


def test_what_is_replaced_needs_no_place() -> None:
    """A full station takes a profile of an id, or a place in the stack, that it holds already."""
    full = StationLimits(max_installed=1)
    same_place = msgspec.structs.replace(GOOD, profile_id=9)
    same_id = msgspec.structs.replace(GOOD, stack_level=5)
    other = msgspec.structs.replace(GOOD, profile_id=9, stack_level=5)
    assert faults(same_place, full, installed=[GOOD]) == []
    assert faults(same_id, full, installed=[GOOD]) == []
    assert [fault.field for fault in faults(other, full, installed=[GOOD])] == ["profile_id"]
