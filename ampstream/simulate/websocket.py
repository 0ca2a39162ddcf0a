"""A thin WebSocket client on asyncio: one protocol object per connection, callbacks instead of tasks.

`dial` opens the TCP connection and sends the upgrade; what follows reaches the `Listener`:

    opened(subprotocol)              the upgrade was answered 101
    refused(status, retry_after_s)   it was answered otherwise; the connection is gone
    received(text)                   a whole text message
    closed(code, reason)             the connection is gone; 1006 where nobody said why. Exactly once, unless refused.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import random
import ssl
from collections.abc import Callable
from typing import Final, Protocol, cast
from urllib.parse import quote, urlsplit

import msgspec

from ampstream.simulate import wsframes
from ampstream.simulate.wsframes import NO_CLOSE, Reader, Violation

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_MAX_HEAD: Final = 16384
_CLOSE_WAIT_S: Final = 3.0
# Masks keep web content from steering proxies (RFC 6455 §10.3). Nobody steers what a simulated station says, so the
# system's own randomness (a syscall a frame) is not needed.
_key = random.Random().getrandbits


class Listener(Protocol):
    """Who owns a connection."""

    def opened(self, subprotocol: str) -> None:
        """The upgrade was answered 101; `subprotocol` is empty where none was chosen."""

    def refused(self, status: int, retry_after_s: float) -> None:
        """The upgrade was answered with `status` (0: no HTTP at all, or a wrong answer)."""

    def received(self, text: bytes) -> None:
        """A text message came."""

    def closed(self, code: int, reason: str) -> None:
        """The connection is gone."""


class Endpoint(msgspec.Struct, frozen=True):
    """Where stations dial: `ws://host:port/prefix` in parts."""

    host: str
    port: int
    path: str
    secure: bool = False

    @classmethod
    def parse(cls, url: str) -> Endpoint:
        """Read `ws://HOST[:PORT][/PREFIX]`; raises ValueError that says what is wrong with it."""
        parts = urlsplit(url)
        if parts.scheme not in ("ws", "wss") or not parts.hostname:
            raise ValueError(f"{url!r} is not ws://HOST:PORT/PREFIX (or wss://)")
        if parts.username or parts.query or parts.fragment:
            raise ValueError(f"the URL for {parts.hostname} may hold host, port and path only")
        secure = parts.scheme == "wss"
        return cls(parts.hostname, parts.port or (443 if secure else 80), parts.path.rstrip("/"), secure)

    def request(self, station_id: str, password: bytes | None, subprotocols: str, nonce: bytes) -> bytes:
        """Return the upgrade request (RFC 6455 §4.1, OCPP-J 1.6 §3.1); `password` makes it HTTP Basic."""
        lines = [
            f"GET {self.path}/{quote(station_id, safe='')} HTTP/1.1",
            f"Host: {self.host}:{self.port}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {nonce.decode()}",
        ]
        if subprotocols:
            lines.append(f"Sec-WebSocket-Protocol: {subprotocols}")
        if password is not None:
            user = base64.b64encode(station_id.encode() + b":" + password).decode()
            lines.append(f"Authorization: Basic {user}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()


class WebSocketClient(asyncio.Protocol):
    """One connection; `send`, `close`, `abort`. Not to be used again once closed."""

    __slots__ = ("_closing", "_code", "_listener", "_nonce", "_open", "_reader", "_reason", "_request", "_transport")

    def __init__(self, listener: Listener, request: bytes, nonce: bytes) -> None:
        self._listener: Listener | None = listener
        self._request = request
        self._nonce = nonce
        self._transport: asyncio.Transport | None = None
        self._reader = Reader()
        self._open = False
        self._closing = False
        self._code = NO_CLOSE
        self._reason = ""

    @property
    def is_open(self) -> bool:
        """True between `opened` and the first sign of the end."""
        return self._open and not self._closing

    @property
    def was_open(self) -> bool:
        """True once the upgrade was answered 101, for good."""
        return self._open

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the upgrade."""
        self._transport = cast("asyncio.Transport", transport)
        if self._listener is None:
            self._transport.abort()
            return
        self._transport.write(self._request)
        self._request = b""

    def data_received(self, data: bytes) -> None:
        """Hand on what is whole."""
        if not self._open:
            rest = self._handshake(data)
            if rest is None:
                return
            data = rest
        try:
            messages = self._reader.feed(data)
            for opcode, payload in messages:
                if opcode == wsframes.TEXT:
                    if self._listener is not None and not self._closing:
                        self._listener.received(payload)
                else:
                    self._control(opcode, payload)
        except Violation as error:
            self._code, self._reason = error.code, error.reason
            self._start_close(error.code, error.reason)

    def connection_lost(self, exc: Exception | None) -> None:
        """Report the end."""
        listener, self._listener, self._transport = self._listener, None, None
        if listener is None:
            return
        if self._open:
            listener.closed(self._code, self._reason or (str(exc) if exc else ""))
        else:
            listener.refused(0, 0.0)

    def eof_received(self) -> bool:
        """Close our half too."""
        return False

    def send(self, text: bytes) -> None:
        """Write one text message; dropped where the connection is closing."""
        if self._transport is not None and self._open and not self._closing:
            self._transport.write(wsframes.encode(wsframes.TEXT, text, _key(32)))

    def write(self, data: bytes) -> None:
        """Write bytes as they are, for tests that break the rules."""
        if self._transport is not None:
            self._transport.write(data)

    def ping(self, data: bytes = b"") -> None:
        """Write a ping."""
        if self._transport is not None and self._open and not self._closing:
            self._transport.write(wsframes.encode(wsframes.PING, data, _key(32)))

    def pause_reading(self) -> None:
        """Take nothing from the socket any more: a station that does not read."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        if self._transport is not None:
            self._transport.resume_reading()

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Begin the closing handshake; `closed` follows within 3 s whatever the server does."""
        if not self._open:
            self.abort()
        elif not self._closing:
            self._code, self._reason = code, reason
            self._start_close(code, reason)

    def abort(self) -> None:
        """Drop the TCP connection without a close frame (RST where data is under way)."""
        if self._transport is not None:
            self._transport.abort()
        else:
            self._listener = None

    def _start_close(self, code: int, reason: str) -> None:
        if self._closing or self._transport is None:
            return
        self._closing = True
        self._transport.write(wsframes.encode_close(code, reason, _key(32)))
        asyncio.get_running_loop().call_later(_CLOSE_WAIT_S, self.abort)

    def _control(self, opcode: int, payload: bytes) -> None:
        if opcode == wsframes.PING and self._transport is not None and not self._closing:
            self._transport.write(wsframes.encode(wsframes.PONG, payload, _key(32)))
        elif opcode == wsframes.CLOSE:
            code, reason = wsframes.decode_close(payload)
            if not self._closing:
                self._code, self._reason = code, reason
                echo = 1000 if code == wsframes.NO_CODE else code
                self._start_close(echo, "")
            if self._transport is not None:
                self._transport.close()
        elif opcode == wsframes.BINARY:
            raise Violation(1003, "binary message")

    def _handshake(self, data: bytes) -> bytes | None:
        """Collect the answer to the upgrade; return what follows it once it is a good 101."""
        self._request += data
        head, separator, rest = self._request.partition(b"\r\n\r\n")
        if not separator:
            if len(self._request) > _MAX_HEAD:
                self._refuse(0, 0.0)
            return None
        self._request = b""
        status, headers = _read_head(head)
        expected = base64.b64encode(hashlib.sha1(self._nonce + _GUID, usedforsecurity=False).digest()).decode()
        if status != 101 or headers.get("sec-websocket-accept") != expected:
            self._refuse(0 if status == 101 else status, _seconds(headers.get("retry-after", "")))
            return None
        self._open, self._nonce = True, b""
        if self._listener is not None:
            self._listener.opened(headers.get("sec-websocket-protocol", ""))
        return rest

    def _refuse(self, status: int, retry_after_s: float) -> None:
        listener, self._listener = self._listener, None
        self.abort()
        if listener is not None:
            listener.refused(status, retry_after_s)


