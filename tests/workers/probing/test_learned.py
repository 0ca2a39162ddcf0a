"""What a probe has shown is used: by the validator, and where profiles are taken off (quirk 25)."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from shared.records.configuration import KeyValue, Snapshot
from shared.records.models import Overrides, model_key
from shared.records.probes import Abilities
from shared.records.profiles import DAY_S, Period, Profile
from shared.records.requests import ClearProfile
from shared.smartcharging.limits import clearing_of, limits_of
from shared.smartcharging.validation import faults
from tests.workers.probing.modelled import Modelled
from tests.workers.probing.site import NIGHT, ROOF, Site
from workers.services import quirks

KNOWN = Abilities(
    max_stack_level=0, units=("A",), max_periods=1, refused_kinds=("relative",), refused_purposes=("station_max",),
    refused_recurrences=("weekly",), zero="ends", min_current=80, clears=("all",), clears_not=("id", "place"),
)  # fmt: skip
TOLD = Snapshot(
    keys={
        "ChargeProfileMaxStackLevel": KeyValue("9"),
        "ChargingScheduleMaxPeriods": KeyValue("24"),
        "ChargingScheduleAllowedChargingRateUnit": KeyValue("Current,Power"),
    },
    read_at=1,
)


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    """Leave nothing learned in the process."""
    yield
    quirks.learned({})
    quirks.install(of_models={})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"stack_level": 1}, "the station's highest is 0"),
        ({"unit": "W"}, "the station takes A"),
        ({"periods": (Period(0, 100), Period(60, 90))}, "the station takes 1 at most"),
        ({"kind": "relative", "start_at": None}, "refuses relative"),
        ({"purpose": "station_max"}, "does not serve station_max"),
        ({"kind": "recurring", "recurrence": "weekly", "duration_s": DAY_S}, "does not serve weekly"),
        ({"periods": (Period(0, 0),)}, "ends its session at 0"),
        ({"periods": (Period(0, 60),)}, "must be 0, or 8 A or more"),
    ],
)
def test_what_is_refused_before_it_is_sent(changes: dict[str, object], words: str) -> None:
    """What a probe has shown counts more than what the station says of itself."""
    profile = msgspec.structs.replace(NIGHT, **changes)
    assert not [one for one in faults(profile, limits_of(TOLD)) if words in one.message]
    (fault,) = faults(profile, limits_of(TOLD, KNOWN))
    assert words in fault.message


def test_rules_win() -> None:
    """What an operator or a file says of a model counts more than a probe."""
    rules = {"profile_levels": "3", "limit_zero": "pauses", "limit_minimum": "6", "profile_unit": "W"}
    found = limits_of(TOLD, KNOWN, {**rules, "profile_kinds": "none", "profile_periods": "12"})
    assert (found.max_stack_level, found.zero_ends, found.min_current, found.max_periods) == (3, False, 60, 12)
    assert (found.units, found.refused_kinds) == (frozenset({"W"}), frozenset({"relative"}))
    assert limits_of(None, None, {"profile_kinds": "absolute"}).refused_kinds == {"relative", "recurring"}


@pytest.mark.parametrize(
    ("known", "rules", "way"),
    [
        (None, {}, "id"),
        (KNOWN, {}, "all"),
        (Abilities(clears=("all", "place"), clears_not=("id",)), {}, "place"),
        (Abilities(clears_not=("id", "all")), {}, "id"),
        (KNOWN, {"profile_clear": "id"}, "id"),
        (None, {"profile_clear": "place"}, "place"),
    ],
)
def test_by_what_a_profile_is_taken_off(known: Abilities | None, rules: dict[str, str], way: str) -> None:
    """By its id, unless that is known not to work and something else is."""
    assert clearing_of(known, rules) == way


def test_a_station_that_clears_all_or_nothing() -> None:
    """Clearing one of its profiles clears them all, and the others are set again."""
    site = Site(Modelled(clears=("all",)))
    site.limit(NIGHT)
    site.limit(ROOF)
    quirks.learned({model_key("Volt", "One", "1"): KNOWN})
    assert site.request(ClearProfile(request_id="c", profile_id=1))[0] == 202
    site.settle_down()
    assert site.holds() == {("station_max", 200)}
    assert site.wanted() == {"station_max/0/0": "verified"}


def test_a_station_that_clears_by_place() -> None:
    """By rule of an operator a profile is cleared by purpose, connector and stack level."""
    said = Overrides(rules={"profile_clear": "place"})
    quirks.install(of_models={model_key("Volt", "One", "1"): said})
    site = Site(Modelled(clears=("criteria",)))
    site.limit(NIGHT)
    low: Profile = msgspec.structs.replace(NIGHT, connector_id=1, periods=(Period(0, 90),))
    site.limit(low)
    site.request(ClearProfile(request_id="c", profile_id=1))
    site.settle_down()
    assert site.holds() == {("default", 90)}
