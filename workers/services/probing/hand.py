"""What a check works with: steps, their answers, and a hand that remembers what the station should hold by now.

A check is a generator: it yields a `Step`, is sent the `Answer`, and returns a `Finding`. It does nothing else, so that
it can be run again from the answers so far.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Final, Literal, TypeVar

import msgspec

from shared.records.probes import Abilities, Bench, Criteria, Criterion, Finding, Measured, Outcome, Verdict
from shared.records.profiles import MAINS, Kind, Period, Profile, Unit, slot_of
from shared.smartcharging.comparing import ROUNDING, Reported
from shared.smartcharging.composite import SECOND_MS, Segment, Situation, compose

FIRST_ID: Final = 9001
"""Ids of the probe's profiles: beyond those that Ampstream gives, and within 16 bits, as some stations have it."""
HOUR_S: Final = 3600
VALID_MS: Final = 6 * HOUR_S * SECOND_MS
"""A profile of the probe that could not be taken off is over after so long, where the station knows validTo."""
BLUR_S: Final = 15
_WAYS: Final[tuple[Criterion, ...]] = ("all", "id", "place", "purpose", "connector", "level")
"""By what profiles are taken off, the cheapest first."""
UNSEEN: Final = "taken; whether it holds was not seen: its composite schedule tells nothing"
T = TypeVar("T")


class Install(msgspec.Struct, frozen=True, tag="install"):
    """Set a profile."""

    profile: Profile


class Clear(msgspec.Struct, frozen=True, tag="clear"):
    """Clear profiles."""

    criteria: Criteria


class Ask(msgspec.Struct, frozen=True, tag="ask"):
    """Ask for the composite schedule."""

    connector_id: int
    seconds: int
    unit: Unit


class Measure(msgspec.Struct, frozen=True, tag="measure"):
    """Wait, and look at what the transaction draws."""

    connector_id: int
    what: str
    """In words, for the report."""


Step = Install | Clear | Ask | Measure


class Answer(msgspec.Struct, frozen=True):
    """What came of a step, at `at` (ms)."""

    outcome: Outcome
    status: str = ""
    told: Reported | None = None
    measured: Measured | None = None
    at: int = 0

    @property
    def accepted(self) -> bool:
        """Whether the station said that it did it."""
        return self.outcome == "accepted"

    @property
    def words(self) -> str:
        """What it answered, for people."""
        return {"lost": "no answer"}.get(self.outcome, self.status or self.outcome)


Steps = Generator[Step, Answer, T]
Script = Generator[Step, Answer, Finding]


class Seen(msgspec.Struct, frozen=True):
    """A composite schedule against the one that follows from the profiles."""

    kind: Literal["same", "more", "less", "nothing", "not_asked"]
    """`nothing`: there was no answer to compare. `not_asked`: the station's schedules are known to tell nothing."""
    text: str = ""
    told: Reported | None = None

    @property
    def fits(self) -> bool:
        """Whether nothing speaks against it."""
        return self.kind in ("same", "not_asked")

    @property
    def blind(self) -> bool:
        """Whether there was nothing to see."""
        return self.kind == "not_asked"


