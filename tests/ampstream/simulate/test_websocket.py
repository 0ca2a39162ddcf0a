"""The thin client against aiohttp's server, and against a server that slices, fragments and lies."""

import asyncio
import base64
import contextlib
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import WSMsgType, web

from ampstream.simulate import wsframes
from ampstream.simulate.websocket import Endpoint, WebSocketClient, dial
from tests.ampstream.simulate.test_wsframes import server_frame, unmask
from tests.serving import serving
from tests.support import wait_until


class Heard:
    """A listener that keeps what it hears."""

    def __init__(self) -> None:
        self.subprotocol: str | None = None
        self.refusal: tuple[int, float] | None = None
        self.texts: list[bytes] = []
        self.end: tuple[int, str] | None = None
        self.ends = 0

    def opened(self, subprotocol: str) -> None:
        self.subprotocol = subprotocol

    def refused(self, status: int, retry_after_s: float) -> None:
        self.refusal = status, retry_after_s

    def received(self, text: bytes) -> None:
        self.texts.append(text)

    def closed(self, code: int, reason: str) -> None:
        self.end = code, reason
        self.ends += 1


Serve = Callable[[web.Request], Awaitable[web.StreamResponse]]


@contextlib.asynccontextmanager
async def aiohttp_server(serve: Serve) -> AsyncIterator[Endpoint]:
    app = web.Application()
    app.router.add_get("/ocpp/{station}", serve)
    async with serving(app) as port:
        yield Endpoint("127.0.0.1", port, "/ocpp")


