"""The battery as a pure decider: it ends within a bound whatever is answered, and finds out what a model gets wrong."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.records.probes import Abilities, Bench, Exchange, Measured, Outcome
from shared.records.profiles import Period
from shared.smartcharging.comparing import Reported
from tests.workers.probing.modelled import Modelled
from workers.handlers.v16 import charging_profiles as words
from workers.services.probing import battery
from workers.services.probing.hand import Ask, Clear, Install, Measure, Step

NOW = 1_700_000_000_000
BENCH = Bench(base_ms=NOW, max_stack_level=3, units=("A", "W"), max_periods=12, max_installed=10)


def messages(step: Step) -> tuple[str, dict[str, Any]]:
    """Return a step in the words of 1.6."""
    if isinstance(step, Install):
        return words.install(step.profile)
    if isinstance(step, Clear):
        return words.clear_where(step.criteria)
    assert isinstance(step, Ask)
    return words.ask(step.connector_id, step.seconds, step.unit)


def played(bench: Bench, model: Modelled) -> tuple[battery.Over, list[Exchange]]:
    """Run the battery against a model."""
    evidence: list[Exchange] = []
    while isinstance(following := battery.advance(bench, evidence), battery.Next):
        found = Exchange(check=following.check, step=battery.digest(following.step), answered_at=NOW)
        assert not isinstance(following.step, Measure)
        answer = model.answer(*messages(following.step), NOW)
        if isinstance(answer, str):
            evidence.append(msgspec.structs.replace(found, outcome="error", status=answer))
            continue
        outcome: Outcome = "accepted" if answer["status"] == "Accepted" else "rejected"
        told = words.read(answer) if "chargingSchedule" in answer else None
        evidence.append(msgspec.structs.replace(found, outcome=outcome, status=answer["status"], told=told))
    return following, evidence


def verdicts(over: battery.Over) -> dict[str, str]:
    """Return what each check came to."""
    return {one.check: one.verdict for one in over.findings}


def test_a_model_by_the_standard() -> None:
    """Every check that needs no transaction passes, and what it says of itself is what it can."""
    over, evidence = played(BENCH, Modelled())
    assert {check for check, verdict in verdicts(over).items() if verdict != "passed"} == {"obeys", "pauses"}
    known = over.abilities
    assert (known.max_stack_level, known.max_periods, known.units) == (3, 12, ("A", "W"))
    assert (known.zero, known.min_current, known.composite) == ("shown", None, "truthful")
    assert set(known.clears) == {"id", "all", "connector", "place", "level", "purpose"}
    assert known.purposes == ("default", "station_max")
    assert known.kinds == ("absolute", "relative", "recurring")
    assert len(evidence) < 150
    assert known.evidence["max_periods"] == ("periods",)


def test_a_mediocre_model() -> None:
    """One level, only absolute, few periods, no 0, a minimum: all of it is learned, and the limit of each is right."""
    model = Modelled(levels=0, kinds=("absolute",), periods=6, zero="refused", minimum=60, units="A", clears=("all",))
    over, _ = played(BENCH, model)
    known = over.abilities
    assert (known.max_stack_level, known.max_periods, known.zero, known.min_current) == (0, 6, "refused", 60)
    assert known.refused_kinds == ("relative",)
    assert known.refused_recurrences == ("daily", "weekly")
    assert known.units == ("A",)
    assert known.clears == ("all",)
    assert set(known.clears_not) == {"id", "connector", "place", "purpose"}
    found = verdicts(over)
    assert (found["stack"], found["levels"], found["other_unit"]) == ("failed", "lacking", "failed")


def test_a_model_whose_schedule_tells_nothing() -> None:
    """Its composite schedule is not asked for again, and the rest is judged by what it takes and gives back."""
    model = Modelled(composite="constant", takes_idle_transaction=True, purposes=("default", "transaction"))
    over, evidence = played(BENCH, model)
    assert over.abilities.composite == "differs"
    assert sum(one.check != "composite" and one.told is not None for one in evidence) == 0
    found = verdicts(over)
    assert (found["transaction"], found["station_max"], found["clear_id"]) == ("failed", "failed", "passed")
    assert (found["stack"], over.abilities.zero) == ("untested", "taken")


def test_a_model_that_takes_watts_for_amperes() -> None:
    """What is computed otherwise than meant does not count as a unit that it takes."""
    over, _ = played(BENCH, Modelled(watts_as_amperes=True))
    assert over.abilities.units == ("A",)
    assert verdicts(over)["other_unit"] == "failed"


def test_a_station_without_smart_charging() -> None:
    """Three messages are enough: nothing more is tried."""
    over, evidence = played(BENCH, Modelled(knows_nothing=True))
    assert len(evidence) <= 3
    assert verdicts(over)["levels"] == "untested"
    assert over.abilities == Abilities(evidence=over.abilities.evidence)


OUTCOMES = st.sampled_from(["accepted", "accepted", "accepted", "rejected", "error", "lost"])
PERIODS = st.lists(st.builds(Period, st.integers(0, 7200), st.integers(0, 400)), max_size=3).map(tuple)
TOLD = st.builds(Reported, st.sampled_from(["A", "W"]), PERIODS, st.none() | st.just(NOW), st.none() | st.just(3600))
MEASURED = st.builds(Measured, current=st.none() | st.integers(0, 320), running=st.booleans())
BENCHES = st.builds(
    Bench,
    base_ms=st.just(NOW),
    transaction_id=st.sampled_from([0, 7]),
    max_stack_level=st.none() | st.integers(0, 10**9),
    units=st.sampled_from([(), ("A",), ("W",), ("A", "W")]),
    max_periods=st.none() | st.integers(0, 10**9),
    max_installed=st.none() | st.integers(0, 10**9),
)


@settings(max_examples=25, deadline=None)
@given(bench=BENCHES, data=st.data())
def test_it_ends_whatever_is_answered(bench: Bench, data: st.DataObject) -> None:
    """Within its bound, each check has one finding, and what may be left on the station is among what was set."""
    evidence: list[Exchange] = []
    installed: set[int] = set()
    answers: list[tuple[Outcome, Reported | None, Measured]] = data.draw(
        st.lists(st.tuples(OUTCOMES, st.none() | TOLD, MEASURED), min_size=1, max_size=40)
    )
    while isinstance(following := battery.advance(bench, evidence), battery.Next):
        assert len(evidence) < battery.MAX_STEPS
        outcome, told, measured = answers[len(evidence) % len(answers)]
        if isinstance(following.step, Install):
            installed.add(following.step.profile.profile_id)
        found = Exchange(check=following.check, step=battery.digest(following.step), answered_at=NOW, outcome=outcome)
        found = msgspec.structs.replace(
            found,
            told=told if isinstance(following.step, Ask) else None,
            measured=measured if isinstance(following.step, Measure) else None,
        )
        evidence.append(found)
        if len(evidence) in (5, 30):
            assert set(battery.left_on(bench, evidence)) <= installed
    assert [one.check for one in following.findings] == list(battery.SCRIPTS)
