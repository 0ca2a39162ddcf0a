"""A quarantined frame once more, on an operator's request and without an answer to the station.

The frame counts as late: its facts with a business key are merged, what it says of the present goes to the history. A
StartTransaction keeps the transaction id that it was answered with.
"""

from __future__ import annotations

from typing import Final

from shared.envelopes import VERSION, Kind, Uplink
from shared.ocpp.errors import FrameError, OcppError
from shared.ocpp.frames import Call
from shared.records.quarantine import Quarantined
from shared.records.requests import ReplayQuarantined
from workers.services import quarantine, reports, requests
from workers.store.draft import Draft, Origin
from workers.store.wants import Missing, WantQuarantined, WantTransactionId

from .calls import Fresh, log_failure
from .entry import Entry
from .protocols import Protocol, protocol_of

OLDEST_EPOCH: Final = 1
"""Older than any session's: epochs are milliseconds since 1970."""


def serve(request: ReplayQuarantined, fresh: Fresh) -> Draft:
    """Decide the request: 200 and the frame is gone, 404 where it is not there, 422 where it still fails."""
    draft = fresh()
    if requests.repeated(draft, request):
        return draft
    record: Quarantined | None = draft.get(WantQuarantined(request.quarantine_id))
    if record is None:
        requests.reply(draft, request, 404, requests.problem(404, "no such quarantined frame"))
        return draft
    problem = _run(draft, record)
    if problem:
        draft = fresh()
        quarantine.count_replay(draft, record)
        requests.reply(draft, request, 422, requests.problem(422, problem))
        return draft
    quarantine.remove(draft, record.quarantine_id)
    requests.reply(draft, request, 200, requests.body({"quarantine_id": record.quarantine_id, "replayed": True}))
    return draft


def _run(draft: Draft, record: Quarantined) -> str:
    """Run the frame's handler on the draft; returns why it fails, empty where it does not."""
    protocol = protocol_of(draft.session.subprotocol)
    asked = draft.origin
    origin = Origin(asked.entry_id, asked.partition, record.received_at, asked.node, OLDEST_EPOCH, 0)
    if record.transaction_id:
        draft.view.loaded[WantTransactionId()] = record.transaction_id
    draft.origin = origin
    try:
        return _handle(draft, protocol, Entry(_uplink(record), origin))
    finally:
        draft.origin = asked
        draft.answer = None


def _handle(draft: Draft, protocol: Protocol, entry: Entry) -> str:
    call = entry.call
    if isinstance(call, FrameError):
        return call.description
    assert isinstance(call, Call)
    handler = protocol.handlers.get(call.action)
    if handler is None:
        return f"{call.action[:64]} is not served"
    parsed = entry.request(protocol, handler)
    if isinstance(parsed, OcppError):
        return parsed.description
    if handler.late != "run":
        if handler.late == "keep":
            reports.late_report(draft, call.action, bytes(call.payload))
        return ""
    try:
        handler.run(draft, parsed.value)
    except Missing:
        raise
    except OcppError as error:
        return error.description
    except Exception as error:  # noqa: BLE001 - the frame stays where it is, and the operator is told
        log_failure(entry, call.action, error)
        return f"{type(error).__name__} in the handler"
    return ""


def _uplink(record: Quarantined) -> Uplink:
    return Uplink(VERSION, Kind.CALL, record.station_id, "", OLDEST_EPOCH, record.call_seq, record.frame)
