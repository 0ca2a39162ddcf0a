"""Tags that are kept elsewhere: what the external authorizer said, how long that counts, and what holds without it.

    younger than `authorizer_fresh_s`      its last word counts, nobody is asked
    else                                   it is asked: the entry waits beside its partition (ADR 6)
    it does not answer                     the fall-back: refuse | last_known | accept

A last word is kept for `authorizer_stale_s`; older ones count under no policy. It is written with the decision that
used it, so deciders stay pure: what was asked comes as `WantJudgement`.
"""

from __future__ import annotations

from typing import Final

import msgspec

from shared.bus import keys
from shared.records.packing import pack
from shared.records.tags import Judgement, Verdict
from shared.records.transactions import TagAnswer
from workers.store.draft import Draft
from workers.store.wants import Want, WantJudgement, WantVerdict

from . import flags

ACCEPTED: Final = "Accepted"
NO_ANSWER: Final = "Invalid"
"""What a station is told where nobody knows and nobody is to be accepted."""


class Decided(msgspec.Struct, frozen=True):
    """What a station is told, and the flags of the transaction that follows."""

    answer: TagAnswer
    marks: tuple[str, ...] = ()


class _Held:
    """Whether there is an external authorizer: only `wants` needs to guess without a draft."""

    asks = False


def install(*, asks: bool) -> None:
    """Say whether this process has an external authorizer, so that its last word is loaded with the tag."""
    _Held.asks = asks


def wants(key: str) -> tuple[Want, ...]:
    """Return what a decision about a tag will look at."""
    return (WantVerdict(key),) if _Held.asks else ()


def last_known(draft: Draft, key: str) -> Verdict | None:
    """Return the authorizer's last word that may still be used."""
    if not draft.policy.authorizer:
        return None
    found: Verdict | None = draft.get(WantVerdict(key))
    bound_ms = max(draft.policy.authorizer_stale_ms, draft.policy.authorizer_fresh_ms)
    return None if found is None or draft.now - found.at > bound_ms else found


def told(verdict: Verdict, at: int) -> TagAnswer:
    """Return what a station is told by a word of the authorizer, at a time (ms)."""
    expired = verdict.status == ACCEPTED and 0 < verdict.expires_at <= at
    return TagAnswer("Expired" if expired else verdict.status, verdict.expires_at, verdict.parent)


def decide(draft: Draft, id_tag: str, where: str, site: str) -> Decided:
    """Answer for a tag that is kept elsewhere."""
    key, at = id_tag.lower(), draft.origin.received_at
    last = last_known(draft, key)
    if last is not None and draft.now - last.at <= draft.policy.authorizer_fresh_ms:
        draft.count("authorizer_decisions_total", "cached")
        return Decided(told(last, at))
    group = draft.station.group if draft.station is not None else ""
    judgement: Judgement = draft.get(WantJudgement(id_tag, draft.station_id, where, group, site))
    if judgement.verdict is not None:
        verdict = msgspec.structs.replace(judgement.verdict, at=draft.now)
        ttl_ms = max(draft.policy.authorizer_stale_ms, draft.policy.authorizer_fresh_ms)
        if ttl_ms > 0:
            draft.effect("SET", keys.verdict(key), pack(verdict), "PX", ttl_ms)
        draft.count("authorizer_decisions_total", "asked")
        return Decided(told(verdict, at))
    return _without(draft, last)


def _without(draft: Draft, last: Verdict | None) -> Decided:
    """Decide where the authorizer does not answer."""
    policy = draft.policy.authorizer_fallback
    if policy != "refuse" and last is not None:
        draft.count("authorizer_decisions_total", "last_known")
        return Decided(told(last, draft.origin.received_at), (flags.AUTHORIZED_STALE,))
    if policy == "accept":
        draft.count("authorizer_decisions_total", "accepted_unasked")
        return Decided(TagAnswer(ACCEPTED), (flags.AUTHORIZED_UNASKED,))
    draft.count("authorizer_decisions_total", "refused_unasked")
    return Decided(TagAnswer(NO_ANSWER))
