"""How stations of a version are told to fetch firmware: handlers fill `DIALECTS`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from workers.store.draft import Draft


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What a station is to fetch."""

    location: str
    retrieve_at: int
    """ms since 1970."""
    request_id: int = 0
    signature: str = ""
    signing_certificate: str = ""


Call = tuple[str, dict[str, Any]]
"""Action and payload."""


class Dialect(msgspec.Struct, frozen=True):
    """A version's words."""

    plain: Callable[[Order], Call]
    """The command without a signature."""
    signed: Callable[[Order], Call]
    """The command with one."""
    plain_profile: str
    """The feature profile that the plain command belongs to."""
    signed_keys: tuple[str, ...]
    """Configuration keys (lower case) of which a station that knows the signed command has one."""
    unknown: tuple[str, ...]
    """Beginnings of the errors of a station that does not know a command."""


DIALECTS: Final[dict[str, Dialect]] = {}
"""Subprotocol -> dialect."""


def speaks(subprotocol: str, dialect: Dialect) -> None:
    """Register the dialect of a subprotocol."""
    DIALECTS[subprotocol] = dialect


def dialect_of(draft: Draft) -> Dialect | None:
    """Return the dialect of a station; None where its version has none."""
    return DIALECTS.get(draft.session.subprotocol)
