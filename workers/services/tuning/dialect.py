"""How stations of a version are told their configuration, and what their answers mean: handlers fill `DIALECTS`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal

import msgspec

from shared.records.commands import CommandRecord
from shared.records.templates import MeterKeys
from workers.store.draft import Draft

Outcome = Literal["set", "set_after_reboot", "refused", "unknown", "lost"]
"""`unknown`: the station does not have the key. `lost`: nobody can tell what became of the command."""
Call = tuple[str, dict[str, Any]]
"""Action and payload."""


class Dialect(msgspec.Struct, frozen=True):
    """A version's words."""

    change: Callable[[str, str], Call]
    """Key and value -> the command that sets it."""
    reset: Callable[[bool], Call]
    """Whether hard -> the command that reboots the station."""
    outcome: Callable[[CommandRecord], Outcome]
    """The end of a command of `change` -> what it means."""
    word: Callable[[CommandRecord], str]
    """The end of a command -> what the station answered, for people."""
    kind: Callable[[str], str]
    """Key -> `boolean`, `integer`, `list` or `text`: how its values are compared."""
    limit_key: Callable[[str], str]
    """Key of a list -> the key that says how many items it may have."""
    meter: MeterKeys


DIALECTS: Final[dict[str, Dialect]] = {}
"""Subprotocol -> dialect."""


def speaks(subprotocol: str, dialect: Dialect) -> None:
    """Register the dialect of a subprotocol."""
    DIALECTS[subprotocol] = dialect


def dialect_of(draft: Draft) -> Dialect | None:
    """Return the dialect of a station; None where its version has none."""
    return DIALECTS.get(draft.session.subprotocol)
