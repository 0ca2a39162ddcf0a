"""Decides an uplink entry: by kind to a session, a command's answer, a timer, an operator's request or a CALL.

Pure: a `Draft` comes out, and nothing else happens. `Missing` is raised where something must be loaded first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from shared.envelopes import Expired, Kind, Pong, Reply
from shared.logs import get_logger
from shared.ocpp import frames
from shared.ocpp.errors import FrameError, InternalError, read_code
from shared.policy import Policy
from shared.records import requests as asked
from shared.records.packing import storable
from workers.services import bulk, commands, firmware, requests, sessions, wakeups
from workers.services import quarantine as quarantines
from workers.store.draft import Draft
from workers.store.view import StationView
from workers.store.wants import Missing

from . import calls, replay
from .calls import Fresh
from .entry import Entry
from .protocols import protocol_of

log = get_logger(__name__)
NOTES: Final = frozenset({"flood", "no_pong"})
"""Flags that an edge may put on a station: a newer release's might be a metric label that is not known here."""
ERROR_CODE: Final = "error_code"
"""Flag of a station that answers with an error code of its own (quirk 10)."""


def decide(entry: Entry, view: StationView, now: int, policy: Policy) -> Draft:
    """Return what the entry changes; `now` is Redis TIME in ms.

    Raises `Missing` where the decision needs what was not loaded; then it is asked again with a view that has it.
    """

    def fresh() -> Draft:
        return Draft(view, entry.origin, now, policy)

    decider = _DECIDERS.get(entry.kind)
    if decider is None:
        log.warning("entry of an unknown kind dropped", kind=entry.kind, entry=entry.origin.entry_id)
        return fresh()
    draft = decider(entry, fresh)
    if entry.kind not in _UNPUMPED:
        commands.pump(draft)
    return draft


def quarantine(entry: Entry, view: StationView, now: int, policy: Policy, reason: str, detail: str) -> Draft:
    """Return what becomes of an entry that fails whenever it is decided: its frame is kept, its sender answered.

    Nothing else is decided, for anything might be what fails. Raises `Missing` as `decide` does.
    """

    def fresh() -> Draft:
        return Draft(view, entry.origin, now, policy)

    draft = fresh()
    draft.result = "quarantined"
    if entry.kind in (Kind.CALL, Kind.UNREADABLE):
        return _bury_call(entry, fresh, reason, detail)
    if entry.kind == Kind.ANSWER:
        quarantines.add(draft, entry.uplink.frame, reason, detail)
    elif entry.kind == Kind.REQUEST:
        _refuse_request(entry, draft)
    log.error("entry given up", kind=entry.kind, station=entry.station, entry=entry.origin.entry_id, reason=reason)
    return draft


def _bury_call(entry: Entry, fresh: Fresh, reason: str, detail: str) -> Draft:
    draft = fresh()
    protocol = protocol_of(draft.session.subprotocol)
    try:
        return calls.refuse(entry, draft, protocol, reason, InternalError(detail))
    except Missing:
        raise
    except Exception as error:  # noqa: BLE001 - even the stand-in fails: the frame is kept, the socket times out
        calls.log_failure(entry, "stand-in", error)
        draft = fresh()
        quarantines.add(draft, entry.uplink.frame, reason, detail)
        return draft


def _refuse_request(entry: Entry, draft: Draft) -> None:
    try:
        request_id = entry.body.request_id
    except (msgspec.MsgspecError, AttributeError):
        return
    bulk.given_up(draft, entry.body)
    firmware.given_up(draft, entry.body)
    body = requests.problem(500, "the request could not be decided")
    draft.deliver(draft.origin.node, Reply(request_id, 500, body))


# ── by kind ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _unreadable(entry: Entry, fresh: Fresh) -> Draft:
    if entry.origin.call_seq:
        return calls.serve(entry, fresh)  # It takes its turn like any CALL, and may have to be answered.
    draft = fresh()
    if not sessions.heard(draft):
        return draft
    # The edge says `reason: description`; its decoder may be another release's, so the reason is checked.
    noted, _, description = entry.uplink.note.partition(": ")
    call = entry.call
    reason, action = (call.reason, "") if isinstance(call, FrameError) else ("bad_envelope", call.action[:64])
    reason = noted if noted in quarantines.UNREADABLE else reason
    detail = description or (call.description if isinstance(call, FrameError) else "")
    quarantines.add(draft, entry.uplink.frame, reason, detail, action=action)
    return draft


def _answer(entry: Entry, fresh: Fresh) -> Draft:
    draft = fresh()
    if not sessions.heard(draft):
        return draft
    answer = entry.answer
    if isinstance(answer, FrameError):
        quarantines.add(draft, entry.uplink.frame, answer.reason, answer.description)
    elif isinstance(answer, frames.CallError):
        if read_code(answer.code) is None:
            draft.flag(ERROR_CODE)
        error = ": ".join(part for part in (answer.code, answer.description or "") if part)
        commands.answered(draft, answer.message_id, None, error or "CALLERROR")
    else:
        response, error = _response(answer)
        commands.answered(draft, answer.message_id, response, error)
    return draft


def _response(answer: frames.CallResult) -> tuple[Any, str]:
    try:
        return storable(msgspec.json.decode(answer.payload)), ""
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None, "the answer's payload is not JSON"


def _opened(entry: Entry, fresh: Fresh) -> Draft:
    draft = fresh()
    sessions.opened(draft, entry.body)
    return draft


def _noted(entry: Entry, fresh: Fresh) -> Draft:
    draft = fresh()
    if draft.station is not None and entry.uplink.note in NOTES:
        draft.flag(entry.uplink.note)
    return draft


def _closed(entry: Entry, fresh: Fresh) -> Draft:
    draft = fresh()
    sessions.closed(draft, entry.body)
    return draft


def _expired(entry: Entry, fresh: Fresh) -> Draft:
    draft = fresh()
    sessions.expired(draft, entry.body if entry.uplink.frame else Expired())
    return draft


def _not_written(entry: Entry, fresh: Fresh) -> Draft:
    draft = fresh()
    commands.not_written(draft, entry.body.command_id)
    return draft


def _wakeup(entry: Entry, fresh: Fresh) -> Draft:
    draft = fresh()
    if draft.station is not None and not wakeups.wake(draft, entry.body.name, entry.body.subject):
        log.warning("timer of an unknown name dropped", timer=entry.body.name, station=entry.station)
    return draft


def _request(entry: Entry, fresh: Fresh) -> Draft:
    if isinstance(entry.body, asked.ReplayQuarantined):
        return replay.serve(entry.body, fresh)
    draft = fresh()
    requests.serve(draft, entry.body)
    return draft


def _canary(entry: Entry, fresh: Fresh) -> Draft:
    draft = fresh()
    canary = entry.body
    draft.deliver(draft.origin.node, Pong(canary.partition, canary.number))
    return draft


_DECIDERS: Final[dict[int, Callable[[Entry, Fresh], Draft]]] = {
    Kind.CALL: calls.serve,
    Kind.ANSWER: _answer,
    Kind.OPENED: _opened,
    Kind.CLOSED: _closed,
    Kind.EXPIRED: _expired,
    Kind.NOT_WRITTEN: _not_written,
    Kind.WAKEUP: _wakeup,
    Kind.REQUEST: _request,
    Kind.CANARY: _canary,
    Kind.UNREADABLE: _unreadable,
    Kind.NOTED: _noted,
}
_UNPUMPED: Final = frozenset({Kind.NOT_WRITTEN, Kind.CANARY})
"""After these no command goes out: an edge that could not write one is given a moment, and a canary has no station."""
