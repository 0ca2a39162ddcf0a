"""The load's own ledger against what the system stored: every Wh, every sample, every id."""

from __future__ import annotations

import aiohttp
import msgspec

from ampstream.bench.mixes import Claims
from ampstream.simulate.audit import audit
from ampstream.simulate.snapshot import fetch

_SHOWN = 20


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the audit found."""

    transactions: int
    energy_wh: int
    stored_energy_wh: int
    violations: list[str]
    violation_count: int

    def plus(self, other: Verdict) -> Verdict:
        """Return this and the verdict on another system together."""
        return Verdict(
            transactions=self.transactions + other.transactions,
            energy_wh=self.energy_wh + other.energy_wh,
            stored_energy_wh=self.stored_energy_wh + other.stored_energy_wh,
            violations=[*self.violations, *other.violations][:_SHOWN],
            violation_count=self.violation_count + other.violation_count,
        )


async def verify(claims: Claims, api_url: str, token: str) -> Verdict:
    """Fetch everything that the system stored and audit it."""
    book = claims.book()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as http:
        snapshot = await fetch(http, api_url, token)
    found = audit(book, snapshot)
    return Verdict(
        transactions=len(book.transactions),
        energy_wh=book.energy_wh,
        stored_energy_wh=sum(one.energy_wh for one in snapshot.transactions),
        violations=[str(violation) for violation in found[:_SHOWN]],
        violation_count=len(found),
    )
