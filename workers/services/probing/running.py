"""Runs a probe: one step after the other, each from the evidence so far.

    begun ──step──> pending ──ended──> evidence ──step──> ... ──over, or hindered──> restoring

A step is a command, or a look at what a transaction draws after a while. Whatever hinders (the station left, a
transaction began, an operator aborts, too long) ends the battery, never the restoration.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from shared.records.commands import CommandRecord
from shared.records.events import ProbeChanged
from shared.records.packing import storable
from shared.records.probes import ORIGIN, Exchange, Measured, Outcome, Run
from shared.records.transactions import Reading, Transaction
from shared.smartcharging.comparing import Reported
from workers.services import commands
from workers.services.smartcharging.obeying import drawn
from workers.services.smartcharging.words import Message, Words, words_of
from workers.services.wakeups import wakes
from workers.store.draft import Draft

from . import battery, restoring
from .hand import FIRST_ID, Ask, Clear, Install, Measure, Step

TIMER: Final = "probe"
LOOK: Final = "probe_look"
"""Origin of what asks a station for its meter values."""
LONGEST_MS: Final = 30 * 60_000
"""After so long a battery is not gone on with."""
UNSAMPLED_MS: Final = 120_000
"""So long after it was asked for, a sample is not waited for any more."""
MAX_LOSSES: Final = 3
"""After so many steps in a row without an answer the station is taken for silent."""
MAX_ANSWER: Final = 2000
"""Characters of an answer that are kept for the report."""
DEADLINE: Final = "deadline"
change = msgspec.structs.replace
_OUTCOMES: Final[dict[str, Outcome]] = {"accepted": "accepted", "rejected": "rejected", "error": "error"}


def go_on(draft: Draft) -> None:
    """Do what is next, unless something is under way."""
    run = draft.probing.run
    if run is None or run.pending is not None:
        return
    if run.phase == "restoring":
        restoring.go_on(draft)
        return
    why = run.why or _hindrance(draft, run)
    if why:
        _end(draft, run, why)
        return
    try:
        following = battery.advance(run.bench, run.evidence)
    except battery.Changed:
        _end(draft, run, "another release of Ampstream began it")
        return
    if isinstance(following, battery.Over):
        _end(draft, run, "")
    else:
        _do(draft, run, following)


def abort(draft: Draft, why: str) -> bool:
    """End the battery and restore; False where it is over already."""
    run = draft.probing.run
    if run is None or run.phase == "restoring":
        return False
    put(draft, change(run, why=why))
    pending = run.pending
    if pending is None or not pending.command_id:
        put(draft, change(run, why=why, pending=None))
        go_on(draft)
    else:
        commands.cancel(draft, pending.command_id)  # One that was sent is waited for: it may change the station.
    return True


def put(draft: Draft, run: Run | None) -> None:
    """Put the run."""
    draft.put(change(draft.probing, run=run))


def announce(draft: Draft, run: Run, state: str, detail: str = "") -> None:
    """Tell how far the probe is."""
    draft.emit(
        ProbeChanged(station_id=draft.station_id, at=draft.now, probe_id=run.probe_id, state=state, detail=detail)
    )


def _hindrance(draft: Draft, run: Run) -> str:
    """Return why the battery can't go on; empty where it can."""
    session, bench = draft.session, run.bench
    if session.epoch != run.epoch or session.connection != "open":
        return "the station left"
    if run.battery != battery.BATTERY:
        return "another release of Ampstream began it"
    if draft.now >= run.began_at + LONGEST_MS:
        return f"it took longer than {LONGEST_MS // 60_000} minutes"
    if run.losses >= MAX_LOSSES:
        return "the station does not answer"
    others = [one for one in draft.charging.open if one != bench.transaction_id]
    if others and not run.forced:
        return "a transaction began"
    watched = bool(run.evidence) and run.evidence[-1].check in battery.DRAWING
    if bench.transaction_id and bench.transaction_id not in draft.charging.open and not watched:
        return "the transaction ended"
    return ""


def _do(draft: Draft, run: Run, following: battery.Next) -> None:
    step = following.step
    pending = Exchange(check=following.check, step=battery.digest(step), at=draft.now)
    if isinstance(step, Measure):
        pending = change(pending, due_at=draft.now + run.settle_ms, payload=step.what)
        draft.wake(TIMER, str(len(run.evidence)), pending.due_at)
    else:
        words = words_of(draft.session.subprotocol)
        assert words is not None, "a probe begins with a station whose words are known"
        action, payload = _message(words, step)
        expires_at = draft.now + 2 * draft.policy.command_timeout_ms
        command_id = commands.enqueue(draft, action, payload, ORIGIN, expires_at=expires_at)
        text = msgspec.json.encode(payload).decode()
        pending = change(pending, action=action, payload=text, command_id=command_id)
    put(draft, change(run, pending=pending, checks_done=following.number))


def _message(words: Words, step: Step) -> Message:
    if isinstance(step, Install):
        return words.install(step.profile)
    if isinstance(step, Clear):
        return words.clear_where(step.criteria)
    assert isinstance(step, Ask)
    return words.ask(step.connector_id, step.seconds, step.unit)