class Hand:
    """Works on one station: what it should hold, what is known of it so far, and the next id."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.check = ""
        self.unit: Unit = "W" if bench.units == ("W",) else "A"
        self.held: dict[str, Profile] = {}
        """By place: what the station holds if it did what it answered."""
        self.present: dict[int, Profile] = {}
        """By id: what it may hold, whatever it answered."""
        self.touched: dict[str, Profile] = {}
        """By place: what was last set there."""
        self.known = Abilities()
        self.next_id = FIRST_ID
        self.no_smart_charging = False
        """It knows none of the messages: nothing more is tried."""

    # ── saying ───────────────────────────────────────────────────────────────────────────────────────────────────

    def learn(self, **facts: Any) -> None:
        """Remember what was found, with the check as evidence."""
        evidence = {**self.known.evidence, **dict.fromkeys(facts, (self.check,))}
        self.known = msgspec.structs.replace(self.known, **facts, evidence=evidence)

    def learn_more(self, fact: str, item: str) -> None:
        """Add to a fact that is a list."""
        before: tuple[str, ...] = getattr(self.known, fact)
        if item not in before:
            shown = self.known.evidence.get(fact, ())
            self.learn(**{fact: (*before, item)})
            evidence = {**self.known.evidence, fact: (*(one for one in shown if one != self.check), self.check)}
            self.known = msgspec.structs.replace(self.known, evidence=evidence)

    def found(self, verdict: Verdict, text: str) -> Finding:
        """Return what the check came to."""
        return Finding(check=self.check, verdict=verdict, text=text)

    def judged(self, seen: Seen, good: str) -> Finding:
        """Return what a schedule says of profiles that were taken; `good`: in words, where it is as it should be."""
        if seen.blind:
            return self.found("untested", UNSEEN)
        return self.found("passed" if seen.fits else "failed", seen.text or good)

    # ── doing ────────────────────────────────────────────────────────────────────────────────────────────────────

    def amount(self, amperes: float, unit: Unit | None = None) -> int:
        """Return so many amperes as a limit in tenths of the unit that is used."""
        tenths = round(amperes * 10)
        return MAINS.convert(tenths, "A", unit or self.unit)

    def profile(self, amperes: float, *, kind: Kind = "absolute", **more: Any) -> Profile:
        """Return a profile of the probe: a default one for all connectors, of one period, unless told otherwise."""
        unit = more.get("unit", self.unit)
        made: dict[str, Any] = {
            "profile_id": self.next_id,
            "purpose": "default",
            "kind": kind,
            "unit": unit,
            "periods": (Period(0, self.amount(amperes, unit)),),
            "start_at": None if kind == "relative" else self.bench.base_ms - HOUR_S * SECOND_MS,
        }
        if self.known.validity:
            made["valid_to"] = self.bench.base_ms + VALID_MS
        return Profile(**{**made, **more})

    def install(self, profile: Profile) -> Steps[Answer]:
        """Set a profile; what was in its place, or had its id, is replaced."""
        self.next_id = max(self.next_id, profile.profile_id + 1)
        answer = yield Install(profile)
        if answer.accepted:
            others = {slot: one for slot, one in self.held.items() if one.profile_id != profile.profile_id}
            self.held = {**others, slot_of(profile): profile}
        if answer.outcome in ("accepted", "lost"):
            self.present[profile.profile_id] = self.touched[slot_of(profile)] = profile
        return answer

    def clear(self, criteria: Criteria) -> Steps[Answer]:
        """Clear profiles; what the station should hold follows only where it said that it did so."""
        answer = yield Clear(criteria)
        if answer.accepted:
            self.held = {slot: one for slot, one in self.held.items() if not meant(criteria, one)}
        return answer

    def look(self, *, unit: Unit | None = None, seconds: int = HOUR_S) -> Steps[Seen]:
        """Ask for the composite schedule and compare it with what follows from the profiles."""
        if self.known.composite in ("absent", "differs"):
            return Seen("not_asked")
        asked = unit or self.unit
        answer = yield Ask(self.bench.connector_id, seconds, asked)
        if not answer.accepted or answer.told is None or not answer.told.periods:
            return Seen("nothing", f"GetCompositeSchedule: {answer.words}")
        if answer.told.unit != asked:
            return Seen("nothing", f"asked for {asked}, it answered in {answer.told.unit}", answer.told)
        return compared(self._expected(answer, asked, seconds), answer.told, answer.at)

    def measure(self, what: str) -> Steps[Measured | None]:
        """Look at what the transaction draws, after a while."""
        answer = yield Measure(self.bench.connector_id, what)
        return answer.measured

    def tidy(self) -> Steps[None]:
        """Take all profiles of the probe off, by a criterion that works; by two where none is known to."""
        if not self.present:
            return
        works = [way for way in _WAYS if way in self.known.clears]
        hopes = [way for way in _WAYS[:2] if way not in self.known.clears_not]
        for way in works[:1] or hopes:
            named = {criteria_of(way, profile): None for profile in self.present.values()}
            for criteria in named:
                yield Clear(criteria)
        self.held, self.present = {}, {}

    def _expected(self, answer: Answer, unit: Unit, seconds: int) -> list[Segment]:
        assert answer.told is not None
        bench = self.bench
        start = answer.at if answer.told.start_at is None else answer.told.start_at
        situation = Situation(
            connector_id=bench.connector_id,
            since=start,
            until=start + seconds * SECOND_MS,
            unit=unit,
            transaction_id=bench.transaction_id,
            charging_since=bench.charging_since or None,
            supply=MAINS,
        )
        return compose(list(self.held.values()), situation)


def criteria_of(criterion: Criterion, profile: Profile) -> Criteria:
    """Return what names a profile by one criterion."""
    if criterion == "id":
        return Criteria(profile_id=profile.profile_id)
    if criterion == "connector":
        return Criteria(connector_id=profile.connector_id)
    if criterion == "purpose":
        return Criteria(purpose=profile.purpose)
    if criterion == "level":
        return Criteria(stack_level=profile.stack_level)
    if criterion == "all":
        return Criteria()
    return Criteria(connector_id=profile.connector_id, purpose=profile.purpose, stack_level=profile.stack_level)


def meant(criteria: Criteria, profile: Profile) -> bool:
    """Tell whether criteria name a profile (OCPP 1.6 §6.13)."""
    if criteria.profile_id is not None:
        return profile.profile_id == criteria.profile_id
    pairs = (
        (criteria.connector_id, profile.connector_id),
        (criteria.purpose, profile.purpose),
        (criteria.stack_level, profile.stack_level),
    )
    return all(wanted is None or wanted == held for wanted, held in pairs)


def compared(expected: list[Segment], told: Reported, answered_at: int) -> Seen:
    """Hold a station's schedule against the expected one; where nothing limits, the station may say what it likes."""
    start = answered_at if told.start_at is None else told.start_at
    found = Seen("same", told=told)
    for one in expected:
        since, until = (one.since - start) / SECOND_MS, (one.until - start) / SECOND_MS
        if one.limit is None or until - since <= 2 * BLUR_S:
            continue
        for second in sorted({since + BLUR_S, until - BLUR_S, (since + until) / 2}):
            said = said_at(told, second)
            if said is None or abs(said - one.limit.limit) <= ROUNDING:
                continue
            text = f"after {second:.0f} s it has {said / 10:g} {told.unit}, not {one.limit.limit / 10:g} {told.unit}"
            if said > one.limit.limit:
                return Seen("more", text, told)
            found = Seen("less", text, told)
    return found


def said_at(told: Reported, second: float) -> int | None:
    """Return the limit that a schedule has at a second; None: it has none."""
    if told.duration_s is not None and second > told.duration_s:
        return None
    held = [period.limit for period in told.periods if period.start_s <= second]
    return held[-1] if held else None
