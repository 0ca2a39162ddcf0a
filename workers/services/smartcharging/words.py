"""How stations of a version are told of charging profiles, and asked for what comes of them: handlers fill `WORDS`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from shared.records.probes import Criteria
from shared.records.profiles import Profile, Unit
from shared.smartcharging.comparing import Reported

Message = tuple[str, dict[str, Any]]
"""Action and payload."""


class Words(msgspec.Struct, frozen=True):
    """A version's words."""

    install: Callable[[Profile], Message]
    clear: Callable[[Profile], Message]
    clear_where: Callable[[Criteria], Message]
    """All profiles that fit."""
    ask: Callable[[int, int, Unit], Message]
    """Connector, seconds, unit -> the request for the composite schedule."""
    read: Callable[[Any], Reported | None]
    """Its answer's payload, any JSON; None: the station gives none."""
    sample: Callable[[int], Message]
    """Connector -> the request for its meter values, now."""


WORDS: Final[dict[str, Words]] = {}
"""Subprotocol -> words, the oldest version first."""


def speaks(subprotocol: str, words: Words) -> None:
    """Register the words of a subprotocol."""
    WORDS[subprotocol] = words


def words_of(subprotocol: str) -> Words | None:
    """Return the words of a station's subprotocol; those of the oldest version for one that never dialled in."""
    return WORDS.get(subprotocol) if subprotocol else next(iter(WORDS.values()), None)
