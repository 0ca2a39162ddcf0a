"""Places under id tags' limits of concurrent transactions, and the index of tags: against what open transactions say.

A place is taken before the start that it is for is committed, and given back after its end: a worker that dies between
leaves one that nobody holds. It counts as such once it is older than any start takes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from shared.bus import keys
from shared.bus.lane import Command, Lane
from shared.bus.scripts import FREE_PLACE
from shared.records.packing import unpack
from shared.records.queries.reading import replies
from shared.records.transactions import Charging
from workers.services.authorization import key_of

from .indexes import Mended

NAME: Final = "places under tags' limits"
GRACE_MS: Final = 60_000
"""A place that was given out so recently may be for a start that is not committed yet."""
AT_ONCE: Final = 200


async def free_unheld(lane: Lane) -> int:
    """Free every place that no open transaction holds; returns how many."""
    freed = 0
    seconds, _ = await lane.one("TIME")
    async for tags in _batches(lane, keys.holders("*")):
        held = await replies(lane, [("HGETALL", keys.holders(tag)) for tag in tags])
        old = [
            (tag, holder.decode(), since)
            for tag, pairs in zip(tags, held, strict=True)
            for holder, since in zip(pairs[::2], pairs[1::2], strict=True)
            if int(seconds) * 1000 - int(float(since)) > GRACE_MS
        ]
        rightful = await _rightful(lane, {holder.rpartition("/")[0] for _, holder, _ in old})
        for tag, holder, since in old:
            if (tag, holder) not in rightful:
                freed += int(await lane.one(*FREE_PLACE.command([keys.holders(tag)], [holder, since])))
    return freed


async def mend(lane: Lane, tags: Mended, held: Mended) -> None:
    """Mend the index of tags and the places; counts go to `tags` and `held`."""
    async for names in _batches(lane, keys.tag("*")):
        found = await lane.one("ZMSCORE", keys.TAGS, *names)
        missing = [name for name, score in zip(names, found, strict=True) if score is None]
        if missing:
            added: list[Command] = [("ZADD", keys.TAGS, 0, name) for name in missing]
            tags.added += sum(await replies(lane, added))
    tags.removed += await _forget_tags(lane)
    held.removed += await free_unheld(lane)
    held.added += await _give(lane)


async def _forget_tags(lane: Lane) -> int:
    """Take names out of the index that have no record: read again right before, for a tag may just be made."""
    removed, cursor = 0, b"0"
    while True:
        cursor, pairs = await lane.one("ZSCAN", keys.TAGS, cursor, "COUNT", AT_ONCE)
        names = [name.decode() for name in pairs[::2]]
        there = await replies(lane, [("EXISTS", keys.tag(name)) for name in names])
        for name, exists in zip(names, there, strict=True):
            if not exists and not await lane.one("EXISTS", keys.tag(name)):
                removed += int(await lane.one("ZREM", keys.TAGS, name))
        if cursor == b"0":
            return removed


async def _give(lane: Lane) -> int:
    """Give open transactions the places back that they lack."""
    given, cursor = 0, b"0"
    while True:
        cursor, pairs = await lane.one("ZSCAN", keys.TRANSACTIONS_OPEN, cursor, "COUNT", AT_ONCE)
        ids = pairs[::2]
        owners = await lane.one("HMGET", keys.TRANSACTION_OWNERS, *ids) if ids else []
        rightful = await _rightful(lane, {owner.decode() for owner in owners if owner is not None})
        for (tag, holder), since in rightful.items():
            given += int(await lane.one("HSETNX", keys.holders(tag), holder, since))
        if cursor == b"0":
            return given


async def _rightful(lane: Lane, stations: set[str]) -> dict[tuple[str, str], int]:
    """Return the places that these stations' open transactions hold, as (tag, holder) -> since ms."""
    names = sorted(stations)
    sections = await replies(lane, [("HGET", keys.state(name), "ch") for name in names])
    return {
        (key_of(one.id_tag), one.holder): one.received_at
        for section in sections
        if section is not None
        for one in unpack(section, Charging).open.values()
        if one.holder
    }


async def scan_names(lane: Lane, pattern: str, count: int) -> AsyncIterator[str]:
    """Yield what stands between the braces of every key that matches; one may come twice."""
    cursor = b"0"
    while True:
        cursor, found = await lane.one("SCAN", cursor, "MATCH", pattern, "COUNT", count)
        for key in found:
            text = key.decode()
            yield text[text.index("{") + 1 : text.rindex("}")]
        if cursor == b"0":
            return


async def _batches(lane: Lane, pattern: str) -> AsyncIterator[list[str]]:
    batch: list[str] = []
    async for name in scan_names(lane, pattern, AT_ONCE):
        batch.append(name)
        if len(batch) == AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch
