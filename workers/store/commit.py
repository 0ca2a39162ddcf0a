"""Commits decisions: each on its own, many by one script call, with four results."""

from __future__ import annotations

import enum
import itertools
import secrets
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from shared.bus import keys
from shared.bus.barrier import Barrier
from shared.bus.lane import Command, Lane, sound
from shared.bus.scripts import COMMIT
from shared.records.packing import pack

from .draft import Draft
from .outbox import Outbox, decode, encode

NO_BARRIER: Final = Barrier()
MOST_A_CALL: Final = 64
"""Decisions that one call commits: Redis serves nobody else meanwhile, about 15 us each."""


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
    """Committed before; its outbox, which the script returns, may not be emitted yet."""
    STALE = 3
    """Committed before and settled."""
    CONFLICT = 4
    """The state is another than the decision was made on: load and decide again."""


_COMMITTED: Final = int(Result.COMMITTED)
_Part = tuple[list[Any], list[Any]]
"""Keys and arguments of one decision, as the script takes them."""
_Asked = tuple[int, "Outbox", str, "bytes | None"]
"""Place among the drafts, outbox, its field, the new version token."""


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
    """Commit each decision on its own, all in one pipeline.

    Returns once they are durable, on replicas too where `barrier` asks. Raises `LaneLost` (nothing is known then) and
    ReplyError where Redis refuses a commit.
    """
    outcomes: list[Outcome | None] = [None] * len(drafts)
    looks: list[Command] = []
    looking: list[_Asked] = []
    writing: list[_Asked] = []
    parts: list[_Part] = []
    for place, draft in enumerate(drafts):
        outbox = draft.outbox()
        if not draft.origin.call_seq and not changes_state(draft):
            if not draft.view.station_id:
                outcomes[place] = Outcome(Result.COMMITTED, outbox)
                continue
            command, field = _look(draft)
            looks.append(command)
            looking.append((place, outbox, field, None))
        elif draft.view.token is None and not draft.changed and draft.origin.epoch:
            outcomes[place] = Outcome(Result.STALE, None)  # The station was deleted meanwhile: leave no trace of it.
        else:
            touched, arguments, field, token = _written(draft, outbox)
            parts.append((touched, arguments))
            writing.append((place, outbox, field, token))
    calls = [_call(parts[begin : begin + MOST_A_CALL]) for begin in range(0, len(parts), MOST_A_CALL)]
    replies = [sound(reply) for reply in await barrier.execute(lane, looks + calls)]
    found = itertools.chain(replies[: len(looks)], *replies[len(looks) :])
    for (place, outbox, field, token), reply in zip(looking + writing, found, strict=True):
        outcomes[place] = _outcome(sound(reply), outbox, field, token)
    return [outcome for outcome in outcomes if outcome is not None]


def _call(parts: Sequence[_Part]) -> Command:
    """Return one call of the script for many decisions."""
    touched: list[Any] = []
    arguments: list[Any] = []
    for its_keys, its_arguments in parts:
        touched += its_keys
        arguments += (len(its_keys), len(its_arguments), *its_arguments)
    return COMMIT.command(touched, arguments)


def _look(draft: Draft) -> tuple[Command, str]:
    """Return the read that stands for a commit where there is nothing to write, and the outbox field that it reads.

    Nothing is to be fenced: emitting twice changes nothing. But that nothing is left to change may be the work of this
    very entry, committed by a worker that died before it could emit: then that outcome is owed, not this one.
    """
    field = f"o:{draft.origin.entry_id}"
    return ("HGET", keys.state(draft.view.station_id), field), field


def _outcome(reply: Any, outbox: Outbox, field: str, token: bytes | None) -> Outcome:
    if reply == _COMMITTED:
        return Outcome(Result.COMMITTED, outbox, field, token)
    if reply is None:  # A look that found nothing.
        return Outcome(Result.COMMITTED, outbox)
    if isinstance(reply, bytes):
        return Outcome(Result.DUPLICATE, decode(reply), field)
    return Outcome(Result(reply), None)


def _written(draft: Draft, outbox: Outbox) -> tuple[list[Any], list[Any], str, bytes | None]:
    """Return keys and arguments for the script, the outbox field to delete once emitted, and the new version token."""
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
    return touched, [fence, origin.call_seq, box, expected, len(fields), *fields, *arguments], after, token


def flatten(operations: Sequence[tuple[Any, ...]], first: str = "") -> tuple[list[Any], list[Any]]:
    """Return (keys, arguments) of commands as the scripts take them; `first` is a key that comes before theirs."""
    touched: dict[Any, int] = {first: 1} if first else {}
    arguments: list[Any] = []
    for name, key, *rest in operations:
        index = touched.setdefault(key, len(touched) + 1)
        arguments += (len(rest), name, index, *rest)
    return list(touched), arguments
