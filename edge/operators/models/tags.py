"""Id tags as operators see them."""

from __future__ import annotations

import msgspec

from edge.operators.times import Instant, iso
from shared.records.authorization_hours import written
from shared.records.queries.tags import TagNow
from shared.records.tags import TagStatus


class Tag(msgspec.Struct, frozen=True, kw_only=True):
    """An id tag; compared without regard to case."""

    id_tag: str
    status: TagStatus
    expires_at: Instant | None
    parent: str | None
    """The group: a stop by another tag of the same group is allowed."""
    concurrent_limit: int | None
    """How many transactions it may hold at a time."""
    sites: tuple[str, ...]
    """Sites, or groups of stations, where it may charge; empty: all."""
    hours: str | None
    """When it may begin to charge; null: always."""
    time_zone: str | None
    """The zone of `hours`; null: the station's own."""
    note: str | None
    updated_at: Instant | None
    holds: int
    """How many it holds now."""

    @classmethod
    def of(cls, found: TagNow) -> Tag:
        """Show a record."""
        tag = found.tag
        return cls(
            id_tag=tag.id_tag,
            status=tag.status,
            expires_at=iso(tag.expires_at),
            parent=tag.parent or None,
            concurrent_limit=tag.concurrent_limit or None,
            sites=tag.sites,
            hours=written(tag.hours) or None,
            time_zone=tag.time_zone or None,
            note=tag.note or None,
            updated_at=iso(tag.updated_at),
            holds=found.holds,
        )
