"""What all reads share: replies without errors, pages of sorted sets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import hiredis

from shared.bus.lane import Command, Lane
from shared.bus.scripts import PAGE_INDEX

from .cursors import Position

SCAN_BUDGET: Final = 4000
"""How many records one call looks at where it filters; the next call goes on behind them."""
HIGHEST: Final = "+inf"
LOWEST: Final = "-inf"


async def replies(lane: Lane, commands: Sequence[Command]) -> list[Any]:
    """Run commands in one round trip; raises `hiredis.ReplyError` for the first that Redis refused."""
    found = await lane.execute(commands)
    for reply in found:
        if isinstance(reply, hiredis.ReplyError):
            raise reply
    return found


async def names(lane: Lane, index: str, prefix: str, after: str, count: int) -> list[str]:
    """Return up to `count` members of an index by name, behind `after`, that begin with `prefix`."""
    low = f"({after}".encode() if after else b"[" + prefix.encode() if prefix else b"-"
    high = b"(" + prefix.encode() + b"\xff" if prefix else b"+"
    found = await lane.one("ZRANGE", index, low, high, "BYLEX", "LIMIT", 0, count)
    return [name.decode() for name in found]


async def newest(
    lane: Lane, index: str, after: Position | None, count: int, low: str | int = LOWEST, high: str | int = HIGHEST
) -> list[Position]:
    """Return up to `count` members of an index by score, highest first, behind `after`, with scores low to high."""
    at = [after.score, after.member] if after else ["", ""]
    found = await lane.one(*PAGE_INDEX.command(keys=[index], args=[high, low, count, *at]))
    return [Position(found[n].decode(), int(float(found[n + 1]))) for n in range(0, len(found), 2)]
