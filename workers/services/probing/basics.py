"""Checks of what profiles are taken at all: purposes, kinds, units, validity, several at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from shared.records.probes import Criteria
from shared.records.profiles import DAY_S, Period, Profile, Unit
from shared.smartcharging.composite import SECOND_MS

from .hand import HOUR_S, UNSEEN, Hand, Script, Seen, said_at

_UNKNOWN_MESSAGE: Final = ("notsupported", "notimplemented")
HALF_S: Final = HOUR_S // 2


def clean(hand: Hand) -> Script:
    """Clear everything: the station is to hold nothing but what the probe sets."""
    answer = yield from hand.clear(Criteria())
    if answer.outcome == "error":
        hand.no_smart_charging = is_unknown(answer.status)
        return hand.found("failed", f"ClearChargingProfile without criteria: {answer.words}")
    if answer.outcome == "lost":
        return hand.found("untested", "no answer to ClearChargingProfile")
    return hand.found("passed", f"answered {answer.words}")


def default_profile(hand: Hand) -> Script:
    """Set a plain default profile: what every station with smart charging takes."""
    answer = yield from hand.install(hand.profile(10))
    if answer.outcome == "rejected" and not hand.bench.units:
        hand.unit = "W"  # It does not say which unit it takes.
        answer = yield from hand.install(hand.profile(10))
    if not answer.accepted:
        hand.no_smart_charging = hand.no_smart_charging and is_unknown(answer.status)
        if answer.outcome == "rejected":
            hand.learn_more("refused_purposes", "default")
        return hand.found("untested" if answer.outcome == "lost" else "failed", f"it answered {answer.words}")
    hand.no_smart_charging = False
    hand.learn_more("purposes", "default")
    hand.learn_more("kinds", "absolute")
    hand.learn(units=(hand.unit,))
    return hand.found("passed", f"taken, in {hand.unit}")


def composite(hand: Hand) -> Script:
    """Ask for the composite schedule under two different limits: it tells both, or nothing can be read from it."""
    seen: list[Seen] = []
    for amperes in (10, 12):
        answer = yield from hand.install(hand.profile(amperes))
        if not answer.accepted:
            return hand.found("untested", f"the profile to compare with was not taken: {answer.words}")
        seen.append((yield from hand.look()))
    worst = next((one for one in seen if one.kind != "same"), seen[0])
    if worst.kind == "same":
        hand.learn(composite="truthful")
        return hand.found("passed", "the schedule follows the profiles")
    hand.learn(composite="absent" if worst.kind == "nothing" and worst.told is None else "differs")
    return hand.found("failed", worst.text)


def validity(hand: Hand) -> Script:
    """Set a profile that ends by validTo in half an hour."""
    until = hand.bench.base_ms + HALF_S * SECOND_MS
    answer = yield from hand.install(hand.profile(8, valid_from=hand.bench.base_ms - DAY_S * SECOND_MS, valid_to=until))
    if not answer.accepted:
        if answer.outcome != "lost":
            hand.learn(validity=False)
        return hand.found("untested" if answer.outcome == "lost" else "failed", f"it answered {answer.words}")
    seen = yield from hand.look()
    if seen.told is None:
        return hand.found("untested", UNSEEN)
    start = hand.bench.base_ms if seen.told.start_at is None else seen.told.start_at
    after = said_at(seen.told, (until - start) / SECOND_MS + 600)
    kept = after is None or after != hand.amount(8)
    hand.learn(validity=kept)
    if not seen.fits or not kept:
        return hand.found("failed", seen.text or "its schedule has the limit beyond validTo")
    return hand.found("passed", "taken, and over at validTo")


def replacing(hand: Hand) -> Script:
    """Set a profile in the place of another: the first is gone."""
    first = hand.profile(12)
    for profile in (first, msgspec.structs.replace(hand.profile(8), profile_id=first.profile_id + 1)):
        answer = yield from hand.install(profile)
        if not answer.accepted:
            return hand.found("untested" if answer.outcome == "lost" else "failed", f"it answered {answer.words}")
    seen = yield from hand.look()
    if not seen.fits:
        return hand.found("failed", seen.text)
    if seen.blind:
        if "id" in hand.known.clears_not:
            return hand.found("untested", UNSEEN)
        answer = yield from hand.clear(Criteria(profile_id=first.profile_id))
        if answer.accepted:
            return hand.found("failed", "both profiles were held in one place of the stack")
    return hand.found("passed", "the second took the place of the first")


def connector_default(hand: Hand) -> Script:
    """Set a default profile for all connectors and a lower one for one: that connector has its own."""
    own = hand.profile(8, profile_id=hand.next_id + 1, connector_id=hand.bench.connector_id)
    profiles = (hand.profile(12), own)
    return (yield from _several(hand, profiles, "the connector's own prevails"))


def station_max(hand: Hand) -> Script:
    """Set a maximum for the station below the default profile: the lower one holds."""
    profiles = (hand.profile(12), hand.profile(9, profile_id=hand.next_id + 1, purpose="station_max"))
    return (yield from _learnt(hand, profiles, "purposes", "station_max", "it caps the default profile"))


def transaction_profile(hand: Hand) -> Script:
    """Set a transaction's profile: over the default one where one runs, refused where none does."""
    bench, own = hand.bench, hand.bench.connector_id
    if not bench.transaction_id:
        answer = yield from hand.install(hand.profile(8, purpose="transaction", connector_id=own))
        if answer.accepted:
            return hand.found("failed", "taken without a transaction: it SHALL be discarded, and an error returned")
        return hand.found(
            "untested" if answer.outcome == "lost" else "passed", f"refused without a transaction: {answer.words}"
        )
    profile = hand.profile(8, profile_id=hand.next_id + 1, purpose="transaction", connector_id=own)
    profile = msgspec.structs.replace(profile, transaction_id=bench.transaction_id)
    profiles = (hand.profile(12), profile)
    return (yield from _learnt(hand, profiles, "purposes", "transaction", "it overrules the default profile"))


