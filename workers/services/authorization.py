"""Who may charge: id tags, their groups, and how many transactions a tag may hold at a time.

Tags are compared in lower case (CiString20, OCPP 1.6 section 7.15). Only a start takes a place under a tag's concurrent
limit; `ConcurrentTx` is therefore never the answer to an Authorize (section 7.2: "Only relevant for a
StartTransaction.req").
"""

from __future__ import annotations

from shared.records.events import AuthorizationRefused
from shared.records.tags import IdTag
from shared.records.transactions import TagAnswer
from workers.store.draft import Draft
from workers.store.wants import WantSlot, WantTag

from .quirks import quirks_of

ACCEPTED = "Accepted"
_STATUSES = {"accepted": ACCEPTED, "blocked": "Blocked", "expired": "Expired", "invalid": "Invalid"}
MAX_ID_TAG = 255
"""Longer than any version's id token; what is longer is no tag and looked up nowhere."""


def key_of(id_tag: str) -> str:
    """Return the spelling under which a tag is stored and compared."""
    return id_tag.lower()


def wants(id_tag: str) -> tuple[WantTag, ...]:
    """Return what a decision about this tag will look at, for a station without rules on tags."""
    key = key_of(id_tag.strip())
    return (WantTag(key),) if 0 < len(key) <= MAX_ID_TAG else ()


def authorize(draft: Draft, id_tag: str) -> TagAnswer:
    """Answer an Authorize (OCPP 1.6 section 4.1); takes no place under the tag's limit."""
    answer = look(draft, quirks_of(draft.station).id_tag(id_tag))
    _tell(draft, answer.status, "authorize")
    return answer


def admit(draft: Draft, id_tag: str, holder: str) -> tuple[TagAnswer, str]:
    """Answer a start, with a place under the tag's limit; returns the answer and the holder's name, `""` for no place.

    Every known tag's holder is registered, even without a limit: one that is set later then counts right.
    """
    answer = look(draft, id_tag)
    held = ""
    if answer.status == ACCEPTED:
        tag = _record(draft, id_tag)
        if tag is not None:
            if draft.get(WantSlot(key_of(id_tag), holder, tag.concurrent_limit)):
                held = holder
            else:
                answer = TagAnswer("ConcurrentTx", answer.expires_at, answer.group)
    _tell(draft, answer.status, "start")
    return answer, held


def look(draft: Draft, id_tag: str) -> TagAnswer:
    """Return what a station is told of a tag, limits aside; changes and counts nothing."""
    if quirks_of(draft.station).is_free_vend(id_tag):
        return TagAnswer(ACCEPTED)
    tag = _record(draft, id_tag)
    if tag is None:
        known = id_tag and len(id_tag) <= MAX_ID_TAG and draft.policy.unknown_tags == "accept"
        return TagAnswer(ACCEPTED if known else "Invalid")
    status = _STATUSES[tag.status]
    if status == ACCEPTED and 0 < tag.expires_at <= draft.origin.received_at:
        status = "Expired"
    return TagAnswer(status, tag.expires_at, tag.parent)


def same_holder(draft: Draft, id_tag: str, starting_tag: str, group: str) -> bool:
    """Tell whether a tag may stop what `starting_tag` started: the same tag, or one of its group (section 3.10)."""
    if key_of(id_tag) == key_of(starting_tag):
        return True
    tag = _record(draft, id_tag) if group else None
    return tag is not None and key_of(tag.parent) == key_of(group)


def _record(draft: Draft, id_tag: str) -> IdTag | None:
    key = key_of(id_tag)
    if not 0 < len(key) <= MAX_ID_TAG:
        return None
    found: IdTag | None = draft.get(WantTag(key))
    return found


def _tell(draft: Draft, status: str, where: str) -> None:
    draft.count("authorizations_total", status)
    if status != ACCEPTED:
        at = draft.origin.received_at
        draft.emit(AuthorizationRefused(station_id=draft.station_id, at=at, status=status, where=where))
