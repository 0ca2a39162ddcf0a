"""CALLs: to the protocol's handler and back as an answer; and what a CALL gets that can't be served.

    late (an older session's)          its handler merges it, or its payload goes to the history; no answer
    before the station is accepted     SecurityError (OCPP-J 1.6 errata 3.8), but transaction messages are taken
    unknown or unsupported action      NotImplemented, NotSupported; quarantine
    payload that both passes refuse    the code that fits; quarantine
    a handler that fails               InternalError; quarantine; logged

Messages whose handler brings `unreadable` (transaction messages) never get a CALLERROR: stations throw them away then.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from shared.logs import get_logger
from shared.ocpp import frames
from shared.ocpp.errors import (
    FrameError,
    InternalError,
    NotImplementedAction,
    NotSupported,
    OcppError,
    SecurityError,
)
from shared.ocpp.versions import UNREADABLE_ID
from workers.handlers.registry import Handler
from workers.services import acceptance, duplicates, quarantine, reports, sessions
from workers.store.draft import Draft
from workers.store.wants import Missing

from .entry import Entry
from .protocols import Protocol, protocol_of

log = get_logger(__name__)
Fresh = Callable[[], Draft]
"""Makes an empty draft: what a failed attempt wrote is not kept."""
_NO_PAYLOAD: Final = msgspec.Raw(b"{}")
UNACCEPTED: Final = "unaccepted"
"""Flag of a station that reports transactions before it is accepted."""
UNBOOTED: Final = "unbooted"
"""Flag of a station that never sent a BootNotification; it is served all the same (quirk 1)."""


def serve(entry: Entry, fresh: Fresh) -> Draft:
    """Decide a CALL."""
    draft = fresh()
    if not sessions.heard(draft):
        draft.result = "invalid"
        return draft
    protocol = protocol_of(draft.session.subprotocol)
    call = entry.call
    if isinstance(call, FrameError):
        return refuse(entry, draft, protocol, call.reason, call)
    handler = protocol.handlers.get(call.action)
    if handler is None:
        return refuse(entry, draft, protocol, "unknown_action", _unknown(protocol, call.action))
    if draft.late:
        return _serve_late(entry, draft, fresh, handler, call)
    if not handler.unaccepted and draft.station is not None and draft.station.registration == "none":
        draft.flag(UNBOOTED)
    if not handler.unaccepted and not acceptance.may_send(draft, call.action):
        if handler.unreadable is None:
            return _error(draft, protocol, call.message_id, SecurityError("the station is not accepted yet"))
        draft.flag(UNACCEPTED, call.action)
    if handler.once:
        return _serve_once(entry, draft, fresh, handler, call)
    return _serve(entry, draft, fresh, handler, call)


def _serve(entry: Entry, draft: Draft, fresh: Fresh, handler: Handler, call: frames.Call) -> Draft:
    """Run the handler; `draft` is given up where it fails."""
    protocol = protocol_of(draft.session.subprotocol)
    try:
        parsed = entry.request(protocol, handler)
        if isinstance(parsed, OcppError):
            return refuse(entry, draft, protocol, "bad_payload", parsed)
        for flag in parsed.flags:
            draft.flag(*flag.split(":", 1))
        answer = frames.encode_result(call.message_id, handler.run(draft, parsed.value))
    except Missing:
        raise
    except OcppError as error:
        return _refused_by_handler(entry, fresh, protocol, handler, error)
    except Exception as error:  # noqa: BLE001 - one bad frame must not stop the partition: it is kept and answered
        log_failure(entry, call.action, error)
        again = fresh()
        sessions.heard(again)
        return refuse(entry, again, protocol, "handler_failed", InternalError(f"{type(error).__name__} in the handler"))
    if not draft.late:
        draft.answer = answer
    return draft


def _serve_once(entry: Entry, draft: Draft, fresh: Fresh, handler: Handler, call: frames.Call) -> Draft:
    """Run the handler unless the same CALL came before on this connection: then its kept answer goes out again."""
    name = duplicates.digest(draft.origin.epoch, call.message_id, bytes(call.payload))
    kept = duplicates.kept(draft, name)
    if kept is not None:
        draft.answer = None if draft.late else kept
        return draft
    draft = _serve(entry, draft, fresh, handler, call)
    if draft.answer is not None and draft.result == "ok":
        duplicates.keep_answer(draft, name, draft.answer)
    return draft


def _serve_late(entry: Entry, draft: Draft, fresh: Fresh, handler: Handler, call: frames.Call) -> Draft:
    draft.result = "late"
    if handler.late == "keep":
        reports.late_report(draft, call.action, bytes(call.payload))
    elif handler.late == "run":
        run = _serve_once if handler.once else _serve
        return run(entry, draft, fresh, handler, call)
    return draft


def _refused_by_handler(entry: Entry, fresh: Fresh, protocol: Protocol, handler: Handler, error: OcppError) -> Draft:
    """Answer the error that a handler raised about a frame it understood."""
    draft = fresh()
    sessions.heard(draft)
    if handler.unreadable is not None:
        return refuse(entry, draft, protocol, "bad_payload", error)
    call = entry.call
    assert isinstance(call, frames.Call), "a handler only runs for a CALL"
    return _error(draft, protocol, call.message_id, error)


def refuse(entry: Entry, draft: Draft, protocol: Protocol, reason: str, error: OcppError | FrameError) -> Draft:
    """Quarantine the frame and answer what fits: the handler's stand-in for transaction messages, else a CALLERROR.

    `draft` holds nothing of a failed attempt.
    """
    call = _call_of(entry)
    handler = protocol.handlers.get(call.action) if call is not None else None
    transaction_id, answer = 0, _error_frame(protocol, call, error)
    if call is not None and handler is not None and handler.unreadable is not None:
        response = handler.unreadable(draft, call)
        transaction_id = int(getattr(response, "transaction_id", 0) or 0)
        answer = frames.encode_result(call.message_id, response)
    action = call.action if call is not None else ""
    quarantine.add(
        draft, entry.uplink.frame, reason, error.description, action=action[:64], transaction_id=transaction_id
    )
    draft.answer = None if draft.late or not draft.origin.call_seq else answer
    return draft


def _call_of(entry: Entry) -> frames.Call | None:
    """Return the CALL, or what could be read of one."""
    call = entry.call
    if isinstance(call, frames.Call):
        return call
    if call.message_type == frames.CALL and call.message_id is not None:
        return frames.Call(call.message_id, call.action or "", _NO_PAYLOAD)
    return None


def _error_frame(protocol: Protocol, call: frames.Call | None, error: OcppError | FrameError) -> bytes | None:
    version = protocol.version
    code = error.code if isinstance(error, OcppError) else version.bad_envelope
    if call is None and not version.answers_unreadable:
        return None
    message_id = call.message_id if call is not None else UNREADABLE_ID
    return frames.encode_error(message_id, version.spell(code), error.description)


def _error(draft: Draft, protocol: Protocol, message_id: str, error: OcppError) -> Draft:
    draft.result = "invalid"
    if not draft.late:
        code = protocol.version.spell(error.code)
        draft.answer = frames.encode_error(message_id, code, error.description, error.details)
    return draft


def _unknown(protocol: Protocol, action: str) -> OcppError:
    if action in protocol.actions.requests:
        return NotSupported("this action is not served from stations")
    return NotImplementedAction("no such action")


def log_failure(entry: Entry, action: str, error: Exception) -> None:
    """Log where a handler failed; never the exception's text, which may hold what the station sent."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    log.error(
        "handler failed",
        action=action,
        error=type(error).__name__,
        where=f"{Path(where.filename).name}:{where.lineno} in {where.name}",
        **entry.names,
    )
