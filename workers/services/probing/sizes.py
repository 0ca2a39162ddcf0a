"""Checks of how much a station takes: levels of the stack, periods, profiles, small limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from shared.records.probes import Criteria, Verdict
from shared.records.profiles import Period

from .hand import UNSEEN, Hand, Script, Seen, Steps

UNTOLD_LEVEL: Final = 8
"""The level that is tried where a station does not say its highest."""
UNTOLD_PERIODS: Final = 24
MOST_LEVELS: Final = 1000
MOST_PERIODS: Final = 48
MOST_INSTALLED: Final = 6
"""No more than so many are tried: what a fleet needs, and a few seconds."""
PERIOD_S: Final = 60
MINIMA: Final = (4, 6, 8, 10, 13)
"""Amperes, from below the minimum of IEC 61851 upwards."""


def stack(hand: Hand) -> Script:
    """Set two levels: the higher prevails, and once it is gone the lower holds again."""
    higher = hand.profile(8, profile_id=hand.next_id + 1, stack_level=1)
    answer = yield from hand.install(hand.profile(12))
    if answer.accepted:
        answer = yield from hand.install(higher)
    if answer.outcome == "lost":
        return hand.found("untested", "no answer")
    if not answer.accepted:
        hand.learn(max_stack_level=0)
        told = hand.bench.max_stack_level
        verdict: Verdict = "failed" if told else "lacking"
        return hand.found(verdict, f"stack level 1 is not taken ({answer.words}); it says {_told(told)}")
    seen = yield from hand.look()
    if seen.kind == "more":
        hand.learn(max_stack_level=0)
        return hand.found("failed", f"the higher level does not prevail: {seen.text}")
    answer = yield from hand.clear(Criteria(profile_id=higher.profile_id))
    if not answer.accepted:
        return hand.found("failed", f"the higher level could not be taken off again: {answer.words}")
    seen = yield from hand.look()
    if seen.blind:
        return hand.found("untested", UNSEEN)
    if not seen.fits:
        if seen.kind == "more":
            hand.learn(max_stack_level=0)
        return hand.found("failed", f"with the higher level gone the lower one does not hold: {seen.text}")
    return hand.found("passed", "the higher level prevails, then the lower one holds again")


def levels(hand: Hand) -> Script:
    """Find the highest stack level."""
    if hand.known.max_stack_level == 0:
        return hand.found("lacking", "there is one level")
    told = hand.bench.max_stack_level
    wanted = min(UNTOLD_LEVEL if told is None else told, MOST_LEVELS)

    def takes(level: int) -> Steps[bool | None]:
        answer = yield from hand.install(hand.profile(10, stack_level=level))
        return None if answer.outcome == "lost" else answer.accepted

    if wanted > 0:
        highest = yield from _largest(takes, wanted)
        if highest is None:
            return hand.found("untested", "no answer")
        hand.learn(max_stack_level=highest)
        if highest < wanted:
            short: Verdict = "lacking" if told is None else "failed"
            return hand.found(short, f"stack level {highest} is taken, none above; it says {_told(told)}")
    if told is None:
        return hand.found("passed", f"stack level {wanted} is taken; it does not say its highest")
    beyond = yield from takes(told + 1)
    if beyond:
        return hand.found("failed", f"stack level {told + 1} is taken; it says {told} at most")
    return hand.found("passed", f"stack level {told} is taken, as it says")


def periods(hand: Hand) -> Script:
    """Find how many periods a schedule may have, and whether all of them count."""
    told = hand.bench.max_periods
    wanted = min(UNTOLD_PERIODS if told is None else told, MOST_PERIODS)
    cut: list[Seen] = []

    def takes(number: int) -> Steps[bool | None]:
        turns = tuple(Period(n * PERIOD_S, hand.amount(8 if n % 2 else 10)) for n in range(number))
        answer = yield from hand.install(hand.profile(10, periods=turns, start_at=hand.bench.base_ms))
        if not answer.accepted:
            return None if answer.outcome == "lost" else False
        seen = yield from hand.look()
        if seen.kind == "more":
            cut.append(seen)
            return False
        return True

    if wanted < 2:
        return hand.found("lacking", f"it says that it takes {wanted}")
    most = yield from _largest(takes, wanted)
    if most is None:
        return hand.found("untested", "no answer")
    if most == wanted:
        if told is not None and wanted == told:
            hand.learn(max_periods=told)
        return hand.found("passed", f"{wanted} periods are taken; it says {_told(told)}")
    hand.learn(max_periods=most)
    why = f"more are taken and not computed with: {cut[-1].text}" if cut else "more are refused"
    return hand.found("failed" if told else "lacking", f"{most} periods are kept; it says {_told(told)}; {why}")


def installed(hand: Hand) -> Script:
    """Set profiles in different places until one is refused, or there are enough."""
    told, level = hand.bench.max_installed, min(hand.known.max_stack_level or 0, 2)
    wanted = min(MOST_INSTALLED if told is None else told, MOST_INSTALLED)
    places: list[dict[str, Any]] = [
        {"purpose": "default", "connector_id": connector, "stack_level": number}
        for connector in (0, hand.bench.connector_id)
        for number in range(level + 1)
    ]
    if "station_max" in hand.known.purposes:
        places += [{"purpose": "station_max", "stack_level": number} for number in range(level + 1)]
    count = 0
    for place in places[:wanted]:
        answer = yield from hand.install(hand.profile(10, **place))
        if answer.outcome == "lost":
            return hand.found("untested", "no answer")
        if not answer.accepted:
            hand.learn(max_installed=count)
            verdict: Verdict = "failed" if told is not None else "lacking"
            return hand.found(verdict, f"{count} are held at a time; it says {_told(told)}")
        count += 1
    return hand.found("passed", f"all {count} that were tried are held at a time; it says {_told(told)}")


def zero(hand: Hand) -> Script:
    """Set a limit of 0 (what it does to a car is another check's matter)."""
    answer = yield from hand.install(hand.profile(0))
    if answer.outcome == "lost":
        return hand.found("untested", "no answer")
    if not answer.accepted:
        hand.learn(zero="refused")
        return hand.found("failed", f"it answered {answer.words}")
    seen = yield from hand.look()
    if seen.kind == "more":
        hand.learn(zero="ignored")
        return hand.found("failed", f"taken, and not computed with: {seen.text}")
    hand.learn(zero="taken" if seen.blind else "shown")
    return hand.judged(seen, "taken, and 0 in its schedule")


def minimum(hand: Hand) -> Script:
    """Find the lowest limit that is taken as it is."""
    why = ""
    for amperes in MINIMA:
        answer = yield from hand.install(hand.profile(amperes))
        if answer.outcome == "lost":
            return hand.found("untested", "no answer")
        if not answer.accepted:
            why = f"{amperes} A: {answer.words}"
            continue
        seen = yield from hand.look()
        if not seen.fits:
            why = f"{amperes} A: {seen.text}"
            continue
        if amperes != MINIMA[0]:
            hand.learn(min_current=amperes * 10)
        verdict: Verdict = "passed" if amperes <= 6 else "failed"
        return hand.found(verdict, f"{amperes} A is the lowest that is taken as it is" + (f"; {why}" if why else ""))
    return hand.found("failed", f"none of {MINIMA[0]} to {MINIMA[-1]} A is taken as it is; {why}")


def _largest(takes: Callable[[int], Steps[bool | None]], wanted: int) -> Steps[int | None]:
    """Return the largest number that is taken, by halving; what one is known to take is 0. None: no answer."""
    low, high, trial = 0, wanted + 1, wanted
    while high - low > 1:
        taken = yield from takes(trial)
        if taken is None:
            return None
        low, high = (trial, high) if taken else (low, trial)
        trial = (low + high) // 2
    return low


def _told(number: int | None) -> str:
    return "nothing of it" if number is None else str(number)
