"""Where a request really comes from: behind a proxy that is trusted, the address and scheme that it tells.

A proxy tells by the PROXY protocol, before HTTP (`preface`), or by headers. Both count from a trusted proxy alone; and
where the PROXY protocol names a client, that client's headers count only where it is a trusted proxy itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address

import msgspec
from multidict import MultiMapping

from edge.stations.proxy import Header
from shared.settings import Network

Headers = MultiMapping[str]
_SECURE = frozenset({"https", "wss"})


class Origin(msgspec.Struct, frozen=True):
    """Whom a connection is from, and whether it came over TLS."""

    address: str
    tls: bool


def of(peer: str, header: Header | None, headers: Headers, trusted: tuple[Network, ...]) -> Origin:
    """Return the origin of a request from the TCP peer, its PROXY header and what HTTP says."""
    if header is None:
        return Origin(address_of(peer, headers, trusted), is_secure(peer, headers, trusted))
    if not header.address:
        # The proxy does not know; its word for the headers of an unknown client is nobody's.
        return Origin(_plain(peer), tls=False)
    client = header.address
    return Origin(address_of(client, headers, trusted), header.tls or is_secure(client, headers, trusted))


def address_of(peer: str, headers: Headers, trusted: tuple[Network, ...]) -> str:
    """Return the station's address: the last one in X-Forwarded-For that no trusted proxy has, else the peer's."""
    if not among(peer, trusted):
        return _plain(peer)
    for hop in reversed(_items(headers, "X-Forwarded-For")):
        if _parsed(hop) is None:
            break
        peer = hop
        if not among(peer, trusted):
            break
    return _plain(peer)


def is_secure(peer: str, headers: Headers, trusted: tuple[Network, ...]) -> bool:
    """Tell whether a trusted proxy says that it took the connection over TLS."""
    return among(peer, trusted) and any(item.lower() in _SECURE for item in _items(headers, "X-Forwarded-Proto")[-1:])


def among(address: str, trusted: Iterable[Network]) -> bool:
    """Tell whether an address is in one of the networks."""
    parsed = _parsed(address)
    return parsed is not None and any(parsed in network for network in trusted)


def peer_of(transport: asyncio.BaseTransport) -> str:
    """Return the address at the other end of a connection, empty where it has none."""
    peer = transport.get_extra_info("peername")
    return str(peer[0]) if peer and not isinstance(peer, (str, bytes)) else ""


def _items(headers: Headers, name: str) -> list[str]:
    """Return the items of all lines of a header, in order: a proxy may add a line below the one that a client sent."""
    return [item.strip() for line in headers.getall(name, ()) for item in line.split(",")]


def _plain(address: str) -> str:
    """Return an address in its one spelling, so that limits and people see one; what is none as it is."""
    parsed = _parsed(address)
    return address if parsed is None else str(parsed)


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ip_address(address.strip())
    except ValueError:
        return None
    # What a socket of both families calls an IPv4 peer (RFC 4291 §2.5.5.2).
    return getattr(parsed, "ipv4_mapped", None) or parsed
