"""The CSMS's messages of 1.6: what their answers mean, and what an accepted one promises (OCPP 1.6 §5.11, §5.12)."""

from __future__ import annotations

from typing import Any

from shared.ocpp.actions import actions_of
from shared.ocpp.v16.messages import RemoteStartTransactionRequest, RemoteStopTransactionRequest
from shared.ocpp.versions import OCPP16
from shared.records.commands import Watch
from workers.handlers.outgoing import learn
from workers.services import watching

learn(actions_of(OCPP16))


@watching.watches(RemoteStartTransactionRequest.action)
def _start(payload: dict[str, Any]) -> Watch:
    return Watch(id_tag=payload["idTag"], connector_id=payload.get("connectorId", 0))


@watching.watches(RemoteStopTransactionRequest.action)
def _stop(payload: dict[str, Any]) -> Watch:
    return Watch(transaction_id=payload["transactionId"])
