"""ReserveNow and CancelReservation in the words of 1.6 (§5.13, §5.1)."""

from __future__ import annotations

from typing import Any

from shared.ocpp.timestamps import read_time
from shared.ocpp.v16.messages import CancelReservationRequest, ReserveNowRequest
from workers.services.reservations import Wanted, cancels, reserves


def _wanted(payload: dict[str, Any]) -> Wanted:
    return Wanted(
        number=payload["reservationId"],
        connector_id=payload["connectorId"],
        id_tag=payload["idTag"],
        parent_id_tag=payload.get("parentIdTag", ""),
        expires_at=read_time(payload["expiryDate"], 0).ms or 0,
    )


def _number(payload: dict[str, Any]) -> int:
    number: int = payload["reservationId"]
    return number


reserves(ReserveNowRequest.action, _wanted)
cancels(CancelReservationRequest.action, _number)