@commands.when_ended(ORIGIN)
def ended(draft: Draft, command: CommandRecord) -> None:
    """Take the end of a command of ours and go on."""
    run = draft.probing.run
    if run is None or run.pending is None or run.pending.command_id != command.command_id:
        return
    exchange = answered(draft, run.pending, command)
    run = change(run, pending=None)
    if run.phase == "restoring":
        restoring.answered(draft, run, exchange, command)
    else:
        losses = run.losses + 1 if exchange.outcome == "lost" else 0
        cancelled = command.state == "cancelled"  # It was not sent: that is no evidence.
        put(draft, run if cancelled else change(run, evidence=(*run.evidence, exchange), losses=losses))
        if cancelled and not run.why:
            put(draft, change(run, why="one of its commands was cancelled"))
    go_on(draft)


def answered(draft: Draft, pending: Exchange, command: CommandRecord) -> Exchange:
    """Return an exchange with its answer."""
    response = command.response
    status = response.get("status", "") if isinstance(response, dict) else ""
    text = command.error or _shortened(response)
    return change(
        pending,
        at=command.sent_at or pending.at,
        answered_at=draft.now,
        outcome=_OUTCOMES.get(command.state, "lost"),
        status=str(command.error or status)[:200],
        answer=text,
        told=_told(draft, command),
    )


def _told(draft: Draft, command: CommandRecord) -> Reported | None:
    """Return the composite schedule of an answer, bounded: a station may write as many periods as it likes."""
    words = words_of(draft.session.subprotocol)
    if words is None or command.state != "accepted" or not isinstance(command.response, dict):
        return None
    if "chargingSchedule" not in command.response:
        return None
    told = words.read(command.response)
    return None if told is None else msgspec.structs.replace(told, periods=told.periods[:100])


def _shortened(response: Any) -> str:
    text = msgspec.json.encode(storable(response)).decode() if response is not None else ""
    return text if len(text) <= MAX_ANSWER else text[:MAX_ANSWER] + " …"


# ── what is drawn ────────────────────────────────────────────────────────────────────────────────────────────────────


@wakes(TIMER)
def woken(draft: Draft, subject: str) -> None:
    """Ask for a sample when it is time to look, give up on one that does not come, or end what takes too long."""
    run = draft.probing.run
    if run is None or run.phase == "restoring":
        return
    pending = run.pending
    if subject == DEADLINE:
        if draft.now >= run.began_at + LONGEST_MS:
            abort(draft, f"it took longer than {LONGEST_MS // 60_000} minutes")
        return
    if pending is None or pending.command_id or subject != str(len(run.evidence)) or draft.now < pending.due_at:
        return
    if draft.session.connection != "open" or draft.now >= pending.due_at + UNSAMPLED_MS:
        _measured(draft, run, None)
        return
    draft.wake(TIMER, subject, pending.due_at + UNSAMPLED_MS)
    words = words_of(draft.session.subprotocol)
    if words is not None:
        expires_at = draft.now + draft.policy.command_timeout_ms
        commands.enqueue(draft, *words.sample(run.bench.connector_id), LOOK, expires_at=expires_at)


def look(draft: Draft, transaction: Transaction, readings: Sequence[Reading]) -> None:
    """Take a transaction's newest reading where one is waited for."""
    run = draft.probing.run
    pending = run.pending if run is not None else None
    if run is None or pending is None or pending.command_id or run.bench.transaction_id != transaction.transaction_id:
        return
    current = next((value for unit, value in drawn(readings[-1]) if unit == "A"), None)
    if readings[-1].received_at >= pending.due_at and current is not None:
        _measured(draft, run, Measured(current=current))


def transaction_over(draft: Draft, transaction: Transaction) -> None:
    """Note the end of the transaction that is compared."""
    run = draft.probing.run
    if run is None or run.pending is None or run.pending.command_id:
        return
    if run.bench.transaction_id == transaction.transaction_id:
        _measured(draft, run, Measured(running=False))


def _measured(draft: Draft, run: Run, measured: Measured | None) -> None:
    assert run.pending is not None
    outcome: Outcome = "lost" if measured is None else "accepted"
    seen = change(run.pending, answered_at=draft.now, outcome=outcome, measured=measured)
    put(draft, change(run, pending=None, evidence=(*run.evidence, seen)))
    go_on(draft)


# ── the end of the battery ───────────────────────────────────────────────────────────────────────────────────────────


def _end(draft: Draft, run: Run, why: str) -> None:
    """Begin to restore: what the probe may have left on the station is taken off first."""
    try:
        left = battery.left_on(run.bench, run.evidence)
    except battery.Changed:
        left = tuple(range(FIRST_ID, FIRST_ID + len(run.evidence)))
    run = change(run, phase="restoring", why=why, ended_at=draft.now, to_clear=(0, *left), pending=None, losses=0)
    put(draft, run)
    announce(draft, run, "restoring", why)
    go_on(draft)
