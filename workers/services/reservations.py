"""Reservations: what a station was asked to keep free, for whom, until when, and what became of it.

    ReserveNow queued ──> pending ──Accepted──> active ──start──> used | ──timer──> expired | ──cancelled──> cancelled
                             └──any other answer──> refused

Which commands reserve and cancel, handlers say: by action, from the payload in a version's words. So a command that an
operator or a job sent makes a reservation just as the reservations' own routes do. A station without any never has the
section, and pays nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from shared.bus import keys
from shared.records.commands import CommandRecord, made_at
from shared.records.events import (
    Event,
    ReservationCancelled,
    ReservationExpired,
    ReservationMade,
    ReservationRefused,
    ReservationUsed,
)
from shared.records.packing import pack
from shared.records.reservations import RECORD_KEPT_MS, Reservation, Reservations, ReservationState, of_connector
from shared.records.transactions import Transaction
from workers.store.draft import Draft

from . import command_hooks, command_rules, flags
from .authorization import key_of
from .wakeups import wakes

TIMER: Final = "reservation_expiry"
MAX_LIVE: Final = 200
"""Reservations of one station that are followed at a time; more are only commands."""
MAX_OVER: Final = 8
MAX_ENDED: Final = 50
"""Ended ones of a station whose records are kept."""
SLACK_MS: Final = 60_000
"""How far a station's clock may be from ours where a start or a status is held against a reservation's times."""
RESERVED: Final = "Reserved"
CONTRADICTING: Final = frozenset({"Available", "Unavailable", "Faulted"})
"""Statuses of a connector that is not kept for anybody (OCPP 1.6 §5.13: out of service ends a reservation)."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a command asks a station to reserve; `expires_at` 0: it could not be read."""

    number: int
    connector_id: int
    id_tag: str
    parent_id_tag: str = ""
    expires_at: int = 0


_wanted: Final[dict[str, Callable[[dict[str, Any]], Wanted]]] = {}
_numbers: Final[dict[str, Callable[[dict[str, Any]], int]]] = {}
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode
_change = msgspec.structs.replace


def reserves(action: str, reader: Callable[[dict[str, Any]], Wanted]) -> None:
    """Let commands of this action make reservations."""
    _wanted[action] = reader
    command_hooks.QUEUED[action] = _asked
    command_hooks.LATE[action] = _answered_late
    command_hooks.when_done(action)(_answered)


def cancels(action: str, reader: Callable[[dict[str, Any]], int]) -> None:
    """Let commands of this action cancel the reservation of the number that `reader` finds."""
    _numbers[action] = reader
    command_hooks.when_done(action)(_cancel_answered)


# ── making ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _asked(draft: Draft, command: CommandRecord) -> None:
    wanted = _wanted[command.action](_decode(command.payload))
    if len(draft.reserved.live) >= MAX_LIVE or not -(2**63) <= wanted.number < 2**63:
        return
    made = Reservation(
        reservation_id=command.command_id,
        number=wanted.number,
        station_id=draft.station_id,
        connector_id=wanted.connector_id,
        id_tag=wanted.id_tag,
        parent_id_tag=wanted.parent_id_tag,
        made_at=draft.now,
        expires_at=wanted.expires_at or command.expires_at,
    )
    draft.effect("ZADD", keys.RESERVATIONS, made_at(made.reservation_id), _member(made))
    draft.wake(TIMER, made.reservation_id, made.expires_at)
    _keep(draft, made)


def _answered(draft: Draft, command: CommandRecord) -> None:
    held = draft.reserved.live.get(command.command_id)
    if held is None or held.state != "pending":
        return  # It was used, or its time was over, before the answer came.
    if command.state == "accepted":
        _activate(draft, held)
    elif command.state in ("expired", "cancelled"):
        _end(draft, held, command.state, reason="it was never sent")
    elif command.state == "timed_out":
        # The station may hold it or not: a late answer, a start or its time will tell.
        _keep(draft, _change(held, reason="the station has not answered"))
    else:
        _end(draft, held, "refused", reason=_status(command.response) or command.error)


