"""Operators' tokens as operators see them."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from edge.operators.access import Caller
from edge.operators.times import Instant, instant, iso
from shared.records.tokens import Scope, Token, TokenState, TokenUse


class TokenInfo(msgspec.Struct, frozen=True, kw_only=True):
    """An operator's token, without its text."""

    id: str
    name: str
    scope: Scope
    """`operate` covers `read`, `admin` covers both."""
    state: TokenState
    """`retiring`: a rotation has replaced it, and it is good until it expires."""
    created_at: Instant
    expires_at: Instant | None
    last_used_at: Instant | None
    """To the minute."""
    last_used_from: str | None
    replaced_by: str | None
    """Id of the token that a rotation made."""
    replaces: str | None

    @classmethod
    def of(cls, token_id: str, record: Token, now: int, use: TokenUse | None = None) -> TokenInfo:
        """Show a record at `now` (ms)."""
        return cls(**fields(token_id, record, now, use))


class NewToken(TokenInfo, frozen=True, kw_only=True):
    """A token that was just made; its text is shown this once."""

    token: str


class RotatedToken(NewToken, frozen=True, kw_only=True):
    """A token that takes another's place, and until when that one is good."""

    old_expires_at: Instant


class Me(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks."""

    kind: Literal["token", "person"]
    id: str
    name: str
    scope: Scope
    expires_at: Instant | None

    @classmethod
    def of(cls, caller: Caller) -> Me:
        """Show a caller."""
        return cls(
            kind="person" if caller.actor.kind == "person" else "token",
            id=caller.actor.id,
            name=caller.actor.name,
            scope=caller.token.scope,
            expires_at=iso(caller.token.expires_at),
        )


def fields(token_id: str, record: Token, now: int, use: TokenUse | None = None) -> dict[str, Any]:
    """Return the fields of a `TokenInfo`."""
    return {
        "id": token_id,
        "name": record.name,
        "scope": record.scope,
        "state": record.state(now),
        "created_at": instant(record.created_at),
        "expires_at": iso(record.expires_at),
        "last_used_at": iso(use.at) if use else None,
        "last_used_from": (use.address or None) if use else None,
        "replaced_by": record.replaced_by or None,
        "replaces": record.replaces or None,
    }
