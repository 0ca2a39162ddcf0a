"""The server's side of the WebSocket opening handshake (RFC 6455 §4.2), as bytes.

aiohttp parses the request; the answer to an upgrade is written here, because the socket then leaves aiohttp for
`edge.stations.wire`. A missing `Connection: Upgrade` is tolerated (quirk 13).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from typing import Final

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_VERSIONS: Final = ("13", "8", "7")


class BadHandshake(ValueError):
    """The request is no WebSocket handshake; the text says why and may be shown."""


def accept_key(method: str, headers: Mapping[str, str]) -> str:
    """Return the Sec-WebSocket-Accept of a request; raises `BadHandshake`."""
    if method != "GET":
        raise BadHandshake("a WebSocket handshake is a GET")
    if headers.get("Upgrade", "").strip().lower() != "websocket":
        raise BadHandshake("stations speak WebSocket here: the request has no 'Upgrade: websocket'")
    if headers.get("Sec-WebSocket-Version", "").strip() not in _VERSIONS:
        raise BadHandshake("Sec-WebSocket-Version must be 13")
    key = headers.get("Sec-WebSocket-Key", "").strip()
    try:
        if len(base64.b64decode(key.encode("ascii"), validate=True)) != 16:
            raise BadHandshake("Sec-WebSocket-Key must be 16 bytes in base64")
    except (binascii.Error, UnicodeEncodeError):
        raise BadHandshake("Sec-WebSocket-Key must be 16 bytes in base64") from None
    return base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()).decode()


def offered(values: list[str]) -> list[str]:
    """Return the subprotocols that the request's Sec-WebSocket-Protocol headers offer, in order."""
    return [token.strip() for value in values for token in value.split(",") if token.strip()]


def switching(accept: str, subprotocol: str | None) -> bytes:
    """Return the 101 response; `subprotocol` is echoed as the station wrote it, None leaves the header out."""
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept}",
    ]
    if subprotocol is not None:
        lines.append(f"Sec-WebSocket-Protocol: {subprotocol}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii", "replace")
