"""Id tags in the order of their names, and their writes: a tag is no station's state, so no commit of a station.

Tags are case-insensitive: keys and order go by the lower-case form, the record keeps the spelling it was given.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence

import msgspec

from shared.bus import keys
from shared.bus.lane import Command, Lane
from shared.bus.scripts import SWAP_RECORD
from shared.records.packing import pack, unpack
from shared.records.tags import IdTag, TagStatus

from .reading import page_by_name, replies


class TagNow(msgspec.Struct, frozen=True):
    """An id tag, and how many transactions it holds at the moment."""

    tag: IdTag
    holds: int


class TagFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which tags; empty: all. `q` begins the tag, `parent` is the whole group."""

    q: str = ""
    status: TagStatus | None = None
    parent: str = ""

    def takes(self, tag: IdTag) -> bool:
        """Tell whether a tag is wanted."""
        return (self.status is None or self.status == tag.status) and (
            not self.parent or self.parent.casefold() == tag.parent.casefold()
        )


async def tag(lane: Lane, id_tag: str) -> TagNow | None:
    """Return a tag, or None where it is not known."""
    return (await _load(lane, [id_tag.lower()]))[0]


async def page(lane: Lane, wanted: TagFilter, after: str, limit: int) -> tuple[list[TagNow], str]:
    """Return up to `limit` tags by name behind `after`, and the name to go on behind; empty at the end."""

    async def load(some: list[str]) -> list[TagNow | None]:
        return await _load(lane, some)

    def takes(found: TagNow) -> bool:
        return wanted.takes(found.tag)

    return await page_by_name(lane, keys.TAGS, load, takes, after, limit, prefix=wanted.q.lower())


async def put(lane: Lane, records: Sequence[IdTag]) -> list[bool]:
    """Write tags, new or not, in one round trip; returns for each whether it is new."""
    commands: list[Command] = []
    for record in records:
        name = record.id_tag.lower()
        commands += (("SET", keys.tag(name), pack(record), "GET"), ("ZADD", keys.TAGS, 0, name))
    found = await replies(lane, [*commands, _changed()])
    return [previous is None for previous in found[:-1:2]]


async def create(lane: Lane, record: IdTag) -> bool:
    """Write a tag that must not exist; False where it does."""
    return await _swap(lane, b"", record)


async def change(lane: Lane, id_tag: str, change: Callable[[IdTag], IdTag]) -> IdTag | None:
    """Apply `change` to a tag as it is at the moment of the write; None where it is not known."""
    while True:
        packed = await lane.one("GET", keys.tag(id_tag.lower()))
        if packed is None:
            return None
        record = change(unpack(packed, IdTag))
        if await _swap(lane, packed, record):
            return record


async def delete(lane: Lane, id_tag: str) -> bool:
    """Remove a tag; False where it was not known. Transactions that it holds go on, and give their places back."""
    name = id_tag.lower()
    # The index first: a name without a record is passed over, a record without its name would never be listed.
    _, deleted, _ = await replies(lane, [("ZREM", keys.TAGS, name), ("DEL", keys.tag(name)), _changed()])
    return bool(deleted)


async def _swap(lane: Lane, before: bytes, record: IdTag) -> bool:
    name = record.id_tag.lower()
    swap = SWAP_RECORD.command(keys=[keys.tag(name)], args=[before, pack(record)])
    done, _, _ = await replies(lane, [swap, ("ZADD", keys.TAGS, 0, name), _changed()])
    return bool(done)


def _changed() -> Command:
    """Return the command that tells whoever derives from tags that one was written; the writes come before it."""
    return ("SET", keys.TAGS_CHANGED, secrets.token_bytes(8))


async def _load(lane: Lane, found_names: Sequence[str]) -> list[TagNow | None]:
    commands: list[Command] = []
    for name in found_names:
        commands += (("GET", keys.tag(name)), ("HLEN", keys.holders(name)))
    found = await replies(lane, commands)
    return [
        TagNow(unpack(found[n], IdTag), found[n + 1]) if found[n] is not None else None for n in range(0, len(found), 2)
    ]
