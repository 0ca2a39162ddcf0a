"""Operators' tokens: what a Bearer token may do. Only its digest is stored; the token itself is shown once.

A token is `amp_` and 256 random bits, so a fast digest is enough: there is nothing to guess.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import Final, Literal

import msgspec

Scope = Literal["read", "operate", "admin"]
PREFIX: Final = "amp_"
_RANK: Final[dict[str, int]] = {"read": 0, "operate": 1, "admin": 2}
_BYTES: Final = 32


class Token(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One token: field `<digest>` of `keys.TOKENS`."""

    name: str
    """Who or what holds it; stands in the audit trail."""
    scope: Scope
    created_at: int
    expires_at: int = 0
    """0: never."""

    def allows(self, scope: Scope) -> bool:
        """Tell whether the token covers `scope`: admin covers operate, operate covers read."""
        return _RANK[self.scope] >= _RANK[scope]

    def valid(self, now: int) -> bool:
        """Tell whether it has not expired at `now` (ms)."""
        return not self.expires_at or now < self.expires_at


def generate() -> str:
    """Return a new token."""
    return PREFIX + base64.urlsafe_b64encode(secrets.token_bytes(_BYTES)).rstrip(b"=").decode()


def digest(token: str) -> str:
    """Return what is stored of a token (hex)."""
    return hashlib.blake2b(token.encode(), digest_size=_BYTES, person=b"ampstream-token").hexdigest()


def id_of(token_digest: str) -> str:
    """Return the id under which a token is listed and revoked."""
    return token_digest[:16]
