"""What keeps a crowd from trampling the door: an admission rate, limits of failed logins. Sans-IO, bounded memory."""

from __future__ import annotations

import random
from typing import Final

from edge.tally import Tally

MAX_KEYS: Final = 100_000
"""Addresses and identities counted apart within a minute; the rest share one count."""
SHARED_FACTOR: Final = 10
"""Many stations share a site's address, and many may guess at one identity: each gets this many times the limit."""
MAX_RETRY_S: Final = 120


class Admission:
    """A token bucket for upgrades; refusals are told to come back spread over the time that the crowd needs."""

    __slots__ = ("_at", "_burst", "_rate", "_refused", "_tokens")

    def __init__(self, rate: float, burst: int, now: float) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._tokens = float(burst)
        self._at = now
        self._refused = 0.0

    def peek(self, now: float) -> bool:
        """Tell whether an upgrade could be admitted now; counts a refusal where not."""
        self._refill(now)
        if self._tokens >= 1:
            return True
        self._refused += 1
        return False

    def take(self, now: float) -> bool:
        """Admit one upgrade where a token is left."""
        admitted = self.peek(now)
        if admitted:
            self._tokens -= 1
        return admitted

    def retry_after_s(self) -> int:
        """Return a whole number of seconds for a Retry-After header, drawn anew for each station."""
        spread = min(2 + 2 * self._refused / self._rate, MAX_RETRY_S)
        return random.randint(1, max(1, round(spread)))

    def restart(self, now: float) -> None:
        """Begin without tokens: after a time of refusing everybody, all come at once."""
        self._tokens = 0.0
        self._at = now

    def _refill(self, now: float) -> None:
        gained = max(0.0, now - self._at) * self._rate
        self._at = now
        self._tokens = min(self._burst, self._tokens + gained)
        # Who was refused comes back at this rate at best.
        self._refused = max(0.0, self._refused - gained)


class Attempts:
    """Counts failed logins by address, by identity, and by both together, each for a minute from its first."""

    __slots__ = ("_failures", "_limit")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._failures = Tally(MAX_KEYS, ("", ""))

    def failed(self, address: str, identity: str, now: float) -> None:
        """Count one failed login."""
        for key in ((address, identity), (address, ""), ("", identity)):
            self._failures.add(key, now)

    def wait_s(self, address: str, identity: str, now: float) -> int:
        """Return the whole seconds until this address, or this identity from it, is heard again; 0 where it is.

        Not by the identity alone: else anybody could lock a station out by failing in its name.
        """
        failures, pair, shared = self._failures, (address, identity), (address, "")
        waits = 0
        if failures.of(pair, now) >= self._limit:
            waits = failures.ends_s(pair, now)
        if failures.of(shared, now) >= self._limit * SHARED_FACTOR:
            waits = max(waits, failures.ends_s(shared, now))
        return waits

    def guessed(self, identity: str, now: float) -> bool:
        """Tell whether so many fail in this identity's name that a password that a person chose is not checked."""
        return self._failures.of(("", identity), now) >= self._limit * SHARED_FACTOR
