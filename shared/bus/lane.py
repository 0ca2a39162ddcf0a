"""A pipelined connection to Redis, for the frame's path.

redis-py costs about 10 µs of CPU a command in a long pipeline; packing and parsing by hiredis alone costs about 1 µs
(docs/adr/0002). So the frame's path has its own thin connection. It does what the path needs and no more: many commands
in one write, replies in order, error replies returned in place. It never repeats a command: an outcome that is not
known is the caller's to judge.

    LaneLost            the connection broke or a reply took too long: what was under way may or may not have happened
    hiredis.ReplyError  Redis refused one command; returned in place by `execute`, raised by `one`
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, Final, cast
from urllib.parse import parse_qs, unquote, urlsplit

import hiredis
import msgspec

from shared import metrics

from .scripts import SCRIPTS, is_missing, sources

Command = tuple[Any, ...]

REPLY_TIMEOUT_S: Final = 5.0
CONNECT_TIMEOUT_S: Final = 3.0


class LaneLost(ConnectionError):
    """The connection to Redis broke, or a reply took too long: the outcome of what was under way is unknown."""


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where Redis listens, read from a URL."""

    host: str = "127.0.0.1"
    port: int = 6379
    path: str = ""
    tls: bool = False
    username: str = ""
    password: str = ""
    database: int = 0

    def __str__(self) -> str:
        return self.path or f"{self.host}:{self.port}"

    @property
    def keepalive(self) -> dict[str, Any]:
        """What redis-py is told beside the URL: TCP's keepalive, which it refuses for a Unix socket."""
        return {} if self.path else {"socket_keepalive": True}

    @classmethod
    def parse(cls, url: str) -> Address:
        """Read `redis://`, `rediss://` or `unix://`; raises ValueError that says what is wrong, never the password."""
        parts = urlsplit(url)
        if parts.scheme not in {"redis", "rediss", "unix"}:
            raise ValueError(f"Redis URL: the scheme {parts.scheme!r} is none of redis, rediss, unix")
        try:
            port = parts.port or 6379
            text = parse_qs(parts.query).get("db", [""])[0] if parts.scheme == "unix" else parts.path.strip("/")
            database = int(text or 0)
        except ValueError:
            # The error would quote what it read, which in a URL with an unescaped `/` is part of the password.
            raise ValueError("Redis URL: port and database must be numbers, and a password percent-encoded") from None
        return cls(
            host=parts.hostname or "127.0.0.1",
            port=port,
            path=parts.path if parts.scheme == "unix" else "",
            tls=parts.scheme == "rediss",
            username=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            database=database,
        )


class _Batch:
    """Commands whose replies are awaited together."""

    __slots__ = ("future", "replies", "size")

    def __init__(self, size: int, future: asyncio.Future[list[Any]]) -> None:
        self.size = size
        self.replies: list[Any] = []
        self.future = future


class _Wire(asyncio.Protocol):
    """Bytes in, replies out, in order."""

    __slots__ = ("batches", "closed", "lost", "reader", "transport")

    def __init__(self) -> None:
        self.reader = hiredis.Reader(notEnoughData=_INCOMPLETE)
        self.batches: deque[_Batch] = deque()
        self.transport: asyncio.Transport | None = None
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's.
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        reader, batches = self.reader, self.batches
        reader.feed(data)
        while True:
            try:
                reply = reader.gets()
            except hiredis.ProtocolError as error:
                self.abort(f"not RESP: {error}")
                return
            if reply is _INCOMPLETE:
                return
            batch = batches[0]
            batch.replies.append(reply)
            if len(batch.replies) == batch.size:
                batches.popleft()
                if not batch.future.done():
                    batch.future.set_result(batch.replies)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        reason = f"connection to Redis lost: {exc or 'closed'}"
        for batch in self.batches:
            if not batch.future.done():
                batch.future.set_exception(LaneLost(reason))
        self.batches.clear()
        if not self.closed.done():
            self.closed.set_result(None)

    def abort(self, reason: str) -> None:
        """Drop the connection; whoever waits gets `LaneLost`."""
        if self.transport is not None:
            self.transport.abort()
        self.connection_lost(ConnectionError(reason))

    def send(self, commands: Sequence[Command]) -> asyncio.Future[list[Any]]:
        future: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        if self.lost or self.transport is None:
            future.set_exception(LaneLost("connection to Redis lost"))
            return future
        self.batches.append(_Batch(len(commands), future))
        self.transport.write(b"".join([_pack(command) for command in commands]))
        return future


_INCOMPLETE: Final = object()
_pack = hiredis.pack_command


def sound(reply: Any) -> Any:
    """Return what `Lane.execute` gave for a command; raises it where it is an error."""
    if isinstance(reply, hiredis.ReplyError):
        raise reply
    return reply


