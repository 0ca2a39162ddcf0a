"""Commands: a durable record each, one outstanding per station, exactly one terminal state.

    enqueue ──> queued ──pump──> sent ──answered──> accepted | rejected | error
                  ^  │            │ └──timeout, or a new session──> timed_out
                  │  └─> expired, cancelled
                  └── not written, or a new session where the action is safe to repeat

A command's id is its message id, so that late answers find it. A command that was sent and not answered is never sent
again, unless its action only reads (`command_rules`): it may have been executed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from shared.bus import keys
from shared.envelopes import Command
from shared.ocpp import frames
from shared.records.commands import (
    TERMINAL,
    CommandRecord,
    Commands,
    CommandState,
    Outstanding,
    Queued,
    made_at,
    make_id,
)
from shared.records.events import CommandChanged
from shared.records.packing import pack, unpack
from shared.urls import redact
from workers.store.draft import Draft
from workers.store.wants import WantCommand, WantSurplusCommands

from . import acceptance, command_hooks, command_rules
from .command_hooks import keeps as keeps
from .command_hooks import sheds as sheds
from .command_hooks import when_done as when_done
from .command_hooks import when_ended as when_ended
from .command_hooks import when_late as when_late
from .quirks import quirks_of
from .wakeups import wakes

MAX_QUEUE: Final = 100
"""Commands that operators may have waiting for one station."""
RECORD_KEPT_MS: Final = 7 * 24 * 3600 * 1000
"""How long a record outlives its command; a late answer finds it for as long."""
RETRY_MS: Final = 1000
"""After an edge could not write a command it is tried again no sooner."""
TIMEOUT_TIMER: Final = "command_timeout"
EXPIRY_TIMER: Final = "command_expiry"
PUMP_TIMER: Final = "commands"
OPERATOR: Final = "operator"
"""Origin of what operators send."""
_encode_json = msgspec.json.Encoder().encode
_decode_json = msgspec.json.Decoder().decode


def enqueue(
    draft: Draft,
    action: str,
    payload: dict[str, Any] | str,
    origin: str,
    *,
    expires_at: int = 0,
    command_id: str = "",
) -> str:
    """Queue a command and return its id; it goes out with this decision where nothing stands in the way.

    `payload` is the CALL's payload, as JSON text or as a dictionary of JSON names; the caller has validated it. The id
    follows from the entry, so that a redelivered entry queues nothing twice. `expires_at` 0: the policy's.
    """
    text = payload if isinstance(payload, str) else _encode_json(payload).decode()
    source = f"{draft.station_id}:{draft.origin.entry_id}:{len(draft.writes)}"
    command_id = command_id or make_id(draft.origin.received_at, source)
    commands = draft.commands
    if _is_waiting(commands, command_id):
        return command_id
    expires_at = expires_at or draft.now + draft.policy.command_expiry_ms
    record = CommandRecord(
        command_id=command_id,
        station_id=draft.station_id,
        action=action,
        payload=text,
        created_at=draft.now,
        expires_at=expires_at,
        origin=origin,
        trace=draft.origin.trace,
    )
    queued = Queued(command_id, action, expires_at, _trigger(action, text))
    draft.put(msgspec.structs.replace(commands, queue=(*commands.queue, queued)))
    draft.wake(EXPIRY_TIMER, command_id, expires_at)
    draft.effect("ZADD", keys.COMMANDS, made_at(command_id), _member(draft, command_id))
    _save(draft, record)
    command_hooks.tell(command_hooks.QUEUED, draft, record)
    return command_id


def pump(draft: Draft) -> None:
    """Send the next command where nothing is outstanding; the end of every decision about a station."""
    commands = draft.commands
    if commands.queue and commands.outstanding is None:
        _pump(draft, commands)


def answered(draft: Draft, command_id: str, response: Any, error: str = "") -> None:
    """Take the station's answer: `response` as decoded JSON, or `error` for a CALLERROR or an unreadable answer."""
    commands = draft.commands
    if not _is_waiting(commands, command_id):
        _answered_late(draft, command_id, response, error)
        return
    record = record_of(draft, command_id)
    # A queued one was sent before: its session ended, its action is safe to repeat, and the answer came after all.
    draft.put(_without(commands, command_id))
    if record is not None:
        _end(
            draft,
            record,
            "error" if error else command_rules.outcome(record.action, response),
            response=response,
            error=error,
        )


def not_written(draft: Draft, command_id: str) -> None:
    """Queue a command again that the edge was handed and did not write."""
    outstanding = draft.commands.outstanding
    if outstanding is None or (outstanding.command_id, outstanding.epoch) != (command_id, draft.origin.epoch):
        return
    _requeue(draft, command_id)
    draft.wake(PUMP_TIMER, "", draft.now + RETRY_MS)


