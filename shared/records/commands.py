"""Commands to stations: one durable record each, one outstanding per station."""

from __future__ import annotations

from typing import Any, Literal

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


class Commands(msgspec.Struct, frozen=True, omit_defaults=True):
    """Section `cm`."""

    queue: tuple[Queued, ...] = ()
    outstanding: Outstanding | None = None
