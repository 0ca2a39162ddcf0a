"""When a station's local list is looked at, and what then is begun.

After each read of its configuration (which says what it takes), after a boot where none is read, on its return with
something unfinished, when an operator or a job asks. Where the station held what is wanted in this session already,
nothing is sent.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from shared.records.authorization import Policies, policy_of
from shared.records.configuration import Change, Snapshot
from shared.records.local_lists import Head, ListRun, LocalList
from shared.records.requests import LeaveJob, SyncLocalList
from workers.services import bulk, configuration
from workers.services.refusals import Refused
from workers.services.wakeups import wakes
from workers.store.draft import Draft
from workers.store.wants import WantListHead, WantPolicies

from . import choosing, concluding, running
from .words import words_of

LOOK: Final = "local_list_look"
CONFLICT: Final = "LocalListConflict"
"""Error code of a station whose list and what it is told of a tag contradict each other (OCPP 1.6 section 3.5.2)."""
AFTER_BOOT_MS: Final = 5_000
AFTER_RETURN_MS: Final = 10_000
change = msgspec.structs.replace


def look(draft: Draft, *, full: bool = False, again: bool = False) -> str:
    """Hold the station's list against what is wanted; returns why nothing can be done, or an empty text.

    `full`: send it whole, whatever the station says. `again`: ask it, though it said so in this session.
    """
    words = words_of(draft)
    if draft.station is None or words is None:
        return "the station has never connected with a version that has local lists"
    local: LocalList = draft.listed
    policies: Policies | None = draft.get(WantPolicies())
    policy = policy_of(policies, draft.station)
    if policy is None or not policy.has_list:
        return _without(draft, local)
    head: Head | None = draft.get(WantListHead(policy.name))
    if head is None:
        since = local.since or draft.now
        concluding.put(draft, change(local, policy=policy.name, wanted=0, state="pending", since=since))
        return "its list is not made yet; it is sent as soon as that is"
    local = change(local, policy=policy.name, wanted=head.version)
    concluding.put(draft, local)
    if local.run is not None and running.is_under_way(draft, local.run) and not full:
        return ""
    if choosing.room_of(draft, words).supported is False:
        concluding.end(draft, "unsupported")
        return ""
    if not (full or again) and _is_settled(draft, local, head):
        return ""
    concluding.put(draft, change(draft.listed, run=ListRun(began_at=draft.now, full=full, whole=full)))
    running.begin(draft)
    return ""


def sync(draft: Draft, request: SyncLocalList) -> dict[str, Any]:
    """Look at the list because an operator asks; 404 without the station, 409 where it can have no list."""
    if draft.station is None:
        raise Refused(404, "no such station")
    why = look(draft, full=request.full, again=True)
    if why and not draft.changed:
        raise Refused(409, why)
    return {"station_id": draft.station_id, "state": draft.listed.state, "detail": why}


def join(draft: Draft, request: SyncLocalList) -> bool:
    """Do the same for a job; False where that was asked before, or is refused, which is the job's result then."""
    if not bulk.is_new(draft, request):
        return False
    concluding.put(draft, change(draft.listed, jobs=(*draft.listed.jobs, request.job)))
    why = look(draft, full=request.full, again=request.full)
    if why and draft.listed.state == "pending":
        concluding.tell(draft, "rejected", why, request.job)
    elif draft.listed.run is None:
        concluding.tell(draft, detail=why, job=request.job)
    return True


def leave(draft: Draft, request: LeaveJob) -> bool:
    """Let a job go that was cancelled; what is under way goes on, for the list is wanted with or without it."""
    if request.job not in draft.listed.jobs:
        return False
    concluding.tell(draft, "cancelled", "the list goes on being sent", request.job)
    return True


def booted(draft: Draft) -> None:
    """Look soon after a boot where no configuration is read then; a read looks by itself."""
    if draft.listed.policy or not draft.policy.configuration_every_ms:
        draft.wake(LOOK, "", draft.now + AFTER_BOOT_MS)


def returned(draft: Draft) -> None:
    """Look soon after the return of a station that has not what is wanted."""
    if draft.listed.policy and draft.listed.state == "pending":
        draft.wake(LOOK, "", draft.now + AFTER_RETURN_MS)


def conflicted(draft: Draft) -> None:
    """Ask a station what it has that found its list contradicted; it may be behind, or have lost count."""
    if draft.listed.policy:
        draft.wake(LOOK, CONFLICT, draft.now)


def forget(draft: Draft) -> None:
    """Take a station that is being deleted out of the fleet's index."""
    concluding.forget(draft)


@wakes(LOOK)
def woken(draft: Draft, subject: str) -> None:
    """Look; a station that is not there looks when it is back."""
    if draft.session.connection == "open":
        look(draft, again=subject == CONFLICT)


@configuration.when_read
def configured(draft: Draft, _snapshot: Snapshot, _previous: Snapshot | None, _changes: tuple[Change, ...]) -> None:
    """Look after each read: what the station takes is known now, and what was switched on is."""
    look(draft)


def _without(draft: Draft, local: LocalList) -> str:
    """Take the list away from a station that is to hold none: what is blocked later would be accepted for ever."""
    if not local.list_id:
        if local.policy:
            concluding.put(draft, LocalList(used=local.used, jobs=local.jobs))
        return "no local list is wanted of it"
    concluding.put(draft, change(local, policy="", wanted=0))
    if local.run is None or not running.is_under_way(draft, local.run):
        concluding.put(draft, change(draft.listed, run=ListRun(began_at=draft.now, full=True, whole=True)))
        running.begin(draft)
    return ""


def _is_settled(draft: Draft, local: LocalList, head: Head) -> bool:
    """Tell whether the station has said in this session all that is to be said of this version."""
    same = (local.list_id, local.version, local.verified_epoch) == (head.list_id, head.version, draft.session.epoch)
    return same and local.state in ("in_line", "partial") and local.place == choosing.site_of(draft)
