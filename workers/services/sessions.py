"""Sessions: who holds a station's socket, by epoch. What reports an older epoch changes nothing.

    never ──opened──> open ──closed by the station, expired──> closed ──opened, or heard again──> open
                       └──closed by Ampstream──> reconnecting ──opened──> open, ──expired──> closed

The edge's scripts give out epochs; here they are told of. A CALL of a newer epoch than the session's tells as well.
"""

from __future__ import annotations

from typing import Final

import msgspec

from shared.bus import keys
from shared.envelopes import Close, Expired, SessionClosed, SessionOpened
from shared.records.events import StationConnected, StationCreated, StationDisconnected, StationOffline
from shared.records.stations import SessionRecord, StationRecord
from workers.store.draft import Draft
from workers.store.wants import WantLeastProfile, WantPresence

from . import certificates, commands, configuration, credentials, local_lists, reconciliation
from .quirks import quirks_of
from .wakeups import wakes

KEPT_EPOCHS: Final = 8
"""Fences of so many sessions are kept: a report older than that is known by its business key alone."""
GO_AWAY: Final = 1012
PRESENCE_TIMER: Final = "presence"
RECHECK_MS: Final = 1000
LONGEST_TTL_MS: Final = 16 * 60 * 1000
"""More than any presence key lives (15 min) since it was last touched."""
_CAUSES: Final = frozenset({"expiry", "sweep", "node"})
_EXPIRED: Final = "expiry"
_PRESENT: Final = ("open", "reconnecting")
"""Connections of stations that count as online."""


def opened(draft: Draft, body: SessionOpened) -> None:
    """Take in a registered session: the station is online, and what an older session left is settled."""
    session, epoch = draft.session, draft.origin.epoch
    if epoch < session.epoch:
        return
    if epoch > session.epoch:
        if not _is_welcome(draft):
            draft.deliver(draft.origin.node, Close(draft.station_id, epoch, GO_AWAY, "unknown station"))
            return
        _begin(draft, body.subprotocol, body.address, body.security_profile)
    else:  # A CALL told of the session before this entry did.
        known = {"subprotocol": body.subprotocol, "address": body.address, "security_profile": body.security_profile}
        draft.put(msgspec.structs.replace(session, **known))
        if session.subprotocol != body.subprotocol and session.connection in _PRESENT:
            draft.effect("HSET", keys.ONLINE, draft.station_id, body.subprotocol)
        booted = draft.station is not None and draft.station.registration == "accepted" and session.boot_epoch == epoch
        if booted and not session.subprotocol:  # A boot that came first did not know in which words to ask.
            configuration.begin(draft, configuration.BOOT)
    _hold_to_profile(draft, session, body.security_profile)
    credentials.came(draft, body.proof)
    certificates.seen(draft, body.certificate, body.certificate_ends_at)
    for note in body.notes:
        quirk, _, detail = note.partition(":")
        draft.flag(quirk, detail)


def heard(draft: Draft) -> bool:
    """Take a CALL or an answer as a sign of its session; False where the station is not known and not welcome."""
    session, epoch = draft.session, draft.origin.epoch
    if epoch == session.epoch:
        if session.connection != "open" and session.close_reason == _EXPIRED:
            _come_back(draft, session)
        return True
    if epoch < session.epoch:
        return True
    if not _is_welcome(draft):
        return False
    _begin(draft, session.subprotocol, "", session.security_profile)
    return True


def closed(draft: Draft, body: SessionClosed) -> None:
    """Take in that the session's socket is gone: offline at once, or expected back where Ampstream closed it."""
    session = draft.session
    if draft.origin.epoch != session.epoch or session.connection != "open":
        return
    at = draft.origin.received_at
    draft.emit(
        StationDisconnected(
            station_id=draft.station_id, at=at, epoch=session.epoch, reason=body.reason, reconnecting=body.ours
        )
    )
    state = "reconnecting" if body.ours else "closed"
    draft.put(msgspec.structs.replace(session, connection=state, closed_at=at, close_reason=body.reason or "close"))
    if body.ours:
        draft.count("presence_transitions_total", "reconnecting", "close")
    else:
        _offline(draft, "close", "close")


def expired(draft: Draft, body: Expired) -> None:
    """Take in that the presence deadline passed, unless a sign of life came since."""
    epoch = draft.origin.epoch
    if _expire(draft, epoch, body):
        # Its deadline is used up, and the key may be that of an edge that died before it set the next one.
        draft.wake(PRESENCE_TIMER, str(epoch), draft.now + RECHECK_MS)
        draft.wake(PRESENCE_TIMER, f"{epoch}/last", draft.now + LONGEST_TTL_MS)


