"""Stations as operators want them: created, changed, deleted, disconnected.

What an edge must know before an upgrade goes to the station's door in the same commit. Each function returns the body
of its reply or raises `Refused`; a refused request changes nothing.
"""

from __future__ import annotations

from typing import Any, Final, cast

import msgspec

from shared.bus import keys
from shared.envelopes import Close
from shared.quirk_profiles import problem
from shared.records.events import StationCreated, StationDeleted, StationOffline, StationUpdated
from shared.records.requests import CreateStation, DeleteStation, Disconnect, UpdateStation
from shared.records.stations import Registration, StationRecord
from workers.store.draft import Draft

from . import certificates, closing, commands, credentials, flags, local_lists, reports, reservations
from .configuration import drifts, waiting
from .probing import concluding as probing
from .refusals import Refused
from .tuning import concluding

GO_AWAY: Final = 1012
"""The station is to dial again: one that was closed with 1000 might not (quirk 29)."""
POLICY_VIOLATION: Final = 1008
_RECORD_FIELDS: Final = ("name", "group", "time_zone", "boot_policy", "quirk_profile", "certificate_name")
_DOOR_FIELDS: Final = {
    "key_hash": "key",
    "minimum_profile": "minimum_profile",
    "subprotocol": "subprotocol",
    "ping": "ping",
    "blocked": "blocked",
    "group": "group",
    "certificate_name": "certificate_name",
}
"""Field of a request -> field of the door."""


def create(draft: Draft, request: CreateStation) -> dict[str, Any]:
    """Make a station known; 409 where it is, 422 for a rule that does not exist."""
    if draft.station is not None:
        raise Refused(409, "the station exists")
    _check_rules(request.quirk_profile)
    at = draft.origin.received_at
    policy = cast("Registration | None", request.boot_policy or None)
    draft.put(
        StationRecord(
            station_id=draft.station_id,
            created_at=at,
            provisioned=True,
            boot_policy=policy,
            time_zone=request.time_zone,
            quirk_profile=request.quirk_profile,
            name=request.name,
            group=request.group,
            certificate_name=request.certificate_name,
        )
    )
    draft.write("DEL", keys.door(draft.station_id))
    _write_door(draft, {field: getattr(request, field) for field in _DOOR_FIELDS})
    draft.effect("ZADD", keys.STATIONS, 0, draft.station_id)
    draft.effect("SADD", keys.NEVER_SEEN, draft.station_id)  # Until its first session, see `sessions`.
    draft.emit(StationCreated(station_id=draft.station_id, at=at, by=request.by or "operator"))
    return {"station_id": draft.station_id}


def update(draft: Draft, request: UpdateStation) -> dict[str, Any]:
    """Change the fields that are set; 404 where the station is unknown, 422 for a rule that does not exist.

    A station that is blocked loses its socket.
    """
    station = _known(draft)
    _check_rules(request.quirk_profile or {})
    wanted = {field: value for field in _RECORD_FIELDS if (value := getattr(request, field)) is not None}
    if "boot_policy" in wanted:
        wanted["boot_policy"] = wanted["boot_policy"] or None  # Empty: the fleet's again.
    if wanted:
        draft.put(msgspec.structs.replace(station, **wanted))
    door = {field: value for field in _DOOR_FIELDS if (value := getattr(request, field)) is not None}
    if request.key_hash is not None:
        credentials.forget(draft, "another key was set")
    if door:
        _write_door(draft, door)
    if request.key_hash is not None:
        reports.noticed(draft, "StationKeyChanged", f"by {request.by or 'operator'}")
    if request.blocked and draft.session.connection == "open":
        _close(draft, POLICY_VIOLATION, "blocked")
    changed = tuple(sorted({*wanted, *door}))
    if changed:
        draft.emit(StationUpdated(station_id=draft.station_id, at=draft.origin.received_at, fields=changed))
    return {"station_id": draft.station_id, "changed": list(changed)}


