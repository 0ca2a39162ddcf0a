"""Files, as operators see them."""

from __future__ import annotations

import msgspec

from edge.operators.times import Instant, instant, iso
from shared.records.files import FileKind, FileRecord, FileState, FileTold


class File(msgspec.Struct, frozen=True, kw_only=True):
    """A firmware image's content, diagnostics or a log."""

    id: str
    kind: FileKind
    name: str
    state: FileState
    """`expected`: a station was asked for it. `receiving`: it comes. `stored`: it is here, whole."""
    station_id: str | None
    """Who leaves it."""
    command_id: str | None
    """The command that asked for it."""
    log_type: str | None
    size: int
    """Bytes; of one that comes, how many have come."""
    limit: int
    """Bytes that are taken at most."""
    sha256: str | None
    error: str | None
    """Why the last upload failed; the station may try again."""
    told: str | None
    """What the station says of the upload."""
    told_at: Instant | None
    created_at: Instant
    created_by: str
    stored_at: Instant | None
    expires_at: Instant | None
    """When it is deleted; null: with its image."""

    @classmethod
    def of(cls, record: FileRecord, told: FileTold | None = None) -> File:
        """Show a record."""
        return cls(
            id=record.file_id,
            kind=record.kind,
            name=record.name,
            state=record.state,
            station_id=record.station_id or None,
            command_id=record.command_id or None,
            log_type=record.log_type or None,
            size=record.size,
            limit=record.limit,
            sha256=record.sha256 or None,
            error=record.error or None,
            told=told.status if told is not None else None,
            told_at=iso(told.at) if told is not None else None,
            created_at=instant(record.created_at),
            created_by=record.created_by,
            stored_at=iso(record.stored_at),
            expires_at=iso(record.expires_at),
        )
