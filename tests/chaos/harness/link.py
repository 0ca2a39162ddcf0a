"""The network between one process and Redis: it may fall silent, with every socket left open (a black hole, no RST).

What was sent into the silence is not lost: as TCP does, the link delivers it once the network is back, even when the
sender has long closed its socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Final

from tests.chaos.harness import ports

CHUNK: Final = 64 * 1024


class Link:
    """Carries the connections of one process to `target`, a port; runs in the test's own loop."""

    def __init__(self, target: int) -> None:
        self.port = ports.take()
        self.url = f"redis://{ports.HOST}:{self.port}/0"
        self._target = target
        self._server: asyncio.Server | None = None
        self._flows = asyncio.Event()
        self._flows.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._held: list[bytes] = []

    async def open(self) -> None:
        """Listen, if that was not done; while the link is silent connections are taken, and nothing comes of them."""
        if self._server is not None:
            return
        self._server = await asyncio.start_server(self._connected, ports.HOST, self.port)

    def cut(self) -> None:
        """Let nothing through any more, in either direction, and close nothing."""
        self._flows.clear()

    def holds(self, text: bytes) -> bool:
        """Tell whether something with this text in it is on its way to Redis, held by the silence."""
        return any(text in data for data in self._held)

    def mend(self) -> None:
        """Let through what waits, and all that follows."""
        self._flows.set()
        self._held.clear()

    def close(self) -> None:
        """Drop every connection."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            with contextlib.suppress(RuntimeError):
                task.cancel()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._flows.wait()
        try:
            there, back = await asyncio.open_connection(ports.HOST, self._target)
        except OSError:
            writer.transport.abort()
            return
        for one in (writer, back):
            one.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            await asyncio.gather(self._carry(reader, back, up=True), self._carry(there, writer, up=False))
        finally:
            for one in (writer, back):
                one.transport.abort()

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, up: bool) -> None:
        """Carry one direction until its sender closes; then its receiver is told, but while the link is silent."""
        with contextlib.suppress(ConnectionError):
            while data := await source.read(CHUNK):
                if not self._flows.is_set():
                    if up:
                        self._held.append(data)
                    await self._flows.wait()
                sink.write(data)
                await sink.drain()
        await self._flows.wait()
        with contextlib.suppress(ConnectionError, RuntimeError, OSError):
            # Both ends are gone at once: nobody here half-closes a connection.
            sink.close()