def delete(draft: Draft, request: DeleteStation) -> dict[str, Any]:
    """Forget a station but for its transactions and its quarantine; 409 with an open transaction, unless forced.

    Forced, open transactions are closed with their last known meter value: nobody is left to report their end.
    """
    _known(draft)
    if draft.charging.open and not request.force:
        raise Refused(409, "the station has an open transaction; `force` closes it with its last known meter value")
    for transaction in list(draft.charging.open.values()):
        closing.assume_over(draft, transaction, "reconciled", flags.ESTIMATED, "its station was deleted")
    waiting.tell(draft, "cancelled", "the station was deleted")
    probing.forget(draft)
    commands.cancel_all(draft, "the station was deleted")
    reservations.forget(draft)
    session = draft.session
    if session.connection in ("open", "reconnecting"):
        _close(draft, POLICY_VIOLATION, "deleted")
        draft.emit(
            StationOffline(
                station_id=draft.station_id, at=draft.origin.received_at, epoch=session.epoch, cause="deleted"
            )
        )
    concluding.forget(draft)
    local_lists.forget(draft)
    credentials.forget(draft, "the station was deleted")
    certificates.forget(draft)
    _forget(draft)
    draft.emit(StationDeleted(station_id=draft.station_id, at=draft.origin.received_at))
    return {"station_id": draft.station_id}


def disconnect(draft: Draft, request: Disconnect) -> dict[str, Any]:
    """Close the station's socket with 1012; 409 where it has none, 404 where it is unknown."""
    _known(draft)
    session = draft.session
    if session.connection != "open":
        raise Refused(409, "the station is not connected")
    _close(draft, GO_AWAY, request.reason[:64])
    return {"station_id": draft.station_id, "epoch": session.epoch}


def _known(draft: Draft) -> StationRecord:
    if draft.station is None:
        raise Refused(404, "no such station")
    return draft.station


def _check_rules(wanted: dict[str, str]) -> None:
    """Refuse rules that would have no effect: their stations would be billed wrong without anybody knowing."""
    for rule, value in wanted.items():
        if wrong := problem(rule, value):
            raise Refused(422, f"`quirk_profile`: {wrong}")


def _close(draft: Draft, code: int, reason: str) -> None:
    session = draft.session
    draft.deliver(session.node, Close(draft.station_id, session.epoch, code, reason))


def _write_door(draft: Draft, fields: dict[str, Any]) -> None:
    pairs: list[str] = []
    for field, value in fields.items():
        pairs += (_DOOR_FIELDS[field], _door_text(field, value))
    draft.write("HSET", keys.door(draft.station_id), *pairs)


def _door_text(field: str, value: Any) -> str:
    """Return a value as the door holds it: texts, and what is usual is empty."""
    if field == "ping":
        return "" if value else "0"
    if field == "blocked":
        return "1" if value else ""
    return str(value) if value else ""


def _forget(draft: Draft) -> None:
    """Remove the station's state, its door and its place in the indexes. Its transactions' keys stay."""
    station_id = draft.station_id
    draft.effect("ZREM", keys.STATIONS, station_id)
    draft.effect("HDEL", keys.ONLINE, station_id)
    draft.effect("SREM", keys.NEVER_SEEN, station_id)
    if draft.connectors.by_id:
        draft.effect("HDEL", keys.CONNECTORS, *(f"{station_id}/{number}" for number in draft.connectors.by_id))
    drifts.forget(draft)
    gone = (
        keys.door,
        keys.session,
        keys.presence,
        keys.history,
        keys.samples,
        keys.commands,
        keys.configuration,
        keys.configuration_history,
        keys.probe,
        keys.drifts,
    )
    for name in gone:
        draft.write("DEL", name(station_id))
    for epoch in draft.session.epochs:
        draft.write("HDEL", keys.state(station_id), f"f:{epoch}", f"o:{epoch}")
    draft.forget()
