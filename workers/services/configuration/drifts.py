"""Drifts: the significant changes of a read, kept until an operator acknowledges them."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from shared.bus import keys
from shared.records.commands import make_id
from shared.records.configuration import Change, Configured, Snapshot
from shared.records.drifts import Drift
from shared.records.events import ConfigurationDrifted, DriftAcknowledged
from shared.records.packing import pack
from workers.store.draft import Draft
from workers.store.wants import WantDrifts

from . import rules

MAX_NAMES: Final = 20
"""Names in an event."""


def found(draft: Draft, snapshot: Snapshot, previous: Snapshot | None, changes: tuple[Change, ...]) -> str:
    """Keep the significant changes as a drift and return its id; empty where there are none."""
    expected = {name.lower(): value for name, value in draft.configured.expected.items()}
    held = rules.held(draft)
    significant = tuple(
        change for change in changes if not _is_ours(change, expected) and rules.is_significant(change, held)
    )
    if not significant:
        return ""
    drift = Drift(
        drift_id=make_id(draft.now, f"{draft.station_id}:drift:{snapshot.version}"),
        station_id=draft.station_id,
        found_at=draft.now,
        version=snapshot.version,
        firmware=snapshot.firmware,
        previous_firmware=previous.firmware if previous is not None else "",
        changes=significant,
    )
    _keep(draft, drift)
    for kind in dict.fromkeys(change.kind for change in significant):
        draft.count("configuration_drifts_total", kind)
    names = tuple(dict.fromkeys(change.name or change.kind for change in significant))
    draft.emit(
        ConfigurationDrifted(
            station_id=draft.station_id,
            at=draft.now,
            drift_id=drift.drift_id,
            snapshot=snapshot.version,
            names=names[:MAX_NAMES],
            changes=len(significant),
        )
    )
    return drift.drift_id


def acknowledge(draft: Draft, drift: Drift, by: str, note: str) -> Drift:
    """Note that an operator has seen a drift; a second time changes nothing."""
    if drift.state == "acknowledged":
        return drift
    made = msgspec.structs.replace(
        drift, state="acknowledged", acknowledged_at=draft.now, acknowledged_by=by, note=note
    )
    draft.write("HSET", keys.drifts(draft.station_id), drift.drift_id, pack(made))
    _put_open(draft, tuple(one for one in draft.configured.drifts if one != drift.drift_id))
    draft.emit(DriftAcknowledged(station_id=draft.station_id, at=draft.now, drift_id=drift.drift_id, by=by))
    return made


def forget(draft: Draft) -> None:
    """Take a deleted station's drifts out of the fleet's lists."""
    if draft.configured.read_at:
        kept: tuple[Drift, ...] = draft.get(WantDrifts())
        _unlist(draft, [one.drift_id for one in kept])
        draft.effect("HDEL", keys.DRIFTING, draft.station_id)


def _is_ours(change: Change, expected: dict[str, str]) -> bool:
    return change.kind == "changed" and expected.get(change.name.lower()) == change.after


def _keep(draft: Draft, drift: Drift) -> None:
    """Store a drift; the oldest go where there are too many."""
    kept: tuple[Drift, ...] = draft.get(WantDrifts())
    surplus = sorted(kept, key=lambda one: (one.state == "open", one.version))[
        : max(len(kept) + 1 - draft.policy.configuration_versions, 0)
    ]
    gone = [one.drift_id for one in surplus]
    if gone:
        draft.write("HDEL", keys.drifts(draft.station_id), *gone)
        _unlist(draft, gone)
    draft.write("HSET", keys.drifts(draft.station_id), drift.drift_id, pack(drift))
    draft.effect("ZADD", keys.DRIFTS, drift.found_at, f"{draft.station_id}/{drift.drift_id}")
    _put_open(draft, (*(one for one in draft.configured.drifts if one not in gone), drift.drift_id))


def _unlist(draft: Draft, drift_ids: list[str]) -> None:
    if drift_ids:
        draft.effect("ZREM", keys.DRIFTS, *(f"{draft.station_id}/{one}" for one in drift_ids))


def _put_open(draft: Draft, drift_ids: tuple[str, ...]) -> None:
    configured: Configured = draft.configured
    draft.put(msgspec.structs.replace(configured, drifts=drift_ids))
    effect: tuple[Any, ...] = ("HDEL", keys.DRIFTING, draft.station_id)
    if drift_ids:
        effect = ("HSET", keys.DRIFTING, draft.station_id, len(drift_ids))
    draft.effect(*effect)