@wakes(PRESENCE_TIMER)
def _recheck(draft: Draft, subject: str) -> None:
    """Look again at a session that had outlived its deadline."""
    _expire(draft, int(subject.partition("/")[0]), Expired())


def _expire(draft: Draft, epoch: int, body: Expired) -> bool:
    """End a session that no sign of life came from; returns whether it is alive."""
    session = draft.session
    if epoch != session.epoch or session.connection not in _PRESENT:
        return False
    presence = draft.get(WantPresence())
    if presence is not None and presence[1] == epoch:
        return True
    at = draft.origin.received_at
    draft.put(msgspec.structs.replace(session, connection="closed", closed_at=at, close_reason=_EXPIRED))
    _offline(draft, "expiry", body.cause if body.cause in _CAUSES else "sweep")
    if body.deadline_ms:
        delay_ms = max(draft.now - body.deadline_ms, 0)
        draft.count("presence_detection_delay_seconds", amount=delay_ms / 1000)
    return False


def _is_welcome(draft: Draft) -> bool:
    """Tell whether the station is known, and make it known where unknown stations are accepted."""
    if draft.station is not None:
        return True
    if draft.policy.unknown_stations != "accept":
        return False
    at = draft.origin.received_at
    draft.put(StationRecord(station_id=draft.station_id, created_at=at))
    draft.emit(StationCreated(station_id=draft.station_id, at=at, by="connect"))
    draft.effect("ZADD", keys.STATIONS, 0, draft.station_id)
    return True


def _begin(draft: Draft, subprotocol: str, address: str, security_profile: int) -> None:
    old, origin = draft.session, draft.origin
    epochs = (origin.epoch, *old.epochs)
    draft.put(
        SessionRecord(
            epoch=origin.epoch,
            node=origin.node,
            subprotocol=subprotocol,
            address=address,
            security_profile=security_profile,
            connection="open",
            opened_at=origin.received_at,
            boot_epoch=old.boot_epoch,
            hold_until=origin.received_at + _hold_ms(draft),
            epochs=epochs[:KEPT_EPOCHS],
        )
    )
    for epoch in epochs[KEPT_EPOCHS:]:
        draft.write("HDEL", keys.state(draft.station_id), f"f:{epoch}", f"o:{epoch}")
    if old.connection == "open":
        # The edge that registered this session tells the old one as well; twice is harmless, never would not be.
        draft.deliver(old.node, Close(draft.station_id, old.epoch, GO_AWAY, "superseded"))
    if not old.opened_at:
        draft.effect("SREM", keys.NEVER_SEEN, draft.station_id)
    _online(draft)
    commands.session_changed(draft)
    if draft.charging.open:
        reconciliation.on_return(draft, "reconnect")
    configuration.returned(draft)
    local_lists.returned(draft)


def _hold_ms(draft: Draft) -> int:
    held = quirks_of(draft.station).boot_hold_ms
    return held if held >= 0 else int(draft.policy.boot_hold_ms)


def _come_back(draft: Draft, session: SessionRecord) -> None:
    """Open a session again whose deadline had passed: its socket lives."""
    draft.put(msgspec.structs.replace(session, connection="open", closed_at=0, close_reason=""))
    _online(draft)


def _online(draft: Draft) -> None:
    session = draft.session
    draft.emit(
        StationConnected(
            station_id=draft.station_id,
            at=draft.origin.received_at,
            epoch=session.epoch,
            node=session.node,
            protocol=session.subprotocol,
            address=session.address,
        )
    )
    draft.effect("HSET", keys.ONLINE, draft.station_id, session.subprotocol)
    if draft.view.session.connection != "open":
        draft.count("presence_transitions_total", "online", "connect")


def _offline(draft: Draft, cause: str, noticed_by: str) -> None:
    at, epoch = draft.origin.received_at, draft.session.epoch
    draft.emit(StationOffline(station_id=draft.station_id, at=at, epoch=epoch, cause=cause))
    draft.effect("HDEL", keys.ONLINE, draft.station_id)
    draft.count("presence_transitions_total", "offline", noticed_by)


def _hold_to_profile(draft: Draft, old: SessionRecord, security_profile: int) -> None:
    """Let no later connection fall below a security profile that the station has used (OCPP 1.6 white paper, A05).

    Nor this one below what is the least by now: it was let in before that rose. What an operator lowered stays so until
    the station rises from it.
    """
    least: int = draft.get(WantLeastProfile())
    if security_profile > max(least, old.security_profile):
        draft.write("HSET", keys.door(draft.station_id), "minimum_profile", str(security_profile))
    elif security_profile < least:
        draft.deliver(draft.origin.node, Close(draft.station_id, draft.origin.epoch, GO_AWAY, "profile_downgrade"))
