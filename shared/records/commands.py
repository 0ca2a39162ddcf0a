"""Commands to stations: one durable record each, one outstanding per station. Their ids are of UUID version 7."""

from __future__ import annotations

import hashlib
import uuid
from typing import Any, Final, Literal

import msgspec

CommandState = Literal["queued", "sent", "accepted", "rejected", "error", "timed_out", "expired", "cancelled"]
TERMINAL: frozenset[str] = frozenset({"accepted", "rejected", "error", "timed_out", "expired", "cancelled"})


class CommandRecord(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One CALL to a station; `command_id` is its message id, so that late answers find it."""

    command_id: str
    station_id: str
    action: str
    payload: str = "{}"
    """JSON text as it goes on the wire."""
    state: CommandState = "queued"
    created_at: int = 0
    sent_at: int = 0
    ended_at: int = 0
    expires_at: int = 0
    epoch: int = 0
    response: Any = None
    error: str = ""
    late_response: Any = None
    origin: str = ""
    """Who wanted it: `operator`, `reconciliation`, ..."""
    trace: str = ""
    """Context of what asked for it, where that is followed (`shared.tracing`)."""


class Queued(msgspec.Struct, frozen=True, omit_defaults=True):
    """A queued or outstanding command as the station's state knows it."""

    command_id: str
    action: str
    expires_at: int = 0
    trigger: str = ""
    """For TriggerMessage: the requested message (what is permitted depends on it)."""


class Outstanding(msgspec.Struct, frozen=True, omit_defaults=True):
    """The command that was handed to the session `epoch` and is not yet answered."""

    command_id: str
    action: str
    epoch: int
    sent_at: int
    deadline_at: int


class Watch(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an accepted remote start or stop promises: a transaction's start, or the end of `transaction_id`."""

    command_id: str = ""
    due_at: int = 0
    id_tag: str = ""
    connector_id: int = 0
    """0: any."""
    transaction_id: int = 0


class Commands(msgspec.Struct, frozen=True, omit_defaults=True):
    """Section `cm`."""

    queue: tuple[Queued, ...] = ()
    outstanding: Outstanding | None = None
    watches: tuple[Watch, ...] = ()


_TIME_BITS: Final = 48
_REST_BITS: Final = 80


def make_id(at: int, source: str) -> str:
    """Return the id of a command made at `at` (ms): a UUID of version 7, equal for one source (RFC 9562 §5.7)."""
    rest = int.from_bytes(hashlib.blake2b(source.encode(), digest_size=_REST_BITS // 8).digest(), "big")
    value = (at & (1 << _TIME_BITS) - 1) << _REST_BITS | rest
    value = value & ~(0xF << 76) | 0x7 << 76  # version
    value = value & ~(0x3 << 62) | 0x2 << 62  # variant
    return str(uuid.UUID(int=value))


def made_at(command_id: str) -> int:
    """Return when a command was made (ms), as its id tells; 0 for an id of another form."""
    try:
        found = uuid.UUID(command_id)
    except ValueError:
        return 0
    return found.int >> _REST_BITS if found.version == 7 else 0
