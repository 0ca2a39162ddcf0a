"""A run: ask the station what it has, send what it lacks in chunks, and let it say what it has now.

    ask ──its number is the last one we know of──> send what changed since, chunk by chunk ──> verify ──> in_line
      └───any other number, another list────────> send all of it anew: the first message Full ──┘  └─other─> all anew

    send ──Failed, VersionMismatch──> all anew (section 5.15); Failed again: in smaller chunks, at last `refused`
         ──NotSupported, NotImplemented──> `unsupported`
         ──nobody knows──> ask: the number says whether the message was taken

Every message has a number of its own, greater than any before, so that a number that the station names says exactly
what it has.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from shared.records.commands import CommandRecord
from shared.records.local_lists import BEGIN, MAX_NUMBER, Head, ListRun, LocalList, version_of
from workers.services import commands
from workers.services.wakeups import wakes
from workers.store.draft import Draft
from workers.store.wants import WantListHead

from . import choosing, concluding
from .words import words_of

ORIGIN: Final = "local_list"
TIMER: Final = "local_list"
RESUME_MS: Final = 30_000
MAX_LOSSES: Final = 3
MAX_REPAIRS: Final = 2
"""So often a list is sent anew in one run because the station names another version; then it is left alone."""
change = msgspec.structs.replace


def begin(draft: Draft) -> None:
    """Begin the run that was put: with a question, unless the station answered it in this session."""
    local = draft.listed
    assert local.run is not None, "the run was put"
    if local.verified_epoch == draft.session.epoch and not local.run.full:
        _told(draft, 0 if local.empty else local.number)
    else:
        _ask(draft, "ask")


def is_under_way(draft: Draft, run: ListRun) -> bool:
    """Tell whether the run's command waits or is out, or a timer will go on with it."""
    waiting = {one.command_id for one in (*draft.commands.queue, draft.commands.outstanding) if one is not None}
    return run.command_id in waiting or (not run.command_id and 0 < run.losses < MAX_LOSSES)


@commands.when_ended(ORIGIN)
def ended(draft: Draft, command: CommandRecord) -> None:
    """Take the end of a command of ours and go on."""
    run, words = draft.listed.run, words_of(draft)
    if run is None or words is None or run.command_id != command.command_id:
        return  # A newer run has taken its place.
    result = words.result(command)
    if run.phase == "send":
        draft.count("local_list_messages_total", result)
    if result == "lost":
        _lost(draft)
    elif result == "unsupported":
        _unsupported(draft, words.said(command))
    elif run.phase != "send":
        number = words.number(command.response) if result == "accepted" else None
        if number is None:
            concluding.end(draft, "unsupported", words.said(command))
        elif run.phase == "ask":
            _told(draft, number)
        else:
            _verified(draft, number)
    elif result == "accepted":
        _taken(draft)
    else:
        _refused(draft, result, words.said(command))


@wakes(TIMER)
def woken(draft: Draft, _subject: str) -> None:
    """Go on with a run whose last command was lost; a station that is not there goes on when it is back."""
    run = draft.listed.run
    if run is None or run.command_id:
        return
    if draft.session.connection == "open":
        _go_on(draft)
    else:
        concluding.end(draft, "pending", "it left meanwhile")


# ── asking ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _ask(draft: Draft, phase: Any) -> None:
    words = words_of(draft)
    assert words is not None, "a station without words has no run"
    action, payload = words.ask()
    _sent(draft, commands.enqueue(draft, action, payload, ORIGIN), phase=phase)


def _told(draft: Draft, number: int) -> None:
    """Take the station's word for what it has, and begin to send."""
    local = draft.listed
    run = local.run
    assert run is not None, "its command has ended"
    if number < 0:
        concluding.end(draft, "unsupported", f"its list has number {number}")
        return
    if run.number and number == run.number:
        _advance(draft)  # What was lost had been taken after all.
        local, run = draft.listed, draft.listed.run or run
    head = _head(draft)
    is_known = number == local.number if number else local.empty
    why = _why_anew(draft, local, head, is_known=is_known)
    used = max(local.used, number)
    if why and not run.full:
        if local.list_id:
            draft.count("local_list_repairs_total", why)
        run = change(run, full=True, whole=True, sent=0)
    concluding.put(draft, change(local, used=used, run=change(run, losses=0)))
    _send(draft)


