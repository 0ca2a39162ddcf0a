"""Commits decisions: one script call each, pipelined, with four results."""

from __future__ import annotations

import enum
import itertools
import secrets
from collections.abc import Iterator, Sequence
from typing import Any, Final

import hiredis
import msgspec

from shared.bus import keys
from shared.bus.barrier import Barrier
from shared.bus.lane import Command, Lane
from shared.bus.scripts import COMMIT
from shared.records.packing import pack

from .draft import Draft
from .outbox import Outbox, decode, encode

NO_BARRIER: Final = Barrier()


def _unique_tokens() -> Iterator[bytes]:
    """Yield version tokens that no other process and no other incarnation of this one yields."""
    process = secrets.token_bytes(8)
    for number in itertools.count():
        yield process + number.to_bytes(6, "big")


_tokens: Final = _unique_tokens()


class Result(enum.IntEnum):
    """What a commit came to; the numbers are the script's."""

    COMMITTED = 1
    DUPLICATE = 2
    """Committed before; its outbox may not be emitted yet."""
    STALE = 3
    """Committed before and settled."""
    CONFLICT = 4
    """The state is another than the decision was made on: load and decide again."""


_RESULTS: Final = {int(result): result for result in Result}
"""A look here takes a tenth of the enum's own."""


class Outcome(msgspec.Struct, frozen=True):
    """A commit's result, and what it owes the world."""

    result: Result
    outbox: Outbox | None
    outbox_field: str = ""
    """The field to delete once emitted; empty where the session's next CALL overwrites it, or none was written."""
    token: bytes | None = None
    """The version token that the commit gave the state; None where it changed none."""


def changes_state(draft: Draft) -> bool:
    """Tell whether the commit must check and renew the version token."""
    return bool(draft.changed or draft.writes)


async def commit_many(lane: Lane, drafts: Sequence[Draft], barrier: Barrier = NO_BARRIER) -> list[Outcome]:
    """Commit each decision on its own, in one pipeline.

    Returns once they are durable, on replicas too where `barrier` asks. Raises `LaneLost` (nothing is known then) and
    ReplyError where Redis refuses a commit.
    """
    outcomes: list[Outcome | None] = []
    commands: list[Command] = []
    boxes: list[tuple[int, Outbox, str, bytes | None]] = []
    for place, draft in enumerate(drafts):
        outbox, token = draft.outbox(), None
        if not draft.origin.call_seq and not changes_state(draft):
            if not draft.view.station_id:
                outcomes.append(Outcome(Result.COMMITTED, outbox))
                continue
            command, field = _look(draft)
        elif draft.view.token is None and not draft.changed and draft.origin.epoch:
            outcomes.append(Outcome(Result.STALE, None))  # The station was deleted meanwhile: leave no trace of it.
            continue
        else:
            command, field, token = _command(draft, outbox)
        commands.append(command)
        boxes.append((place, outbox, field, token))
        outcomes.append(None)
    replies = await barrier.execute(lane, commands)
    for (place, outbox, field, token), reply in zip(boxes, replies, strict=True):
        if isinstance(reply, hiredis.ReplyError):
            raise reply
        outcomes[place] = _outcome(reply, outbox, field, token)
    return [outcome for outcome in outcomes if outcome is not None]


def _look(draft: Draft) -> tuple[Command, str]:
    """Return the read that stands for a commit where there is nothing to write, and the outbox field that it reads.

    Nothing is to be fenced: emitting twice changes nothing. But that nothing is left to change may be the work of this
    very entry, committed by a worker that died before it could emit: then that outcome is owed, not this one.
    """
    field = f"o:{draft.origin.entry_id}"
    return ("HGET", keys.state(draft.view.station_id), field), field


def _outcome(reply: Any, outbox: Outbox, field: str, token: bytes | None) -> Outcome:
    if reply is None:
        return Outcome(Result.COMMITTED, outbox)
    if isinstance(reply, bytes):
        return Outcome(Result.DUPLICATE, decode(reply), field)
    result = _RESULTS[reply[0]]
    if result is Result.COMMITTED:
        return Outcome(result, outbox, field, token)
    if result is Result.DUPLICATE:
        return Outcome(result, decode(reply[1]), field)
    return Outcome(result, None)


def _command(draft: Draft, outbox: Outbox) -> tuple[Command, str, bytes | None]:
    """Return the script call, the outbox field to delete after the emission, and the state's new version token."""
    origin, view = draft.origin, draft.view
    if origin.call_seq:
        fence, box, after = f"f:{origin.epoch}", f"o:{origin.epoch}", ""
        fields: list[Any] = [fence, origin.call_seq, box, encode(outbox)]
    else:
        fence, box = "", f"o:{origin.entry_id}"
        fields, after = [box, encode(outbox)], box
    state = keys.state(view.station_id)
    expected: str | bytes = ""
    token: bytes | None = None
    operations = list(draft.writes)
    if changes_state(draft):
        expected = view.token if view.token is not None else "-"
        gone = [field for field, section in draft.changed.items() if section is None]
        if gone:
            operations.append(("HDEL", state, *gone))
        if "st" in gone:
            operations.append(("HDEL", state, "v"))
        elif view.token is not None or draft.changed:  # What outlives a deleted station does not bring it back.
            token = next(_tokens)
            fields += ("v", token)
        for field, section in draft.changed.items():
            if section is not None:
                fields += (field, pack(section))
    touched, arguments = flatten(operations, state)
    head = (fence, origin.call_seq, box, expected, len(fields))
    return COMMIT.command(touched, (*head, *fields, *arguments)), after, token


def flatten(operations: Sequence[tuple[Any, ...]], first: str = "") -> tuple[list[Any], list[Any]]:
    """Return (keys, arguments) of commands as the scripts take them; `first` is a key that comes before theirs."""
    touched: dict[Any, int] = {first: 1} if first else {}
    arguments: list[Any] = []
    for name, key, *rest in operations:
        index = touched.setdefault(key, len(touched) + 1)
        arguments += (len(rest), name, index, *rest)
    return list(touched), arguments
