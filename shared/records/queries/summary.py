"""A few numbers about everything, cheap enough to be asked each second."""

from __future__ import annotations

from typing import Final

import msgspec

from shared.bus import keys
from shared.bus.clock import ms_of
from shared.bus.lane import Lane

from .reading import replies
from .transactions import transactions

DAY_MS: Final = 86_400_000
CHUNK: Final = 200
MAX_DAY: Final = 100_000
"""Transactions of a day that are added up; beyond, the energy is that of the newest ones."""


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """Counts as the indexes have them; `energy_wh` of what started within 24 hours, open transactions included."""

    stations: int
    online: int
    never_seen: int
    transactions: int
    transactions_open: int
    energy_wh: int
    quarantine: int
    now: int


class Tally:
    """Adds up energy; what is closed is read once and remembered, what is open is read each time."""

    def __init__(self) -> None:
        self._closed: dict[int, int] = {}

    async def summary(self, lane: Lane) -> Summary:
        """Return the numbers of this moment."""
        found = await replies(
            lane,
            [
                ("TIME",),
                ("ZCARD", keys.STATIONS),
                ("HLEN", keys.ONLINE),
                ("SCARD", keys.NEVER_SEEN),
                ("ZCARD", keys.TRANSACTIONS),
                ("ZCARD", keys.TRANSACTIONS_OPEN),
                ("ZCARD", keys.QUARANTINE),
            ],
        )
        now = ms_of(found[0])
        return Summary(
            stations=found[1],
            online=found[2],
            never_seen=found[3],
            transactions=found[4],
            transactions_open=found[5],
            energy_wh=await self._energy(lane, now - DAY_MS),
            quarantine=found[6],
            now=now,
        )

    async def _energy(self, lane: Lane, since: int) -> int:
        members = await lane.one("ZRANGE", keys.TRANSACTIONS, "+inf", since, "BYSCORE", "REV", "LIMIT", 0, MAX_DAY)
        ids = [int(member) for member in members]
        unknown = [transaction_id for transaction_id in ids if transaction_id not in self._closed]
        total = sum(self._closed.get(transaction_id, 0) for transaction_id in ids)
        closed = {known: self._closed[known] for known in ids if known in self._closed}
        for begin in range(0, len(unknown), CHUNK):
            for found in await transactions(lane, unknown[begin : begin + CHUNK]):
                if found is None:
                    continue
                total += found.energy_wh
                if found.state == "closed" and not found.estimated:
                    closed[found.transaction_id] = found.energy_wh
        self._closed = closed
        return total
