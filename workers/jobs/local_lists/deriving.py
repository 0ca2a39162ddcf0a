"""A policy's list out of all tags: what differs from its last version becomes the next.

All tags are read once for all lists, a few hundred at a time, so that the worker's loop goes on. Items of a version are
written first, then the head; a crash between the two leaves items of a version that no station is sent yet, and the
next look finds them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import Final, TypeVar

from shared.bus import keys
from shared.bus.lane import Command, Lane
from shared.records import local_lists
from shared.records.authorization import MAX_LISTED_TAG, AuthorizationPolicy
from shared.records.local_lists import Head, Item
from shared.records.packing import pack, unpack
from shared.records.queries.reading import replies
from shared.records.tags import IdTag

T = TypeVar("T")
read = local_lists.read.__wrapped__
"""Without memory: all of a list is read once."""
AT_ONCE: Final = 500
GONE_KEPT: Final = 1000
"""Tags that left are kept in a list until there are so many more of them than tags in it."""


async def every_tag(lane: Lane) -> AsyncIterator[list[IdTag]]:
    """Yield all tags in the order of their names, some at a time."""
    low = "-"
    while True:
        names = await lane.one("ZRANGE", keys.TAGS, low, "+", "BYLEX", "LIMIT", 0, AT_ONCE)
        found = await replies(lane, [("GET", keys.tag(name.decode())) for name in names])
        yield [unpack(packed, IdTag) for packed in found if packed is not None]
        if len(names) < AT_ONCE:
            return
        low = b"(" + names[-1]


async def derive(lane: Lane, policies: Sequence[AuthorizationPolicy], now: int) -> dict[str, Head]:
    """Bring the lists of all policies in line with the tags; returns their heads by policy."""
    made: dict[str, list[Item]] = {policy.name: [] for policy in policies}
    too_long = dict.fromkeys(made, 0)
    async for tags in every_tag(lane):
        for policy in policies:
            for tag in tags:
                item = local_lists.item_of(tag, policy.list, now)
                if item is not None:
                    made[policy.name].append(item)
                elif len(tag.id_tag) > MAX_LISTED_TAG and policy.list.takes(tag, now):
                    too_long[policy.name] += 1
    return {name: await _publish(lane, name, items, too_long[name], now) for name, items in made.items()}


async def forget(lane: Lane, policies: Iterable[str]) -> None:
    """Remove the lists of policies that are no more."""
    for name in policies:
        await replies(lane, [("UNLINK", keys.list_head(name), keys.list_items(name), keys.list_places(name))])


async def _publish(lane: Lane, policy: str, wanted: Sequence[Item], left_out: int, now: int) -> Head:
    """Write what differs as the next version; returns the head, the old one where nothing differs."""
    packed, pairs, last = await replies(
        lane,
        [
            ("GET", keys.list_head(policy)),
            ("HGETALL", keys.list_places(policy)),
            ("ZRANGE", keys.list_items(policy), "+", "-", "BYLEX", "REV", "LIMIT", 0, 1),
        ],
    )
    head = unpack(packed, Head) if packed is not None else None
    places = {name.decode(): member for name, member in zip(pairs[::2], pairs[1::2], strict=True)}
    held: dict[str, Item] = {}
    for some in _batches(places.items()):
        held.update((name, read(member)[1]) for name, member in some)
        await asyncio.sleep(0)
    changed = local_lists.changes(held, wanted)
    placed = sum(bool(item.sites) for item in wanted)
    known = head.version if head is not None else 0
    begun = read(last[0])[0] if last else 0
    if head is not None and not changed and begun <= known:
        return head
    version = max(known + 1, begun)
    await _write(lane, policy, version, changed, places)
    floor = await _prune(lane, policy, {**held, **changed}, known, head.floor if head is not None else 0)
    after = Head(
        list_id=head.list_id if head is not None else f"{policy}@{now}",
        version=version,
        count=len(wanted),
        placed=placed,
        changed_at=now,
        floor=floor,
        left_out=left_out,
    )
    await lane.one("SET", keys.list_head(policy), pack(after))
    return after


async def _write(lane: Lane, policy: str, version: int, changed: dict[str, Item], places: dict[str, bytes]) -> None:
    """Give each item its new place, some at a time: a tag is never in two."""
    for some in _batches(changed.items()):
        commands: list[Command] = []
        old = [places[name] for name, _ in some if name in places]
        if old:
            commands.append(("ZREM", keys.list_items(policy), *old))
        members = [(name, local_lists.member(version, item)) for name, item in some]
        commands.append(("HSET", keys.list_places(policy), *_flat(members)))
        commands.append(("ZADD", keys.list_items(policy), *(part for _, one in members for part in (0, one))))
        places.update(members)
        await replies(lane, commands)


async def _prune(lane: Lane, policy: str, items: dict[str, Item], version: int, floor: int) -> int:
    """Forget tags that left where there are many; returns the version below which a station gets all anew."""
    gone = [name for name, item in items.items() if not item.status]
    if len(gone) <= len(items) - len(gone) + GONE_KEPT:
        return floor
    for names in _batches(gone):
        found = await lane.one("HMGET", keys.list_places(policy), *names)
        old = [(name, member) for name, member in zip(names, found, strict=True) if member is not None]
        # Those of the version in the making stay: stations that hold the last one are still told of them.
        leave = [(name, member) for name, member in old if read(member)[0] <= version]
        if leave:
            await replies(
                lane,
                [
                    ("ZREM", keys.list_items(policy), *(member for _, member in leave)),
                    ("HDEL", keys.list_places(policy), *(name for name, _ in leave)),
                ],
            )
    return version


def _batches(members: Iterable[T]) -> Iterator[list[T]]:
    every = list(members)
    for begin in range(0, len(every), AT_ONCE):
        yield every[begin : begin + AT_ONCE]


def _flat(members: Iterable[tuple[str, bytes]]) -> Iterator[str | bytes]:
    for name, member in members:
        yield name
        yield member