def _answered_late(draft: Draft, command: CommandRecord) -> None:
    held = draft.reserved.live.get(command.command_id)
    if held is None or held.state != "pending":
        return
    status = _status(command.late_response)
    if status and command_rules.outcome(command.action, command.late_response) == "accepted":
        _activate(draft, held)
    else:
        _end(draft, held, "refused", reason=status)


def _activate(draft: Draft, held: Reservation) -> None:
    """The station keeps it; one that had the same number there has made way (§5.13)."""
    for other in tuple(draft.reserved.live.values()):
        if other.number == held.number and other.state == "active":
            _end(draft, other, "cancelled", reason="replaced by another with its number")
    active = _change(held, state="active", active_at=draft.now, reason="")
    _keep(draft, active)
    _tell(draft, active, ReservationMade)
    if active.expires_at <= draft.now:
        _end(draft, active, "expired")


# ── ending ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@wakes(TIMER)
def _time_is_over(draft: Draft, reservation_id: str) -> None:
    held = draft.reserved.live.get(reservation_id)
    if held is None:
        return
    if draft.now < held.expires_at:
        draft.wake(TIMER, reservation_id, held.expires_at)
        return
    _end(draft, held, "expired")


def _cancel_answered(draft: Draft, command: CommandRecord) -> None:
    if command.state not in ("accepted", "rejected"):
        return
    number = _numbers[command.action](_decode(command.payload))
    # Rejected means that the station has none of this number (§5.1).
    reason = "" if command.state == "accepted" else "the station did not have it any more"
    for held in tuple(draft.reserved.live.values()):
        if held.number == number and (held.state == "active" or held.reason):
            _end(draft, held, "cancelled", reason=reason)


def forget(draft: Draft) -> None:
    """End what is live: the station is being deleted."""
    for held in tuple(draft.reserved.live.values()):
        _end(draft, held, "cancelled", reason="the station was deleted")
    for reservation_id in draft.reserved.ended:
        _drop(draft, reservation_id)


# ── using ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def claim(draft: Draft, opened: Transaction) -> Transaction:
    """Use up the reservation that a start is made under; return the transaction with what is odd about it flagged.

    The reservation is the one that the start names, else one for its tag or its tag's group, on its connector before
    any connector (§5.13). Another tag's start on a reserved connector is flagged and uses nothing.
    """
    section = draft.reserved
    if opened.reservation_id:
        return _claim_named(draft, opened)
    if not section.live:
        return opened
    begun = opened.received_at if flags.CLOCK_SUSPECT in opened.flags else opened.started_at
    fitting = [one for one in section.live.values() if one.connector_id in (0, opened.connector_id)]
    for one in sorted(fitting, key=lambda one: one.connector_id == 0):
        if _is_for(one, opened) and one.made_at - SLACK_MS <= begun <= one.expires_at + SLACK_MS:
            _use(draft, one, opened)
            return opened
    held = of_connector(section, opened.connector_id)
    if held is not None and not held.doubt and held.active_at <= begun < held.expires_at:
        return _flagged(opened, flags.RESERVED_FOR_ANOTHER)
    return opened


def _claim_named(draft: Draft, opened: Transaction) -> Transaction:
    section = draft.reserved
    # The station can mean only what it accepted, before what it did not answer, before what is over.
    candidates = (*sorted(section.live.values(), key=lambda one: one.state != "active"), *section.over)
    held = next((one for one in candidates if one.number == opened.reservation_id), None)
    if held is None:
        return _flagged(opened, flags.RESERVATION_UNKNOWN)
    _use(draft, held, opened)
    if _is_for(held, opened) and held.connector_id in (0, opened.connector_id):
        return opened
    return _flagged(opened, flags.RESERVATION_DIFFERS)


def _is_for(held: Reservation, opened: Transaction) -> bool:
    parent = key_of(held.parent_id_tag)
    return key_of(opened.id_tag) == key_of(held.id_tag) or (bool(parent) and key_of(opened.group) == parent)


