"""When a station's configuration is read, and by which commands.

    begin ──> all keys at once ──answer──> comparing.took ──> the next read, in about `configuration_every_ms`
                 │      └──CALLERROR, or nothing in it──> the standard's keys, in lists
                 └──no answer──> again after RETRY_MS, 2 x, 4 x; as lists from the second time on
                                    └──MAX_FAILURES──> given up, until the next read

A station is never asked where its model's quirk profile says so (quirk 22). One that is offline when it is due is asked
when it is back.
"""

from __future__ import annotations

import zlib
from typing import Final

import msgspec

from shared.records.commands import CommandRecord
from shared.records.configuration import Configured, KeyRead
from shared.records.drift_rules import masked
from shared.records.jobs import Outcome
from workers.services import commands
from workers.services.quirks import quirks_of
from workers.services.wakeups import wakes
from workers.store.draft import Draft

from . import comparing, hooks, rules, waiting
from .coercion import number
from .words import WORDS, Answer, Words

TIMER: Final = "configuration"
ORIGIN: Final = "configuration"
WHOLE: Final = "whole"
SCHEDULE: Final = "schedule"
BOOT: Final = "boot"
OPERATOR: Final = "operator"
JOB: Final = "job"
"""Somebody who joins such a read makes it another's: it is not taken back with the job."""
ODD: Final = "configuration"
"""Flag of a station whose answer was not as the standard has it, with what was odd."""
UNREAD: Final = "configuration_unread"
"""Flag of a station whose configuration could not be read."""
MAX_FAILURES: Final = 5
RETRY_MS: Final = 60_000
RETURN_MS: Final = 60_000
"""Within so long a station is asked that was away when it was due."""
CHUNK: Final = 20
"""Keys asked for at once of a station that did not say how many it takes."""
NEVER: Final = "its model restarts when its configuration is read"
NO_WORDS: Final = "it has not connected yet"


# ── beginning ────────────────────────────────────────────────────────────────────────────────────────────────────────


def begin(draft: Draft, trigger: str, expires_at: int = 0) -> str:
    """Begin to read the whole configuration, unless that is under way; return why not, empty where it is.

    `expires_at`: nothing is sent for it after this; 0: the policy's. One that is under way keeps its own.
    """
    if trigger == BOOT and not draft.policy.configuration_every_ms:
        return ""
    if why := _refusal(draft):
        if draft.session.subprotocol in WORDS:
            for hook in hooks.UNREAD:
                hook(draft, trigger, why)
        return why
    running = draft.configured.reads.get(WHOLE)
    if running is not None and trigger == JOB:
        trigger = running.trigger
    if running is not None and running.command_id:
        waits = any(queued.command_id == running.command_id for queued in draft.commands.queue)
        if waits or trigger != BOOT:
            if trigger != SCHEDULE:
                _put(draft, WHOLE, msgspec.structs.replace(running, trigger=trigger))
            return ""
        # What was sent before the boot tells of the time before it.
    _ask(draft, WHOLE, KeyRead(trigger=trigger, began_at=draft.now, expires_at=expires_at))
    return ""


def read_keys(draft: Draft, names: tuple[str, ...], origin: str) -> str:
    """Ask for some keys; what comes back goes to `hooks.when_keys_read(origin)`. Return why not, empty where asked.

    A read with the same origin that is under way is forgotten. No more keys are asked for at once than the station
    said to take. What is read back goes into the snapshot, and is no drift.
    """
    if not names or (why := _refusal(draft)):
        return why if names else "no keys"
    chunk = draft.configured.max_keys or CHUNK
    _ask(draft, origin, KeyRead(trigger=origin, began_at=draft.now, left=names, chunk=chunk))
    return ""


