"""The keys of demand response and of prices.

demand:{<id>}:record    string: an event and how it stands     demand:{<id>}:stations  hash: station -> how it does
prices:{<area>}         string: what energy costs there
"""

from __future__ import annotations

from typing import Final

EVENTS: Final = "idx:demand"
"""Sorted set: demand response events by their start (ms)."""
ACTIVE: Final = "idx:demand:active"
"""Sorted set: events about which something is still to be done, by when that begins (ms): their start, 0 for now."""
SOURCES: Final = "idx:demand:sources"
"""Hash: what an event is called where it came from -> its ids here, by spaces."""
RUNNER: Final = "lock:demand"
"""Which worker begins and ends events at the moment."""
PRICES: Final = "idx:prices"
"""Sorted set, all scores 0: every area that has prices."""
OPENADR: Final = "demand:openadr"
"""Hash: how the last look at the VTN went."""


def record(event_id: str) -> str:
    """Name the record of a demand response event."""
    return f"demand:{{{event_id}}}:record"


def stations(event_id: str) -> str:
    """Name the hash of the stations under an event."""
    return f"demand:{{{event_id}}}:stations"


def prices(area: str) -> str:
    """Name the prices of an area."""
    return f"prices:{{{area}}}"
