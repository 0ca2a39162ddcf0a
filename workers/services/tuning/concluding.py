"""What a look at a station, or a run, came to: states, the fleet's index, flags, an event, what is learnt."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

import msgspec

from shared.bus import keys
from shared.records.events import StationTuned
from shared.records.jobs import Outcome
from shared.records.packing import pack
from shared.records.stations import StationRecord
from shared.records.templates import Template
from shared.records.tuning import ALL, STATES, Applied, KeyMemory, ModelList, Tuned, TuningState, index_member
from workers.services import configuration
from workers.store.draft import Draft
from workers.store.wants import WantModelList

from .templates import stand, worst

REVERTING: Final = "reverting"
"""Flag of a station that keeps going back to another value of a key; the key follows."""
change = msgspec.structs.replace


def keep(draft: Draft, memory: KeyMemory) -> None:
    """Put one key's memory; a key that is now left alone is flagged."""
    tuned = draft.tuned
    name = memory.key.lower()
    before = tuned.keys.get(name)
    if memory.state == "reverting" and (before is None or before.state != "reverting"):
        draft.flag(REVERTING, memory.key)
    draft.put(change(tuned, keys={**tuned.keys, name: memory}))


def refresh(draft: Draft, matching: Iterable[Template] | None = None) -> None:
    """Bring the templates' states up to date, and the index with them.

    `matching`: the templates that a look found; None: those of the last look.
    """
    tuned = draft.tuned
    if matching is None:
        revisions = {name: one.revision for name, one in tuned.templates.items() if name != ALL}
    else:
        revisions = {template.name: template.updated_at for template in matching}
    by_template: dict[str, list[KeyMemory]] = {name: [] for name in revisions}
    for memory in tuned.keys.values():
        by_template.setdefault(memory.template, []).append(memory)
    if revisions:
        revisions[ALL], by_template[ALL] = 0, list(tuned.keys.values())
    running = tuned.run is not None
    made = {
        name: _applied(tuned.templates.get(name), revision, _state(by_template[name], running=running), draft.now)
        for name, revision in revisions.items()
    }
    _index(draft, tuned.templates, made)
    draft.put(change(tuned, templates=made))


def forget(draft: Draft) -> None:
    """Take a station that is being deleted out of the index."""
    _index(draft, draft.tuned.templates, {})


def announce(draft: Draft, since: int, done: Iterable[str] = ()) -> None:
    """Tell what was taken, and what was refused or given up since then (ms); nothing where there is nothing."""
    tuned = draft.tuned
    ended = {state: _named(tuned, state, since) for state in ("refused", "reverting")}
    taken = tuple(tuned.keys[name].key for name in done if name in tuned.keys)
    for state, names in ended.items():
        draft.count("tuning_keys_total", state, amount=len(names))
    draft.count("tuning_keys_total", "set", amount=len(taken))
    if not taken and not any(ended.values()):
        return
    overall = tuned.templates.get(ALL)
    draft.emit(
        StationTuned(
            station_id=draft.station_id,
            at=draft.now,
            state=overall.state if overall else "in_line",
            taken=taken,
            refused=ended["refused"],
            reverting=ended["reverting"],
        )
    )


def tell_jobs(draft: Draft) -> None:
    """Tell the jobs that had templates applied what came of it, once nothing is being set."""
    if draft.tuned.run is None and draft.configured.jobs:
        configuration.waiting.tell(draft, *outcome(draft.tuned), kind="apply_templates")


def outcome(tuned: Tuned) -> tuple[Outcome, str]:
    """Return what a station's tuning means for a job, and why: what waits for a reboot was taken."""
    overall = tuned.templates.get(ALL)
    if overall is None:
        return "accepted", "no template matches"
    if overall.state in ("in_line", "pending"):
        return "accepted", "in line" if overall.state == "in_line" else "taken; a reboot, or the next read, is awaited"
    words = (
        f"{one.key} {one.state}" + (f" ({one.answer})" if one.answer else "")
        for one in sorted(tuned.keys.values(), key=lambda one: (STATES.index(one.state), one.key))
        if one.state in ("refused", "reverting", "differs")
    )
    return "rejected", ", ".join(words)


def learn(draft: Draft, memory: KeyMemory, limit: int = 0) -> None:
    """Keep what a list's search has found for the other stations of the model."""
    station = draft.station
    if station is None or memory.taken is None or not station.model:
        return
    found = ModelList(
        vendor=station.vendor,
        model=station.model,
        firmware=station.firmware,
        key=memory.key,
        refused=memory.refused,
        limit=limit,
        learned_at=draft.now,
        station_id=draft.station_id,
    )
    draft.effect("HSET", keys.MODEL_LISTS, digest(station, memory.key), pack(found))


def known(draft: Draft, key: str) -> ModelList | None:
    """Return what is known of a list of the station's model."""
    if draft.station is None or not draft.station.model:
        return None
    found: ModelList | None = draft.get(WantModelList(digest(draft.station, key)))
    return found


def digest(station: StationRecord, key: str) -> str:
    """Return the field of `keys.MODEL_LISTS` for a list of a station's model."""
    text = f"{station.vendor}\0{station.model}\0{station.firmware}\0{key}".lower()
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def _state(memories: list[KeyMemory], *, running: bool) -> TuningState:
    """Return the state of several keys together: the worst, but pending while any of them is still to be set."""
    if running and any(one.state in ("pending", "differs") for one in memories):
        return "pending"
    return worst(one.state for one in memories)


def _applied(before: Applied | None, revision: int, state: TuningState, now: int) -> Applied:
    if before is not None and (before.revision, before.state) == (revision, state):
        return before
    return Applied(revision, state, now)


def _index(draft: Draft, before: dict[str, Applied], after: dict[str, Applied]) -> None:
    old = {index_member(name, one, draft.station_id) for name, one in before.items()}
    new = {index_member(name, one, draft.station_id) for name, one in after.items()}
    if gone := sorted(old - new):
        draft.effect("ZREM", keys.TUNING, *gone)
    for member in sorted(new - old):
        draft.effect("ZADD", keys.TUNING, 0, member)


def _named(tuned: Tuned, state: str, since: int) -> tuple[str, ...]:
    found = (one for one in tuned.keys.values() if one.state == state and one.since >= since)
    return tuple(sorted(one.key for one in found))


def pending(memory: KeyMemory, now: int) -> KeyMemory:
    """Return the memory of a key that was taken and is to be read back."""
    return stand(change(memory, set_at=now, answer=""), "pending", now)
