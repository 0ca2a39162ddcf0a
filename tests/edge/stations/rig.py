"""A real edge node on a real Valkey, with a worker that does nothing but answer."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import aiohttp
import hiredis
import msgspec

from edge.main import Edge
from edge.node import Node
from edge.ports import Sockets, bind, port_of
from edge.stations.hub import Hub
from edge.stations.tls import Tls
from shared import credentials, envelopes
from shared.bus import keys
from shared.bus.lane import Lane, LaneLost
from shared.clock import Clock, SystemClock
from shared.envelopes import Answer, Canary, Item, Kind, Pong, Reply, Uplink
from shared.ocpp import frames
from shared.ocpp.errors import FrameError
from shared.records.requests import AnyRequest
from shared.settings import Settings, load
from tests.support import PATIENCE_S, wait_until

Socket = aiohttp.ClientWebSocketResponse
HEARTBEAT = '[2,"%s","Heartbeat",{}]'


def settings_for(redis_url: str, **changes: object) -> Settings:
    """Settings of an edge that accepts strangers, so that most tests need no provisioning."""
    values = {"redis_url": redis_url, "station_port": 0, "http_port": 0, "unknown_stations": "accept", "drain_s": 1}
    # A Redis or a machine that stands still for two seconds is no overload to tests of something else.
    values["silence_close_s"] = 60
    return load({f"AMPSTREAM_{name.upper()}": str(value) for name, value in (values | changes).items()})


def result(uplink: Uplink) -> bytes | None:
    """The default answer: an empty CALLRESULT."""
    try:
        frame = frames.decode(uplink.frame)
    except FrameError as error:
        return None if error.message_id is None else frames.encode_error(error.message_id, "FormationViolation")
    return frames.encode_result(frame.message_id)


class FakeWorker:
    """Reads every uplink, keeps what it read, answers CALLs, canaries and requests."""

    def __init__(self, url: str, partitions: int) -> None:
        self.entries: list[Uplink] = []
        self.mute = False
        self.answer: Callable[[Uplink], bytes | None] = result
        self.held: list[Uplink] = []
        """CALLs read while `holding`; `release` answers them."""
        self.holding = False
        self._last = {keys.uplink(n): b"0" for n in range(partitions)}
        self._reading = Lane(url, name="fake-reader")
        self.lane = Lane(url, name="fake-worker")
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._reading.close()
        await self.lane.close()

    def of(self, kind: Kind, station: str = "") -> list[Uplink]:
        """What came of one kind, from one station."""
        return [each for each in self.entries if each.kind == kind and station in ("", each.station)]

    async def wait_for(
        self, kind: Kind, station: str = "", count: int = 1, timeout_s: float = PATIENCE_S
    ) -> list[Uplink]:
        """Wait until `count` entries of a kind came."""
        await wait_until(lambda: len(self.of(kind, station)) >= count, timeout_s)
        return self.of(kind, station)

    async def send(self, node: str, *items: Item) -> Any:
        """Put items on a node's downlink; nil where the node is gone."""
        data = envelopes.encode(list(items))
        return await self.lane.one("XADD", keys.downlink(node), "NOMKSTREAM", "*", envelopes.FIELD, data)

    async def release(self) -> None:
        """Answer the held CALLs, and hold no more."""
        self.holding = False
        held, self.held = self.held, []
        await self._deliver([(each.node, self._answer_to(each)) for each in held])

    async def _run(self) -> None:
        while True:
            try:
                await self._read()
            except LaneLost:
                await asyncio.sleep(0.05)

    async def _read(self) -> None:
        command = ("XREAD", "COUNT", 1000, "BLOCK", 500, "STREAMS", *self._last, *self._last.values())
        (reply,) = await self._reading.execute([command])
        if isinstance(reply, hiredis.ReplyError):
            await asyncio.sleep(0.05)
            return
        for stream, found in reply or []:
            self._last[stream.decode()] = found[-1][0]
            uplinks = [envelopes.decode_uplink(fields[1]) for _, fields in found]
            self.entries += uplinks
            await self._deliver([(each.node, self._item(each)) for each in uplinks])

    async def _deliver(self, items: Iterable[tuple[str, Item | None]]) -> None:
        by_node: dict[str, list[Item]] = {}
        for node, item in items:
            if item is not None:
                by_node.setdefault(node, []).append(item)
        for node, found in by_node.items():
            await self.send(node, *found)

    def _item(self, uplink: Uplink) -> Item | None:
        if self.mute:
            return None
        if uplink.kind == Kind.CALL:
            if self.holding:
                self.held.append(uplink)
                return None
            return self._answer_to(uplink)
        if uplink.kind == Kind.CANARY:
            canary = msgspec.msgpack.decode(uplink.frame, type=Canary)
            return Pong(canary.partition, canary.number)
        if uplink.kind == Kind.REQUEST:
            request = msgspec.msgpack.decode(uplink.frame, type=AnyRequest)
            return Reply(request.request_id, 202, b"{}")
        return None

    def _answer_to(self, uplink: Uplink) -> Item | None:
        frame = self.answer(uplink)
        return None if frame is None else Answer(uplink.station, uplink.epoch, uplink.call_seq, frame)


