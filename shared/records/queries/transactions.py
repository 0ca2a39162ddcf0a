"""Transactions by start, newest first, and their meter values.

An open transaction is part of its station's state, a closed one stands alone. The state is read first: what closed
between the two reads is then found by the second.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from shared.bus import keys
from shared.bus.lane import Command, Lane
from shared.records.packing import unpack
from shared.records.transactions import Charging, Reading, Transaction, TransactionState

from .cursors import Position
from .reading import HIGHEST, LOWEST, page_of, replies, walk

CHUNK: Final = 200
"""Records read at once: decoding them holds the event loop, which may carry frames."""


class TransactionFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which transactions; None and empty: all. Times are those of the start, ms, `until` excluded."""

    station_id: str = ""
    state: TransactionState | None = None
    id_tag: str = ""
    since: int | None = None
    until: int | None = None

    @property
    def by_content(self) -> bool:
        """Whether records must be looked at to tell."""
        return bool(self.id_tag) or self.state == "closed" or (self.state == "open" and bool(self.station_id))

    def takes(self, transaction: Transaction) -> bool:
        """Tell whether a transaction is wanted; its id tag matches in any case."""
        return (self.state is None or self.state == transaction.state) and (
            not self.id_tag or self.id_tag.casefold() == transaction.id_tag.casefold()
        )

    @property
    def index(self) -> str:
        """The sorted set to read."""
        if self.station_id:
            return keys.transactions(self.station_id)
        return keys.TRANSACTIONS_OPEN if self.state == "open" else keys.TRANSACTIONS


async def transaction(lane: Lane, transaction_id: int) -> Transaction | None:
    """Return a transaction, or None where there is none of this id."""
    return (await transactions(lane, [transaction_id]))[0]


async def transactions(lane: Lane, ids: Sequence[int], station_id: str = "") -> list[Transaction | None]:
    """Return the transactions of these ids in their order; two round trips, one where the station is given."""
    if not ids:
        return []
    if station_id:
        owners = [station_id] * len(ids)
    else:
        found = await lane.one("HMGET", keys.TRANSACTION_OWNERS, *ids)
        owners = [owner.decode() if owner else "" for owner in found]
    return await _load(lane, ids, owners)


async def _load(lane: Lane, ids: Sequence[int], owners: Sequence[str]) -> list[Transaction | None]:
    stations = list(dict.fromkeys(owner for owner in owners if owner))
    commands: list[Command] = [("HGET", keys.state(station_id), "ch") for station_id in stations]
    commands += [
        ("GET", keys.transaction(owner, transaction_id)) for transaction_id, owner in zip(ids, owners, strict=True)
    ]
    found = await replies(lane, commands)
    charging = {
        station_id: unpack(section, Charging).open
        for station_id, section in zip(stations, found, strict=False)
        if section is not None
    }
    closed = found[len(stations) :]
    return [
        charging.get(owner, {}).get(transaction_id) or (unpack(record, Transaction) if record else None)
        for transaction_id, owner, record in zip(ids, owners, closed, strict=True)
    ]


async def page(
    lane: Lane, wanted: TransactionFilter, after: Position | None, limit: int
) -> tuple[list[Transaction], Position | None]:
    """Return up to `limit` transactions behind `after`, newest start first, and where to go on; None at the end."""
    low = LOWEST if wanted.since is None else wanted.since
    high = HIGHEST if wanted.until is None else f"({wanted.until}"

    async def load(positions: list[Position]) -> list[Transaction | None]:
        return await transactions(lane, [int(at.member) for at in positions], wanted.station_id)

    chunk = CHUNK if wanted.by_content else min(limit + 1, CHUNK)
    return await page_of(walk(lane, wanted.index, after, chunk, low, high), load, wanted.takes, after, limit)


async def readings(
    lane: Lane, station_id: str, transaction_id: int, after: str, limit: int
) -> tuple[list[Reading], str]:
    """Return up to `limit` readings of a transaction in the order of their arrival, and the entry to go on behind.

    Transaction 0: the station's samples that belong to no transaction.
    """
    stream = keys.meter(station_id, transaction_id) if transaction_id else keys.samples(station_id)
    found = await lane.one("XRANGE", stream, f"({after}" if after else "-", "+", "COUNT", limit + 1)
    kept = [unpack(fields[1], Reading) for _, fields in found[:limit]]
    return kept, found[limit - 1][0].decode() if len(found) > limit else ""
