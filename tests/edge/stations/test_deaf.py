"""Stations that do not read, or read slowly: what waits for them is bounded, and the deaf ones are closed (F28)."""

from __future__ import annotations

import asyncio
import socket

from shared import metrics
from shared.envelopes import Command, Kind
from shared.ocpp import frames
from tests.edge.stations.rig import Rig, Steps, running_edge
from tests.support import lasting, wait_until


async def deaf(rig: Rig) -> tuple[int, asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a station's socket that reads no more once it is open; returns its epoch and both ends."""
    with socket.socket() as narrow:
        narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        narrow.setblocking(False)
        await asyncio.get_running_loop().sock_connect(narrow, ("127.0.0.1", rig.port))
        reader, writer = await asyncio.open_connection(sock=narrow.dup(), limit=1024)
    writer.write(
        b"GET /ocpp/CP1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Sec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
    )
    await reader.readuntil(b"\r\n\r\n")
    (opened,) = await rig.worker.wait_for(Kind.OPENED)
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    return opened.epoch, reader, writer


async def send_big(rig: Rig, epoch: int, command_id: str) -> None:
    """Hand the edge a command of 200 kB."""
    frame = frames.encode_call(command_id, "DataTransfer", {"data": "x" * 200_000})
    await rig.worker.send(rig.node.name, Command("CP1", epoch, command_id, frame, rig.node.pulse.redis_ms() + 60_000))


async def test_a_station_that_does_not_read_is_closed(redis_url: str) -> None:
    """Commands for a station that never reads fill its buffers and a bounded queue, then it is closed (F28)."""
    async with running_edge(redis_url, write_timeout_s=0.5, outbound_queue=8) as rig:
        epoch, _, writer = await deaf(rig)
        for number in range(40):
            await send_big(rig, epoch, f"c{number}")
        await rig.worker.wait_for(Kind.CLOSED)
        assert rig.worker.of(Kind.NOT_WRITTEN)
        await wait_until(lambda: rig.hub.everywhere == 0)
        writer.transport.abort()


async def test_one_command_that_is_not_read_is_noticed(redis_url: str) -> None:
    """The kernel swallows no whole command: a station that does not read its first one is closed for that (F28)."""
    async with running_edge(redis_url, write_timeout_s=0.5) as rig:
        epoch, _, writer = await deaf(rig)
        await send_big(rig, epoch, "c1")
        await rig.worker.wait_for(Kind.CLOSED)
        assert metrics.EDGE_DISCONNECTS.labels("write_timeout").value == 1
        writer.transport.abort()


async def test_a_station_that_reads_slowly_is_not_closed(redis_url: str) -> None:
    """Who takes a part of what waits within each timeout gets the whole of it, however long that takes."""
    async with running_edge(redis_url, write_timeout_s=0.5, clock=Steps()) as rig:
        epoch, reader, writer = await deaf(rig)
        await send_big(rig, epoch, "c1")
        session = rig.hub.sessions["CP1"]
        await wait_until(lambda: session.stalled)
        began, taken = asyncio.get_running_loop().time(), 0
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        while session.stalled:
            taken += len(await reader.read(4096))
            await lasting(0.05, "the network is slow")
        assert asyncio.get_running_loop().time() - began > 2 * 0.5
        while taken < 200_000:
            taken += len(await reader.read(4096))
        assert not session.ended
        writer.transport.abort()
