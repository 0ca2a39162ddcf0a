"""What all reads share: replies without errors, pages of sorted sets."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar

import hiredis

from shared.bus.lane import Command, Lane
from shared.bus.scripts import PAGE_INDEX

from .cursors import Position

SCAN_BUDGET: Final = 4000
"""How many records one call looks at where it filters; the next call goes on behind them."""
CHUNK: Final = 200
"""Records read at once: decoding them holds the event loop, which may carry frames."""
HIGHEST: Final = "+inf"
LOWEST: Final = "-inf"
R = TypeVar("R")


class TooManyError(Exception):
    """There are as many of these as there may be; its text says how many."""


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


def counting(index: str, prefix: str) -> Command:
    """Return the command that counts the members of an index by name that begin with `prefix`."""
    low = prefix.encode()
    return ("ZLEXCOUNT", index, b"[" + low, b"(" + low + b"\xff")


async def page_by_name(
    lane: Lane,
    index: str,
    load: Callable[[list[str]], Awaitable[Sequence[R | None]]],
    takes: Callable[[R], bool],
    after: str,
    limit: int,
    *,
    prefix: str = "",
    chunk: int = CHUNK,
) -> tuple[list[R], str]:
    """Return up to `limit` of the records named in an index, and the name to go on behind; empty at the end.

    As with `page_of` only what is there and wanted counts: a page may be short, or empty, and still go on.
    """
    kept: list[R] = []
    last, seen = after, 0
    while True:
        found = await names(lane, index, prefix, last, chunk)
        for name, record in zip(found, await load(found) if found else (), strict=True):
            if record is not None and takes(record):
                if len(kept) == limit:
                    return kept, last
                kept.append(record)
            last = name
        seen += len(found)
        if len(found) < chunk:
            return kept, ""
        if seen >= SCAN_BUDGET:
            return kept, last


async def newest(
    lane: Lane, index: str, after: Position | None, count: int, low: str | int = LOWEST, high: str | int = HIGHEST
) -> list[Position]:
    """Return up to `count` members of an index by score, highest first, behind `after`, with scores low to high."""
    at = [after.score, after.member] if after else ["", ""]
    found = await lane.one(*PAGE_INDEX.command(keys=[index], args=[high, low, count, *at]))
    return [Position(found[n].decode(), int(float(found[n + 1]))) for n in range(0, len(found), 2)]


async def walk(
    lane: Lane,
    index: str,
    after: Position | None,
    chunk: int = CHUNK,
    low: str | int = LOWEST,
    high: str | int = HIGHEST,
) -> AsyncIterator[list[Position]]:
    """Yield the members of an index by score, highest first, behind `after`, some at a time; scores low to high."""
    last = after
    while positions := await newest(lane, index, last, chunk, low, high):
        yield positions
        if len(positions) < chunk:
            return
        last = positions[-1]


async def page_of(
    source: AsyncIterable[list[Position]],
    load: Callable[[list[Position]], Awaitable[Sequence[R | None]]],
    takes: Callable[[R], bool],
    after: Position | None,
    limit: int,
) -> tuple[list[R], Position | None]:
    """Return up to `limit` of the records at `source` that are there and wanted, and where to go on; None at the end.

    `after` is where `source` begins. A page may be short, or empty, and still go on: see `SCAN_BUDGET`.
    """
    kept: list[R] = []
    last, seen = after, 0
    async for positions in source:
        for at, record in zip(positions, await load(positions), strict=True):
            if record is not None and takes(record):
                if len(kept) == limit:
                    return kept, last
                kept.append(record)
            last = at
        seen += len(positions)
        if seen >= SCAN_BUDGET:
            return kept, last
    return kept, None


async def station_of(lane: Lane, index: str, name: str, at: int | str) -> str | None:
    """Return the station of `<station>/<name>`, a member of an index at the score that the name tells, or None."""
    suffix = f"/{name}".encode()
    around: list[bytes] = await lane.one("ZRANGE", index, at, at, "BYSCORE")
    return next((member[: -len(suffix)].decode() for member in around if member.endswith(suffix)), None)