def _flagged(opened: Transaction, flag: str) -> Transaction:
    return _change(opened, flags=flags.union(opened.flags, flag))


def _use(draft: Draft, held: Reservation, opened: Transaction) -> None:
    _end(draft, held, "used", transaction_id=opened.transaction_id)


# ── what connectors show ─────────────────────────────────────────────────────────────────────────────────────────────


def on_status(draft: Draft, connector_id: int, status: str) -> None:
    """Hold a connector's new status against its reservation: what contradicts it is shown and flagged, ends nothing."""
    if not connector_id or (status != RESERVED and not draft.reserved.live):
        return
    live = draft.reserved.live
    if status == RESERVED and not any(one.connector_id in (0, connector_id) for one in live.values()):
        draft.flag("reserved_unknown")
        return
    held = of_connector(draft.reserved, connector_id)
    if held is None or draft.now > held.expires_at - SLACK_MS:
        return
    doubt = status if status in CONTRADICTING else "" if status == RESERVED else held.doubt
    if doubt != held.doubt:
        _keep(draft, _change(held, doubt=doubt))
        if doubt:
            draft.flag("reservation_lost")


# ── records ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _keep(draft: Draft, held: Reservation) -> None:
    section = draft.reserved
    draft.put(_change(section, live={**section.live, held.reservation_id: held}))
    _write(draft, held)


def _end(
    draft: Draft, held: Reservation, state: ReservationState, *, reason: str = "", transaction_id: int = 0
) -> None:
    """End a reservation, or say of one that ended unused that it was used after all."""
    ended = _change(held, state=state, ended_at=draft.now, reason=reason[:200], doubt="", transaction_id=transaction_id)
    section = draft.reserved
    over = tuple(one for one in section.over if one.reservation_id != held.reservation_id)
    if state in ("expired", "cancelled"):
        over = (ended, *over)[:MAX_OVER]
    kept = (held.reservation_id, *(one for one in section.ended if one != held.reservation_id))
    live = {name: one for name, one in section.live.items() if name != held.reservation_id}
    draft.put(Reservations(live=live, over=over, ended=kept[:MAX_ENDED]))
    for surplus in kept[MAX_ENDED:]:
        _drop(draft, surplus)
    _write(draft, ended)
    _tell(draft, ended, _EVENTS[state])


def _write(draft: Draft, held: Reservation) -> None:
    kept_ms = max(held.expires_at - draft.now, 0) + RECORD_KEPT_MS
    draft.write("SET", keys.reservation(draft.station_id, held.reservation_id), pack(held), "PX", kept_ms)


def _drop(draft: Draft, reservation_id: str) -> None:
    draft.write("DEL", keys.reservation(draft.station_id, reservation_id))
    draft.effect("ZREM", keys.RESERVATIONS, f"{draft.station_id}/{reservation_id}")


def _member(held: Reservation) -> str:
    return f"{held.station_id}/{held.reservation_id}"


_EVENTS: Final[dict[ReservationState, type[Event]]] = {
    "used": ReservationUsed,
    "expired": ReservationExpired,
    "cancelled": ReservationCancelled,
    "refused": ReservationRefused,
}


def _tell(draft: Draft, held: Reservation, kind: type[Event]) -> None:
    told: dict[str, Any] = {
        "reservation_id": held.reservation_id,
        "number": held.number,
        "connector_id": held.connector_id,
    }
    if kind is ReservationMade:
        told["expires_at"] = held.expires_at
    elif kind is ReservationUsed:
        told["transaction_id"] = held.transaction_id
    elif kind is not ReservationExpired:
        told["reason"] = held.reason
    draft.count("reservations_total", "made" if kind is ReservationMade else held.state)
    draft.emit(kind(station_id=draft.station_id, at=draft.now, **told))


def _status(response: Any) -> str:
    found = response.get("status") if isinstance(response, dict) else None
    return found[:50] if isinstance(found, str) else ""
