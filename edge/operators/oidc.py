"""People: access tokens (JWT) that an OpenID provider signed (RFC 9068; OpenID Connect Discovery 1.0).

The issuer's keys come from its own discovery document and are kept: looked up anew once an hour, and for a key that is
not known, but no more than once in half a minute, so that tokens with made-up key ids cost the issuer nothing. Where
the issuer can't be reached, the keys that are known go on for a day.

Signatures are checked by PyJWT, with the asymmetric algorithms below and no other: neither `none` nor a shared secret.
A person who was locked out at the issuer keeps the token until it expires: let tokens live for minutes.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, Literal, cast
from urllib.parse import urlsplit

import aiohttp
import jwt
import msgspec

from shared.clock import Clock, SystemClock
from shared.logs import get_logger
from shared.records.tokens import Scope
from shared.settings import Settings
from shared.settings.people import ANY, SCOPES, scope_map

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
LEEWAY_S: Final = 30
"""How far the issuer's clock may be off."""
FETCH_S: Final = 5.0
MAX_DOCUMENT: Final = 256 * 1024
REFRESH_S: Final = 3600.0
UNKNOWN_S: Final = 30.0
STALE_S: Final = 24 * 3600.0
MAX_NAME: Final = 100
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})

_log = get_logger("operators")


class BadToken(Exception):
    """The token is not taken; `reason` is the metric's word for why."""

    def __init__(self, text: str, reason: Literal["rejected", "expired", "issuer"] = "rejected") -> None:
        super().__init__(text)
        self.reason = reason


class Person(msgspec.Struct, frozen=True):
    """Somebody whom the issuer vouches for. Times are ms."""

    subject: str
    name: str
    scope: Scope
    issued_at: int
    expires_at: int


class Provider(msgspec.Struct):
    """What is used of the discovery document."""

    issuer: str
    jwks_uri: str


class Issuer:
    """Checks tokens against one issuer's keys."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self._url = settings.oidc_issuer
        self._audience = settings.oidc_audience
        self._claim = settings.oidc_scopes_claim
        self._name_claim = settings.oidc_name_claim
        self._scopes = scope_map(settings.oidc_scopes)
        self._clock = clock or SystemClock()
        self._keys: dict[str, jwt.PyJWK] = {}
        self._looked_at = float("-inf")
        self._good_at = float("-inf")
        self._looking = asyncio.Lock()

    async def check(self, text: str) -> Person:
        """Return who holds a token; raises `BadToken` that says what is wrong with it."""
        key = await self._key(text)
        try:
            claims = jwt.decode(
                text,
                key,
                algorithms=list(ALGORITHMS),
                audience=self._audience,
                issuer=self._url,
                leeway=LEEWAY_S,
                options={"require": ["exp", "iat", "iss", "aud", "sub"]},
            )
        except jwt.ExpiredSignatureError:
            raise BadToken("the token expired; log in again", "expired") from None
        except jwt.InvalidTokenError as error:
            raise BadToken(f"the token is not taken: {error}") from None
        scope = self._scope(claims)
        if scope is None:
            raise BadToken(f"nothing in the token's claim {self._claim!r} allows anything here")
        name = claims.get(self._name_claim) or claims.get("email") or claims["sub"]
        return Person(
            subject=str(claims["sub"])[:MAX_NAME],
            name=str(name)[:MAX_NAME],
            scope=scope,
            issued_at=int(claims["iat"]) * 1000,
            expires_at=int(claims["exp"]) * 1000,
        )

    def _scope(self, claims: dict[str, Any]) -> Scope | None:
        """Return the highest scope that the values of the claim allow."""
        value: Any = claims
        for name in [self._claim] if self._claim in claims else self._claim.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        # A text is a list of words, as the standard's own claim `scope` (RFC 8693, 4.2).
        values = value.split() if isinstance(value, str) else value if isinstance(value, list) else []
        allowed = {self._scopes[each] for each in (*map(str, values), ANY) if each in self._scopes}
        return cast("Scope", max(allowed, key=SCOPES.index)) if allowed else None

    async def _key(self, text: str) -> jwt.PyJWK:
        try:
            header = jwt.get_unverified_header(text)
        except jwt.InvalidTokenError:
            raise BadToken("the token is no JWT") from None
        if header.get("alg") not in ALGORITHMS:
            raise BadToken("the token is signed by an algorithm that is not taken here")
        name = str(header.get("kid", ""))
        now = self._clock.monotonic()
        if now - self._looked_at > REFRESH_S or (name not in self._keys and now - self._looked_at > UNKNOWN_S):
            await self._look(now)
        if now - self._good_at > STALE_S:
            raise BadToken("the issuer can't be reached, so its tokens can't be checked", "issuer")
        found = self._keys.get(name)
        if found is None and not name and len(self._keys) == 1:
            (found,) = self._keys.values()
        if found is None:
            raise BadToken("the token is signed by a key that its issuer does not have")
        return found

    async def _look(self, now: float) -> None:
        async with self._looking:
            if self._looked_at >= now:
                return  # Somebody else has, meanwhile.
            self._looked_at = now
            try:
                async with asyncio.timeout(FETCH_S):
                    self._keys = await self._fetch()
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError, jwt.PyJWTError) as error:
                reason = str(error) or type(error).__name__
                _log.warning("the issuer's keys can't be read", issuer=self._url, reason=reason)
            else:
                self._good_at = now

    async def _fetch(self) -> dict[str, jwt.PyJWK]:
        async with aiohttp.ClientSession() as http:
            at = f"{self._url.rstrip('/')}/.well-known/openid-configuration"
            provider = msgspec.json.decode(await _get(http, at), type=Provider)
            if provider.issuer != self._url:
                raise ValueError(f"the document there is of another issuer: {provider.issuer[:200]!r}")
            document = msgspec.json.decode(await _get(http, provider.jwks_uri), type=dict[str, Any])
        found: dict[str, jwt.PyJWK] = {}
        for one in document.get("keys", []):
            if one.get("kty") == "oct" or one.get("use", "sig") != "sig":
                continue
            try:
                found[str(one.get("kid", ""))] = jwt.PyJWK(one)
            except jwt.PyJWTError as error:
                _log.info("a key of the issuer is not understood", reason=str(error))
        if not found:
            raise ValueError("there are no keys")
        return found


async def _get(http: aiohttp.ClientSession, url: str) -> bytes:
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        raise ValueError(f"{parts.scheme}://{parts.hostname} is not encrypted")
    async with http.get(url, allow_redirects=False) as response:
        if response.status != 200:
            raise ValueError(f"{parts.hostname} answered {response.status}")
        data = b""
        async for chunk in response.content.iter_any():
            data += chunk
            if len(data) > MAX_DOCUMENT:
                raise ValueError(f"{parts.hostname} sent more than {MAX_DOCUMENT} bytes")
        return data
