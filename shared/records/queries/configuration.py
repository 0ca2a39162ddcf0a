"""Stations' configurations and their history; drifts of one station and of all; the rules that tell them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import msgspec

from shared.bus import keys
from shared.bus.lane import Lane
from shared.records.changes import at_version, diff
from shared.records.commands import made_at
from shared.records.configuration import Change, Configured, Snapshot, Version
from shared.records.drift_rules import SHIPPED, concealed, masked, secrets_of
from shared.records.drifts import Drift, DriftRules, DriftState
from shared.records.packing import pack, unpack

from .cursors import Position
from .reading import page_of, replies, station_of, walk


class ConfigurationNow(msgspec.Struct, frozen=True):
    """Where a station's configuration stands; `snapshot` None: it was never read."""

    snapshot: Snapshot | None
    configured: Configured


class DriftFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which drifts; None and empty: all."""

    station_id: str = ""
    state: DriftState | None = None

    def takes(self, drift: Drift) -> bool:
        """Tell whether a drift is wanted."""
        return self.state in (None, drift.state) and self.station_id in ("", drift.station_id)


async def configuration(lane: Lane, station_id: str) -> ConfigurationNow:
    """Return the last snapshot, secrets masked, and what is under way."""
    data, section, rules = await replies(
        lane,
        [
            ("GET", keys.configuration(station_id)),
            ("HGET", keys.state(station_id), "cf"),
            ("GET", keys.DRIFT_RULES),
        ],
    )
    snapshot = unpack(data, Snapshot) if data is not None else None
    if snapshot is not None:
        shown = masked(snapshot.keys, secrets_of(unpack(rules, DriftRules) if rules is not None else None))
        snapshot = msgspec.structs.replace(snapshot, keys=shown)
    return ConfigurationNow(snapshot, unpack(section, Configured) if section is not None else Configured())


async def history(lane: Lane, station_id: str, after: int, limit: int) -> tuple[list[Version], int]:
    """Return up to `limit` versions below `after` (0: the newest), newest first, and where to go on; 0 at the end."""
    entries, rules = await _history(lane, station_id)
    behind = [one for one in entries if not after or one.version < after]
    shown = [_concealed(one, rules) for one in behind[:limit]]
    return shown, shown[-1].version if len(behind) > limit else 0


async def difference(lane: Lane, station_id: str, old: int, new: int) -> tuple[int, int, tuple[Change, ...]] | None:
    """Return the versions that were compared and what makes the newer out of the older; None where one is not kept.

    `new` 0: the last one; `old` 0: the one before `new`.
    """
    data = await lane.one("GET", keys.configuration(station_id))
    entries, rules = await _history(lane, station_id)
    if data is None or not entries:
        return None
    snapshot = unpack(data, Snapshot)
    new = new or snapshot.version
    old = old or max(new - 1, 1)
    # The oldest entry that is kept says how its version came to be, so the one before it is known too.
    oldest = max(entries[-1].version - (1 if entries[-1].changes else 0), 1)
    if not all(oldest <= version <= snapshot.version for version in (old, new)):
        return None
    before, after = (at_version(snapshot.keys, entries, version) for version in (old, new))
    others = [one for entry in entries if old < entry.version <= new for one in entry.changes if _is_no_key(one)]
    return old, new, concealed((*reversed(others), *diff(before, after)), rules)


async def drifts(
    lane: Lane, wanted: DriftFilter, after: Position | None, limit: int
) -> tuple[list[Drift], Position | None]:
    """Return up to `limit` drifts behind `after`, newest first, and where to go on; None at the end."""
    rules = secrets_of(await drift_rules(lane))
    found, following = await page_of(walk(lane, keys.DRIFTS, after), partial(_load, lane), wanted.takes, after, limit)
    return [msgspec.structs.replace(one, changes=concealed(one.changes, rules)) for one in found], following


async def drift(lane: Lane, drift_id: str) -> Drift | None:
    """Return a drift by its id alone, or None. The id holds the time at which it stands in the index."""
    at = made_at(drift_id)
    station_id = await station_of(lane, keys.DRIFTS, drift_id, at)
    return None if station_id is None else (await _load(lane, [Position(f"{station_id}/{drift_id}", at)]))[0]


async def drift_rules(lane: Lane) -> DriftRules:
    """Return the rules that hold."""
    data = await lane.one("GET", keys.DRIFT_RULES)
    return SHIPPED if data is None else unpack(data, DriftRules)


async def put_drift_rules(lane: Lane, rules: DriftRules) -> None:
    """Replace the rules of the fleet."""
    await lane.one("SET", keys.DRIFT_RULES, pack(rules))


async def _history(lane: Lane, station_id: str) -> tuple[list[Version], tuple[str, ...]]:
    found, rules = await replies(
        lane, [("LRANGE", keys.configuration_history(station_id), 0, -1), ("GET", keys.DRIFT_RULES)]
    )
    held = unpack(rules, DriftRules) if rules is not None else None
    return [unpack(one, Version) for one in found], secrets_of(held)


def _concealed(version: Version, secrets: tuple[str, ...]) -> Version:
    return msgspec.structs.replace(version, changes=concealed(version.changes, secrets))


def _is_no_key(change: Change) -> bool:
    return change.kind == "firmware" or change.kind.endswith(("_new", "_gone"))


async def _load(lane: Lane, positions: Sequence[Position]) -> list[Drift | None]:
    pairs = [at.member.rpartition("/") for at in positions]
    found = await replies(lane, [("HGET", keys.drifts(station), drift_id) for station, _, drift_id in pairs])
    return [unpack(data, Drift) if data is not None else None for data in found]
