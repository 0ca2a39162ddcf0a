"""What a run, or a look, came to: the state, the fleet's index, an event, and what the jobs that wait are told."""

from __future__ import annotations

from typing import Final

import msgspec

from shared.bus import keys
from shared.records.events import LocalListChanged
from shared.records.jobs import Outcome
from shared.records.local_lists import ListState, LocalList, index_member
from workers.services import bulk
from workers.store.draft import Draft

change = msgspec.structs.replace
_OUTCOMES: Final[dict[ListState, Outcome]] = {
    "none": "accepted",
    "in_line": "accepted",
    "partial": "rejected",
    "differs": "rejected",
    "refused": "rejected",
    "unsupported": "rejected",
    "pending": "timed_out",
}
_WORDS: Final[dict[ListState, str]] = {
    "none": "no local list is wanted of it",
    "partial": "the list is longer than it takes",
    "differs": "it keeps naming another version",
    "unsupported": "it has no local list, or that is switched off",
    "pending": "it did not answer",
}


def put(draft: Draft, after: LocalList) -> None:
    """Put the section, and bring the index in line with it."""
    before = draft.listed
    if after == before:
        return
    old, new = index_member(before, draft.station_id), index_member(after, draft.station_id)
    if old != new:
        if old:
            draft.effect("ZREM", keys.LOCAL_LISTS, old)
        if new:
            draft.effect("ZADD", keys.LOCAL_LISTS, 0, new)
    draft.put(after)


def stand(draft: Draft, state: ListState, answer: str = "") -> None:
    """Let the list be in a state from now on, without a run."""
    local = draft.listed
    since = local.since if local.state == state else draft.now
    put(draft, change(local, state=state, since=since, answer=answer[:100], run=None))


def end(draft: Draft, state: ListState, answer: str = "") -> None:
    """End a run, or a look that needs none: the state, an event where it changed anything, and the jobs are told."""
    before = draft.listed
    stand(draft, state, answer)
    local = draft.listed
    if (before.state, before.version, before.wanted) != (state, local.version, local.wanted) or before.run is not None:
        draft.emit(
            LocalListChanged(
                station_id=draft.station_id,
                at=draft.now,
                policy=local.policy,
                state=state,
                wanted=local.wanted,
                held=local.version,
                detail=local.answer,
            )
        )
    tell(draft)


def tell(draft: Draft, outcome: Outcome | None = None, detail: str = "", job: str = "") -> None:
    """Tell the jobs that wait, or one of them, how it stands; they wait no more."""
    local = draft.listed
    told = [name for name in local.jobs if job in ("", name)]
    if not told:
        return
    put(draft, change(local, jobs=tuple(name for name in local.jobs if name not in told)))
    words = detail or _words(local)
    for name in told:
        bulk.report(draft, name, outcome or _OUTCOMES[local.state], detail=words)


def forget(draft: Draft) -> None:
    """Take a station that is being deleted out of the index, and tell the jobs that wait."""
    tell(draft, "refused", "the station was deleted")
    member = index_member(draft.listed, draft.station_id)
    if member:
        draft.effect("ZREM", keys.LOCAL_LISTS, member)


def _words(local: LocalList) -> str:
    if local.state == "in_line":
        return f"holds version {local.version}"
    return _WORDS.get(local.state, "") + (f": {local.answer}" if local.answer else "") or local.answer or local.state
