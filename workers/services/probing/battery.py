"""The battery: all checks in order, and what is next after the evidence so far. Pure.

    advance(bench, evidence) -> Next(step, check, number) | Over(findings, abilities)

Nothing is remembered between two calls but the evidence: the checks, which are generators, are run from the start with
the answers that came. So a probe goes on in any worker, and its end follows from its evidence alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from shared.records.packing import pack
from shared.records.probes import Abilities, Bench, Exchange, Finding
from shared.smartcharging.probe_checks import CHECKS

from . import basics, drawing, sizes
from .clearing import clearing
from .hand import Answer, Hand, Script, Step, Steps

BATTERY: Final = 1
"""Raised whenever a check changes what it does: a probe that another release began is not gone on with."""
MAX_STEPS: Final = 400
"""No battery is longer, whatever is answered; what is left then is not tested."""
SCRIPTS: Final[dict[str, Callable[[Hand], Script]]] = {
    "clean": basics.clean,
    "default": basics.default_profile,
    "composite": basics.composite,
    "clear_id": clearing("id"),
    "clear_all": clearing("all"),
    "clear_connector": clearing("connector"),
    "clear_place": clearing("place"),
    "validity": basics.validity,
    "replacing": basics.replacing,
    "connector": basics.connector_default,
    "station_max": basics.station_max,
    "transaction": basics.transaction_profile,
    "absolute": basics.periods_in_turn,
    "relative": basics.relative,
    "daily": basics.daily,
    "weekly": basics.weekly,
    "other_unit": basics.other_unit,
    "phases": basics.phases,
    "decimal": basics.decimal,
    "stack": sizes.stack,
    "levels": sizes.levels,
    "clear_level": clearing("level"),
    "clear_purpose": clearing("purpose"),
    "minimum": sizes.minimum,
    "periods": sizes.periods,
    "installed": sizes.installed,
    "obeys": drawing.obeys,
    "pauses": drawing.pauses,
    "zero": sizes.zero,
}
DRAWING: Final = frozenset({"obeys", "pauses"})


class Changed(Exception):
    """The evidence is not of this battery: another step was made where this one would do its own."""


class Next(NamedTuple):
    """What is to be done."""

    step: Step
    check: str
    number: int
    """How many checks are over."""


class Over(NamedTuple):
    """What came of it."""

    findings: tuple[Finding, ...]
    abilities: Abilities


class _Past:
    """The findings so far, outside of the generator that makes them."""

    def __init__(self, bench: Bench) -> None:
        self.hand = Hand(bench)
        self.findings: list[Finding] = []

    def over(self) -> Over:
        """Return what came of it so far."""
        return Over(tuple(self.findings), self.hand.known)


def advance(bench: Bench, evidence: Sequence[Exchange]) -> Next | Over:
    """Return the next step, or what came of the battery; raises `Changed` where the evidence is another battery's."""
    past, script, step = _replayed(bench, evidence)
    if step is None or script is None or len(evidence) >= MAX_STEPS:
        return _whole(past, "the battery took too long")
    return Next(step, past.hand.check, len(past.findings))


def so_far(bench: Bench, evidence: Sequence[Exchange], why: str) -> Over:
    """Return what came of a battery that is not gone on with; what is left was not tested."""
    past, _, _ = _replayed(bench, evidence)
    return _whole(past, why)


def left_on(bench: Bench, evidence: Sequence[Exchange]) -> tuple[int, ...]:
    """Return the ids of the probe's profiles that may be on the station after the evidence.

    Where no way to clear is known to work, the last one at each place of the stack is among them.
    """
    past, _, _ = _replayed(bench, evidence)
    hand = past.hand
    doubtful = () if hand.known.clears else (one.profile_id for one in hand.touched.values())
    return tuple(sorted({*hand.present, *doubtful}))


def digest(step: Step) -> str:
    """Return the digest of a step, by which a replay is known to be the same."""
    return hashlib.blake2b(pack(step), digest_size=6).hexdigest()


def answer_of(exchange: Exchange) -> Answer:
    """Return what came of an exchange, for the check that wanted it."""
    return Answer(exchange.outcome, exchange.status, exchange.told, exchange.measured, exchange.answered_at)


def _replayed(bench: Bench, evidence: Sequence[Exchange]) -> tuple[_Past, Steps[None] | None, Step | None]:
    past = _Past(bench)
    script = _battery(past)
    try:
        step = next(script)
        for exchange in evidence:
            if exchange.step != digest(step):
                raise Changed
            step = script.send(answer_of(exchange))
    except StopIteration:
        return past, None, None
    return past, script, step


def _whole(past: _Past, why: str) -> Over:
    """Add what was not tested."""
    done = {finding.check for finding in past.findings}
    left = [Finding(check=name, verdict="untested", text=why) for name in CHECKS if name not in done]
    findings, abilities = past.over()
    return Over((*findings, *left), abilities)


def _battery(past: _Past) -> Steps[None]:
    hand = past.hand
    for name, script in SCRIPTS.items():
        hand.check = name
        why = _skipped(hand, name)
        if why:
            past.findings.append(hand.found("untested", why))
            continue
        finding = yield from script(hand)
        past.findings.append(finding)
        yield from hand.tidy()


def _skipped(hand: Hand, name: str) -> str:
    """Return why a check makes no sense on this station; empty where it does."""
    known = hand.known
    if name in ("clean", "default"):
        return ""
    if hand.no_smart_charging:
        return "the station knows none of the messages"
    if "default" not in known.purposes:
        return "the station takes no default profile"
    if name in DRAWING and not hand.bench.transaction_id:
        return "no transaction was compared (--with-transaction)"
    if name == "zero" and known.zero is not None:
        return "tried with a car: pause and go on"
    if name == "clear_level" and not known.max_stack_level:
        return "there is one stack level"
    if name == "clear_purpose" and "station_max" not in known.purposes:
        return "there is one purpose"
    return ""


assert list(SCRIPTS) == list(CHECKS), "each check has its words, in the same order"