def _why_anew(draft: Draft, local: LocalList, head: Head | None, *, is_known: bool) -> str:
    """Return why what the station has can't be amended; empty where it can."""
    if head is None or local.list_id != head.list_id or not is_known:
        return "version"
    if local.place != choosing.site_of(draft):
        return "site"
    return "behind" if version_of(local.cursor) <= head.floor else ""


# ── sending ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _send(draft: Draft) -> None:
    """Send the next chunk, or ask for the number where there is nothing more to send."""
    local, words, head = draft.listed, words_of(draft), _head(draft)
    run = local.run
    assert run is not None, "a run is under way"
    assert words is not None, "a station without words has no run"
    if local.policy and head is None:
        concluding.end(draft, "pending", "the list is being made")
        return
    chunk = choosing.Chunk((), BEGIN, True)
    if head is not None:
        room = choosing.room_of(draft, words)
        if room.in_all and head.count > room.in_all and not run.whole:
            run = change(run, full=True, whole=True, sent=0)  # What was left out can't be amended.
            concluding.put(draft, change(local, run=run))
        chunk = choosing.choose(draft, run, head, room)
    if not chunk.entries and not run.full:
        _skipped(draft, chunk, head)
        return
    number = local.used + 1 if local.used < MAX_NUMBER else 1
    action, payload = words.send(number, run.full, chunk.entries)
    run = change(
        run,
        number=number,
        cursor=chunk.cursor,
        out=len(chunk.entries),
        last=chunk.last,
        upto=head.version if head is not None else 0,
    )
    concluding.put(draft, change(draft.listed, used=number, run=run))
    _sent(draft, commands.enqueue(draft, action, payload, ORIGIN), phase="send")


def _skipped(draft: Draft, chunk: choosing.Chunk, head: Head | None) -> None:
    """Go on where what changed is nothing to this station: it has that without a word."""
    local, run = draft.listed, draft.listed.run
    assert run is not None, "a run is under way"
    assert head is not None, "there is a list"
    concluding.put(draft, change(local, cursor=chunk.cursor, run=change(run, upto=head.version)))
    if not chunk.last:
        concluding.put(draft, change(draft.listed, run=change(run, command_id="", phase="send", losses=1)))
        draft.wake(TIMER, "", draft.now + 1)
    else:
        _ask(draft, "verify")


def _taken(draft: Draft) -> None:
    """Note that the station has taken a message, and go on."""
    run = draft.listed.run
    assert run is not None, "its command has ended"
    last = run.last
    _advance(draft)
    if last:
        _ask(draft, "verify")
    else:
        _send(draft)


def _advance(draft: Draft) -> None:
    """Let what the last message brought be what the station has."""
    local, run, head = draft.listed, draft.listed.run, _head(draft)
    assert run is not None, "a message was out"
    concluding.put(
        draft,
        change(
            local,
            list_id=head.list_id if head is not None else "",
            place=choosing.site_of(draft),
            cursor=run.cursor,
            number=run.number,
            empty=run.full and not run.out,
            run=change(run, full=False, number=0, sent=run.sent + run.out, out=0, losses=0),
        ),
    )


