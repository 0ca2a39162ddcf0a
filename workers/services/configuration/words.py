"""How stations of a version are asked for their configuration, and what their answers mean: handlers fill `WORDS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from shared.records.configuration import KeyValue
from shared.records.models import Capabilities


class Answer(msgspec.Struct, frozen=True):
    """What a station answered, coerced; `oddities` name what was not as the standard has it."""

    keys: dict[str, KeyValue] = {}
    unknown: tuple[str, ...] = ()
    oddities: tuple[str, ...] = ()


class Words(msgspec.Struct, frozen=True):
    """A version's words."""

    action: str
    payload: Callable[[Sequence[str]], dict[str, Any]]
    """Keys to ask for, none for all -> the payload."""
    read: Callable[[Any], Answer | None]
    """The answer's payload, any JSON -> what it says; None: nothing that can be understood."""
    capabilities: Callable[[Mapping[str, KeyValue]], Capabilities]
    """The keys -> what they say that the station can do."""
    max_keys: str
    """The key that says how many keys may be asked for at once."""
    standard_keys: tuple[str, ...]
    """What a station is asked for that does not tell everything at once."""


WORDS: Final[dict[str, Words]] = {}
"""Subprotocol -> words."""


def speaks(subprotocol: str, words: Words) -> None:
    """Register the words of a subprotocol."""
    WORDS[subprotocol] = words
