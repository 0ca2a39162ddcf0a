"""What comes before HTTP: the PROXY header of a trusted balancer. From anybody else it is no HTTP, and refused as such.

A connection begins with a `Preface` as its protocol; when the header is complete, aiohttp's handler takes its place
and gets what came behind it. From a trusted proxy the header must come, and within the time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, cast
from weakref import WeakKeyDictionary

from edge.stations import origin, proxy
from edge.stations.proxy import BadHeader, Header
from shared.settings import Network, Settings, networks

Factory = Callable[[], asyncio.Protocol]
Refused = Callable[[str, str], None]
"""Is told the proxy's address and what was wrong."""


class Prefaces:
    """Makes the protocol of each connection, and remembers what its PROXY header said while HTTP is spoken there."""

    def __init__(self, settings: Settings, handler: Factory, refused: Refused | None = None) -> None:
        self._handler = handler
        self._refused = refused
        self._headers: WeakKeyDictionary[Any, Header] = WeakKeyDictionary()
        self.timeout_s: Final = settings.handshake_timeout_s
        self.trusted: Final[tuple[Network, ...]] = (
            networks(settings.trusted_proxies) if settings.proxy_protocol == "trusted" else ()
        )

    def __call__(self) -> asyncio.Protocol:
        """Return the protocol of a new connection."""
        return Preface(self, self._handler) if self.trusted else self._handler()

    def before(self, handler: Factory) -> Factory:
        """Return what makes the protocol of connections where something else than HTTP follows the header."""
        return (lambda: Preface(self, handler)) if self.trusted else handler

    def move(self, old: asyncio.BaseTransport, new: asyncio.BaseTransport) -> None:
        """Let a header stand for a transport that took another's place."""
        header = self._headers.pop(old, None)
        if header is not None:
            self._headers[_known_by(new)] = header

    def header_of(self, transport: asyncio.BaseTransport | None) -> Header | None:
        """Return the connection's PROXY header; None where there was none."""
        return self._headers.get(_known_by(transport)) if transport is not None and self._headers else None

    def forget(self, transport: asyncio.BaseTransport) -> None:
        """Let go of the header of a connection that speaks HTTP no more."""
        self._headers.pop(_known_by(transport), None)

    def hand_over(self, make: Factory, transport: asyncio.Transport, header: Header | None, rest: bytes) -> None:
        """Let what follows begin, with the bytes that came already."""
        if header is not None:
            self._headers[transport] = header
        handler = make()
        transport.set_protocol(handler)
        handler.connection_made(transport)
        if rest:
            handler.data_received(rest)

    def refuse(self, transport: asyncio.Transport, address: str, reason: str) -> None:
        """Drop a connection: its proxy does not do what is configured, and nothing that it says is worth an answer."""
        if self._refused is not None:
            self._refused(address, reason)
        transport.abort()


def _known_by(transport: asyncio.BaseTransport) -> Any:
    """Return what lives as long as the connection: uvloop's TLS transports can't be referred to weakly."""
    return transport.get_extra_info("ssl_object") or transport


class Preface(asyncio.Protocol):
    """Reads one PROXY header."""

    def __init__(self, prefaces: Prefaces, handler: Factory) -> None:
        self._prefaces = prefaces
        self._handler = handler
        self._buffer = b""
        self._address = ""
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, base: asyncio.BaseTransport) -> None:
        """Wait for the header where the peer is a trusted proxy; else let HTTP begin."""
        transport = cast("asyncio.Transport", base)
        self._address = origin.peer_of(transport)
        if not origin.among(self._address, self._prefaces.trusted):
            self._prefaces.hand_over(self._handler, transport, None, b"")
            return
        self._transport = transport
        self._timer = asyncio.get_running_loop().call_later(
            self._prefaces.timeout_s, self._refuse, "no PROXY header in time"
        )

    def data_received(self, data: bytes) -> None:
        """Take a part of the header, or all of it and more."""
        if self._transport is None:
            return
        self._buffer += data
        try:
            header = proxy.read(self._buffer)
        except BadHeader as error:
            self._refuse(str(error))
            return
        if header is not None:
            transport = self._let_go()
            self._prefaces.hand_over(self._handler, transport, header, self._buffer[header.size :])

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it: nobody waits for anything."""
        if self._transport is not None:
            self._let_go()

    def _refuse(self, reason: str) -> None:
        self._prefaces.refuse(self._let_go(), self._address, reason)

    def _let_go(self) -> asyncio.Transport:
        transport, timer = self._transport, self._timer
        assert transport is not None, "it is let go once"
        if timer is not None:
            timer.cancel()
        self._transport = self._timer = None
        return transport
