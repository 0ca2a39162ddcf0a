"""Failed logins at the operators' listener, per address: bounded, sans-IO.

256 random bits can't be guessed; what a flood of guesses costs is round trips to Redis and checks of signatures. So an
address that failed too often in a minute is not looked at any more, but for tokens that are known to be good already.
"""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from edge.tally import Tally

MAX_ADDRESSES: Final = 10_000
"""Addresses counted apart within a minute; the rest share one count."""
_SITE_BITS: Final = 64
_SHARED: Final = ""
SHARED_FACTOR: Final = 10


class Throttle:
    """Counts failures by address, each for a minute from its first.

    One host has a whole IPv6 network of 64 bits to itself, so that network is one address.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._failures = Tally(MAX_ADDRESSES, _SHARED)

    def failed(self, address: str, now: float) -> bool:
        """Count a failure; True where it is the one that closes the door for this address and minute."""
        key = self._failures.counted_as(self._key(address))
        return self._failures.add(key, now) == self._limit_of(key)

    def wait_s(self, address: str, now: float) -> int:
        """Return the whole seconds until this address is heard again; 0 where it is."""
        key = self._failures.counted_as(self._key(address))
        return self._failures.ends_s(key, now) if self._failures.of(key, now) >= self._limit_of(key) else 0

    def __len__(self) -> int:
        return len(self._failures)

    def _limit_of(self, key: str) -> int:
        return self._limit if key else self._limit * SHARED_FACTOR

    @staticmethod
    def _key(address: str) -> str:
        try:
            parsed = ip_address(address)
        except ValueError:
            return address[:64] or "?"
        if isinstance(parsed, IPv6Address):
            return str(ip_network((parsed, _SITE_BITS), strict=False))
        return str(parsed)
