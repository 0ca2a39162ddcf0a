r"""The PROXY protocol, versions 1 and 2: what a balancer writes before the first byte of a station. Sans-IO.

    PROXY TCP4 203.0.113.9 192.0.2.1 51234 9000\r\n                                      version 1, §2.1
    \r\n\r\n\0\r\nQUIT\n  0x21 0x11 length  addresses and ports, then type-length-values   version 2, §2.2

Sections are those of haproxy.org's proxy-protocol.txt. Whoever reads it must know that it comes, and must never guess
(§2): `preface` asks for it from trusted proxies, and from them alone.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from struct import Struct
from typing import Final

import msgspec

SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"
MAX_BYTES: Final = 2048
"""The longest header of version 2 that is read; addresses need 52 bytes, the rest is what a balancer adds."""
MAX_LINE: Final = 107
"""The longest line of version 1, its end included (§2.1)."""
_FIXED: Final = 16
_PORTS: Final = 2
_MAX_PORT: Final = 65535
_LINE_PARTS: Final = 6
_VERSION: Final = 2
_LOCAL, _PROXY = 0, 1
_STREAMS: Final = {0x11: (IPv4Address, 4), 0x21: (IPv6Address, 16)}
"""TCP over IPv4 and IPv6: how an address is read, and its bytes."""
_FAMILIES: Final = 3
_TRANSPORTS: Final = 2
_SSL: Final = 0x20
_CLIENT_SSL: Final = 0x01
_head = Struct("!BBH").unpack_from
_value = Struct("!BH").unpack_from


class BadHeader(ValueError):
    """What came is no header of either version."""


class Header(msgspec.Struct, frozen=True):
    """Whom the connection is from: `address` is empty where the proxy does not say; `size` bytes were the header's."""

    size: int
    address: str = ""
    tls: bool = False
    """The proxy took it over TLS (version 2 alone can say so)."""


def read(data: bytes) -> Header | None:
    """Return the header that `data` begins with, None while it is incomplete; raises `BadHeader`."""
    if data.startswith(SIGNATURE):
        return _read_binary(data)
    if data.startswith(b"PROXY "):
        return _read_line(data)
    if SIGNATURE.startswith(data) or b"PROXY ".startswith(data):
        return None
    raise BadHeader("it does not begin with a PROXY header")


def _read_line(data: bytes) -> Header | None:
    end = data.find(b"\r\n", 0, MAX_LINE)
    if end < 0:
        if len(data) >= MAX_LINE:
            raise BadHeader("the line is too long")
        return None
    size = end + 2
    parts = data[:end].split(b" ")
    if parts[1] == b"UNKNOWN":
        return Header(size)
    kind = {b"TCP4": IPv4Address, b"TCP6": IPv6Address}.get(parts[1])
    if kind is None or len(parts) != _LINE_PARTS or not all(map(_is_port, parts[4:])):
        raise BadHeader("the line is malformed")
    try:
        source, _ = kind(parts[2].decode("ascii")), kind(parts[3].decode("ascii"))
    except ValueError:
        raise BadHeader("an address is malformed") from None
    return Header(size, str(source))


def _is_port(text: bytes) -> bool:
    return text.isdigit() and str(int(text)).encode() == text and int(text) <= _MAX_PORT


def _read_binary(data: bytes) -> Header | None:
    if len(data) < _FIXED:
        return None
    command, kind, length = _head(data, len(SIGNATURE))
    size = _FIXED + length
    if command >> 4 != _VERSION or command & 15 not in (_LOCAL, _PROXY):
        raise BadHeader("its version or command is unknown")
    if kind >> 4 > _FAMILIES or kind & 15 > _TRANSPORTS:
        raise BadHeader("its address family or transport is unknown")
    if size > MAX_BYTES:
        raise BadHeader("it is too long")
    if len(data) < size:
        return None
    if command & 15 == _LOCAL or kind not in _STREAMS:
        # The proxy's own connection, or one whose addresses mean nothing here (§2.2): who it is stays unknown.
        return Header(size)
    make, width = _STREAMS[kind]
    addresses = 2 * (width + _PORTS)
    if length < addresses:
        raise BadHeader("its addresses are cut off")
    source = make(data[_FIXED : _FIXED + width])
    return Header(size, str(source), _says_tls(data[_FIXED + addresses : size]))


def _says_tls(values: bytes) -> bool:
    """Tell whether a value of type SSL says that the client came over it (§2.2.6)."""
    at = 0
    secure = False
    while at < len(values):
        if at + 3 > len(values):
            raise BadHeader("a value is cut off")
        kind, length = _value(values, at)
        at += 3
        if at + length > len(values):
            raise BadHeader("a value is cut off")
        if kind == _SSL and length:
            secure = bool(values[at] & _CLIENT_SSL)
        at += length
    return secure
