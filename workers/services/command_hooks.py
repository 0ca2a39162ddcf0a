"""Who is told of commands in the decision that changes them, by origin or by action; `commands` calls them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from shared.records.commands import CommandRecord
from workers.store.draft import Draft

Told = Callable[[Draft, CommandRecord], None]
Keeper = Callable[[Draft, CommandRecord, Any], Any]

KEEPERS: Final[dict[str, Keeper]] = {}
"""Action -> what is kept of an answer's payload: whose answers hold secrets, handlers say."""
QUEUED: Final[dict[str, Told]] = {}
"""Action -> who is told of each such command when it is queued."""
DONE: Final[dict[str, Told]] = {}
"""Action -> who is told of the end of each such command, whoever wanted it; after `when_ended`."""
LATE: Final[dict[str, Told]] = {}
"""Action -> who is told of an answer to one that had ended without."""
_ended: Final[dict[str, Told]] = {}


def when_ended(origin: str) -> Callable[[Told], Told]:
    """Register a function that is told, in the same decision, of the end of each command with this `origin`.

    Of an origin such as `job:<id>` the part before the colon counts.
    """

    def register(told: Told) -> Told:
        _ended[origin] = told
        return told

    return register


def when_done(action: str) -> Callable[[Told], Told]:
    """Register a function that is told of the end of each command of this action."""

    def register(told: Told) -> Told:
        DONE[action] = told
        return told

    return register


def keeps(action: str) -> Callable[[Keeper], Keeper]:
    """Register what of the answers to an action goes into their records."""

    def register(keeper: Keeper) -> Keeper:
        KEEPERS[action] = keeper
        return keeper

    return register


def tell(whom: dict[str, Told], draft: Draft, command: CommandRecord) -> None:
    """Tell who is registered for the command's action."""
    told = whom.get(command.action)
    if told is not None:
        told(draft, command)


def tell_end(draft: Draft, command: CommandRecord) -> None:
    """Tell who wanted the command that it has ended, then who is registered for its action."""
    wanted = _ended.get(command.origin.partition(":")[0])
    if wanted is not None:
        wanted(draft, command)
    tell(DONE, draft, command)