def _read_head(head: bytes) -> tuple[int, dict[str, str]]:
    lines = head.decode("latin-1").split("\r\n")
    parts = lines[0].split(" ", 2)
    status = int(parts[1]) if len(parts) > 1 and parts[0].startswith("HTTP/1.") and parts[1].isdigit() else 0
    pairs = (line.partition(":") for line in lines[1:])
    return status, {name.strip().lower(): value.strip() for name, _, value in pairs}


def _seconds(text: str) -> float:
    return float(text) if text.isdigit() else 0.0


async def dial(
    endpoint: Endpoint,
    station_id: str,
    listener: Listener,
    *,
    password: bytes | None = None,
    subprotocols: str = "ocpp1.6",
    local_address: str | None = None,
    made: Callable[[WebSocketClient], None] | None = None,
    context: ssl.SSLContext | None = None,
) -> WebSocketClient:
    """Open the TCP connection and ask for the upgrade; the listener hears of the answer.

    `made` gets the client before anything can be heard of it; the listener may be called before this returns.

    Raises OSError where no connection comes about; a deadline is the caller's. `local_address` is the source address
    (one address has about 28,000 ports towards one listener).
    """
    nonce = base64.b64encode(os.urandom(16))
    client = WebSocketClient(listener, endpoint.request(station_id, password, subprotocols, nonce), nonce)
    if made is not None:
        made(client)
    if endpoint.secure and context is None:
        context = ssl.create_default_context()
    await asyncio.get_running_loop().create_connection(
        lambda: client,
        endpoint.host,
        endpoint.port,
        ssl=context if endpoint.secure else None,
        local_addr=(local_address, 0) if local_address else None,
    )
    return client
