"""Frames that nobody understood, kept whole for a person, within a quota of bytes per station."""

from __future__ import annotations

from typing import Final

import msgspec

from shared.bus import keys
from shared.records.events import FrameQuarantined
from shared.records.packing import pack
from shared.records.quarantine import Quarantined
from workers.store.draft import Draft

MAX_FRAMES: Final = 200
"""Frames kept per station, however small."""
OVERHEAD: Final = 256
"""Bytes that a record costs beside its frame."""
MAX_DETAIL: Final = 500
UNREADABLE: Final = frozenset({"not_json", "bad_envelope", "too_big", "too_deep", "unknown_message_type", "binary"})
"""Reasons for frames that could not be read; the others are the keys below."""
_METRIC: Final = {
    "bad_payload": "invalid",
    "unknown_action": "unknown_action",
    "poison": "poison",
    "handler_failed": "poison",
}
"""Reason -> label of `quarantine_added_total`; every other reason is a frame that could not be read."""


def add(
    draft: Draft, frame: bytes, reason: str, detail: str, *, action: str = "", transaction_id: int = 0
) -> Quarantined:
    """Keep a frame: record, index, event, flag and count; the oldest of the station's leave where it has too many.

    `reason` is of the closed set of `Quarantined.reason`; `detail` names fields, never values.
    """
    origin = draft.origin
    record = Quarantined(
        quarantine_id=f"{origin.partition}-{origin.entry_id}",
        station_id=draft.station_id,
        received_at=origin.received_at,
        reason=reason,
        detail=detail[:MAX_DETAIL],
        frame=frame,
        action=action,
        epoch=origin.epoch,
        call_seq=origin.call_seq,
        transaction_id=transaction_id,
    )
    _store(draft, record)
    draft.result = "quarantined"
    draft.count("quarantine_added_total", _METRIC.get(reason, "unreadable"))
    draft.flag("quarantined", reason)
    draft.emit(
        FrameQuarantined(
            station_id=draft.station_id,
            at=origin.received_at,
            quarantine_id=record.quarantine_id,
            reason=reason,
            action=action,
        )
    )
    return record


def count_replay(draft: Draft, record: Quarantined) -> None:
    """Note that a replay failed."""
    again = msgspec.structs.replace(record, replays=record.replays + 1)
    draft.write("HSET", keys.quarantine(draft.station_id), record.quarantine_id, pack(again))


def remove(draft: Draft, *quarantine_ids: str) -> None:
    """Forget frames."""
    draft.write("HDEL", keys.quarantine(draft.station_id), *quarantine_ids)
    draft.effect("ZREM", keys.QUARANTINE, *(f"{draft.station_id}/{name}" for name in quarantine_ids))
    station = draft.station
    if station is not None and not station.quarantined.keys().isdisjoint(quarantine_ids):
        left = {name: size for name, size in station.quarantined.items() if name not in quarantine_ids}
        draft.put(msgspec.structs.replace(station, quarantined=left))


def _store(draft: Draft, record: Quarantined) -> None:
    name = record.quarantine_id
    draft.write("HSET", keys.quarantine(draft.station_id), name, pack(record))
    draft.effect("ZADD", keys.QUARANTINE, record.received_at, f"{draft.station_id}/{name}")
    station = draft.station
    if station is None:
        return
    kept = {**station.quarantined, name: len(record.frame) + OVERHEAD}
    dropped = _surplus(kept, draft.policy.quarantine_bytes_per_station)
    draft.put(msgspec.structs.replace(station, quarantined=kept))
    if dropped:
        remove(draft, *dropped)
        draft.count("quarantine_added_total", "full", amount=len(dropped))


def _surplus(kept: dict[str, int], quota: int) -> list[str]:
    """Return the oldest frames, which have to go so that the others fit; never the newest."""
    size, count = sum(kept.values()), len(kept)
    dropped: list[str] = []
    for name, bytes_ in kept.items():
        if (size <= quota and count <= MAX_FRAMES) or count == 1:
            break
        dropped.append(name)
        size, count = size - bytes_, count - 1
    return dropped
