"""A WebSocket over a transport: frames in as calls, frames out as writes, nothing in between.

After the handshake a station's socket leaves aiohttp's request handler: the protocol of its transport becomes a `Wire`.
So a connection costs neither a task nor a request object nor a queue, and a frame no turn of the event loop. Framing,
unmasking and limits are aiohttp's reader (C): it calls `feed_data` for each message, where a queue would take it.

aiohttp's `WebSocketReader` is not public API; this is the only module that uses it, and its tests tell when it changes.
"""

from __future__ import annotations

import asyncio
from struct import Struct
from typing import Any, Final

from aiohttp._websocket.reader import WebSocketDataQueue, WebSocketReader
from aiohttp.http_websocket import WebSocketError, WSMsgType

from shared.logs import get_logger

TEXT: Final = WSMsgType.TEXT
CLOSE: Final = WSMsgType.CLOSE
PING: Final = WSMsgType.PING
PONG: Final = WSMsgType.PONG
_FIN: Final = 0x80
_SHORT: Final = 126
_LONG: Final = 1 << 16
_head_short = Struct("!BB").pack
_head_middle = Struct("!BBH").pack
_head_long = Struct("!BBQ").pack
_code = Struct("!H").pack
MAX_REASON: Final = 123

_log = get_logger("edge.wire")


def frame(opcode: int, payload: bytes) -> bytes:
    """Return one whole unmasked frame (RFC 6455 §5.2)."""
    size = len(payload)
    if size < _SHORT:
        return _head_short(_FIN | opcode, size) + payload
    if size < _LONG:
        return _head_middle(_FIN | opcode, 126, size) + payload
    return _head_long(_FIN | opcode, 127, size) + payload


class Wire(WebSocketDataQueue):
    """The protocol of a station's transport; a subclass says what frames mean."""

    __slots__ = ("closing", "reader", "stalled", "transport")

    # What the pure Python reader looks at; the C one has these as fields.
    _size = 0
    _limit = 1 << 31
    _stalled_reader = None

    def __init__(self, transport: asyncio.Transport, max_bytes: int) -> None:
        # The queue's own __init__ makes a deque and bound methods that nobody would use.
        self.transport: asyncio.Transport | None = transport
        self.reader: Any = WebSocketReader(self, max_bytes + 1, compress=False, decode_text=False)
        self.closing = False
        self.stalled = False
        """The transport's buffer is full: the station does not read."""

    # ── what a subclass gives a meaning ──────────────────────────────────────────────────────────────────────────

    def on_open(self) -> None:
        """The handshake was answered."""

    def on_text(self, data: bytes, *, binary: bool) -> None:
        """Take a message."""
        raise NotImplementedError

    def on_pong(self) -> None:
        """Take the answer to a ping, or an unsolicited one."""
        raise NotImplementedError

    def on_ping(self) -> None:
        """Take the station's ping; it is answered already."""
        raise NotImplementedError

    def on_peer_close(self, code: int) -> None:
        """The station began to close, or answered our close."""
        raise NotImplementedError

    def on_violation(self, code: int, reason: str) -> None:
        """The station broke the WebSocket protocol or a limit: nothing more can be read."""
        raise NotImplementedError

    def on_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        raise NotImplementedError

    def on_writable(self) -> None:
        """The transport's buffer has room again."""
        raise NotImplementedError

    # ── from the transport ───────────────────────────────────────────────────────────────────────────────────────

    def data_received(self, data: bytes) -> None:
        """Parse what came; each message arrives in `feed_data`."""
        reader = self.reader
        if reader is not None:
            reader.feed_data(data)

    def eof_received(self) -> bool:
        """Let the transport close: half-open WebSockets make no sense."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Break the cycle with the reader and tell the subclass."""
        self.reader = None
        self.transport = None
        self.on_lost(exc)

    def pause_writing(self) -> None:
        """Note that the station does not read."""
        self.stalled = True

    def resume_writing(self) -> None:
        """Note that it reads again."""
        self.stalled = False
        self.on_writable()

    # ── from aiohttp's reader ────────────────────────────────────────────────────────────────────────────────────

    def feed_data(self, message: Any, size: int) -> None:
        """Take one message from the reader."""
        # An exception would vanish in the reader's C code, so this is where our own faults are caught.
        try:
            self._take(message)
        except Exception:  # noqa: BLE001
            _log.exception("a frame broke its session")
            self.on_violation(1011, "internal error")

    def set_exception(self, exc: BaseException, exc_cause: BaseException | None = None) -> None:
        """Take the reader's verdict that the stream can't be understood."""
        code = int(exc.code) if isinstance(exc, WebSocketError) else 1002
        self.on_violation(code, str(exc))

    def _take(self, message: Any) -> None:
        kind, data, _ = message
        if kind is TEXT:
            self.on_text(data, binary=False)
        elif kind is PONG:
            self.on_pong()
        elif kind is PING:
            self.write(PONG, bytes(data))
            self.on_ping()
        elif kind is CLOSE:
            self.on_peer_close(int(data))
        else:
            self.on_text(data, binary=True)

    # ── to the transport ─────────────────────────────────────────────────────────────────────────────────────────

    @property
    def unwritten(self) -> int:
        """Bytes that the kernel has not taken yet."""
        return self.transport.get_write_buffer_size() if self.transport is not None else 0

    def write(self, opcode: int, payload: bytes) -> None:
        """Write one frame; nothing happens on a closing socket."""
        transport = self.transport
        if transport is not None and not self.closing:
            transport.write(frame(opcode, payload))

    def say_close(self, code: int, reason: str) -> None:
        """Write the close frame; nothing may follow it."""
        self.write(CLOSE, _code(code) + reason.encode()[:MAX_REASON] if code else b"")
        self.closing = True

    def pause_reading(self) -> None:
        """Let TCP hold the station back."""
        if self.transport is not None:
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()

    def end(self) -> None:
        """Close the transport once its buffer is written."""
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        """Drop the connection at once, with what its buffer holds."""
        if self.transport is not None:
            self.transport.abort()
