"""The report of a probe as a page that a person can read, and attach to a vendor's ticket: Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from shared.records.probes import VERDICTS, Abilities, Exchange, Finding, ProbeReport

from .probe_checks import CHECKS

MARKS: Final = {"passed": "✓ passed", "failed": "✗ failed", "lacking": "– lacking", "untested": "? untested"}
_SECOND_MS: Final = 1000
_SPOILS: Final = str.maketrans({"|": r"\|", "\n": " ", "<": "&lt;", "`": "'"})


def markdown(report: ProbeReport) -> str:
    """Return the report: who was probed, what each check came to, what was learned, and every message."""
    return "\n".join([*_head(report), *_table(report), *_learned(report.abilities), *_checks(report), ""])


def rows(known: Abilities) -> list[tuple[str, str, str]]:
    """Return what was learned: its name, its value in words, and the checks that show it."""
    names = [field.name for field in msgspec.structs.fields(Abilities) if field.name in known.evidence]
    return [(_NAMES[name], _value(name, getattr(known, name)), _titles(known.evidence[name])) for name in names]


def _head(report: ProbeReport) -> Iterator[str]:
    model = " ".join(one for one in (report.vendor, report.model) if one) or "a station without a name"
    counts = {verdict: sum(one.verdict == verdict for one in report.findings) for verdict in VERDICTS}
    yield f"# Smart charging of {_plain(model)}"
    yield ""
    firmware = _plain(report.firmware) or "not told"
    yield f"Firmware {firmware}, station {_plain(report.station_id)}, {report.subprotocol}."
    yield f"Probed from {_time(report.began_at)} to {_time(report.ended_at)}, {len(report.exchanges)} messages."
    yield ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count) + "."
    if report.why:
        yield ""
        yield f"**The probe was aborted: {_plain(report.why)}.** What follows is what was found until then."
    yield ""
    if report.bench is not None:
        bench = report.bench
        says = {
            "ChargeProfileMaxStackLevel": bench.max_stack_level,
            "ChargingScheduleAllowedChargingRateUnit": ", ".join(bench.units) or None,
            "ChargingScheduleMaxPeriods": bench.max_periods,
            "MaxChargingProfilesInstalled": bench.max_installed,
        }
        yield "What it says of itself: " + "; ".join(
            f"{name} {'not told' if value is None else value}" for name, value in says.items()
        )
        yield ""
    if report.not_put_back:
        yield f"**Not put back**: {', '.join(report.not_put_back)}. Look at the station's charging profiles."
        yield ""


def _table(report: ProbeReport) -> Iterator[str]:
    yield "| check | verdict | what was found |"
    yield "|---|---|---|"
    for finding in report.findings:
        check = CHECKS.get(finding.check)
        title = check.title if check else finding.check
        yield f"| {title} | {MARKS[finding.verdict]} | {_plain(finding.text)} |"
    yield ""


def _learned(known: Abilities) -> Iterator[str]:
    yield "## What it can do"
    yield ""
    found = rows(known)
    if not found:
        yield "Nothing was learned."
        yield ""
        return
    yield "| | | shown by |"
    yield "|---|---|---|"
    for name, value, check in found:
        yield f"| {name} | {value} | {check} |"
    yield ""


def _checks(report: ProbeReport) -> Iterator[str]:
    yield "## Every message"
    for finding in report.findings:
        exchanges = [one for one in report.exchanges if one.check == finding.check]
        if exchanges:
            yield from _check(finding, exchanges)


def _check(finding: Finding, exchanges: list[Exchange]) -> Iterator[str]:
    check = CHECKS.get(finding.check)
    yield ""
    yield f"### {check.title if check else finding.check}: {finding.verdict}"
    yield ""
    if check is not None:
        yield f"OCPP 1.6 {check.sections}: {check.standard}"
        yield ""
    yield f"Found: {_plain(finding.text)}"
    yield ""
    yield "```"
    for one in exchanges:
        yield from _exchange(one)
    yield "```"


def _exchange(one: Exchange) -> Iterator[str]:
    if not one.action:
        yield f"{_clock(one.at)} look at what is drawn {one.payload}"
        yield f"{_clock(one.answered_at)}   {_drawn(one)}"
        return
    yield f"{_clock(one.at)} > {one.action} {_fenced(one.payload)}"
    answer = _fenced(one.answer) or {"lost": "no answer"}.get(one.outcome, one.outcome)
    yield f"{_clock(one.answered_at)} < {answer}"


def _drawn(one: Exchange) -> str:
    measured = one.measured
    if measured is None:
        return "no sample came"
    if not measured.running:
        return "the transaction has ended"
    return f"{(measured.current or 0) / 10:g} A"


_NAMES: Final = {
    "max_stack_level": "highest stack level",
    "units": "units",
    "max_periods": "periods of a schedule",
    "max_installed": "profiles at a time",
    "purposes": "purposes",
    "refused_purposes": "purposes not served",
    "kinds": "kinds",
    "refused_kinds": "kinds not served",
    "recurrences": "recurrences",
    "refused_recurrences": "recurrences not served",
    "validity": "validFrom and validTo",
    "zero": "a limit of 0",
    "min_current": "lowest limit",
    "clears": "clears by",
    "clears_not": "does not clear by",
    "composite": "composite schedule",
    "obeys": "keeps to limits, measured",
}
_ZERO: Final = {
    "pauses": "pauses charging, measured",
    "shown": "is taken; what it does to a car was not measured",
    "taken": "is taken; what comes of it was not seen",
    "ignored": "has no effect",
    "ends": "ends the transaction",
    "locks": "pauses charging for good",
    "refused": "is refused",
}


def _value(name: str, value: Any) -> str:
    if name == "zero":
        return _ZERO.get(value, str(value))
    if name == "min_current":
        return f"{value / 10:g} A"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(value)
    return str(value)


def _titles(checks: tuple[str, ...]) -> str:
    return ", ".join(CHECKS[one].title if one in CHECKS else one for one in checks)


def _plain(text: str) -> str:
    """Return a station's or a person's words so that they stay words."""
    return "".join(one if one.isprintable() or one == "\n" else "�" for one in text).translate(_SPOILS)


def _fenced(text: str) -> str:
    return "".join(one if one.isprintable() else "�" for one in text).replace("```", "'''")


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / _SECOND_MS, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _clock(ms: int) -> str:
    return datetime.fromtimestamp(ms / _SECOND_MS, UTC).strftime("%H:%M:%S.%f")[:-3]
