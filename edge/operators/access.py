"""Who may ask: Bearer tokens, our own by their digest or a person's by the issuer's signature, remembered for a moment.

missing, malformed, unknown, expired   401, counted; too many from one address in a minute: 429
the scope does not cover it            403
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from aiohttp import web

from edge.operators.auth_throttle import Throttle
from edge.operators.problems import REALM, ProblemError
from edge.operators.times import instant
from edge.stations import origin
from shared import metrics
from shared.bus.lane import Lane
from shared.clock import Clock, SystemClock
from shared.logs import get_logger
from shared.records.audit import Actor
from shared.records.queries import tokens
from shared.records.tokens import PREFIX, Scope, Token, TokenUse, digest, id_of
from shared.settings import Settings, networks

if TYPE_CHECKING:
    from edge.operators.oidc import Issuer
    from edge.security import SecurityLog

REMEMBER_S: Final = 5.0
"""How long an answer of Redis is good: a revoked token works for so long at most."""
MAX_REMEMBERED: Final = 4096
MAX_LENGTH: Final = 8192
"""Of an issuer's token; ours have 47 characters."""
JWT_DOTS: Final = 2
USE_MS: Final = 60_000
"""A token's last use is written so often at most."""

_log = get_logger("operators")


class Caller(msgspec.Struct, frozen=True):
    """Who asks, and what they may."""

    actor: Actor
    token: Token


class _Known(msgspec.Struct):
    """What is remembered of a token; without a caller it is refused."""

    until: float
    caller: Caller | None = None
    reason: str = "unknown"
    detail: str = "the token is unknown or revoked"
    used_at: int = 0


class Access:
    """Checks tokens; an unknown one is remembered too, so that guessing costs Redis little."""

    def __init__(
        self,
        lane: Lane,
        settings: Settings,
        clock: Clock | None = None,
        issuer: Issuer | None = None,
        security: SecurityLog | None = None,
    ) -> None:
        self._lane = lane
        self._clock = clock or SystemClock()
        self._trusted = networks(settings.trusted_proxies)
        self._throttle = Throttle(settings.operator_auth_failures)
        self._issuer = issuer
        self._security = security
        self._known: dict[str, _Known] = {}
        self._ahead_ms = self._clock.wall_ms() - self._clock.monotonic() * 1000
        """Redis's time minus our monotonic clock; this machine's own time until the first look."""

    def address_of(self, request: web.Request) -> str:
        """Return where a request is from: behind a trusted proxy, the address that it tells."""
        return origin.address_of(request.remote or "", request.headers, self._trusted)

    async def check(self, request: web.Request, scope: Scope) -> Caller:
        """Return who sends a request, who may do what needs `scope`; raises `ProblemError` 401, 403 or 429."""
        caller = await self.identify(request)
        self.allow(caller, scope)
        return caller

    def allow(self, caller: Caller, scope: Scope) -> None:
        """Raise `ProblemError` 403 where the caller may not do what needs `scope`."""
        if not caller.token.allows(scope):
            raise ProblemError(
                "forbidden",
                f"this needs the scope `{scope}`, and the token has `{caller.token.scope}`",
                headers={"WWW-Authenticate": f'{REALM}, error="insufficient_scope", scope="{scope}"'},
            )

    async def identify(self, request: web.Request) -> Caller:
        """Return who sends a request; raises `ProblemError` 401 or 429."""
        header = request.headers.get("Authorization", "")
        scheme, _, text = header.partition(" ")
        text = text.strip()
        if scheme.lower() != "bearer" or not text:
            metrics.OPERATOR_AUTH_FAILURES.labels("missing").inc()
            raise _unauthenticated("send a token: `Authorization: Bearer <token>`")
        address, now = self.address_of(request), self._clock.monotonic()
        key = digest(text) if text.isascii() and len(text) <= MAX_LENGTH else ""
        known = self._known.get(key)
        fresh = known is None or now >= known.until
        if known is None or fresh:
            # Who was let in before is looked at again whatever others at the address do: see `Throttle`.
            if known is None or known.caller is None:
                self._check_attempts(address, now)
            known = await self._look(text, key, now)
        caller, wall = known.caller, int(now * 1000 + self._ahead_ms)
        if caller is not None and caller.token.valid(wall):
            await self._note_use(known, caller, wall, address)
            return caller
        if caller is not None:
            known.reason, known.detail = "expired", f"the token expired at {instant(caller.token.expires_at)}"
        metrics.OPERATOR_AUTH_FAILURES.labels(known.reason).inc()
        # A client that repeats one bad token costs nothing, and must not shut out others at its address.
        if fresh:
            self._count(address, now)
        raise _unauthenticated(known.detail, "invalid_token")

    def _check_attempts(self, address: str, now: float) -> None:
        if wait_s := self._throttle.wait_s(address, now):
            metrics.OPERATOR_AUTH_FAILURES.labels("throttled").inc()
            raise ProblemError(
                "rate_limited",
                "too many logins from this address failed",
                headers={"Retry-After": str(wait_s)},
            )

    def _count(self, address: str, now: float) -> None:
        if self._throttle.failed(address, now):
            _log.warning("too many logins of operators failed", address=address)
            if self._security is not None:
                self._security.note("OperatorLoginsFailed", address=address)

    async def _look(self, text: str, key: str, now: float) -> _Known:
        known = _Known(now + REMEMBER_S)
        if not key:
            return known
        before = self._known.get(key)
        if before is not None:
            known.used_at = before.used_at
        if self._issuer is not None and not text.startswith(PREFIX) and text.count(".") == JWT_DOTS:
            await self._look_at_person(self._issuer, text, known)
        else:
            token, redis_ms = await tokens.token_at(self._lane, key)
            # As of the question: by a reply that was long on its way, a token that is over would still be good.
            self._ahead_ms = redis_ms - now * 1000
            if token is not None:
                actor = Actor(kind="token", name=token.name, id=id_of(key), scope=token.scope)
                known.caller = Caller(actor, token)
        if len(self._known) >= MAX_REMEMBERED:
            self._known.clear()
        self._known[key] = known
        return known

    async def _look_at_person(self, issuer: Issuer, text: str, known: _Known) -> None:
        from edge.operators.oidc import BadToken

        try:
            person = await issuer.check(text)
        except BadToken as error:
            known.reason, known.detail = error.reason, str(error)
            return
        token = Token(name=person.name, scope=person.scope, created_at=person.issued_at, expires_at=person.expires_at)
        actor = Actor(kind="person", name=person.name, id=person.subject, scope=person.scope)
        known.caller = Caller(actor, token)

    async def _note_use(self, known: _Known, caller: Caller, wall: int, address: str) -> None:
        """Write when a token was used, once a minute: a list must show which ones nobody needs."""
        if caller.actor.kind != "token" or wall - known.used_at < USE_MS:
            return
        known.used_at = wall
        await tokens.used(self._lane, caller.actor.id, TokenUse(wall, address))

    def forget(self) -> None:
        """Look every token up anew: one was made or revoked here."""
        for known in self._known.values():
            known.until = 0.0


def _unauthenticated(detail: str, error: str = "") -> ProblemError:
    challenge = f'{REALM}, error="{error}"' if error else REALM
    return ProblemError("unauthenticated", detail, headers={"WWW-Authenticate": challenge})
