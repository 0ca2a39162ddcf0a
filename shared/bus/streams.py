"""The uplink streams and their consumer group: creating, reading, claiming."""

from __future__ import annotations

from typing import Any, Final

import hiredis

from . import keys
from .lane import Command, Lane, sound

Entry = tuple[str, bytes]
"""Stream id and the packed envelope."""

DELETED: Final = b""
"""What stands for an entry that is pending but gone from the stream."""


async def create_group(lane: Lane, stream: str) -> None:
    """Make the stream and its group of workers where they are missing."""
    try:
        await lane.one("XGROUP", "CREATE", stream, keys.GROUP, "0", "MKSTREAM")
    except hiredis.ReplyError as error:
        if not str(error).startswith("BUSYGROUP"):
            raise


async def partitions(lane: Lane, wanted: int) -> int:
    """Return the number of partitions of this system, setting it to `wanted` where it was never set."""
    _, found = await lane.execute([("SET", keys.META_PARTITIONS, wanted, "NX"), ("GET", keys.META_PARTITIONS)])
    return int(sound(found))


def _entries(found: list[Any]) -> list[Entry]:
    return [(entry_id.decode(), fields[1] if fields else DELETED) for entry_id, fields in found]


async def read_new(lane: Lane, stream: str, consumer: str, count: int, block_ms: int) -> list[Entry]:
    """Wait up to `block_ms` for entries that no consumer has; the lane must be the caller's own."""
    command: Command = (
        "XREADGROUP", "GROUP", keys.GROUP, consumer, "COUNT", count, "BLOCK", block_ms, "STREAMS", stream, ">",
    )  # fmt: skip
    (reply,) = await lane.execute([command], timeout_s=block_ms / 1000 + lane.timeout_s)
    return _entries(reply[0][1]) if sound(reply) else []


async def read_own(lane: Lane, stream: str, consumer: str, count: int) -> list[Entry]:
    """Return what this consumer was given and never acknowledged, oldest first; `DELETED` for what is gone."""
    reply = await lane.one("XREADGROUP", "GROUP", keys.GROUP, consumer, "COUNT", count, "STREAMS", stream, "0")
    return _entries(reply[0][1]) if reply else []


async def claim(
    lane: Lane, stream: str, consumer: str, idle_ms: int, cursor: str, count: int
) -> tuple[str, list[Entry], list[str]]:
    """Take over entries that others hold unacknowledged for `idle_ms`.

    Returns the next cursor (`0-0`: at the end), the entries, and the ids that were pending but are gone.
    """
    reply = await lane.one("XAUTOCLAIM", stream, keys.GROUP, consumer, idle_ms, cursor, "COUNT", count)
    following, found, *gone = reply
    return following.decode(), _entries(found), [entry_id.decode() for entry_id in (gone[0] if gone else ())]