class Lane:
    """One pipelined connection; concurrent `execute` calls share it first in, first out. Reconnects on the next use."""

    def __init__(self, url: str, *, name: str, timeout_s: float = REPLY_TIMEOUT_S) -> None:
        self.address = Address.parse(url)
        self.name = name
        self.timeout_s = timeout_s
        self._wire: _Wire | None = None
        self._connecting = asyncio.Lock()
        self._closed = False
        self._seconds = metrics.REDIS_COMMAND_SECONDS.labels(name.partition("-")[0])
        self.connects = 0
        """How often this lane has connected; a rise means that what Redis knew of the connection is gone."""

    @classmethod
    async def open(cls, url: str, *, name: str, timeout_s: float = REPLY_TIMEOUT_S) -> Lane:
        """Return a connected lane; raises `LaneLost` where Redis can't be reached or refuses us."""
        lane = cls(url, name=name, timeout_s=timeout_s)
        await lane._connected()
        return lane

    async def execute(self, commands: Sequence[Command], timeout_s: float | None = None) -> list[Any]:
        """Run commands in order and return their replies, a refused one as `hiredis.ReplyError` in its place.

        Raises `LaneLost` where the connection breaks or no reply comes within `timeout_s`. A script that Redis does
        not know is loaded and that command run again: it had no effect. Cancelling leaves the lane usable.
        """
        if not commands:
            return []
        wire = self._wire
        if wire is None or wire.lost:
            wire = await self._connected()
        begun = time.perf_counter()
        replies = await self._replies(wire, wire.send(commands), timeout_s)
        if timeout_s is None:  # Else it may have waited for somebody else.
            self._seconds.observe(time.perf_counter() - begun)
        for reply in replies:
            if type(reply) is hiredis.ReplyError and is_missing(reply):
                return await self._again(wire, commands, replies, timeout_s)
        return replies

    async def one(self, *command: Any) -> Any:
        """Run one command; raises `hiredis.ReplyError` where Redis refuses it, `LaneLost` as `execute` does."""
        (reply,) = await self.execute([command])
        return sound(reply)

    async def close(self) -> None:
        """Close the connection; the lane can't be used afterwards."""
        self._closed = True
        if self._wire is not None and not self._wire.lost and self._wire.transport is not None:
            self._wire.transport.close()
            await self._wire.closed

    async def _replies(self, wire: _Wire, future: asyncio.Future[list[Any]], timeout_s: float | None) -> list[Any]:
        try:
            async with asyncio.timeout(self.timeout_s if timeout_s is None else timeout_s):
                return await future
        except TimeoutError:
            # A late reply would be taken for the next command's: the connection can't be used any more.
            wire.abort("no reply in time")
            raise LaneLost("no reply from Redis in time") from None

    async def _again(
        self, wire: _Wire, commands: Sequence[Command], replies: list[Any], timeout_s: float | None
    ) -> list[Any]:
        await self._load_scripts(wire)
        missing = [n for n, reply in enumerate(replies) if isinstance(reply, hiredis.ReplyError) and is_missing(reply)]
        again = await self._replies(wire, wire.send([commands[n] for n in missing]), timeout_s)
        for n, reply in zip(missing, again, strict=True):
            replies[n] = reply
        return replies

    async def _connected(self) -> _Wire:
        async with self._connecting:
            if self._closed:
                raise LaneLost("the lane is closed")
            if self._wire is not None and not self._wire.lost:
                return self._wire
            wire = await self._dial()
            try:
                await self._greet(wire)
            except BaseException:
                wire.abort("not greeted")
                raise
            self._wire = wire
            self.connects += 1
            return wire

    async def _dial(self) -> _Wire:
        loop, address = asyncio.get_running_loop(), self.address
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                if address.path:
                    _, wire = await loop.create_unix_connection(_Wire, address.path)
                else:
                    context = ssl.create_default_context() if address.tls else None
                    _, wire = await loop.create_connection(_Wire, address.host, address.port, ssl=context)
        except (OSError, TimeoutError) as error:
            raise LaneLost(f"Redis at {address}: {str(error) or 'timeout'}") from None
        return wire

    async def _greet(self, wire: _Wire) -> None:
        address = self.address
        greeting: list[Command] = []
        if address.password:
            greeting.append(("AUTH", address.username or "default", address.password))
        greeting.append(("CLIENT", "SETNAME", f"ampstream-{self.name}"))
        if address.database:
            greeting.append(("SELECT", address.database))
        for reply in await self._replies(wire, wire.send(greeting), CONNECT_TIMEOUT_S):
            if isinstance(reply, hiredis.ReplyError):
                wire.abort("refused")
                raise LaneLost(f"Redis refuses the connection: {reply}")
        await self._load_scripts(wire)

    async def _load_scripts(self, wire: _Wire) -> None:
        loads = [("SCRIPT", "LOAD", source) for source in sources()]
        for name, reply in zip(SCRIPTS, await self._replies(wire, wire.send(loads), CONNECT_TIMEOUT_S), strict=True):
            if isinstance(reply, hiredis.ReplyError):
                wire.abort("script refused")
                raise LaneLost(f"Redis refuses the script {name}: {reply}")
