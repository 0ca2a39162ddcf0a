"""Checks by what is drawn: with a transaction that runs, and an operator who wants its current compared."""

from __future__ import annotations

from typing import Final

from shared.records.probes import Criteria, Finding, Measured

from .hand import Hand, Script

LIMIT: Final = 8
"""Amperes: above the minimum, below what most cars draw."""
TOLERANCE: Final = 1.1
SLACK: Final = 10
"""Tenths of an ampere beyond the tolerance."""
NOTHING: Final = 10
"""Tenths of an ampere: a car that draws no more is paused."""


def obeys(hand: Hand) -> Script:
    """Compare what is drawn without a limit and under one."""
    before = yield from hand.measure("without a limit")
    answer = yield from hand.install(hand.profile(LIMIT, connector_id=hand.bench.connector_id))
    if not answer.accepted:
        return hand.found("untested", f"the profile was not taken: {answer.words}")
    after = yield from hand.measure(f"under {LIMIT} A")
    if before is None or after is None or before.current is None or after.current is None:
        return hand.found("untested", "there was no sample of the current")
    text = f"it drew {before.current / 10:g} A before, and {after.current / 10:g} A under a limit of {LIMIT} A"
    if after.current > LIMIT * 10 * TOLERANCE + SLACK:
        hand.learn(obeys=False)
        return hand.found("failed", text)
    if before.current <= LIMIT * 10 * TOLERANCE + SLACK:
        return hand.found("untested", f"{text}: the car took no more anyway")
    hand.learn(obeys=True)
    return hand.found("passed", text)


def pauses(hand: Hand) -> Script:
    """Set a limit of 0 and take it off again: charging pauses, and goes on."""
    profile = hand.profile(0, connector_id=hand.bench.connector_id)
    answer = yield from hand.install(profile)
    if answer.outcome == "lost":
        return hand.found("untested", "no answer")
    if not answer.accepted:
        hand.learn(zero="refused")
        return hand.found("failed", f"a limit of 0 is not taken: it answered {answer.words}")
    during = yield from hand.measure("under 0 A")
    if during is None or (during.running and during.current is None):
        return hand.found("untested", "there was no sample of the current")
    if not during.running:
        hand.learn(zero="ends")
        return hand.found("failed", "the transaction ended")
    assert during.current is not None
    if during.current > NOTHING:
        hand.learn(zero="ignored")
        return hand.found("failed", f"it drew {during.current / 10:g} A under a limit of 0")
    yield from hand.clear(Criteria(profile_id=profile.profile_id))
    yield from hand.install(hand.profile(LIMIT, connector_id=hand.bench.connector_id))
    return _gone_on(hand, (yield from hand.measure("after 0 A was taken off")))


def _gone_on(hand: Hand, after: Measured | None) -> Finding:
    if after is None or (after.running and after.current is None):
        hand.learn(zero="pauses")
        return hand.found("passed", "it paused; whether it went on was not seen")
    if not after.running or after.current is None or after.current <= NOTHING:
        hand.learn(zero="locks")
        return hand.found("failed", "it paused, and did not go on when the limit was raised")
    hand.learn(zero="pauses")
    return hand.found("passed", f"it paused, and went on with {after.current / 10:g} A")