def session_changed(draft: Draft) -> None:
    """Settle what was sent on an older session: silence plus the end of its epoch is `timed_out`."""
    outstanding = draft.commands.outstanding
    if outstanding is None or outstanding.epoch >= draft.session.epoch:
        return
    record = record_of(draft, outstanding.command_id)
    if record is not None and command_rules.is_safe_to_repeat(record.action, _trigger(record.action, record.payload)):
        _requeue(draft, outstanding.command_id)
    else:
        _give_up(draft, outstanding.command_id, "timed_out", "its session ended before the answer")


def cancel(draft: Draft, command_id: str) -> CommandRecord | None:
    """Cancel a queued command and return its record; None where it is not queued."""
    if all(queued.command_id != command_id for queued in draft.commands.queue):
        return None
    return _give_up(draft, command_id, "cancelled", "")


def cancel_all(draft: Draft, reason: str) -> None:
    """End everything that waits: the station is being deleted."""
    commands = draft.commands
    if commands.outstanding is not None:
        _give_up(draft, commands.outstanding.command_id, "timed_out", reason)
    for queued in commands.queue:
        _give_up(draft, queued.command_id, "cancelled", reason)
    ended: tuple[str, ...] = draft.get(WantSurplusCommands(0))
    pending = [command.command_id for command in (*commands.queue, commands.outstanding) if command is not None]
    _unlist(draft, (*ended, *pending))


@wakes(TIMEOUT_TIMER)
def _timeout(draft: Draft, command_id: str) -> None:
    outstanding = draft.commands.outstanding
    if outstanding is None or outstanding.command_id != command_id:
        return
    if draft.now < outstanding.deadline_at:
        draft.wake(TIMEOUT_TIMER, command_id, outstanding.deadline_at)
        return
    _give_up(draft, command_id, "timed_out", "no answer in time")


@wakes(EXPIRY_TIMER)
def _expire(draft: Draft, command_id: str) -> None:
    for queued in draft.commands.queue:
        if queued.command_id == command_id and queued.expires_at <= draft.now:
            _give_up(draft, command_id, "expired", "")


@wakes(PUMP_TIMER)
def _woken(_draft: Draft, _subject: str) -> None:
    """Do nothing: every decision pumps, and this timer brings one about."""


# ── sending ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _pump(draft: Draft, commands: Commands) -> None:
    for queued in commands.queue:
        if queued.expires_at <= draft.now:
            _give_up(draft, queued.command_id, "expired", "")
    session = draft.session
    if session.connection != "open" or not draft.commands.queue:
        return
    if draft.now < session.hold_until:
        draft.wake(PUMP_TIMER, "", session.hold_until)  # Held back until the boot was answered (quirk 2).
        return
    registration = acceptance.effective(draft)
    for queued in draft.commands.queue:
        if why := command_rules.forbidden_for_good(queued, registration, draft.station):
            _give_up(draft, queued.command_id, "error", why)
        elif command_rules.is_permitted(queued, registration, draft.station):
            if registration != "accepted":
                _expect(draft, queued)
            _send(draft, queued)
            return


