"""Reservations of connectors: section `rs` of a station's state, and a record each.

    pending ──accepted──> active ──a start by the right tag──> used
       │                    ├──its time is over──> expired
       └──> refused         └──CancelReservation, or another with its number──> cancelled

A reservation's id is that of the command that made it. Its number is the `reservationId` of the standard, which only
its station knows it by, and may see again.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

ReservationState = Literal["pending", "active", "used", "expired", "cancelled", "refused"]
"""`pending`: the station was asked, or will be, and has not answered."""
LIVE: Final = frozenset({"pending", "active"})
RECORD_KEPT_MS: Final = 30 * 24 * 3600 * 1000
"""How long a record outlives its reservation."""


class Reservation(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One reservation; times in ms, 0: not yet."""

    reservation_id: str
    number: int
    station_id: str
    connector_id: int
    """0: any."""
    id_tag: str
    parent_id_tag: str = ""
    """Tags of this group may use it too; empty: `id_tag` alone."""
    state: ReservationState = "pending"
    made_at: int = 0
    active_at: int = 0
    expires_at: int = 0
    ended_at: int = 0
    transaction_id: int = 0
    """The transaction that used it."""
    reason: str = ""
    """Why it was refused or cancelled, or what is not known of it."""
    doubt: str = ""
    """The status that its connector shows although it is reserved."""


class Reservations(msgspec.Struct, frozen=True, omit_defaults=True):
    """Section `rs`."""

    live: dict[str, Reservation] = {}
    """Pending and active ones by id."""
    over: tuple[Reservation, ...] = ()
    """The last that ended unused, the newest first: a start that was told late may have used one."""
    ended: tuple[str, ...] = ()
    """Ids of the ended ones whose records are kept, the newest first."""


def of_connector(section: Reservations, connector_id: int) -> Reservation | None:
    """Return the active reservation of a connector; that of any connector counts as the station's (0)."""
    return next(
        (one for one in section.live.values() if one.connector_id == connector_id and one.state == "active"), None
    )
