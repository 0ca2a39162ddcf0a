"""Failed logins at the operators' listener, per address: bounded, sans-IO.

256 random bits can't be guessed; what a flood of guesses costs is round trips to Redis and checks of signatures. So an
address that failed too often in a minute is not looked at any more, but for tokens that are known to be good already.
"""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

MAX_ADDRESSES: Final = 10_000
"""Addresses counted apart in one minute; the rest share one count."""
WINDOW_S: Final = 60.0
_SITE_BITS: Final = 64
_SHARED: Final = ""
SHARED_FACTOR: Final = 10


class Throttle:
    """Counts failures by address and minute; one host has a whole IPv6 network of 64 bits to itself."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._counts: dict[str, int] = {}
        self._window = -1

    def failed(self, address: str, now: float) -> bool:
        """Count a failure; True where it is the one that closes the door for this address and minute."""
        self._turn(now)
        key = self._key(address)
        if key not in self._counts and len(self._counts) >= MAX_ADDRESSES:
            key = _SHARED
        self._counts[key] = self._counts.get(key, 0) + 1
        return self._counts[key] == self._limit_of(key)

    def closed(self, address: str, now: float) -> bool:
        """Tell whether this address failed too often to be heard this minute."""
        self._turn(now)
        key = self._key(address)
        if key not in self._counts and len(self._counts) >= MAX_ADDRESSES:
            key = _SHARED
        return self._counts.get(key, 0) >= self._limit_of(key)

    def retry_after_s(self, now: float) -> int:
        """Return the whole seconds until the count begins anew."""
        return int(WINDOW_S - now % WINDOW_S) + 1

    def __len__(self) -> int:
        return len(self._counts)

    def _limit_of(self, key: str) -> int:
        return self._limit if key else self._limit * SHARED_FACTOR

    def _turn(self, now: float) -> None:
        window = int(now // WINDOW_S)
        if window != self._window:
            self._window = window
            self._counts.clear()

    @staticmethod
    def _key(address: str) -> str:
        try:
            parsed = ip_address(address)
        except ValueError:
            return address[:64] or "?"
        if isinstance(parsed, IPv6Address):
            return str(ip_network((parsed, _SITE_BITS), strict=False))
        return str(parsed)
