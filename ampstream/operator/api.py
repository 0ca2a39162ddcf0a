"""The operators' API over HTTP: questions, pages, the event feed. What goes wrong becomes words for a person."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import aiohttp
import click
import msgspec

TIMEOUT_S: Final = 30.0
STREAM_SILENCE_S: Final = 45.0
"""The feed sends something every 15 s; three times that is a lost connection."""
RETRY_S: Final = 2.0
PAGE: Final = 500


class ApiError(click.ClickException):
    """The API refused, or can't be reached; exit status 1."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class FeedItem(NamedTuple):
    """One event of the feed: its position (empty for a gap), its type and its body."""

    position: str
    type: str
    data: dict[str, Any]


def segment(text: object) -> str:
    """Return one path segment, percent-encoded."""
    return quote(str(text), safe="")


class Api:
    """A client; `token_source` says where the token came from, for when it is refused."""

    def __init__(self, url: str, token: str, token_source: str) -> None:
        self.url = url.rstrip("/")
        self._token_source = token_source
        self._http = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {token}"},
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
            # A path segment may hold an encoded slash; it must stay encoded.
            requote_redirect_url=False,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def ask(self, method: str, path: str, **more: Any) -> Any:
        """Return the decoded answer of `method path` (under `/api/v1`), text where it is no JSON."""
        try:
            async with self._http.request(method, self._at(path), **more) as response:
                return await self._body(response)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._unreachable(error) from None

    async def items(self, path: str, params: Mapping[str, Any], limit: int) -> AsyncIterator[dict[str, Any]]:
        """Yield the items of a list, page after page, up to `limit` (0: all)."""
        left, cursor = limit, None
        while True:
            asked = {**_given(params), "limit": min(left or PAGE, PAGE)}
            page = await self.ask("GET", path, params={**asked, **({"cursor": cursor} if cursor else {})})
            for item in page["items"]:
                yield item
                left -= 1
                if limit and left == 0:
                    return
            cursor = page["next"]
            if cursor is None:
                return

    async def download(self, path: str, params: Mapping[str, Any]) -> AsyncIterator[bytes]:
        """Yield the body of an answer as it comes."""
        timeout = aiohttp.ClientTimeout(total=None, sock_read=TIMEOUT_S)
        try:
            async with self._http.get(self._at(path), params=params, timeout=timeout) as response:
                if response.status >= 400:
                    await self._body(response)
                async for chunk in response.content.iter_chunked(65536):
                    yield chunk
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._unreachable(error) from None

    async def follow(self, params: Mapping[str, Any], after: str = "") -> AsyncIterator[FeedItem]:
        """Yield events for ever; a lost connection is taken up again behind the last event.

        Raises `ApiError` where the first connection fails, or where the API refuses (a token, a filter).
        """
        position, connected = after, False
        while True:
            try:
                async for item in self._follow_once(params, position):
                    connected = True
                    position = item.position or position
                    if item.data:
                        yield item
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                if not connected:
                    raise self._unreachable(error) from None
            except ApiError as error:
                if not connected or error.status < 500:
                    raise
            await asyncio.sleep(RETRY_S)

    async def _follow_once(self, params: Mapping[str, Any], after: str) -> AsyncIterator[FeedItem]:
        """Yield events of one connection; what has no data only moves the position."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=TIMEOUT_S, sock_read=STREAM_SILENCE_S)
        headers = {"Last-Event-ID": after} if after else {}
        async with self._http.get(
            self._at("/events"), params=_given(params), headers=headers, timeout=timeout
        ) as response:
            if response.status >= 400:
                await self._body(response)
            fields: dict[str, str] = {}
            yield FeedItem("", "", {})
            async for line in response.content:
                text = line.decode().rstrip("\n")
                if text:
                    name, _, value = text.partition(": ")
                    fields[name] = value
                    continue
                data = msgspec.json.decode(fields["data"]) if "data" in fields else {}
                yield FeedItem(fields.get("id", ""), fields.get("event", ""), data)
                fields = {}

    def _at(self, path: str) -> Any:
        # Encoded already: yarl would encode a percent sign again, or decode a slash.
        from yarl import URL

        return URL(f"{self.url}/api/v1{path}", encoded=True)

    async def _body(self, response: aiohttp.ClientResponse) -> Any:
        raw = await response.read()
        if response.status >= 400:
            raise self._refused(response, raw)
        if response.content_type == "application/json":
            return msgspec.json.decode(raw)
        return raw.decode()

    def _refused(self, response: aiohttp.ClientResponse, raw: bytes) -> ApiError:
        try:
            problem = msgspec.json.decode(raw, type=dict[str, Any])
            detail = str(problem["detail"])
        except (msgspec.MsgspecError, KeyError):
            detail = f"{self.url} answered {response.status} and no problem document; is it Ampstream's API?"
        if response.status in {401, 403}:
            detail = f"{detail} (token from {self._token_source})"
        return ApiError(detail, response.status)

    def _unreachable(self, error: BaseException) -> ApiError:
        reason = "no answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
        return ApiError(
            f"cannot reach {self.url}: {reason}. Is Ampstream running there (`ampstream up`)? "
            "Say where it is with --api or AMPSTREAM_API_URL"
        )


def _given(params: Mapping[str, Any]) -> dict[str, str]:
    """Return the parameters that are set, as text."""
    return {name: str(value) for name, value in params.items() if value not in (None, "")}
