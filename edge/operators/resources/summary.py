"""A few numbers about everything, for a status line."""

from __future__ import annotations

from typing import Any, Final

from edge.operators.call import Call
from edge.operators.models.other import StationCounts, Summary, TransactionCounts
from edge.operators.routes import Table
from edge.operators.times import instant

TABLE: Final = Table("summary")
_route = TABLE.route


@_route("GET", "/summary", "Show a few numbers", scope="read", response=Summary)
async def show_summary(call: Call[Any, None]) -> Summary:
    """Return stations by state, transactions, the energy of the last 24 hours and the size of the quarantine."""
    found = await call.parts.tally.summary(call.lane)
    return Summary(
        at=instant(found.now),
        stations=StationCounts(
            total=found.stations,
            online=found.online,
            offline=max(found.stations - found.online - found.never_seen, 0),
            never_seen=found.never_seen,
        ),
        transactions=TransactionCounts(total=found.transactions, open=found.transactions_open),
        energy_wh=found.energy_wh,
        quarantine=found.quarantine,
    )
