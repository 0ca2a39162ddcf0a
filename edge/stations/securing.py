"""The TLS handshake of one connection, before HTTP: so that a failed one is counted and said, and files may change.

    plain TCP ── `Securing()` ──> handshake ──> HTTP's protocol, over the encrypted transport
                                    └── failed, or too late ──> counted, logged, gone

A PROXY header may come before it: a balancer that passes TLS on untouched says so who dialled.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Final, cast

from edge.stations.tls import Tls

MAX_HANDSHAKES: Final = 1000
"""At once; more connections are dropped, and dial again."""
MAX_EARLY: Final = 64 * 1024
"""Bytes that are taken before HTTP has begun; whoever sends more waits, as one does who leaves a file."""

Handler = Callable[[], asyncio.Protocol]
Admits = Callable[[], bool]
"""Whether one more may begin now: a handshake costs a thousand times what refusing it does."""
Moved = Callable[[asyncio.BaseTransport, asyncio.BaseTransport], None]
Ended = Callable[[asyncio.BaseTransport, str, str], None]
"""Is told the transport, the metric's word for how a handshake ended, and the library's reason for a failure."""

_RESULTS: Final = {
    "NO_SHARED_CIPHER": "cipher",
    "NO_SHARED_SIGNATURE_ALGORITHMS": "cipher",
    "NO_SUITABLE_SIGNATURE_ALGORITHM": "cipher",
    "NO_SHARED_GROUP": "cipher",
    "NO_SUITABLE_KEY_SHARE": "cipher",
    "UNSUPPORTED_PROTOCOL": "version",
    "VERSION_TOO_LOW": "version",
    "TLSV1_ALERT_PROTOCOL_VERSION": "version",
    "HTTP_REQUEST": "not_tls",
    "WRONG_VERSION_NUMBER": "not_tls",
    "UNKNOWN_PROTOCOL": "not_tls",
    "CERTIFICATE_VERIFY_FAILED": "certificate",
}


class Securing:
    """Makes the protocol of each connection to the TLS listener."""

    def __init__(
        self, tls: Tls, handler: Handler, timeout_s: float, moved: Moved, ended: Ended, admits: Admits = lambda: True
    ) -> None:
        self.tls = tls
        self.handler = handler
        self.timeout_s = timeout_s
        self.moved = moved
        self.ended = ended
        self.admits = admits
        self.pending: set[asyncio.Task[None]] = set()

    def __call__(self) -> asyncio.Protocol:
        """Return the protocol of a new connection."""
        return Early(self)

    async def close(self) -> None:
        """Drop the handshakes under way."""
        for task in self.pending:
            task.cancel()
        await asyncio.gather(*self.pending, return_exceptions=True)


class Early(asyncio.Protocol):
    """Holds what comes before the handshake began (a proxy's header came with it) and right after it ended."""

    def __init__(self, securing: Securing) -> None:
        self._securing = securing
        self._cipher = b""
        self._clear = b""
        self._begun = False
        self._lost = False
        self._raw: asyncio.Transport | None = None
        self._paused = False

    def connection_made(self, base: asyncio.BaseTransport) -> None:
        """Begin the handshake, unless too many are under way or have begun lately."""
        transport, securing = cast("asyncio.Transport", base), self._securing
        if len(securing.pending) >= MAX_HANDSHAKES or not securing.admits():
            securing.ended(transport, "too_many", "")
            transport.abort()
            return
        transport.pause_reading()
        self._raw = transport
        task = asyncio.get_running_loop().create_task(self._secure(transport))
        securing.pending.add(task)
        task.add_done_callback(securing.pending.discard)

    def data_received(self, data: bytes) -> None:
        """Keep it for TLS, or for HTTP."""
        if self._begun:
            self._clear += data
            if len(self._clear) > MAX_EARLY and not self._paused and self._raw is not None:
                self._paused = True
                self._raw.pause_reading()
        else:
            self._cipher += data

    def connection_lost(self, exc: Exception | None) -> None:
        """Note it: HTTP must not begin."""
        self._lost = True

    async def _secure(self, raw: asyncio.Transport) -> None:
        securing, loop = self._securing, asyncio.get_running_loop()
        starting = loop.create_task(
            loop.start_tls(raw, self, securing.tls.context, server_side=True, ssl_handshake_timeout=securing.timeout_s)
        )
        try:
            await asyncio.sleep(0)  # TLS's protocol has the transport now, and has read nothing yet.
            self._begun = True
            if self._cipher and not starting.done():
                _feed(raw, self._cipher)
                self._cipher = b""
            secured = await starting
        except (OSError, TimeoutError) as error:
            securing.ended(raw, _result(error), _why(error))
            raw.abort()
            return
        except asyncio.CancelledError:
            starting.cancel()
            raw.abort()
            raise
        if secured is None or self._lost:
            securing.ended(raw, "gone", "")
            raw.abort()
            return
        securing.ended(raw, "ok", "")
        securing.moved(raw, secured)
        handler = securing.handler()
        secured.set_protocol(handler)
        handler.connection_made(secured)
        if self._clear:
            handler.data_received(self._clear)
        if self._paused and not raw.is_closing():
            raw.resume_reading()


def _feed(raw: asyncio.Transport, data: bytes) -> None:
    """Give TLS's protocol bytes that were read before it had the transport."""
    protocol = cast("asyncio.BufferedProtocol", raw.get_protocol())
    while data:
        buffer = memoryview(protocol.get_buffer(len(data)))
        size = min(len(buffer), len(data))
        buffer[:size] = data[:size]
        protocol.buffer_updated(size)
        data = data[size:]


def _result(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        reason = error.reason or ""
        if "ALERT" in reason and reason not in _RESULTS:
            return "refused"  # The station does not like what it was shown.
        return _RESULTS.get(reason, "other")
    if isinstance(error, TimeoutError) or "handshake" in str(error):
        return "timeout"
    return "gone"


def _why(error: Exception) -> str:
    """Return the library's reason; nothing of what the peer sent."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLError):
        return (error.reason or "").lower()
    return type(error).__name__