def _refused(draft: Draft, result: str, said: str) -> None:
    """Send all of it anew (section 5.15); where that fails too, in smaller chunks, until nothing smaller is left."""
    local, run = draft.listed, draft.listed.run
    assert run is not None, "its command has ended"
    draft.count("local_list_repairs_total", result)
    if not run.whole:
        anew = change(run, full=True, whole=True, sent=0, number=0)
        concluding.put(draft, change(local, answer=said, run=anew))
        _ask(draft, "ask") if result == "mismatch" else _send(draft)
        return
    if run.out > 1:
        anew = change(run, full=True, sent=0, number=0)
        concluding.put(draft, change(local, answer=said, chunk=max(run.out // 2, 1), run=anew))
        _send(draft)
        return
    concluding.put(draft, change(local, cursor=BEGIN, version=0, number=0, chunk=0))
    concluding.end(draft, "refused", said)


# ── verifying ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _verified(draft: Draft, number: int) -> None:
    """Hold the station's word against what it has taken."""
    local, head = draft.listed, _head(draft)
    run = local.run
    assert run is not None, "its command has ended"
    is_empty = number == 0 and ((not run.sent and run.whole) or head is None or not head.count)
    if number != local.number and not is_empty:
        _other(draft, run, number)
        return
    if not local.policy:
        _gone(draft)
        return
    if head is None:
        concluding.end(draft, "pending", "the list is being made")
        return
    version = version_of(local.cursor) - 1
    held_since = local.held_since if local.version == version and local.state == "in_line" else draft.now
    left_out = max(head.count - run.sent, 0) if run.whole and _is_full(draft, head, run.sent) else 0
    concluding.put(
        draft,
        change(
            local,
            wanted=head.version,
            version=version,
            tags=head.count if not (left_out or head.placed) else run.sent if run.whole else local.tags,
            left_out=left_out,
            empty=number == 0,
            held_since=held_since,
            verified_at=draft.now,
            verified_epoch=draft.session.epoch,
        ),
    )
    if head.version > version and not left_out:
        concluding.put(draft, change(draft.listed, run=ListRun(began_at=run.began_at)))
        _send(draft)  # It has changed meanwhile.
        return
    concluding.end(draft, "partial" if left_out else "in_line")


def _other(draft: Draft, run: ListRun, number: int) -> None:
    local = draft.listed
    if number < 0 or run.repairs >= MAX_REPAIRS:
        concluding.end(draft, "unsupported" if number < 0 else "differs", f"its list has number {number}")
        return
    draft.count("local_list_repairs_total", "version")
    anew = change(run, full=True, whole=True, sent=0, number=0, repairs=run.repairs + 1)
    concluding.put(draft, change(local, used=max(local.used, number), run=anew))
    _send(draft)


def _gone(draft: Draft) -> None:
    """Forget the list of a station that holds none any more."""
    local = draft.listed
    concluding.put(draft, LocalList(used=local.used, jobs=local.jobs, run=local.run))
    concluding.end(draft, "none")


def _is_full(draft: Draft, head: Head, sent: int) -> bool:
    """Tell whether a station that was sent so many tags has no room for the rest; those of other sites need none."""
    words = words_of(draft)
    room = choosing.room_of(draft, words) if words is not None else None
    return room is not None and 0 < room.in_all < head.count and sent >= room.in_all


# ── what went wrong ──────────────────────────────────────────────────────────────────────────────────────────────────


def _unsupported(draft: Draft, said: str) -> None:
    """End the run; where templates are being set, one may just switch lists on: then it is tried once more."""
    run = draft.listed.run
    assert run is not None, "its command has ended"
    if draft.tuned.run is not None and run.losses < MAX_LOSSES - 1:
        _later(draft, run)
    else:
        concluding.end(draft, "unsupported", said)


def _lost(draft: Draft) -> None:
    run = draft.listed.run
    assert run is not None, "its command has ended"
    if run.losses + 1 < MAX_LOSSES:
        _later(draft, run)
    else:
        concluding.end(draft, "pending", "no answer")


def _later(draft: Draft, run: ListRun) -> None:
    """Ask again in a while: the number tells what became of what was sent."""
    losses = run.losses + 1
    concluding.put(draft, change(draft.listed, run=change(run, command_id="", phase="ask", losses=losses)))
    draft.wake(TIMER, "", draft.now + RESUME_MS * losses)


def _go_on(draft: Draft) -> None:
    run = draft.listed.run
    assert run is not None, "the timer is a run's"
    if run.phase == "send":
        _send(draft)
    else:
        _ask(draft, "ask")


def _sent(draft: Draft, command_id: str, *, phase: Any) -> None:
    local = draft.listed
    assert local.run is not None, "a run is under way"
    since = local.since if local.state == "pending" else draft.now
    run = change(local.run, command_id=command_id, phase=phase)
    concluding.put(draft, change(local, state="pending", since=since, run=run))


def _head(draft: Draft) -> Head | None:
    """Return the wanted list's head; None where no list is wanted, or it is not made yet."""
    local = draft.listed
    found: Head | None = draft.get(WantListHead(local.policy)) if local.policy else None
    return found