def _send(draft: Draft, queued: Queued) -> None:
    record = record_of(draft, queued.command_id)
    if record is None:
        draft.put(_without(draft.commands, queued.command_id))
        return
    epoch, timeout_ms = draft.session.epoch, quirks_of(draft.station).command_timeout_ms
    timeout_ms = draft.policy.command_timeout_ms if timeout_ms < 0 else timeout_ms  # quirk 24
    outstanding = Outstanding(record.command_id, record.action, epoch, draft.now, draft.now + timeout_ms)
    draft.put(msgspec.structs.replace(_without(draft.commands, record.command_id), outstanding=outstanding))
    draft.wake(TIMEOUT_TIMER, record.command_id, outstanding.deadline_at)
    _save(draft, msgspec.structs.replace(record, state="sent", sent_at=draft.now, epoch=epoch))
    frame = frames.encode_call(record.command_id, record.action, command_hooks.filled(draft, record).encode())
    # The last moment for writing leaves the station half of the time to answer.
    item = Command(draft.station_id, epoch, record.command_id, frame, draft.now + timeout_ms // 2, record.trace)
    draft.deliver(draft.session.node, item)
    draft.effect("SADD", keys.COMMANDS_INFLIGHT, _member(draft, record.command_id))


def _expect(draft: Draft, queued: Queued) -> None:
    """Note what a pending station is asked for: it may send that, and nothing else."""
    action = acceptance.TRIGGERS.get(queued.trigger, queued.trigger)
    session = draft.session
    if action and action not in session.triggered:
        draft.put(msgspec.structs.replace(session, triggered=(*session.triggered, action)))


# ── ending ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _answered_late(draft: Draft, command_id: str, response: Any, error: str) -> None:
    """Record an answer against a command that has ended without one (quirk 24)."""
    record = record_of(draft, command_id)
    if record is None or record.late_response is not None or record.response is not None:
        draft.result = "invalid"
        return
    draft.result = "late"
    draft.flag("late_answer", record.action)
    late = {"error": error} if error else _kept(draft, record, response)
    record = msgspec.structs.replace(record, late_response=late)
    _keep(draft, record)
    command_hooks.tell_late(draft, record)


def _requeue(draft: Draft, command_id: str) -> None:
    record = record_of(draft, command_id)
    commands = _without(draft.commands, command_id)
    if record is None or record.expires_at <= draft.now:
        _give_up(draft, command_id, "expired", "")
        return
    queued = Queued(command_id, record.action, record.expires_at, _trigger(record.action, record.payload))
    draft.put(msgspec.structs.replace(commands, queue=(queued, *commands.queue)))
    _landed(draft, command_id)
    _save(draft, msgspec.structs.replace(record, state="queued", sent_at=0, epoch=0))


def _give_up(draft: Draft, command_id: str, state: CommandState, error: str) -> CommandRecord | None:
    record = record_of(draft, command_id)
    draft.put(_without(draft.commands, command_id))
    return _end(draft, record, state, error=error) if record is not None else None


def _end(
    draft: Draft, record: CommandRecord, state: CommandState, *, response: Any = None, error: str = ""
) -> CommandRecord:
    assert record.state not in TERMINAL, "a command ends once"
    ended = msgspec.structs.replace(
        record, state=state, ended_at=draft.now, response=response, error=redact(error[:2000])[:500]
    )
    shed = command_hooks.SHEDS.get(record.action)
    payload = record.payload if shed is None else shed(record)
    _keep(draft, msgspec.structs.replace(ended, response=_kept(draft, record, response), payload=payload))
    if record.state == "sent":
        _landed(draft, record.command_id)
    _forget_oldest(draft, ended)
    _announce(draft, ended)
    draft.count("commands_total", record.action, state)
    draft.count("command_duration_seconds", record.action, amount=max(draft.now - record.created_at, 0) / 1000)
    command_hooks.tell_end(draft, ended)
    return ended


def _kept(draft: Draft, record: CommandRecord, response: Any) -> Any:
    """Return what of an answer goes into its record."""
    keeper = command_hooks.KEEPERS.get(record.action)
    return response if keeper is None or response is None else keeper(draft, record, response)


def _landed(draft: Draft, command_id: str) -> None:
    draft.effect("SREM", keys.COMMANDS_INFLIGHT, _member(draft, command_id))


# ── records ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def record_of(draft: Draft, command_id: str) -> CommandRecord | None:
    """Return a command's record with this decision's changes; None where it is not known."""
    key = keys.command(draft.station_id, command_id)
    for written in reversed(draft.writes):
        if written[1] == key and written[0] == "SET":
            return unpack(written[2], CommandRecord)  # type: ignore[arg-type]
    found: CommandRecord | None = draft.get(WantCommand(command_id))
    return found


def _save(draft: Draft, record: CommandRecord) -> None:
    draft.save_command(record, keys.command(draft.station_id, record.command_id))
    _announce(draft, record)


def _keep(draft: Draft, record: CommandRecord) -> None:
    key = keys.command(draft.station_id, record.command_id)
    draft.write("SET", key, pack(record), "PX", RECORD_KEPT_MS)


def _forget_oldest(draft: Draft, ended: CommandRecord) -> None:
    """Let the ended command take the place of the oldest where the station's history of commands is full."""
    station = draft.station_id
    surplus: tuple[str, ...] = draft.get(WantSurplusCommands(draft.policy.command_history - 1))
    draft.write("ZADD", keys.commands(station), ended.ended_at, ended.command_id)
    if surplus:
        draft.write("ZREM", keys.commands(station), *surplus)
        _unlist(draft, surplus)
    for command_id in surplus:
        draft.write("DEL", keys.command(station, command_id))


def _unlist(draft: Draft, command_ids: Sequence[str]) -> None:
    """Take commands out of the fleet's list."""
    if command_ids:
        draft.effect("ZREM", keys.COMMANDS, *(_member(draft, command_id) for command_id in command_ids))


def _member(draft: Draft, command_id: str) -> str:
    return f"{draft.station_id}/{command_id}"


def _announce(draft: Draft, record: CommandRecord) -> None:
    draft.emit(
        CommandChanged(
            station_id=draft.station_id,
            at=draft.now,
            command_id=record.command_id,
            action=record.action,
            state=record.state,
            error=record.error,
        )
    )


def _is_waiting(commands: Commands, command_id: str) -> bool:
    outstanding = commands.outstanding
    if outstanding is not None and outstanding.command_id == command_id:
        return True
    return any(queued.command_id == command_id for queued in commands.queue)


def _without(commands: Commands, command_id: str) -> Commands:
    outstanding = commands.outstanding
    if outstanding is not None and outstanding.command_id == command_id:
        outstanding = None
    queue = tuple(queued for queued in commands.queue if queued.command_id != command_id)
    return msgspec.structs.replace(commands, queue=queue, outstanding=outstanding)


def _trigger(action: str, payload: str) -> str:
    """Return the message that a TriggerMessage asks for."""
    if action not in command_rules.TRIGGER_ACTIONS:
        return ""
    return str(_decode_json(payload).get("requestedMessage", ""))
