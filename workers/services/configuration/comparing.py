"""A snapshot out of what was read, its difference from the last one, and the history of both."""

from __future__ import annotations

from typing import Final

import msgspec

from shared.bus import keys
from shared.records.changes import diff
from shared.records.configuration import Change, KeyRead, KeyValue, Snapshot, Version
from shared.records.events import ConfigurationRead
from shared.records.packing import pack
from workers.store.draft import Draft
from workers.store.wants import WantSnapshot

from . import drifts, firmware, hooks

TRUNCATED: Final = "configuration_truncated"
"""Flag of a station with more configuration than is kept."""


def took(draft: Draft, read: KeyRead) -> None:
    """Store what was read whole, compare it with the last, and tell everybody."""
    previous: Snapshot | None = draft.get(WantSnapshot())
    snapshot = _snapshot(draft, read, previous)
    changes = () if previous is None else _firmware(previous, snapshot) + diff(previous.keys, snapshot.keys)
    changes += firmware.compared(draft)
    snapshot = _store(draft, read.trigger, snapshot, previous, changes)
    draft.put(msgspec.structs.replace(draft.configured, expected={}))
    draft.count("configuration_reads_total", read.trigger, "ok")
    draft.emit(
        ConfigurationRead(
            station_id=draft.station_id,
            at=draft.now,
            trigger=read.trigger,
            snapshot=snapshot.version,
            keys=len(snapshot.keys),
            changes=len(changes),
        )
    )
    for hook in hooks.READ:
        hook(draft, snapshot, previous, changes)


def read_back(draft: Draft, read: KeyRead) -> None:
    """Take some keys that were read into the snapshot: a change among them is ours, and no drift."""
    previous: Snapshot | None = draft.get(WantSnapshot())
    if previous is None:
        return
    made = _merged(previous.keys, read)
    changes = diff(previous.keys, made)
    if changes:
        snapshot = msgspec.structs.replace(previous, keys=made)
        _store(draft, read.trigger, snapshot, previous, changes, judged=False)


def _snapshot(draft: Draft, read: KeyRead, previous: Snapshot | None) -> Snapshot:
    station = draft.station
    assert station is not None, "only a known station is asked"
    found = read.found
    if read.chunk and previous is not None:
        found = _merged(previous.keys, read)
    kept, dropped = _bounded(found, draft.policy.configuration_bytes)
    if dropped:
        draft.flag(TRUNCATED)
    return Snapshot(
        read_at=draft.now,
        version=previous.version if previous is not None else 0,
        vendor=station.vendor,
        model=station.model,
        firmware=station.firmware,
        keys=kept,
        partial=bool(read.chunk),
        dropped=dropped,
    )


def _merged(known: dict[str, KeyValue], read: KeyRead) -> dict[str, KeyValue]:
    """Return what is known with some keys read anew, under the spelling that is known; unknown ones are gone."""
    spelt = {name.lower(): name for name in known}
    gone = {name.lower() for name in read.unknown}
    made = {name: one for name, one in known.items() if name.lower() not in gone}
    return made | {spelt.get(name.lower(), name): one for name, one in read.found.items()}


def _bounded(found: dict[str, KeyValue], limit: int) -> tuple[dict[str, KeyValue], int]:
    """Return the keys that fit into so many bytes, and how many do not."""
    size, kept = 0, {}
    for name, one in found.items():
        size += len(name.encode()) + len((one.value or "").encode()) + 8
        if size > limit:
            break
        kept[name] = one
    return kept, len(found) - len(kept)


def _firmware(previous: Snapshot, snapshot: Snapshot) -> tuple[Change, ...]:
    if previous.firmware == snapshot.firmware:
        return ()
    return (Change(kind="firmware", before=previous.firmware, after=snapshot.firmware),)


def _store(
    draft: Draft,
    trigger: str,
    snapshot: Snapshot,
    previous: Snapshot | None,
    changes: tuple[Change, ...],
    *,
    judged: bool = True,
) -> Snapshot:
    """Write the snapshot, and a version of the history where it differs; the same content only moves its time."""
    if previous is None or changes:
        snapshot = msgspec.structs.replace(snapshot, version=snapshot.version + 1)
        drift_id = drifts.found(draft, snapshot, previous, changes) if judged else ""
        version = Version(
            version=snapshot.version,
            read_at=draft.now,
            trigger=trigger,
            firmware=snapshot.firmware,
            keys=len(snapshot.keys),
            changes=changes,
            drift_id=drift_id,
        )
        history = keys.configuration_history(draft.station_id)
        draft.write("LPUSH", history, pack(version))
        draft.write("LTRIM", history, 0, draft.policy.configuration_versions - 1)
    draft.write("SET", keys.configuration(draft.station_id), pack(snapshot))
    return snapshot
