"""What a station takes: its configuration, what probes have shown of its model, and the rules that hold for it."""

from __future__ import annotations

from typing import Any

from edge.operators.call import Call
from edge.operators.resources.models import profiles_of
from shared.quirk_profiles import given
from shared.records.configuration import Snapshot
from shared.records.models import model_key
from shared.records.queries import models, probes
from shared.records.stations import StationRecord
from shared.smartcharging.limits import limits_of
from shared.smartcharging.validation import StationLimits


async def takes(call: Call[Any, Any], station: StationRecord, snapshot: Snapshot | None) -> StationLimits:
    """Return what a station takes."""
    named = (station.vendor, station.model, station.firmware)
    key = model_key(*named)
    abilities = await probes.abilities_of(call.lane, key)
    overrides = await models.overrides_of(call.lane, key)
    rules = given(profiles_of(call), *named) | overrides.rules | station.quirk_profile
    return limits_of(snapshot, abilities, rules)
