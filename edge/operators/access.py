"""Who may ask: Bearer tokens, looked up by their digest and remembered for a moment."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from edge.operators.problems import REALM, ProblemError
from shared.bus.lane import Lane
from shared.clock import Clock, SystemClock
from shared.records.queries import tokens
from shared.records.tokens import Scope, Token, digest

REMEMBER_S: Final = 5.0
"""How long an answer of Redis is good: a revoked token works for so long at most."""
MAX_REMEMBERED: Final = 4096
MAX_LENGTH: Final = 512


class Access:
    """Checks tokens; an unknown one is remembered too, so that guessing costs Redis little."""

    def __init__(self, lane: Lane, clock: Clock | None = None) -> None:
        self._lane = lane
        self._clock = clock or SystemClock()
        self._known: dict[str, tuple[Token | None, float]] = {}

    async def check(self, request: web.Request, scope: Scope) -> Token:
        """Return the token of a request that covers `scope`; raises `ProblemError` 401 or 403."""
        header = request.headers.get("Authorization", "")
        scheme, _, text = header.partition(" ")
        if scheme.lower() != "bearer" or not text.strip():
            raise _unauthenticated("send a token: `Authorization: Bearer <token>`")
        token = await self._find(text.strip())
        if token is None or not token.valid(self._clock.wall_ms()):
            raise _unauthenticated("the token is unknown, revoked or expired", "invalid_token")
        if not token.allows(scope):
            raise ProblemError(
                "forbidden",
                f"this needs the scope `{scope}`, and the token has `{token.scope}`",
                headers={"WWW-Authenticate": f'{REALM}, error="insufficient_scope", scope="{scope}"'},
            )
        return token

    async def _find(self, text: str) -> Token | None:
        if len(text) > MAX_LENGTH or not text.isascii():
            return None
        key, now = digest(text), self._clock.monotonic()
        known = self._known.get(key)
        if known is not None and now < known[1]:
            return known[0]
        token = await tokens.token(self._lane, key)
        if len(self._known) >= MAX_REMEMBERED:
            self._known.clear()
        self._known[key] = (token, now + REMEMBER_S)
        return token

    def forget(self) -> None:
        """Look every token up anew: one was made or revoked here."""
        self._known.clear()


def _unauthenticated(detail: str, error: str = "") -> ProblemError:
    challenge = f'{REALM}, error="{error}"' if error else REALM
    return ProblemError("unauthenticated", detail, headers={"WWW-Authenticate": challenge})
