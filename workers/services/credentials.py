"""The key that a station logs in with, changed without ever locking it out (OCPP 1.6 security white paper, A01).

    rotate ──> sending ──taken──> taken ──came with it──> done
                 │  ^  │            └──booted, and came with the old one──> sending, again
                 │  │  └──refused──> refused: the old key alone counts
                 │  └──again, unchanged: after RETRY_MS, at its next connect, or when asked for
                 └──no answer──> unknown ──came with it──> done

The new key's hash is at the door in the commit that queues the command, so before the station can have been told. From
then on either key opens until the station has come with the new one, whatever dies in between. A key whose fate is not
known is never replaced by a third one: it is sent again. So the white paper's rule to forget the old key upon the
answer (A01.FR.03) is kept a connect later, when the station has shown that it has the new one.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from shared.bus import keys
from shared.credentials import mark
from shared.envelopes import Close
from shared.records.commands import CommandRecord
from shared.records.credentials import OPEN, ORIGIN, Rotation, RotationState
from shared.records.events import KeyRotation
from shared.records.jobs import Outcome
from shared.records.requests import LeaveJob, RotateKey
from workers.store.draft import Draft

from . import bulk, commands, reports
from .command_hooks import fills
from .refusals import Refused
from .tuning.dialect import DIALECTS
from .tuning.dialect import Outcome as Answered
from .wakeups import wakes

KEY: Final = "AuthorizationKey"
TIMER: Final = "key_rotation"
GRACE_TIMER: Final = "key_rotation_grace"
RETRY_MS: Final = 60_000
"""A key whose fate is not known is sent again after so long, where the station is still there."""
MAX_SENT: Final = 5
"""After so many times without an answer it waits until somebody asks for it, both keys counting."""
GRACE_MS: Final = 15_000
"""A station that took its key and stays connected is sent away after so long, so that it comes with it."""
GO_AWAY: Final = 1012
MASKED: Final = "***"
BY_CERTIFICATE: Final = 3
"""Security profile."""
_WORDS: Final[dict[RotationState, tuple[Outcome, str]]] = {
    "done": ("accepted", ""),
    "refused": ("rejected", "the station refused it"),
    "unknown": ("timed_out", "no answer; both keys count until it is rotated again"),
}
"""State -> what it is for a job."""


# ── what is asked ────────────────────────────────────────────────────────────────────────────────────────────────────


def rotate(draft: Draft, request: RotateKey) -> dict[str, Any]:
    """Give the station a new key, or send one again that it may not have; 409 where one is on its way."""
    if refusal := _why_not(draft):
        raise Refused(*refusal)
    _begin(draft, request)
    rotation = draft.credentials.rotation
    assert rotation is not None, "it has just begun"
    return {"station_id": draft.station_id, "state": rotation.state, "command_id": rotation.command_id}


def join(draft: Draft, request: RotateKey) -> bool:
    """Do the same for a job, which is told of the end; one that is under way is as good."""
    rotation = draft.credentials.rotation
    if rotation is not None and rotation.state in OPEN and rotation.state != "unknown":
        if request.job in rotation.jobs:
            return False
        _put(draft, rotation, jobs=(*rotation.jobs, request.job))
        return True
    if refusal := _why_not(draft):
        bulk.report(draft, request.job, "refused", detail=refusal[1])
        return False
    _begin(draft, request)
    return True


def leave(draft: Draft, request: LeaveJob) -> bool:
    """Let a job have no part any more; the key goes its way all the same. False where it had none."""
    rotation = draft.credentials.rotation
    if rotation is None or request.job not in rotation.jobs:
        return False
    _put(draft, rotation, jobs=tuple(one for one in rotation.jobs if one != request.job))
    bulk.report(draft, request.job, "cancelled")
    return True


def forget(draft: Draft, why: str) -> None:
    """Drop a rotation: somebody set another key, or the station is deleted."""
    rotation = draft.credentials.rotation
    if rotation is None or rotation.state not in OPEN:
        return
    _settle(draft, "refused", why)
    commands.cancel(draft, rotation.command_id)


def _why_not(draft: Draft) -> tuple[int, str] | None:
    if draft.station is None:
        return 404, "no such station"
    rotation = draft.credentials.rotation
    if rotation is not None and rotation.state in OPEN:
        if rotation.state == "taken":
            wanted = ": it must be rebooted (Reset)" if rotation.needs_reboot else ""
            return 409, f"the station has taken a new key, and has not come with it yet{wanted}"
        if rotation.state == "sending":
            return 409, "a new key is on its way"
    if draft.session.security_profile >= BY_CERTIFICATE:
        return 409, "the station proves itself by a certificate, and uses no key"
    if draft.session.subprotocol and draft.session.subprotocol not in DIALECTS:
        return 409, "stations of this version can't be given a key"
    return None


def _begin(draft: Draft, request: RotateKey) -> None:
    jobs = (request.job,) if request.job else ()
    before = draft.credentials.rotation
    if before is not None and before.state == "unknown":
        # Not from 0: an earlier command may have brought it the key, whatever becomes of those to come.
        _put(draft, before, jobs=(*before.jobs, *jobs), sent=1)
    else:
        rotation = Rotation(
            state="sending",
            began_at=draft.now,
            changed_at=draft.now,
            by=request.by,
            key=request.key,
            key_hash=request.key_hash,
            jobs=jobs,
        )
        draft.put(msgspec.structs.replace(draft.credentials, rotation=rotation))
        draft.write("HSET", keys.door(draft.station_id), "pending_key", request.key_hash)
    _send(draft)


def _send(draft: Draft) -> None:
    """Queue the command, without the key: that goes in when it is sent."""
    rotation = draft.credentials.rotation
    assert rotation is not None, "there is something to send"
    dialect = DIALECTS.get(draft.session.subprotocol) or next(iter(DIALECTS.values()))
    action, payload = dialect.change(KEY, MASKED)
    command_id = commands.enqueue(draft, action, payload, ORIGIN)
    _put(draft, rotation, state="sending", command_id=command_id, sent=rotation.sent + 1)
    _announce(draft)


@fills(ORIGIN)
def _fill(draft: Draft, command: CommandRecord) -> str | None:
    """Return the payload as it goes on the wire; None where the key is not wanted any more."""
    rotation = draft.credentials.rotation
    if rotation is None or not rotation.key or rotation.command_id != command.command_id:
        return None
    dialect = DIALECTS.get(draft.session.subprotocol)
    if dialect is None:
        return None
    return msgspec.json.encode(dialect.change(KEY, rotation.key)[1]).decode()


# ── what comes of it ─────────────────────────────────────────────────────────────────────────────────────────────────


@commands.when_ended(ORIGIN)
def ended(draft: Draft, command: CommandRecord) -> None:
    """Take in how the command ended; silence is no refusal."""
    rotation = draft.credentials.rotation
    if rotation is None or rotation.command_id != command.command_id or rotation.state != "sending":
        return
    _answered(draft, command)


@commands.when_late(ORIGIN)
def late(draft: Draft, command: CommandRecord) -> None:
    """Take in an answer that came after the command had been given up."""
    rotation = draft.credentials.rotation
    if rotation is None or rotation.command_id != command.command_id or rotation.state != "unknown":
        return
    told = command.late_response if isinstance(command.late_response, dict) else {}
    failed = str(told.get("error", ""))
    as_answered = msgspec.structs.replace(command, response=told, error=failed, state="error" if failed else "accepted")
    _answered(draft, as_answered)


def _answered(draft: Draft, command: CommandRecord) -> None:
    rotation, dialect = draft.credentials.rotation, DIALECTS.get(draft.session.subprotocol)
    assert rotation is not None, "its command ended"
    outcome: Answered = dialect.outcome(command) if dialect is not None else "lost"
    if command.state in ("expired", "cancelled"):
        # It never left, unless an earlier one did.
        if rotation.sent <= 1:
            _settle(draft, "refused", command.error or command.state)
        else:
            _doubt(draft)
    elif outcome == "lost":
        _doubt(draft)
    elif outcome in ("set", "set_after_reboot"):
        word = dialect.word(command) if dialect is not None else ""
        _put(draft, rotation, state="taken", answer=word, needs_reboot=outcome != "set")
        _announce(draft)
        if outcome == "set":
            draft.wake(GRACE_TIMER, str(rotation.began_at), draft.now + GRACE_MS)
    else:
        _refused(draft, dialect.word(command) if dialect is not None else command.error)


def _refused(draft: Draft, word: str) -> None:
    """Let the old key alone count, unless an earlier command went unanswered: it may have brought the new one."""
    rotation = draft.credentials.rotation
    assert rotation is not None, "its command was answered"
    if rotation.sent <= 1:
        _settle(draft, "refused", word)
        return
    _put(draft, rotation, state="unknown", answer=word[:200])
    _announce(draft)
    _tell_jobs(draft)


def _doubt(draft: Draft) -> None:
    """Nobody knows whether the station has the key: both count, and it is sent again."""
    rotation = draft.credentials.rotation
    assert rotation is not None, "its command was lost"
    _put(draft, rotation, state="unknown")
    if rotation.sent >= MAX_SENT:
        _tell_jobs(draft)
    else:
        draft.wake(TIMER, str(rotation.began_at), draft.now + RETRY_MS)
    _announce(draft)


@wakes(TIMER)
def _again(draft: Draft, subject: str) -> None:
    """Send a key again whose fate is not known."""
    rotation = draft.credentials.rotation
    if rotation is None or str(rotation.began_at) != subject:
        return
    if rotation.state == "unknown" and rotation.sent < MAX_SENT:
        _send(draft)


@wakes(GRACE_TIMER)
def _fetch(draft: Draft, subject: str) -> None:
    """Let a station go that took its key and has not come with it."""
    rotation, session = draft.credentials.rotation, draft.session
    if rotation is None or str(rotation.began_at) != subject or rotation.state != "taken":
        return
    if session.connection == "open" and session.opened_at < rotation.changed_at:
        draft.deliver(session.node, Close(draft.station_id, session.epoch, GO_AWAY, "key_changed"))


def came(draft: Draft, proof: str) -> None:
    """Take in which key a session was opened with: the new one ends the rotation, and the old one counts no more."""
    rotation = draft.credentials.rotation
    if rotation is None or not proof or rotation.state not in OPEN:
        return
    if mark(rotation.key_hash) != proof:
        if rotation.state == "unknown" and rotation.sent < MAX_SENT:
            _send(draft)  # It has not taken it, or not yet: the same one again.
        return
    door = keys.door(draft.station_id)
    draft.write("HSET", door, "key", rotation.key_hash)
    draft.write("HDEL", door, "pending_key")
    _put(draft, draft.credentials.rotation, state="done", key="")
    draft.put(msgspec.structs.replace(draft.credentials, rotated_at=draft.now))
    draft.count("key_rotations_total", "done")
    reports.noticed(draft, "StationKeyChanged", "it has come with its new key")
    _announce(draft)
    _tell_jobs(draft)
    commands.cancel(draft, rotation.command_id)  # It has the key: nothing needs to be sent again.


def booted(draft: Draft) -> None:
    """Send a key again that the station took and did not come with, though it has booted since."""
    rotation = draft.credentials.rotation
    if rotation is None or rotation.state != "taken" or draft.session.opened_at <= rotation.changed_at:
        return
    if rotation.key and rotation.sent < MAX_SENT:
        _send(draft)
    else:
        _put(draft, rotation, state="unknown")
        _announce(draft)
        _tell_jobs(draft)


def _settle(draft: Draft, state: RotationState, answer: str) -> None:
    """The station keeps its old key."""
    rotation = draft.credentials.rotation
    _put(draft, rotation, state=state, key="", answer=answer[:200])
    draft.write("HDEL", keys.door(draft.station_id), "pending_key")
    draft.count("key_rotations_total", "refused")
    _announce(draft)
    _tell_jobs(draft)


def _tell_jobs(draft: Draft) -> None:
    rotation = draft.credentials.rotation
    assert rotation is not None, "it has an end"
    outcome, detail = _WORDS[rotation.state]
    for job in rotation.jobs:
        bulk.report(draft, job, outcome, rotation.command_id, rotation.answer or detail)
    _put(draft, rotation, jobs=())


def _put(draft: Draft, rotation: Rotation | None, **changes: Any) -> None:
    assert rotation is not None, "it is changed, not made"
    changed_at = draft.now if "state" in changes else rotation.changed_at
    changed = msgspec.structs.replace(rotation, changed_at=changed_at, **changes)
    draft.put(msgspec.structs.replace(draft.credentials, rotation=changed))


def _announce(draft: Draft) -> None:
    rotation = draft.credentials.rotation
    assert rotation is not None, "it changed"
    draft.emit(KeyRotation(station_id=draft.station_id, at=draft.now, state=rotation.state, answer=rotation.answer))
