"""Whether what was accepted happened: a remote start by its transaction's start, a remote stop by its end.

    accepted ──> watch + timer ──start comes──> done
                              └──timer──> `transaction.start_failed`, `transaction.stop_failed`, with what is known

Which commands are watched, and what for, handlers say: by action, from the payload in a version's words.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from shared.records.commands import CommandRecord, Watch
from shared.records.events import StartFailed, StopFailed
from shared.records.transactions import Transaction
from workers.store.draft import Draft

from . import authorization, commands
from .quirks import quirks_of
from .wakeups import wakes

TIMER: Final = "remote_failure"
MAX_WATCHES: Final = 100
"""Remote starts and stops of one station that are watched at a time; the oldest go unwatched."""
FREE: Final = frozenset({"Available", "Preparing"})
"""Statuses of a connector at which a charge can begin."""

Reader = Callable[[dict[str, Any]], Watch]
WATCHED: Final[dict[str, Reader]] = {}
"""Action -> what to watch for, from its payload; handlers fill it."""
_decode = msgspec.json.Decoder(dict[str, Any]).decode


def watches(action: str) -> Callable[[Reader], Reader]:
    """Register what is watched for once a command of this action was accepted."""

    def register(reader: Reader) -> Reader:
        WATCHED[action] = reader
        return reader

    return register


@commands.when_ended(commands.OPERATOR)
def begin(draft: Draft, command: CommandRecord) -> None:
    """Watch for what a station has accepted to do."""
    reader = WATCHED.get(command.action)
    if reader is None or command.state != "accepted":
        return
    wait_ms = quirks_of(draft.station).start_failure_ms  # quirk 26
    due_at = draft.now + (draft.policy.start_failure_ms if wait_ms < 0 else wait_ms)
    watch = msgspec.structs.replace(reader(_decode(command.payload)), command_id=command.command_id, due_at=due_at)
    # Both directions are independent: the start may come before the answer that accepts it.
    begun = [one for one in draft.charging.open.values() if one.received_at >= command.sent_at]
    if any(_is_start_of(watch, one) for one in begun):
        return
    _put(draft, (*draft.commands.watches, watch)[-MAX_WATCHES:])
    draft.wake(TIMER, watch.command_id, due_at)


def started(draft: Draft, transaction: Transaction) -> None:
    """End the watch for this transaction, the oldest where several fit."""
    held = draft.commands.watches
    found = next((watch for watch in held if _is_start_of(watch, transaction)), None)
    if found is not None:
        _put(draft, tuple(watch for watch in held if watch is not found))


@wakes(TIMER)
def judge(draft: Draft, command_id: str) -> None:
    """Tell what did not happen in time."""
    held = draft.commands.watches
    watch = next((one for one in held if one.command_id == command_id), None)
    if watch is None:
        return
    if draft.now < watch.due_at:
        draft.wake(TIMER, command_id, watch.due_at)
        return
    _put(draft, tuple(one for one in held if one is not watch))
    if not watch.transaction_id:
        _start_failed(draft, watch)
    elif (running := draft.charging.open.get(watch.transaction_id)) is not None:
        _stop_failed(draft, watch, running)


def _start_failed(draft: Draft, watch: Watch) -> None:
    reason, detail = _why_not_started(draft, watch)
    draft.emit(
        StartFailed(
            station_id=draft.station_id,
            at=draft.now,
            command_id=watch.command_id,
            connector_id=watch.connector_id,
            reason=reason,
            detail=detail,
        )
    )


def _stop_failed(draft: Draft, watch: Watch, running: Transaction) -> None:
    reason, detail = "unknown", _told(draft, running.connector_id)
    if draft.session.connection != "open":
        reason, detail = "offline", "the station is offline"
    draft.emit(
        StopFailed(
            station_id=draft.station_id,
            at=draft.now,
            command_id=watch.command_id,
            transaction_id=watch.transaction_id,
            connector_id=running.connector_id,
            reason=reason,
            detail=detail,
        )
    )


def _why_not_started(draft: Draft, watch: Watch) -> tuple[str, str]:
    """Return the reason as a word, and what it follows from."""
    if draft.session.connection != "open":
        return "offline", "the station is offline"
    answer = authorization.look(draft, watch.id_tag)
    if answer is not None and answer.status != authorization.ACCEPTED:
        return "tag", f"the id tag would be answered {answer.status}"
    wanted = watch.connector_id
    statuses = {number: one.status for number, one in draft.connectors.by_id.items() if number}
    if wanted:
        statuses = {number: status for number, status in statuses.items() if number == wanted}
    told = ", ".join(_told(draft, number) for number in sorted(statuses))
    if statuses and not FREE.intersection(statuses.values()):
        return "connector", told
    return "unknown", told


def _told(draft: Draft, connector_id: int) -> str:
    found = draft.connectors.by_id.get(connector_id)
    if found is None:
        return ""
    error = "" if found.error_code in ("", "NoError") else f" ({found.error_code})"
    return f"connector {connector_id} is {found.status}{error}"


def _is_start_of(watch: Watch, transaction: Transaction) -> bool:
    """Tell whether a transaction is what a remote start asked for."""
    return (
        not watch.transaction_id
        and watch.connector_id in (0, transaction.connector_id)
        and authorization.key_of(watch.id_tag) == authorization.key_of(transaction.id_tag)
    )


def _put(draft: Draft, held: tuple[Watch, ...]) -> None:
    draft.put(msgspec.structs.replace(draft.commands, watches=held))
