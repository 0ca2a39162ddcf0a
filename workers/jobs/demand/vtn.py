"""The VTN over HTTP: a token by OAuth 2 client credentials (RFC 6749 §4.4), its events, its reports.

A client of its own, for what is used of the API are two paths: the clients that there are for Python bring a second
framework of validation, refuse a whole list for one event that is odd, or want a newer Python.
"""

from __future__ import annotations

import time
from typing import Any, Final

import aiohttp
import msgspec

from shared.settings import Settings

from .oadr import OadrEvent

TIMEOUT_S: Final = 15.0
PAGE: Final = 50
"""The most that the API gives at once."""
MAX_EVENTS: Final = 1000
EARLY_S: Final = 30.0
"""A token is taken for over so long before it is."""


class VtnError(Exception):
    """The VTN can't be asked, or answered what is no answer; the text says why and holds no secret."""


class _Token(msgspec.Struct, frozen=True):
    access_token: str
    expires_in: float = 300.0


class Vtn:
    """A client; opens its connections when it is first used."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._base = settings.openadr_url.rstrip("/")
        self._http: aiohttp.ClientSession | None = None
        self._token = ""
        self._until = 0.0

    async def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.close()
            self._http = None

    async def events(self) -> tuple[list[OadrEvent], int]:
        """Return all events, and how many could not be read; raises `VtnError`."""
        found: list[OadrEvent] = []
        odd = skip = 0
        while skip < MAX_EVENTS:
            params = {"skip": str(skip), "limit": str(PAGE)}
            if self._settings.openadr_program:
                params["programID"] = self._settings.openadr_program
            items = await self._ask("GET", "/events", params=params)
            if not isinstance(items, list):
                raise VtnError("GET /events answered no list")
            for item in items:
                try:
                    found.append(msgspec.convert(item, OadrEvent, strict=False))
                except msgspec.ValidationError:
                    odd += 1
            if len(items) < PAGE:
                break
            skip += PAGE
        return found, odd

    async def report(self, body: dict[str, Any]) -> None:
        """Send a report; raises `VtnError`."""
        await self._ask("POST", "/reports", json=body)

    async def _ask(self, method: str, path: str, **more: Any) -> Any:
        """Return the decoded answer; a token that is refused is replaced once."""
        for fresh in (False, True):
            headers = await self._authorization(fresh)
            status, raw = await self._send(method, self._base + path, headers=headers, **more)
            if status in (401, 403) and headers and not fresh:
                continue
            if status >= 300:
                raise VtnError(f"{method} {path} answered {status}")
            try:
                return msgspec.json.decode(raw) if raw else None
            except msgspec.DecodeError:
                raise VtnError(f"{method} {path} answered no JSON") from None
        raise VtnError(f"{method} {path} was refused")

    async def _authorization(self, fresh: bool) -> dict[str, str]:
        settings = self._settings
        if not settings.openadr_client_id:
            return {}
        if fresh or time.monotonic() >= self._until:
            form = {
                "grant_type": "client_credentials",
                "client_id": settings.openadr_client_id,
                "client_secret": settings.openadr_client_secret.reveal(),
            }
            if settings.openadr_scope:
                form["scope"] = settings.openadr_scope
            url = settings.openadr_token_url or f"{self._base}/auth/token"
            status, raw = await self._send("POST", url, data=form)
            if status >= 300:
                raise VtnError(f"no token: answered {status}")
            try:
                token = msgspec.json.decode(raw, type=_Token, strict=False)
            except msgspec.MsgspecError:
                raise VtnError("no token: the answer holds no access_token") from None
            self._token = token.access_token
            self._until = time.monotonic() + max(token.expires_in - EARLY_S, 1.0)
        return {"Authorization": f"Bearer {self._token}"}

    async def _send(self, method: str, url: str, **more: Any) -> tuple[int, bytes]:
        if self._http is None:
            self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))
        try:
            async with self._http.request(method, url, allow_redirects=False, **more) as response:
                return response.status, await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise VtnError(f"{method} {url}: {type(error).__name__}") from None
