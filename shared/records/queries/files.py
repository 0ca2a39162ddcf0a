"""Files: made, changed by who saw what they were, listed, forgotten. No station's state, so no commit of a station."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from shared.bus import firmware_keys as keys
from shared.bus.lane import Command, Lane
from shared.bus.scripts import SWAP_RECORD, SWAP_UNTIL
from shared.records.files import FileKind, FileRecord, FileState, FileTold, LinkUse, covered
from shared.records.packing import pack, unpack

from .cursors import Position
from .reading import page_of, replies, walk

CHUNK: Final = 100
TRIES: Final = 20
USE_KEPT_MS: Final = 24 * 3600 * 1000
"""What is known of a link's use outlives the link by so long."""
MOST_SENT: Final = 10
"""A link gives away this many times its file's size at most: what a station's tries may take."""


async def create(lane: Lane, record: FileRecord) -> None:
    """Make a file known."""
    commands: list[Command] = [
        ("SET", keys.file(record.file_id), pack(record)),
        ("ZADD", keys.FILES, record.created_at, record.file_id),
    ]
    if record.expires_at:
        commands.append(("ZADD", keys.FILES_EXPIRY, record.expires_at, record.file_id))
    await replies(lane, commands)


async def file(lane: Lane, file_id: str) -> FileRecord | None:
    """Return a file's record, or None where it is not known."""
    return (await files(lane, [file_id]))[0]


async def files(lane: Lane, file_ids: Sequence[str]) -> list[FileRecord | None]:
    """Return the records of these ids in their order, None for what is not known."""
    found = await replies(lane, [("GET", keys.file(one)) for one in file_ids]) if file_ids else []
    return [unpack(packed, FileRecord) if packed is not None else None for packed in found]


async def change(
    lane: Lane, file_id: str, to: Callable[[FileRecord], FileRecord | None]
) -> tuple[FileRecord | None, bool]:
    """Replace a record by what `to` makes of it; returns what is there now, and whether it was replaced.

    `to` returns None where it wants no change. It is asked again where somebody else was first.
    """
    for _ in range(TRIES):
        packed = await lane.one("GET", keys.file(file_id))
        if packed is None:
            return None, False
        record = unpack(packed, FileRecord)
        wanted = to(record)
        if wanted is None:
            return record, False
        if await lane.one(*SWAP_RECORD.command([keys.file(file_id)], [packed, pack(wanted)])):
            return wanted, True
    raise RuntimeError(f"file {file_id} changes faster than it can be written")


async def forget(lane: Lane, file_id: str) -> None:
    """Remove what is known of a file; its content goes first."""
    await replies(
        lane,
        [
            ("UNLINK", keys.file(file_id)),
            ("ZREM", keys.FILES_EXPIRY, file_id),
            ("ZREM", keys.FILES, file_id),
        ],
    )


async def expired(lane: Lane, now: int) -> list[str]:
    """Return some files whose time is over."""
    found = await lane.one("ZRANGE", keys.FILES_EXPIRY, "-inf", now, "BYSCORE", "LIMIT", 0, CHUNK)
    return [one.decode() for one in found]


async def page(
    lane: Lane,
    *,
    kind: FileKind | None,
    state: FileState | None,
    station_id: str,
    after: Position | None,
    limit: int,
) -> tuple[list[FileRecord], Position | None]:
    """Return up to `limit` files behind `after`, the newest first, and where to go on; None at the end."""

    async def load(positions: list[Position]) -> Sequence[FileRecord | None]:
        return await files(lane, [at.member for at in positions])

    def wanted(one: FileRecord) -> bool:
        return kind in (None, one.kind) and state in (None, one.state) and station_id in ("", one.station_id)

    return await page_of(walk(lane, keys.FILES, after, min(limit + 1, CHUNK)), load, wanted, after, limit)


async def told(lane: Lane, record: FileRecord) -> FileTold | None:
    """Return what the station said of this upload last; None: nothing since it was asked."""
    packed = await lane.one("GET", keys.file_told(record.station_id, record.kind))
    found = unpack(packed, FileTold) if packed is not None else None
    return found if found is not None and found.at >= record.created_at else None


async def used(lane: Lane, link: str) -> LinkUse:
    """Return what was fetched by a link."""
    packed = await lane.one("GET", keys.link_use(link))
    return unpack(packed, LinkUse) if packed is not None else LinkUse()


async def delivered(lane: Lane, link: str, begin: int, end: int, *, sent: int, size: int, ttl_ms: int) -> LinkUse:
    """Note that `sent` bytes went out by a link, and that a part of its file has arrived; returns what has in all."""
    for _ in range(TRIES):
        packed = await lane.one("GET", keys.link_use(link))
        use = unpack(packed, LinkUse) if packed is not None else LinkUse()
        got = covered(use.got, begin, end)
        total = use.sent + sent
        now = LinkUse(got, total, use.done or got == ((0, size),) or total >= size * MOST_SENT)
        if await lane.one(*SWAP_UNTIL.command([keys.link_use(link)], [packed or b"", pack(now), ttl_ms])):
            return now
    raise RuntimeError("a link is used more often than can be written down")