class Rig:
    """An edge node that listens, its worker, and stations that dial in."""

    def __init__(self, node: Node, edge: Edge, port: int, worker: FakeWorker, http: aiohttp.ClientSession) -> None:
        self.node = node
        self.edge = edge
        self.port = port
        self.worker = worker
        self.http = http
        self.sockets: list[Socket] = []
        assert isinstance(node.sink, Hub)
        self.hub = node.sink

    def url(self, path: str) -> str:
        return f"ws://127.0.0.1:{self.port}{path}"

    async def dial(self, station: str = "CP1", *, protocols: tuple[str, ...] = ("ocpp1.6",), **options: Any) -> Socket:
        """Connect as a station."""
        socket: Socket = await self.http.ws_connect(self.url(f"/ocpp/{station}"), protocols=protocols, **options)
        self.sockets.append(socket)
        return socket

    async def dial_again(self, station: str = "CP1") -> Socket:
        """Connect as a station that tries until it is let in."""

        async def let_in() -> Socket | None:
            try:
                return await self.dial(station)
            except aiohttp.ClientError:
                return None

        found: Socket | None = await wait_until(let_in)
        assert found is not None
        return found

    async def served(self, station: str = "CP1") -> Socket:
        """Connect as a station that tries until it is answered.

        Where an edge's waits are short, one that stands still for a moment closes what it has just let in.
        """

        async def answered() -> Socket | None:
            try:
                socket = await self.dial(station)
                answer = await ask(socket, HEARTBEAT % "served")
            except (aiohttp.ClientError, TypeError):  # TypeError: a close came instead of a text.
                return None
            return socket if answer == [3, "served", {}] else None

        found: Socket | None = await wait_until(answered)
        assert found is not None
        return found

    async def refused(self, station: str = "CP1", **options: Any) -> aiohttp.WSServerHandshakeError:
        """Connect as a station that is refused."""
        try:
            await self.dial(station, **options)
        except aiohttp.WSServerHandshakeError as error:
            return error
        raise AssertionError("the station was let in")

    async def provision(self, station: str = "CP1", **fields: str) -> None:
        """Write what the door must know of a station."""
        pairs = [part for pair in ({"ping": "1"} | fields).items() for part in pair]
        await self.worker.lane.one("HSET", keys.door(station), *pairs)

    async def key_for(self, station: str, **fields: str) -> str:
        """Give a station a key and return it."""
        key = credentials.make_key()
        pepper = await credentials.load_pepper(self.worker.lane)
        await self.provision(station, key=credentials.hash_key(key, pepper), **fields)
        return key


class Steps(SystemClock):
    """Time that passes only where somebody sleeps: a process that stands still misses none of it."""

    def __init__(self) -> None:
        self._now = time.monotonic()

    def monotonic(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._now += seconds


def basic(user: str, password: str | bytes) -> dict[str, str]:
    """An Authorization header."""
    raw = password.encode() if isinstance(password, str) else password
    return {"Authorization": "Basic " + base64.b64encode(user.encode() + b":" + raw).decode()}


@contextlib.asynccontextmanager
async def running_edge(
    redis_url: str,
    *,
    worker: FakeWorker | None = None,
    clock: Clock | None = None,
    tls: Tls | None = None,
    tls_sockets: Sockets = (),
    **changes: object,
) -> AsyncIterator[Rig]:
    """Run a node with its stations' listener, and a fake worker unless one is given."""
    settings = settings_for(redis_url, **changes)
    node = await Node.start(settings, clock=clock)
    edge = Edge(node, settings)
    sockets = await bind(settings.station_host, settings.station_port)
    port = port_of(sockets)
    await edge.serve_stations({"Heartbeat", "BootNotification", "StartTransaction"}, sockets, tls, tls_sockets)
    own = worker or FakeWorker(redis_url, node.partitions)
    hurry = asyncio.Event()
    hurry.set()
    try:
        async with aiohttp.ClientSession() as http:
            rig = Rig(node, edge, port, own, http)
            try:
                yield rig
            finally:
                for socket in rig.sockets:
                    await socket.close()
    finally:
        if not node.draining:
            await edge.leave(hurry)
        if worker is None:
            await own.close()


async def closed(socket: Socket, timeout_s: float = PATIENCE_S) -> int | None:
    """Wait until the socket is closed and return the code."""
    async with asyncio.timeout(timeout_s):
        while not socket.closed:
            message = await socket.receive()
            if message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR, aiohttp.WSMsgType.CLOSE):
                break
    return socket.close_code


async def ask(socket: Socket, text: str, timeout_s: float = PATIENCE_S) -> Any:
    """Send a text and return the next frame, decoded."""
    await socket.send_str(text)
    return msgspec.json.decode(await socket.receive_str(timeout=timeout_s))
