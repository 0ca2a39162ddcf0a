"""Checks of how profiles are taken off: one for each criterion, with a bystander that must stay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from shared.records.probes import Criteria, Criterion
from shared.records.profiles import Profile

from .hand import Hand, Script, Steps, criteria_of, said_at

MINUTE_S: Final = 60


def clearing(criterion: Criterion) -> Callable[[Hand], Script]:
    """Return the check of a criterion."""

    def check(hand: Hand) -> Script:
        return (yield from _cleared(hand, criterion))

    return check


def _cleared(hand: Hand, criterion: Criterion) -> Script:
    """Set a profile that is meant and one that is not, clear, and see which of them is left."""
    own = hand.bench.connector_id
    places: dict[Criterion, dict[str, Any]] = {
        "purpose": {"purpose": "station_max"},
        "level": {"stack_level": 1},
    }
    bystander = hand.profile(12)
    target = hand.profile(8, profile_id=hand.next_id + 1, **places.get(criterion, {"connector_id": own}))
    for profile in (bystander, target):
        answer = yield from hand.install(profile)
        if not answer.accepted:
            return hand.found("untested", f"the profiles to try it with were not taken: {answer.words}")
    answer = yield from hand.clear(criteria_of(criterion, target))
    if answer.outcome == "lost":
        return hand.found("untested", "no answer")
    if not answer.accepted:
        hand.learn_more("clears_not", criterion)
        return hand.found("failed", f"it answered {answer.words}, with such a profile installed")
    wrong = yield from _left(hand, target, bystander, criterion)
    if wrong is None:
        return hand.found("untested", f"it answered {answer.words}; whether it cleared anything could not be seen")
    hand.learn_more("clears_not" if wrong else "clears", criterion)
    return hand.found(
        "failed" if wrong else "passed", wrong or f"it answered {answer.words}, and cleared what was meant"
    )


def _left(hand: Hand, target: Profile, bystander: Profile, criterion: Criterion) -> Steps[str | None]:
    """Return what is left that should not be, or gone; empty: all is right; None: it can't be seen."""
    seen = yield from hand.look()
    if seen.kind == "less":
        return f"accepted, and not cleared: {seen.text}"
    if seen.kind == "more":
        return f"it cleared more than was meant: {seen.text}"
    if seen.kind == "same" and seen.told is not None:
        limits = (hand.amount(8), hand.amount(12))
        there = criterion == "all" and said_at(seen.told, MINUTE_S) in limits
        return "accepted, and its schedule has the limit yet" if there else ""
    if "id" in hand.known.clears_not:
        return (yield from _left_by_asking_again(hand, criteria_of(criterion, target)))
    return (yield from _left_by_id(hand, target, bystander, criterion))


def _left_by_asking_again(hand: Hand, criteria: Criteria) -> Steps[str | None]:
    """Clear the same once more: a station that has cleared it answers that there is none."""
    answer = yield from hand.clear(criteria)
    if answer.accepted:
        return "accepted, and accepted again: it had not been cleared"
    return "" if answer.outcome == "rejected" else None


def _left_by_id(hand: Hand, target: Profile, bystander: Profile, criterion: Criterion) -> Steps[str]:
    """See what is left by clearing it by its id: a station that has none answers so."""
    gone = (target, bystander) if criterion == "all" else (target,)
    for profile in gone:
        answer = yield from hand.clear(Criteria(profile_id=profile.profile_id))
        if answer.accepted:
            return f"accepted, and profile {profile.profile_id} was still there to be cleared by its id"
    if criterion != "all":
        answer = yield from hand.clear(Criteria(profile_id=bystander.profile_id))
        if answer.outcome == "rejected":
            return f"it cleared profile {bystander.profile_id} too, which was not meant"
    return ""
