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
TokenState = Literal["valid", "retiring", "expired"]
PREFIX: Final = "amp_"
_RANK: Final[dict[str, int]] = {"read": 0, "operate": 1, "admin": 2}
_BYTES: Final = 32


class Token(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One token: field `<digest>` of `keys.TOKENS`."""

    name: str
    """Who or what holds it; stands in the audit log."""
    scope: Scope
    created_at: int
    expires_at: int = 0
    """0: never."""
    replaced_by: str = ""
    """Id of the token that a rotation made; this one is good until `expires_at`, so that its holder can change over."""
    replaces: str = ""

    def allows(self, scope: Scope) -> bool:
        """Tell whether the token covers `scope`: admin covers operate, operate covers read."""
        return _RANK[self.scope] >= _RANK[scope]

    def valid(self, now: int) -> bool:
        """Tell whether it has not expired at `now` (ms)."""
        return not self.expires_at or now < self.expires_at

    def state(self, now: int) -> TokenState:
        """Return whether it is good, on its way out, or no more."""
        if not self.valid(now):
            return "expired"
        return "retiring" if self.replaced_by else "valid"

    @property
    def lasting_admin(self) -> bool:
        """Whether it may do everything, for good: one of these must always be there."""
        return self.scope == "admin" and not self.expires_at


class TokenUse(msgspec.Struct, frozen=True, omit_defaults=True):
    """When and from where a token was used last, to the minute: field `<id>` of `keys.TOKENS_USED`."""

    at: int
    address: str = ""


def generate() -> str:
    """Return a new token."""
    return PREFIX + base64.urlsafe_b64encode(secrets.token_bytes(_BYTES)).rstrip(b"=").decode()


def digest(token: str) -> str:
    """Return what is stored of a token (hex)."""
    return hashlib.blake2b(token.encode(), digest_size=_BYTES, person=b"ampstream-token").hexdigest()


def id_of(token_digest: str) -> str:
    """Return the id under which a token is listed and revoked."""
    return token_digest[:16]
