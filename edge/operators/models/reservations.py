"""Reservations as operators see and make them."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from edge.operators.times import GivenInstant, Instant, instant, iso
from shared.records import reservations
from shared.records.reservations import ReservationState

MAX_S = 30 * 24 * 3600
"""How far ahead a reservation may end."""
Tag = Annotated[str, Meta(min_length=1, max_length=20)]


class Reservation(msgspec.Struct, frozen=True, kw_only=True):
    """A connector that a station was asked to keep free for an id tag."""

    id: str
    """Also the id of the command that made it."""
    reservation_id: int
    """What the station knows it by."""
    station_id: str
    connector_id: int
    """0: any of the station's."""
    id_tag: str
    parent_id_tag: str | None
    """Tags of this group may use it too."""
    state: ReservationState
    reason: str | None
    """Why it was refused or cancelled, or what is not known of it."""
    doubt: str | None
    """The status that its connector shows although it is reserved."""
    transaction_id: int | None
    """The transaction that used it."""
    created_at: Instant | None
    active_at: Instant | None
    """When the station accepted it."""
    expires_at: Instant
    ended_at: Instant | None

    @classmethod
    def of(cls, record: reservations.Reservation) -> Reservation:
        """Show a record."""
        return cls(
            id=record.reservation_id,
            reservation_id=record.number,
            station_id=record.station_id,
            connector_id=record.connector_id,
            id_tag=record.id_tag,
            parent_id_tag=record.parent_id_tag or None,
            state=record.state,
            reason=record.reason or None,
            doubt=record.doubt or None,
            transaction_id=record.transaction_id or None,
            created_at=iso(record.made_at),
            active_at=iso(record.active_at),
            expires_at=instant(record.expires_at),
            ended_at=iso(record.ended_at),
        )


class NewReservation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to keep free, for whom, until when: `expires_at` or `expires_in_s`."""

    connector_id: Annotated[int, Meta(ge=0, le=128, description="0: any connector of the station.")]
    id_tag: Tag
    parent_id_tag: Annotated[Tag | None, Meta(description="Tags of this group may use it too.")] = None
    expires_at: GivenInstant | None = None
    expires_in_s: Annotated[int, Meta(ge=1, le=MAX_S)] | None = None
