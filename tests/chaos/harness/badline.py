"""A bad line between a station and its edge: slow, lossy, and every byte a packet of its own.

TCP hides a lost packet behind a wait: it is sent again a moment later, and everything behind it waits as well. That is
what a lost packet is here.
"""

from __future__ import annotations

import asyncio
import contextlib
from random import Random
from typing import Final
from urllib.parse import urlsplit

from tests.chaos.harness import ports

CHUNK: Final = 64 * 1024
RESENT_S: Final = 0.2
"""How much later a lost packet comes: TCP's least timeout."""


class BadLine:
    """Carries connections to the edge at `url`; dial `self.url`."""

    def __init__(self, url: str, *, latency_s: float, loss: float, seed: str) -> None:
        parts = urlsplit(url)
        assert parts.port is not None
        self._target = parts.port
        self._latency_s = latency_s
        self._loss = loss
        self._random = Random(seed)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = ports.take()
        self.url = f"ws://{ports.HOST}:{self.port}{parts.path}"
        self.slices = 0
        self.lost = 0

    async def open(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._connected, ports.HOST, self.port)

    def close(self) -> None:
        """Drop every connection."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(ports.HOST, self._target)
        try:
            await asyncio.gather(self._carry(reader, back), self._carry(there, writer))
        finally:
            for one in (writer, back):
                one.transport.abort()

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Carry one direction; bytes arrive in their order, each when it is due."""
        loop = asyncio.get_running_loop()
        on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        delivering = asyncio.create_task(self._deliver(on_the_way, sink))
        try:
            with contextlib.suppress(ConnectionError):
                while data := await source.read(CHUNK):
                    on_the_way.put_nowait((loop.time() + self._latency_s, data))
            on_the_way.put_nowait((loop.time() + self._latency_s, b""))
            await delivering
        finally:
            delivering.cancel()

    async def _deliver(self, on_the_way: asyncio.Queue[tuple[float, bytes]], sink: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, data = await on_the_way.get()
            # One loss per message at most: packets that follow a lost one are there when it comes.
            if self._random.random() < 1 - (1 - self._loss) ** max(len(data), 1):
                due += RESENT_S
                self.lost += 1
            await asyncio.sleep(max(due - loop.time(), 0))
            if not data:
                sink.close()
                return
            for n in range(len(data)):
                sink.write(data[n : n + 1])
                self.slices += 1
                await asyncio.sleep(0)
