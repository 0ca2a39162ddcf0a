"""Probes as operators see them: their progress, what each check came to, what was learned."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from edge.operators.times import Instant, instant, iso
from shared.records import probes
from shared.records.probes import Composite, Criterion, Ended, Outcome, Phase, Verdict, Zero
from shared.records.profiles import Kind, Purpose, Recurrence, Unit
from shared.smartcharging.probe_checks import CHECKS

ProbeState = Literal["never"] | Phase | Ended


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """How far a station's probe is, or how its last one ended."""

    station_id: str
    state: ProbeState
    probe_id: str | None = None
    began_at: Instant | None = None
    ended_at: Instant | None = None
    by: str | None = None
    job_id: str | None = None
    check: str | None = None
    """What is tried at the moment."""
    checks_done: int = 0
    checks: int = len(CHECKS)
    messages: int = 0
    why: str | None = None
    """Why it was aborted."""

    @classmethod
    def of(cls, station_id: str, now: probes.Probing) -> Probe:
        """Show section `pr`."""
        run, last = now.run, now.last
        if run is not None:
            return cls(
                station_id=station_id,
                state=run.phase,
                probe_id=run.probe_id,
                began_at=instant(run.began_at),
                by=run.by or None,
                job_id=run.job or None,
                check=run.pending.check if run.pending is not None and run.phase == "probing" else None,
                checks_done=run.checks_done if run.phase == "probing" else len(CHECKS),
                messages=len(run.evidence),
                why=run.why or None,
            )
        if last is None:
            return cls(station_id=station_id, state="never")
        return cls(
            station_id=station_id,
            state=last.ended,
            probe_id=last.probe_id,
            ended_at=iso(last.at),
            job_id=last.job or None,
            checks_done=len(CHECKS),
            why=last.why or None,
        )


class ProbeMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message and its answer, or a look at what is drawn (no `action`)."""

    action: str | None
    sent: Any
    sent_at: Instant | None
    answer: Any
    """As it came; as text where it was cut, or where it is an error."""
    answered_at: Instant | None
    outcome: Outcome
    measured_a: float | None


class ProbeCheck(msgspec.Struct, frozen=True, kw_only=True):
    """A check: what it tries, what the standard says, what was found, and every message."""

    check: str
    title: str
    standard: str
    sections: str
    """Of OCPP 1.6."""
    verdict: Verdict
    found: str
    messages: list[ProbeMessage]


class ChargingAbilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a model's smart charging can do, by trial; null and empty: not known."""

    max_stack_level: int | None
    units: list[Unit]
    max_periods: int | None
    max_installed: int | None
    purposes: list[Purpose]
    refused_purposes: list[Purpose]
    kinds: list[Kind]
    refused_kinds: list[Kind]
    recurrences: list[Recurrence]
    refused_recurrences: list[Recurrence]
    validity: bool | None
    zero: Zero | None
    min_current_a: float | None
    clears: list[Criterion]
    clears_not: list[Criterion]
    composite: Composite | None
    obeys: bool | None
    evidence: dict[str, list[str]]
    """Ability -> checks of the report that show it."""
    station_id: str | None
    probe_id: str | None
    learned_at: Instant | None

    @classmethod
    def of(cls, known: probes.Abilities) -> ChargingAbilities:
        """Show what is known."""
        return cls(
            max_stack_level=known.max_stack_level,
            units=list(known.units),
            max_periods=known.max_periods,
            max_installed=known.max_installed,
            purposes=list(known.purposes),
            refused_purposes=list(known.refused_purposes),
            kinds=list(known.kinds),
            refused_kinds=list(known.refused_kinds),
            recurrences=list(known.recurrences),
            refused_recurrences=list(known.refused_recurrences),
            validity=known.validity,
            zero=known.zero,
            min_current_a=None if known.min_current is None else known.min_current / 10,
            clears=list(known.clears),
            clears_not=list(known.clears_not),
            composite=known.composite,
            obeys=known.obeys,
            evidence={name: list(checks) for name, checks in known.evidence.items()},
            station_id=known.station_id or None,
            probe_id=known.probe_id or None,
            learned_at=iso(known.learned_at),
        )


class ProbeReport(msgspec.Struct, frozen=True, kw_only=True):
    """All that a probe did and found."""

    probe_id: str
    station_id: str
    vendor: str
    model: str
    firmware: str
    subprotocol: str
    began_at: Instant
    ended_at: Instant
    ended: Ended
    why: str | None
    by: str | None
    says: dict[str, Any]
    """What the station's configuration says of itself."""
    checks: list[ProbeCheck]
    abilities: ChargingAbilities
    not_put_back: list[str]
    """Places of wanted profiles that the station did not take again."""

    @classmethod
    def of(cls, report: probes.ProbeReport) -> ProbeReport:
        """Show a report."""
        bench = report.bench
        return cls(
            probe_id=report.probe_id,
            station_id=report.station_id,
            vendor=report.vendor,
            model=report.model,
            firmware=report.firmware,
            subprotocol=report.subprotocol,
            began_at=instant(report.began_at),
            ended_at=instant(report.ended_at),
            ended=report.ended,
            why=report.why or None,
            by=report.by or None,
            says={}
            if bench is None
            else {
                "max_stack_level": bench.max_stack_level,
                "units": list(bench.units),
                "max_periods": bench.max_periods,
                "max_installed": bench.max_installed,
            },
            checks=[_check(one, report) for one in report.findings],
            abilities=ChargingAbilities.of(report.abilities),
            not_put_back=list(report.not_put_back),
        )


def _check(finding: probes.Finding, report: probes.ProbeReport) -> ProbeCheck:
    check = CHECKS.get(finding.check)
    return ProbeCheck(
        check=finding.check,
        title=check.title if check else finding.check,
        standard=check.standard if check else "",
        sections=check.sections if check else "",
        verdict=finding.verdict,
        found=finding.text,
        messages=[_message(one) for one in report.exchanges if one.check == finding.check],
    )


def _message(one: probes.Exchange) -> ProbeMessage:
    current = one.measured.current if one.measured is not None else None
    return ProbeMessage(
        action=one.action or None,
        sent=_decoded(one.payload),
        sent_at=iso(one.at),
        answer=_decoded(one.answer),
        answered_at=iso(one.answered_at),
        outcome=one.outcome,
        measured_a=None if current is None else current / 10,
    )


def _decoded(text: str) -> Any:
    """Return JSON as what it says; anything else as text, None where there is nothing."""
    if not text:
        return None
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
