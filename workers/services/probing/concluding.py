"""The end of a probe: its report, what the model can do, and who waits for it."""

from __future__ import annotations

import msgspec

from shared.bus import keys
from shared.records.events import ProbeChanged
from shared.records.jobs import Outcome
from shared.records.models import model_key
from shared.records.packing import pack
from shared.records.probes import VERDICTS, Abilities, Probed, ProbeReport, Run
from shared.records.profiles import Assigned
from workers.services import bulk
from workers.store.draft import Draft

from . import battery

change = msgspec.structs.replace


def conclude(draft: Draft, run: Run) -> None:
    """Write the report; a whole battery also teaches what the model can do."""
    station = draft.station
    assert station is not None
    over = _over(run)
    abilities = change(
        over.abilities,
        vendor=station.vendor,
        model=station.model,
        firmware=station.firmware,
        station_id=draft.station_id,
        probe_id=run.probe_id,
        learned_at=draft.now,
    )
    report = ProbeReport(
        probe_id=run.probe_id,
        station_id=draft.station_id,
        vendor=station.vendor,
        model=station.model,
        firmware=station.firmware,
        subprotocol=draft.session.subprotocol,
        began_at=run.began_at,
        ended_at=draft.now,
        ended="aborted" if run.why else "complete",
        why=run.why,
        by=run.by,
        bench=run.bench,
        findings=over.findings,
        exchanges=run.evidence,
        abilities=abilities,
        held=_held(draft),
        not_put_back=run.not_put_back,
    )
    draft.write("SET", keys.probe(draft.station_id), pack(report))
    if not run.why and station.model and abilities.purposes:
        draft.effect("HSET", keys.MODELS_CHARGING, _key(abilities), pack(abilities))
    last = Probed(probe_id=run.probe_id, ended=report.ended, at=draft.now, why=run.why, job=run.job)
    draft.put(change(draft.probing, run=None, last=last))
    _tell(draft, run, report)


def forget(draft: Draft) -> None:
    """Let a probe go whose station is being deleted."""
    run = draft.probing.run
    draft.put(change(draft.probing, run=None))
    if run is not None and run.job:
        bulk.report(draft, run.job, "cancelled", detail="the station was deleted")


def summary(report: ProbeReport) -> str:
    """Return how many checks came to which verdict, in words."""
    counts = {name: sum(one.verdict == name for one in report.findings) for name in VERDICTS}
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


def _over(run: Run) -> battery.Over:
    try:
        if run.why:
            return battery.so_far(run.bench, run.evidence, "the probe was aborted")
        found = battery.advance(run.bench, run.evidence)
        assert isinstance(found, battery.Over), "a battery that was not aborted is over"
    except battery.Changed:
        return battery.so_far(run.bench, (), "the probe was aborted")
    return found


def _held(draft: Draft) -> tuple[Assigned, ...]:
    return tuple(sorted(draft.limits.by_slot.values(), key=lambda one: one.profile.profile_id))


def _key(abilities: Abilities) -> str:
    return model_key(abilities.vendor, abilities.model, abilities.firmware)


def _tell(draft: Draft, run: Run, report: ProbeReport) -> None:
    detail = run.why or summary(report)
    draft.count("probes_total", report.ended)
    for finding in report.findings:
        draft.count("probe_checks_total", finding.verdict)
    draft.emit(
        ProbeChanged(
            station_id=draft.station_id, at=draft.now, probe_id=run.probe_id, state=report.ended, detail=detail
        )
    )
    if run.job:
        outcome: Outcome = "cancelled" if run.why.startswith("aborted") else "error" if run.why else "accepted"
        bulk.report(draft, run.job, outcome, detail=detail)