def returned(draft: Draft) -> None:
    """Begin what fell due while an accepted station was away; within a minute, for many may be back at once."""
    station, configured = draft.station, draft.configured
    if station is None or station.registration != "accepted" or not draft.policy.configuration_every_ms:
        return
    if configured.next_at <= draft.now and WHOLE not in configured.reads:
        draft.put(msgspec.structs.replace(configured, next_at=configured.next_at or draft.now))
        spread_ms = min(RETURN_MS, draft.policy.configuration_every_ms // 20)
        draft.wake(TIMER, SCHEDULE, draft.now + round(spread_ms * _share(draft)))


@wakes(TIMER)
def woken(draft: Draft, subject: str) -> None:
    """Begin a read that is due, or go on with one that failed; early, late and repeated calls do no harm."""
    if subject == SCHEDULE:
        _due(draft)
        return
    read = draft.configured.reads.get(subject)
    if read is None or read.command_id:
        return
    if draft.now < read.retry_at:
        draft.wake(TIMER, subject, read.retry_at)
    elif draft.session.connection == "open":
        _ask(draft, subject, read)
    else:
        _abandon(draft, subject, read, "the station is offline")


def _due(draft: Draft) -> None:
    next_at = draft.configured.next_at
    if not draft.policy.configuration_every_ms or not next_at:
        return
    if draft.now < next_at:
        draft.wake(TIMER, SCHEDULE, next_at)
    elif draft.session.connection == "open":  # Else its return looks, see `returned`.
        begin(draft, SCHEDULE)


def _refusal(draft: Draft) -> str:
    if quirks_of(draft.station).no_configuration_reads:
        return NEVER
    return "" if draft.session.subprotocol in WORDS else NO_WORDS


# ── asking, and taking the answer ────────────────────────────────────────────────────────────────────────────────────


def _ask(draft: Draft, purpose: str, read: KeyRead) -> None:
    words = WORDS[draft.session.subprotocol]
    names = read.left[: read.chunk]
    command_id = commands.enqueue(draft, words.action, words.payload(names), ORIGIN, expires_at=read.expires_at)
    _put(draft, purpose, msgspec.structs.replace(read, command_id=command_id, retry_at=0))


@commands.when_ended(ORIGIN)
def answered(draft: Draft, command: CommandRecord) -> None:
    """Take the end of a command of ours: go on with its read, conclude it, or try again."""
    reads = draft.configured.reads.items()
    purpose, read = next(((name, one) for name, one in reads if one.command_id == command.command_id), ("", None))
    words = WORDS.get(draft.session.subprotocol)
    if read is None:
        return  # A newer read has taken its place.
    if words is None or command.state in ("expired", "cancelled"):
        outcome: Outcome = "cancelled" if command.state == "cancelled" else "expired"
        _abandon(draft, purpose, read, f"the command was {command.state}", outcome)
        return
    answer = None if command.response is None else words.read(command.response)
    if answer is None or not (read.left or answer.keys):
        _failed(draft, purpose, read, words, command)
        return
    for oddity in answer.oddities:
        draft.flag(ODD, oddity)
    _took(draft, purpose, read, words, answer)


def _took(draft: Draft, purpose: str, read: KeyRead, words: Words, answer: Answer) -> None:
    found = masked(answer.keys, rules.secrets(draft))
    left = read.left[read.chunk :]
    unknown = tuple(dict.fromkeys((*read.unknown, *answer.unknown)))
    read = msgspec.structs.replace(
        read, found={**read.found, **found}, unknown=unknown, left=left, command_id="", retry_at=0
    )
    if left:
        _ask(draft, purpose, read)
    else:
        _finish(draft, purpose, read, words)


def _failed(draft: Draft, purpose: str, read: KeyRead, words: Words, command: CommandRecord) -> None:
    """Ask in another way, or later; give up in the end."""
    failures = read.failures + 1
    silent = command.state == "timed_out"
    why = command.error or ("no answer in time" if silent else "the answer held no key")
    read = msgspec.structs.replace(read, failures=failures, command_id="", retry_at=0)
    if failures >= MAX_FAILURES:
        if purpose == WHOLE and read.found:
            _finish(draft, purpose, read, words)
        else:
            _give_up(draft, purpose, read, why, "timed_out" if silent else "error")
        return
    read = _otherwise(draft, read, words, silent)
    if read.chunk and not read.left:
        _finish(draft, purpose, read, words)
    elif silent:
        read = msgspec.structs.replace(read, retry_at=draft.now + (RETRY_MS << failures - 1))
        _put(draft, purpose, read)
        draft.wake(TIMER, purpose, read.retry_at)
    else:
        _ask(draft, purpose, read)


def _otherwise(draft: Draft, read: KeyRead, words: Words, silent: bool) -> KeyRead:
    """Return the read with the next way to ask: lists of the standard's keys, then shorter ones, then one fewer."""
    if not read.left:
        if silent and read.failures < 2:
            return read
        chunk = draft.configured.max_keys or CHUNK
        return msgspec.structs.replace(read, left=words.standard_keys, chunk=chunk)
    if silent:
        return read
    if read.chunk > 1:
        return msgspec.structs.replace(read, chunk=max(read.chunk // 4, 1))
    return msgspec.structs.replace(read, left=read.left[1:])


# ── concluding ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _finish(draft: Draft, purpose: str, read: KeyRead, words: Words) -> None:
    _drop(draft, purpose)
    if purpose != WHOLE:
        if read.found or read.unknown:
            comparing.read_back(draft, read)
        _tell(draft, purpose, read, "" if read.found or read.unknown else "the station told none of the keys")
        return
    limit = next((one.value for name, one in read.found.items() if name.lower() == words.max_keys.lower()), None)
    draft.put(
        msgspec.structs.replace(
            draft.configured,
            read_at=draft.now,
            failed_at=0,
            failure="",
            max_keys=number(limit, 1, 10_000) or 0,
        )
    )
    schedule(draft)
    comparing.took(draft, read)
    waiting.tell(draft, "accepted", f"{len(read.found)} keys", kind="read_configuration")


def _give_up(draft: Draft, purpose: str, read: KeyRead, why: str, outcome: Outcome) -> None:
    _drop(draft, purpose)
    if purpose != WHOLE:
        _tell(draft, purpose, read, why)
        return
    draft.put(msgspec.structs.replace(draft.configured, failed_at=draft.now, failure=why[:500]))
    draft.flag(UNREAD)
    draft.count("configuration_reads_total", read.trigger, "failed")
    schedule(draft)
    for hook in hooks.UNREAD:
        hook(draft, read.trigger, why)
    waiting.tell(draft, outcome, why)


def take_back(draft: Draft) -> None:
    """End a read that was begun for jobs that are gone, and whose command was not sent."""
    read = draft.configured.reads.get(WHOLE)
    if read is None or read.trigger != JOB:
        return
    if not read.command_id:
        _abandon(draft, WHOLE, read, "the job was cancelled", "cancelled")
    else:
        commands.cancel(draft, read.command_id)


def _abandon(draft: Draft, purpose: str, read: KeyRead, why: str, outcome: Outcome = "timed_out") -> None:
    """End a read that has not failed: it is due when the station is back, or in its time where it is there."""
    _drop(draft, purpose)
    if purpose != WHOLE:
        _tell(draft, purpose, read, why)
        return
    waiting.tell(draft, outcome, why)
    if draft.session.connection == "open":
        schedule(draft)
    else:
        draft.put(msgspec.structs.replace(draft.configured, next_at=draft.now))


def _tell(draft: Draft, origin: str, read: KeyRead, why: str) -> None:
    hook = hooks.KEYS.get(origin)
    if hook is not None:
        hook(draft, read.found, read.unknown, why)


def schedule(draft: Draft) -> None:
    """Set the time of the next read: a quarter sooner or later than the setting, by the station's name."""
    every = draft.policy.configuration_every_ms
    if not every:
        return
    next_at = draft.now + round(every * (0.75 + _share(draft) / 2))
    draft.put(msgspec.structs.replace(draft.configured, next_at=next_at))
    draft.wake(TIMER, SCHEDULE, next_at)


def _share(draft: Draft) -> float:
    """Return a number from 0 to 1, another for each station and time, the same for a redelivered entry."""
    return zlib.crc32(f"{draft.station_id}:{draft.origin.received_at}".encode()) / 2**32


def _put(draft: Draft, purpose: str, read: KeyRead) -> None:
    configured: Configured = draft.configured
    draft.put(msgspec.structs.replace(configured, reads={**configured.reads, purpose: read}))


def _drop(draft: Draft, purpose: str) -> None:
    configured: Configured = draft.configured
    left = {name: one for name, one in configured.reads.items() if name != purpose}
    draft.put(msgspec.structs.replace(configured, reads=left))
