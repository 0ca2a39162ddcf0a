"""Where a request really comes from: behind a proxy that is trusted, the address and scheme that it forwards."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address

from shared.settings import Network

_SECURE = frozenset({"https", "wss"})


def address_of(peer: str, headers: Mapping[str, str], trusted: tuple[Network, ...]) -> str:
    """Return the station's address: the last one in X-Forwarded-For that no trusted proxy has, else the peer's."""
    if not trusted or not _among(peer, trusted):
        return peer
    for hop in reversed(headers.get("X-Forwarded-For", "").split(",")):
        if _parsed(hop) is None:
            break
        peer = hop.strip()
        if not _among(peer, trusted):
            break
    return peer


def is_secure(peer: str, headers: Mapping[str, str], trusted: tuple[Network, ...]) -> bool:
    """Tell whether a trusted proxy says that it took the connection over TLS."""
    return _among(peer, trusted) and headers.get("X-Forwarded-Proto", "").strip().lower() in _SECURE


def _among(address: str, trusted: tuple[Network, ...]) -> bool:
    parsed = _parsed(address)
    return parsed is not None and any(parsed in network for network in trusted)


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(address.strip())
    except ValueError:
        return None