def periods_in_turn(hand: Hand) -> Script:
    """Set an absolute schedule of two periods with a duration."""
    start, two = hand.bench.base_ms - 60 * SECOND_MS, (Period(0, hand.amount(10)), Period(900, hand.amount(8)))
    profile = hand.profile(10, periods=two, start_at=start, duration_s=2 * HOUR_S)
    return (yield from _learnt(hand, (profile,), "kinds", "absolute", "both periods hold in turn"))


def relative(hand: Hand) -> Script:
    """Set a relative profile."""
    return (yield from _learnt(hand, (hand.profile(9, kind="relative"),), "kinds", "relative", "it holds"))


def daily(hand: Hand) -> Script:
    """Set a daily recurring profile that began two days ago."""
    return (yield from _recurring(hand, "daily", 2))


def weekly(hand: Hand) -> Script:
    """Set a weekly recurring profile that began two weeks ago."""
    return (yield from _recurring(hand, "weekly", 14))


def other_unit(hand: Hand) -> Script:
    """Set a profile in the unit that the other checks do not use."""
    unit: Unit = "A" if hand.unit == "W" else "W"
    says_so = unit in hand.bench.units
    answer = yield from hand.install(hand.profile(10, unit=unit))
    if answer.outcome == "lost":
        return hand.found("untested", "no answer")
    if not answer.accepted:
        if says_so:
            return hand.found("failed", f"it says that it takes {unit}, and answered {answer.words}")
        return hand.found("lacking", f"{unit} is not taken: {answer.words}")
    seen = yield from hand.look(unit=unit)
    if seen.kind == "more" or (seen.kind == "nothing" and seen.told is not None):
        return hand.found("failed", f"{unit} is taken, and computed otherwise: {seen.text}")
    hand.learn(units=tuple(sorted({hand.unit, unit})))
    if seen.blind:
        return hand.found("untested", UNSEEN)
    if hand.bench.units and not says_so:
        return hand.found("passed", f"{unit} is taken, though it does not say so")
    return hand.found("passed", f"{unit} is taken, and computed with")


def phases(hand: Hand) -> Script:
    """Set a profile with a number of phases."""
    profile = hand.profile(10, periods=(Period(0, hand.amount(10), 1),))
    answer = yield from hand.install(profile)
    if answer.accepted:
        return hand.found("passed", "numberPhases is taken")
    return hand.found("untested" if answer.outcome == "lost" else "failed", f"it answered {answer.words}")


def decimal(hand: Hand) -> Script:
    """Set a limit with a decimal."""
    answer = yield from hand.install(hand.profile(8.5))
    if not answer.accepted:
        return hand.found("untested" if answer.outcome == "lost" else "failed", f"it answered {answer.words}")
    seen = yield from hand.look()
    if seen.kind == "less":
        return hand.found("lacking", f"it rounds down: {seen.text}")
    return hand.judged(seen, "8.5 A is taken, and kept")


# ── for several of them ──────────────────────────────────────────────────────────────────────────────────────────────


def is_unknown(status: str) -> bool:
    """Tell whether a CALLERROR says that the message is not known."""
    return status.lower().startswith(_UNKNOWN_MESSAGE)


def _recurring(hand: Hand, recurrence: str, days: int) -> Script:
    start = hand.bench.base_ms - days * DAY_S * SECOND_MS - 60 * SECOND_MS
    profile = hand.profile(9, kind="recurring", recurrence=recurrence, start_at=start, duration_s=DAY_S)
    found = yield from _learnt(hand, (profile,), "recurrences", recurrence, "it holds again")
    if recurrence in hand.known.recurrences:
        hand.learn_more("kinds", "recurring")
    return found


def _learnt(hand: Hand, profiles: Sequence[Profile], fact: str, word: str, good: str) -> Script:
    """Set profiles, of which the last is the matter, and learn whether such are taken and computed with."""
    for profile in profiles[:-1]:
        answer = yield from hand.install(profile)
        if not answer.accepted:
            return hand.found("untested", f"the profile below it was not taken: {answer.words}")
    answer = yield from hand.install(profiles[-1])
    if answer.outcome == "lost":
        return hand.found("untested", "no answer")
    known = word in getattr(hand.known, fact)
    if not answer.accepted:
        if not known:
            hand.learn_more(f"refused_{fact}", word)
        return hand.found("failed", f"it answered {answer.words}")
    seen = yield from hand.look()
    if seen.kind == "more":
        if not known:
            hand.learn_more(f"refused_{fact}", word)
        return hand.found("failed", f"taken, and not computed with: {seen.text}")
    hand.learn_more(fact, word)
    return hand.judged(seen, good)


def _several(hand: Hand, profiles: Sequence[Profile], good: str) -> Script:
    for profile in profiles:
        answer = yield from hand.install(profile)
        if not answer.accepted:
            return hand.found("untested" if answer.outcome == "lost" else "failed", f"it answered {answer.words}")
    seen = yield from hand.look()
    return hand.judged(seen, good)
