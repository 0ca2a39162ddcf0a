"""StartTransaction and StopTransaction (OCPP 1.6 §4.8, §4.10), and how a station is asked about its transactions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from shared.ocpp.frames import Call
from shared.ocpp.timestamps import read_time
from shared.ocpp.v16.enums import MessageTrigger, Reason
from shared.ocpp.v16.messages import (
    StartTransactionRequest,
    StartTransactionResponse,
    StopTransactionRequest,
    StopTransactionResponse,
    TriggerMessageRequest,
)
from shared.ocpp.versions import OCPP16
from workers.handlers.registry import empty_answer, handles
from workers.services import authorization, reconciliation, stops, times, transactions
from workers.services.reported import StartReport, StopReport
from workers.store.draft import Draft
from workers.store.wants import Want

from .authorize import info
from .meter_values import read

MAX_ID_TAG = 255


def _start_wants(_station_id: str, request: StartTransactionRequest) -> Iterable[Want]:
    return transactions.wants(_start(request, read_time(request.timestamp, 0).ms or 0))


def _start_unreadable(draft: Draft, call: Call) -> StartTransactionResponse:
    started = transactions.start_unreadable(draft, _hint(draft, call), bytes(call.payload))
    return StartTransactionResponse(id_tag_info=info(started.answer), transaction_id=started.transaction_id)


@handles(StartTransactionRequest, wants=_start_wants, unreadable=_start_unreadable)
def start_transaction(draft: Draft, request: StartTransactionRequest) -> StartTransactionResponse:
    """Answer with the transaction's id and whether the tag may charge."""
    started = transactions.start(draft, _start(request, times.read(draft, request.timestamp)))
    return StartTransactionResponse(id_tag_info=info(started.answer), transaction_id=started.transaction_id)


def _stop_wants(_station_id: str, request: StopTransactionRequest) -> Iterable[Want]:
    return authorization.wants(request.id_tag or "")


@handles(StopTransactionRequest, wants=_stop_wants, unreadable=empty_answer(StopTransactionResponse))
def stop_transaction(draft: Draft, request: StopTransactionRequest) -> StopTransactionResponse:
    """Answer what is known of the tag that stopped, where there is one."""
    report = StopReport(
        transaction_id=request.transaction_id,
        stopped_at=times.read(draft, request.timestamp),
        meter_stop=request.meter_stop,
        id_tag=request.id_tag or "",
        reason=str(request.reason or Reason.LOCAL),
        readings=read(draft, request.transaction_data or (), "transactionData.timestamp"),
    )
    answer = stops.stop(draft, report)
    return StopTransactionResponse(id_tag_info=info(answer) if answer is not None else None)


@reconciliation.asks(OCPP16.subprotocol)
def _ask(connector_id: int) -> Iterable[tuple[str, dict[str, Any]]]:
    for trigger in (MessageTrigger.STATUS_NOTIFICATION, MessageTrigger.METER_VALUES):
        request = TriggerMessageRequest(requested_message=trigger, connector_id=connector_id)
        yield TriggerMessageRequest.action, msgspec.to_builtins(request)


def _start(request: StartTransactionRequest, started_at: int) -> StartReport:
    return StartReport(
        connector_id=request.connector_id,
        id_tag=request.id_tag,
        started_at=started_at,
        meter_start=request.meter_start,
        reservation_id=request.reservation_id or 0,
    )


def _hint(draft: Draft, call: Call) -> StartReport:
    """Make out what can be of a start that is not understood."""
    try:
        found = msgspec.json.decode(call.payload)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        found = None
    fields: dict[str, Any] = found if isinstance(found, dict) else {}
    tag, time = fields.get("idTag"), fields.get("timestamp")
    return StartReport(
        connector_id=_integer(fields.get("connectorId"), 0),
        id_tag=tag[:MAX_ID_TAG] if isinstance(tag, str) else "",
        started_at=(times.read(draft, time) if isinstance(time, str) else 0) or draft.origin.received_at,
        meter_start=_integer(fields.get("meterStart"), -1),
    )


def _integer(value: Any, default: int) -> int:
    return value if type(value) is int else default