@contextlib.asynccontextmanager
async def raw_server(
    talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[Endpoint]:
    """A server that answers the upgrade by hand and then does what it likes."""

    done = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        nonce = next(line for line in head.split(b"\r\n") if line.startswith(b"Sec-WebSocket-Key: "))[19:]
        accept = base64.b64encode(hashlib.sha1(nonce + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        writer.write(answer + b"Sec-WebSocket-Accept: " + accept + b"\r\nSec-WebSocket-Protocol: ocpp1.6\r\n\r\n")
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await talk(reader, writer)
        writer.close()
        done.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield Endpoint("127.0.0.1", server.sockets[0].getsockname()[1], "")
        # The client's end may be seen before this one has read what it sent.
        await wait_until(done.is_set)
    finally:
        server.close()
        await server.wait_closed()


async def echo(request: web.Request) -> web.WebSocketResponse:
    ws = web.WebSocketResponse(protocols=("ocpp1.6",))
    await ws.prepare(request)
    async for message in ws:
        if message.data == "close":
            await ws.close(code=1012, message=b"restart")
        elif message.data == "ping":
            await ws.ping(b"?")
            await ws.send_str("pinged")
        elif message.type == WSMsgType.TEXT:
            await ws.send_str(message.data)
    return ws


async def opened(endpoint: Endpoint, heard: Heard, **options: object) -> WebSocketClient:
    client = await dial(endpoint, "CP 1", heard, **options)  # type: ignore[arg-type]
    await wait_until(lambda: heard.subprotocol is not None or heard.refusal is not None)
    return client


async def test_echo_of_every_size() -> None:
    """Texts of every length encoding come back whole."""
    heard = Heard()
    async with aiohttp_server(echo) as endpoint:
        client = await opened(endpoint, heard)
        texts = [("é" * size).encode() for size in (0, 1, 62, 63, 100, 32767, 32768, 100_000)]
        for text in texts:
            client.send(text)
        await wait_until(lambda: len(heard.texts) == len(texts))
        assert heard.texts == texts
        client.close(1000)
        await wait_until(lambda: heard.end is not None)
    assert (heard.subprotocol, heard.end, heard.ends) == ("ocpp1.6", (1000, ""), 1)


async def test_identity_and_password_travel() -> None:
    """The station id is percent-encoded into the path, and Basic holds raw password bytes."""
    seen: dict[str, str] = {}

    async def serve(request: web.Request) -> web.StreamResponse:
        seen["path"], seen["auth"] = request.raw_path, request.headers["Authorization"]
        return web.Response(status=503, headers={"Retry-After": "7"})

    heard = Heard()
    async with aiohttp_server(serve) as endpoint:
        await opened(endpoint, heard, password=b"\xff\x00:secret")
    assert heard.refusal == (503, 7.0)
    assert seen["path"] == "/ocpp/CP%201"
    assert base64.b64decode(seen["auth"].removeprefix("Basic ")) == b"CP 1:\xff\x00:secret"


async def test_close_of_the_server() -> None:
    """Code and reason of the server's close reach the listener, once."""
    heard = Heard()
    async with aiohttp_server(echo) as endpoint:
        client = await opened(endpoint, heard)
        client.send(b"close")
        await wait_until(lambda: heard.end is not None)
    assert (heard.end, heard.ends) == ((1012, "restart"), 1)


async def test_ping_is_answered() -> None:
    """A ping gets its pong before what follows."""
    heard = Heard()
    async with aiohttp_server(echo) as endpoint:
        client = await opened(endpoint, heard)
        client.send(b"ping")
        await wait_until(lambda: heard.texts == [b"pinged"])
        client.send(b"still here")
        await wait_until(lambda: len(heard.texts) == 2)
        client.abort()
        await wait_until(lambda: heard.end is not None)
    assert heard.end is not None
    assert heard.end[0] == wsframes.NO_CLOSE


async def test_no_websocket_there() -> None:
    """An HTTP server that knows no such path is a refusal with its status."""
    heard = Heard()
    async with aiohttp_server(echo) as endpoint:
        await opened(Endpoint(endpoint.host, endpoint.port, "/other"), heard)
    assert heard.refusal == (404, 0.0)


async def test_one_byte_slices_and_fragments() -> None:
    """A server that writes byte by byte, in fragments with a ping between, is understood."""
    got = bytearray()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        stream = (
            server_frame(wsframes.TEXT, b"[3,", fin=False)
            + server_frame(wsframes.PING, b"hey")
            + server_frame(wsframes.CONTINUATION, b'"1",{}]')
            + server_frame(wsframes.CLOSE, b"\x03\xe9")
        )
        for byte in stream:
            writer.write(bytes((byte,)))
            await writer.drain()
        got.extend(await reader.read())

    heard = Heard()
    async with raw_server(talk) as endpoint:
        await opened(endpoint, heard)
        await wait_until(lambda: heard.end is not None)
    assert heard.texts == [b'[3,"1",{}]']
    assert heard.end == (1001, "")
    assert unmask(bytes(got[:9])) == b"hey"
    assert got[9] == 0x80 | wsframes.CLOSE


async def test_frame_behind_the_handshake() -> None:
    """A message in the same segment as the 101 is not lost."""

    async def talk(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(server_frame(wsframes.TEXT, b"early"))
        await writer.drain()

    heard = Heard()
    async with raw_server(talk) as endpoint:
        await opened(endpoint, heard)
        await wait_until(lambda: heard.end is not None)
    assert heard.texts == [b"early"]
    assert heard.end is not None
    assert heard.end[0] == wsframes.NO_CLOSE


@pytest.mark.parametrize(
    ("data", "code"),
    [(server_frame(wsframes.BINARY, b"x"), 1003), (server_frame(11, b""), 1002), (b"\x81\x81\x00\x00\x00\x00x", 1002)],
)
async def test_violation_closes(data: bytes, code: int) -> None:
    """A server that breaks the protocol is told by a close code."""
    closes: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        closes.append(await reader.readexactly(8))

    heard = Heard()
    async with raw_server(talk) as endpoint:
        await opened(endpoint, heard)
        await wait_until(lambda: heard.end is not None)
    assert heard.end is not None
    assert heard.end[0] == code
    assert int.from_bytes(unmask(closes[0])[:2], "big") == code


@pytest.mark.parametrize("url", ["http://h:1/ocpp", "ws:///x", "ws://u:p@h/x", "ws://h/x?y=1"])
def test_bad_urls(url: str) -> None:
    """A URL that stations cannot dial is an error."""
    with pytest.raises(ValueError, match=r"ws://|may hold"):
        Endpoint.parse(url)
