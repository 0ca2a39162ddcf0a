"""One question to the external authorizer, one word, in bounded time; failures are values, never exceptions.

    POST <authorizer_url>
    {"id_tag": "04A1B2C3", "station_id": "CP1", "where": "start", "group": "north", "site": "yard"}

    200 {"status": "Accepted", "expires_at": "2027-01-01T00:00:00Z", "parent": "fleet-7"}

Anything but 200 with such a body counts as no answer. The tag is in the body alone: URLs stand in other people's logs.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Final, Literal

import aiohttp
import msgspec
from msgspec import Meta

from shared import metrics
from shared.logs import get_logger
from shared.records.tags import Judgement, Verdict
from shared.settings import Settings
from workers.store.wants import WantJudgement

from .breaker import Breaker

log = get_logger(__name__)
MAX_BYTES: Final = 16 * 1024
MAX_LINE: Final = 20
"""So many questions per one that may be out stand in line; a further one is answered by the fall-back at once."""
Problem = Literal["timeout", "unreachable", "status", "garbage", "open", "busy"]


class _Answer(msgspec.Struct, frozen=True):
    status: Literal["Accepted", "Blocked", "Expired", "Invalid", "ConcurrentTx"]
    expires_at: Annotated[datetime, Meta(tz=True)] | None = None
    parent: Annotated[str, Meta(max_length=255)] | None = None


class _Failed(Exception):
    """A question that was asked and not answered."""

    def __init__(self, problem: Problem, detail: str = "") -> None:
        super().__init__(detail)
        self.problem: Problem = problem


_decode = msgspec.json.Decoder(_Answer).decode


class Client:
    """One worker's way to the authorizer: a session that is kept, so many questions at a time, a breaker."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = settings.authorizer_url
        token = settings.authorizer_token.reveal()
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._timeout_s = settings.authorizer_timeout_s
        self._most = settings.authorizer_concurrency
        self._free = asyncio.Semaphore(self._most)
        self._breaker = Breaker(settings.authorizer_failures, settings.authorizer_pause_s)
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None
        self._waiting = 0

    async def ask(self, want: WantJudgement) -> Judgement:
        """Return what the authorizer says, or why it says nothing; takes `authorizer_timeout_s` at most."""
        if self._waiting >= self._most * MAX_LINE:
            return self._unanswered("busy")
        self._waiting += 1
        metrics.AUTHORIZER_WAITING.labels().set(self._waiting)
        try:
            return await self._in_time(want)
        finally:
            self._waiting -= 1
            metrics.AUTHORIZER_WAITING.labels().set(self._waiting)

    async def close(self) -> None:
        """End the connections."""
        if self._session is not None:
            await self._session.close()

    async def _in_time(self, want: WantJudgement) -> Judgement:
        begun, asked = self._clock(), False
        try:
            async with asyncio.timeout(self._timeout_s), self._free:
                if not self._breaker.may_ask(self._clock()):
                    return self._unanswered("open")
                asked = True
                found = await self._asked(want)
        except TimeoutError:
            return self._failed("timeout") if asked else self._unanswered("busy")
        except _Failed as failure:
            return self._failed(failure.problem, str(failure))
        except BaseException:
            if asked:
                self._breaker.withdrawn()
            raise
        self._tell(answered=True)
        metrics.AUTHORIZER_REQUESTS.labels("ok").inc()
        metrics.AUTHORIZER_SECONDS.labels().observe(self._clock() - begun)
        return Judgement(verdict=found)

    async def _asked(self, want: WantJudgement) -> Verdict:
        """Ask, and once more where a connection that was kept turns out to be dead; raises `_Failed`."""
        for last in (False, True):
            try:
                return await self._exchanged(want)
            except aiohttp.ServerDisconnectedError as error:
                if last:
                    raise _Failed("unreachable", type(error).__name__) from None
            except (aiohttp.ClientError, OSError, ValueError) as error:
                raise _Failed("unreachable", type(error).__name__) from None
        raise AssertionError("the second attempt returns or raises")

    async def _exchanged(self, want: WantJudgement) -> Verdict:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=self._most)
            self._session = aiohttp.ClientSession(connector=connector, headers=self._headers, trust_env=False)
        body = msgspec.json.encode(
            {
                "id_tag": want.id_tag,
                "station_id": want.station_id,
                "where": want.where,
                "group": want.group or None,
                "site": want.site or None,
            }
        )
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        async with self._session.post(self._url, data=body, headers=headers, allow_redirects=False) as response:
            if response.status != 200:
                raise _Failed("status", f"status {response.status}")
            return _read(await _bounded(response))

    def _failed(self, problem: Problem, detail: str = "") -> Judgement:
        was_open = self._breaker.is_open
        self._tell(answered=False)
        if self._breaker.is_open and not was_open:
            log.warning("external authorizer is left alone for a while", problem=problem, why=detail)
        return self._unanswered(problem)

    def _tell(self, *, answered: bool) -> None:
        was_open = self._breaker.is_open
        self._breaker.told(self._clock(), answered=answered)
        metrics.AUTHORIZER_OPEN.labels().set(int(self._breaker.is_open))
        if was_open and answered:
            log.info("external authorizer answers again")

    def _unanswered(self, problem: Problem) -> Judgement:
        metrics.AUTHORIZER_REQUESTS.labels(problem).inc()
        return Judgement(problem=problem)


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    found = bytearray()
    async for chunk in response.content.iter_chunked(4096):
        found += chunk
        if len(found) > MAX_BYTES:
            raise _Failed("garbage", "the body is too long")
    return bytes(found)


def _read(body: bytes) -> Verdict:
    try:
        answer = _decode(body)
    except (msgspec.MsgspecError, UnicodeError):
        raise _Failed("garbage", "the body is not what it must be") from None
    expires_at = round(answer.expires_at.timestamp() * 1000) if answer.expires_at is not None else 0
    return Verdict(status=answer.status, expires_at=max(expires_at, 0), parent=answer.parent or "")
