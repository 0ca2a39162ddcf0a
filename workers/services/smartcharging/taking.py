"""What a station takes, by its configuration, what probes have shown of its model, and rules (quirk 25)."""

from __future__ import annotations

from shared.records.configuration import Snapshot
from shared.records.probes import Abilities, Criterion
from shared.records.stations import StationRecord
from shared.smartcharging.limits import clearing_of, limits_of
from shared.smartcharging.validation import StationLimits
from workers.services.quirks import abilities_of, quirks_of


def takes(station: StationRecord | None, snapshot: Snapshot | None) -> StationLimits:
    """Return what a station takes."""
    return limits_of(snapshot, _shown(station), _rules(station))


def clearing(station: StationRecord | None) -> Criterion:
    """Return by what profiles are taken off a station: `id`, `place`, or `all`."""
    return clearing_of(_shown(station), _rules(station))


def _shown(station: StationRecord | None) -> Abilities | None:
    return None if station is None else abilities_of(station.vendor, station.model, station.firmware)


def _rules(station: StationRecord | None) -> dict[str, str]:
    return dict(quirks_of(station).charging)
