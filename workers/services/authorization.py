"""Who may charge: id tags, their groups, hours and sites, and how many transactions a tag may hold at a time.

Tags are compared in lower case (CiString20, OCPP 1.6 section 7.15). Only a start takes a place under a tag's concurrent
limit; `ConcurrentTx` is therefore never the answer to an Authorize (section 7.2: "Only relevant for a
StartTransaction.req"). A tag that nobody entered here is asked of the external authorizer, where there is one
(`authorization_elsewhere`). All that an answer looks at is named by `wants`, so that it takes one round trip.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from shared.records.authorization_hours import open_until
from shared.records.events import AuthorizationRefused
from shared.records.tags import IdTag
from shared.records.transactions import TagAnswer
from workers.store.draft import Draft
from workers.store.wants import Want, WantSite, WantSlot, WantTag

from . import authorization_elsewhere as elsewhere
from .clocks import is_plausible
from .quirks import quirks_of

Where = Literal["authorize", "start"]
ACCEPTED = "Accepted"
BLOCKED = "Blocked"
"""Also the answer where the tag may not charge here, or not now: 1.6 has no word of its own for that."""
_STATUSES = {"accepted": ACCEPTED, "blocked": BLOCKED, "expired": "Expired", "invalid": "Invalid"}
MAX_ID_TAG = 255
"""Longer than any version's id token; what is longer is no tag and looked up nowhere."""


class Admission(msgspec.Struct, frozen=True):
    """What a start is told, the holder's name under the tag's limit (empty: no place), and the transaction's flags."""

    answer: TagAnswer
    held: str = ""
    marks: tuple[str, ...] = ()


def key_of(id_tag: str) -> str:
    """Return the spelling under which a tag is stored and compared."""
    return id_tag.lower()


def wants(id_tag: str) -> tuple[Want, ...]:
    """Return what a decision about this tag will look at, for a station without rules on tags."""
    key = key_of(id_tag.strip())
    return (WantTag(key), WantSite(), *elsewhere.wants(key)) if 0 < len(key) <= MAX_ID_TAG else ()


def authorize(draft: Draft, id_tag: str) -> TagAnswer:
    """Answer an Authorize (OCPP 1.6 section 4.1); takes no place under the tag's limit."""
    ruling = _rule(draft, quirks_of(draft.station).id_tag(id_tag), "authorize", draft.origin.received_at)
    _tell(draft, ruling.answer.status, "authorize")
    return ruling.answer


def admit(draft: Draft, id_tag: str, holder: str, started_at: int = 0) -> Admission:
    """Answer a start, with a place under the tag's limit.

    Every known tag's holder is registered, even without a limit: one that is set later then counts right. A tag's hours
    are looked at as of `started_at` (ms), where that can be right: a start that was queued may come hours later.
    """
    received_at = draft.origin.received_at
    began_at = started_at if is_plausible(started_at, received_at) else received_at
    ruling = _rule(draft, id_tag, "start", min(began_at, received_at))
    answer, held = ruling.answer, ""
    if answer.status == ACCEPTED:
        tag = _record(draft, id_tag)
        if tag is not None:
            if draft.get(WantSlot(key_of(id_tag), holder, tag.concurrent_limit)):
                held = holder
            else:
                answer = TagAnswer("ConcurrentTx", answer.expires_at, answer.group)
    _tell(draft, answer.status, "start")
    return Admission(answer, held, ruling.marks)


def look(draft: Draft, id_tag: str) -> TagAnswer | None:
    """Return what is known of a tag, limits aside, and asks nobody; None where only the external authorizer knows."""
    ruling = _known(draft, id_tag, draft.origin.received_at)
    if ruling is not None:
        return ruling
    verdict = elsewhere.last_known(draft, key_of(id_tag))
    return elsewhere.told(verdict, draft.origin.received_at) if verdict is not None else None


def same_holder(draft: Draft, id_tag: str, starting_tag: str, group: str) -> bool:
    """Tell whether a tag may stop what `starting_tag` started: the same tag, or one of its group (section 3.10)."""
    if key_of(id_tag) == key_of(starting_tag):
        return True
    if not group:
        return False
    tag = _record(draft, id_tag)
    if tag is None and draft.policy.authorizer:
        verdict = elsewhere.last_known(draft, key_of(id_tag))
        return verdict is not None and key_of(verdict.parent) == key_of(group)
    return tag is not None and key_of(tag.parent) == key_of(group)


def _rule(draft: Draft, id_tag: str, where: Where, at: int) -> Admission:
    answer = _known(draft, id_tag, at)
    return Admission(answer) if answer is not None else _asked(draft, id_tag, where)


def _asked(draft: Draft, id_tag: str, where: Where) -> Admission:
    site: str = draft.get(WantSite())
    decided = elsewhere.decide(draft, id_tag, where, site)
    return Admission(decided.answer, marks=decided.marks)


def _known(draft: Draft, id_tag: str, at: int) -> TagAnswer | None:
    """Return what the tag's record and the settings say; None where the external authorizer is to be asked."""
    if quirks_of(draft.station).is_free_vend(id_tag):
        return TagAnswer(ACCEPTED)
    tag = _record(draft, id_tag)
    if tag is None:
        if not id_tag or len(id_tag) > MAX_ID_TAG:
            return TagAnswer("Invalid")
        if draft.policy.authorizer:
            return None
        return TagAnswer(ACCEPTED if draft.policy.unknown_tags == "accept" else "Invalid")
    status, expires_at = _STATUSES[tag.status], tag.expires_at
    if status == ACCEPTED and 0 < tag.expires_at <= draft.origin.received_at:
        status = "Expired"
    if status == ACCEPTED and tag.sites and not tag.is_for(_places(draft)):
        status = BLOCKED
    if status == ACCEPTED and tag.hours:
        # What a station keeps of the answer must not outlive the window (section 3.5.1).
        closes_at = open_until(tag.hours, tag.time_zone or _zone(draft), at)
        status = ACCEPTED if closes_at else BLOCKED
        expires_at = min(one for one in (expires_at, closes_at) if one) if closes_at else expires_at
    return TagAnswer(status, expires_at, tag.parent)


def _places(draft: Draft) -> frozenset[str]:
    """Return the site that the station is in, and its group: what a tag's `sites` may name."""
    site: str = draft.get(WantSite())
    group = draft.station.group if draft.station is not None else ""
    return frozenset(name.lower() for name in (site, group) if name)


def _zone(draft: Draft) -> str:
    own: str = draft.station.time_zone if draft.station is not None else ""
    return own or str(draft.policy.default_time_zone)


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
