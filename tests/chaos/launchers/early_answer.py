"""Lets the edge answer a start by itself, before the entry is appended: an answer without a commit."""

from __future__ import annotations

from edge.stations import forwarding
from edge.stations.meters import ActionMeters
from edge.stations.session import Session
from edge.stations.wire import TEXT
from shared.ocpp import frames

MADE_UP = 4_711


def apply() -> None:
    """Write a CALLRESULT as soon as a StartTransaction comes."""
    ordinary = forwarding.offer

    def offer(session: Session, frame: bytes, meters: ActionMeters, now: float) -> None:
        call = frames.decode(frame)
        if isinstance(call, frames.Call) and call.action == "StartTransaction":
            payload = {"transactionId": MADE_UP, "idTagInfo": {"status": "Accepted"}}
            session.write(TEXT, frames.encode_result(call.message_id, payload))
        ordinary(session, frame, meters, now)

    forwarding.offer = offer
