"""How stations of a version are asked for their local list, and told: handlers fill `WORDS`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, Literal

import msgspec

from shared.records.commands import CommandRecord
from shared.records.transactions import TagAnswer
from workers.store.draft import Draft

Result = Literal["accepted", "failed", "mismatch", "unsupported", "lost"]
"""`lost`: nobody can tell what became of the message."""
Message = tuple[str, dict[str, Any]]
"""Action and payload."""
Entry = tuple[str, TagAnswer | None]
"""A tag as the station spells it, and what it is; None: it leaves the list."""


class Words(msgspec.Struct, frozen=True):
    """A version's words."""

    ask: Callable[[], Message]
    """What asks for the list's number."""
    number: Callable[[Any], int | None]
    """Response -> the number; -1: it has no lists; None: none that can be read."""
    send: Callable[[int, bool, Iterable[Entry]], Message]
    """Number, whether the list is replaced, entries -> the message."""
    result: Callable[[CommandRecord], Result]
    """The end of such a message -> what came of it."""
    said: Callable[[CommandRecord], str]
    """The same for people."""
    most_at_once: str
    most: str
    profile: str
    """Configuration keys that bound a message and a list, and the feature profile that lists belong to."""


WORDS: Final[dict[str, Words]] = {}
"""Subprotocol -> words."""


def speaks(subprotocol: str, words: Words) -> None:
    """Register the words of a subprotocol."""
    WORDS[subprotocol] = words


def words_of(draft: Draft) -> Words | None:
    """Return the words of a station; None where its version has none, or it was never connected."""
    return WORDS.get(draft.session.subprotocol)
