"""Who is told of commands in the decision that changes them, by origin or by action; `commands` calls them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from shared.records.commands import CommandRecord
from workers.store.draft import Draft

Told = Callable[[Draft, CommandRecord], None]
Keeper = Callable[[Draft, CommandRecord, Any], Any]
Filler = Callable[[Draft, CommandRecord], str | None]
Shed = Callable[[CommandRecord], str]

KEEPERS: Final[dict[str, Keeper]] = {}
"""Action -> what is kept of an answer's payload: whose answers hold secrets, handlers say."""
SHEDS: Final[dict[str, Shed]] = {}
"""Action -> what is kept of a payload once its command has ended: what would fill the history, handlers say."""
QUEUED: Final[dict[str, Told]] = {}
"""Action -> who is told of each such command when it is queued."""
DONE: Final[dict[str, Told]] = {}
"""Action -> who is told of the end of each such command, whoever wanted it; after `when_ended`."""
LATE: Final[dict[str, Told]] = {}
"""Action -> who is told of an answer to one that had ended without."""
_ended: Final[dict[str, Told]] = {}
_late: Final[dict[str, Told]] = {}
_fillers: Final[dict[str, Filler]] = {}


def when_ended(origin: str) -> Callable[[Told], Told]:
    """Register a function that is told, in the same decision, of the end of each command with this `origin`.

    Of an origin such as `job:<id>` the part before the colon counts.
    """

    def register(told: Told) -> Told:
        _ended[origin] = told
        return told

    return register


def when_late(origin: str) -> Callable[[Told], Told]:
    """Register a function that is told of an answer to a command of this `origin` that had ended without."""

    def register(told: Told) -> Told:
        _late[origin] = told
        return told

    return register


def fills(origin: str) -> Callable[[Filler], Filler]:
    """Register who gives the payload of a command of this `origin` as it goes on the wire: what no record may hold.

    None: the command is not wanted any more, and goes out as it is kept.
    """

    def register(filler: Filler) -> Filler:
        _fillers[origin] = filler
        return filler

    return register


def filled(draft: Draft, command: CommandRecord) -> str:
    """Return a command's payload as it goes on the wire."""
    filler = _fillers.get(command.origin)
    return (filler(draft, command) if filler is not None else None) or command.payload


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


def sheds(action: str) -> Callable[[Shed], Shed]:
    """Register what of the payloads of an action stays in their records once they have ended."""

    def register(shed: Shed) -> Shed:
        SHEDS[action] = shed
        return shed

    return register


def tell(whom: dict[str, Told], draft: Draft, command: CommandRecord) -> None:
    """Tell who is registered for the command's action."""
    told = whom.get(command.action)
    if told is not None:
        told(draft, command)


def tell_late(draft: Draft, command: CommandRecord) -> None:
    """Tell who wanted a command, then who is registered for its action, of an answer that came too late."""
    wanted = _late.get(command.origin)
    if wanted is not None:
        wanted(draft, command)
    tell(LATE, draft, command)


def tell_end(draft: Draft, command: CommandRecord) -> None:
    """Tell who wanted the command that it has ended, then who is registered for its action."""
    wanted = _ended.get(command.origin.partition(":")[0])
    if wanted is not None:
        wanted(draft, command)
    tell(DONE, draft, command)
