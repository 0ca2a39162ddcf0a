"""What a site's allocator knows from one round to the next, and what a station may draw by it.

What was sent is numbered (`seq`), and the station's own record of its profiles carries the number: so a round sees how
far each got, whoever sent it. Until the newest is known to be in force, the highest of all that may be counts.
"""

from __future__ import annotations

from typing import Final

import msgspec

from shared.records.profiles import Assigned
from shared.records.sites import NOTHING, Amps

NEVER: Final = -1
SETTLE_MS: Final = 5_000
"""A car follows a new limit within 5 s (IEC 61851-1): until then its room is not free."""
LOST_MS: Final = 30_000
"""What a station's record does not show for so long was refused, and is asked anew."""
RETRY_MS: Final = 30_000
"""A limit whose answer never came is sent again after so long."""
REFUSED_MS: Final = 300_000
"""A limit that was refused is tried again after so long."""


class Told(msgspec.Struct, array_like=True):
    """One place in a station's stack of profiles: what was sent there, and what may be in force."""

    limit: int = NEVER
    """The last that was sent, tenths of an ampere; `NEVER`: nothing that counts."""
    seq: int = 0
    at: int = 0
    ceiling: int = NEVER
    """The highest limit that may be in force; `NEVER`: nothing was ever sent."""
    accepted: int = NEVER
    """What it is known to have taken; `NEVER`: nothing, so that nothing limits it."""
    refused: int = NEVER
    """The limit that was refused last."""
    refusals: int = 0
    """In a row."""
    verified_at: int = 0
    """When it was last sent with a look at the composite schedule."""
    accepted_at: int = 0
    was: int = 0
    """What could be drawn before that."""

    def holds(self, otherwise: int) -> int:
        """Return what may be drawn; `otherwise`: what could be without any limit here."""
        return max(self.ceiling, otherwise) if self.accepted == NEVER else self.ceiling

    @property
    def pending(self) -> bool:
        """Whether something was sent whose outcome is not known."""
        return self.seq > 0 and self.limit not in (NEVER, self.accepted)

    def send(self, limit: int, seq: int, now: int) -> None:
        """Remember that a limit goes out."""
        self.limit, self.seq, self.at = limit, seq, now
        self.ceiling = max(self.ceiling, limit)

    def forget(self) -> None:
        """Take it that the station may have lost what it had: it is to be told again."""
        self.limit = self.accepted = NEVER

    def take_in(self, held: Assigned | None, name: str, now: int) -> str:
        """Take in what the station's record says; returns `differs` where it computes more than it was told."""
        if not self.seq:
            return ""
        if held is None or held.name != name or held.version < self.seq:
            self._missing(held is None or held.name != name, now)
            return ""
        if self.limit == NEVER:
            return ""  # It is of what may be lost: whatever it says, the highest counts until it is told anew.
        if held.state == "wanted" and self.limit == self.accepted:
            self.forget()  # It was taken off: a probe runs, or the station clears all profiles at once.
            return ""
        if held.state in ("accepted", "verified", "differs"):
            if held.accepted_at + SETTLE_MS <= now:
                self.ceiling = self.limit
            self.accepted, self.accepted_at = self.limit, held.accepted_at
            self.refusals, self.refused = 0, NEVER
            return "differs" if held.state == "differs" else ""
        if held.state == "refused" and self.pending:
            self._was_refused()
        elif held.state == "unconfirmed" and now - self.at >= RETRY_MS:
            self.limit = self.accepted = NEVER
        return ""

    def _missing(self, gone: bool, now: int) -> None:
        if gone and self.accepted != NEVER:
            self.forget()  # Somebody took it off, or put something else in its place.
        if self.pending and now - self.at >= LOST_MS:
            self._was_refused()

    def _was_refused(self) -> None:
        if self.ceiling == self.limit:  # Nothing else may be in force but what was there before.
            self.ceiling = self.accepted
        self.refused, self.refusals = self.limit, self.refusals + 1
        self.limit = self.accepted


class ConnectorRun(msgspec.Struct, array_like=True):
    """A connector with a transaction."""

    transaction_id: int = 0
    told: Told = msgspec.field(default_factory=Told)
    phases: tuple[int, ...] = ()
    """Of the grid: those that its car was seen to use; empty: not seen yet."""
    drawn: Amps = NOTHING
    drawn_at: int = 0
    cap: int = 0
    """What its car takes at most, with a margin, where that is less than it may; 0: not known to be less."""
    wild: int = 0
    """What it draws above what it was told; 0: it obeys."""
    excess: int = 0
    """What it draws above what it was told, where that is so little that meter or car may be inexact."""
    full_since: int = 0
    """Since when it draws nothing though it may (ms)."""
    waiting_since: int = 0
    charging_since: int = 0
    """Since when it has its minimum or more; 0: it has not."""


class StationRun(msgspec.Struct, array_like=True):
    """A station of the site."""

    default: Told = msgspec.field(default_factory=Told)
    """What begins without a limit of its own gets this."""
    connectors: dict[int, ConnectorRun] = {}
    told_at: int = 0
    """When it was last told anything."""
    level: int = NEVER
    """The stack level of what it is told: its highest."""
    by_default: bool = False
    """It refuses transactions' profiles: each connector's default one is used in their place."""
    room_since: int = 0
    """Since when there has been room for whoever begins there (ms)."""
    told_after_boot: int = 0
    """The boot after which it was told anew."""
    wild_at: int = 0
    """When it was last seen to draw more than it was told; 0: never."""


class Run(msgspec.Struct, array_like=True):
    """All that an allocator knows of its site; key `site:{name}:run`."""

    seq: int = 0
    stations: dict[str, StationRun] = {}
    leaving: dict[str, int] = {}
    """Stations that are the site's no more and may have its profiles -> when they were asked to clear them."""
    planned_at: int = 0
    waits: set[int] = set()
    """Transactions that wait for cheaper hours, by the plan that was made then."""

    def next_seq(self, now: int) -> int:
        """Return a number greater than any before, also where the memory was lost."""
        self.seq = max(self.seq + 1, now)
        return self.seq
