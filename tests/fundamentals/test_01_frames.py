"""1. What a station says.

A charging station and its server exchange JSON arrays over a WebSocket. A request is a CALL, `[2, id, action,
payload]`, and its answer a CALLRESULT, `[3, id, payload]`. Ampstream splits the two layers: whoever moves frames reads
the array and leaves the payload alone; whoever decides reads the payload, and gets a type instead of a dictionary.
"""

from __future__ import annotations

from shared.ocpp import frames, payloads
from shared.ocpp.connection import Connection
from shared.ocpp.events import InboundCall
from shared.ocpp.v16.messages import StartTransactionRequest
from shared.ocpp.versions import OCPP16

FRAME = (
    b'[2, "17", "StartTransaction",'
    b' {"connectorId": 1, "idTag": "TAG1", "meterStart": 1000, "timestamp": "2026-03-01T08:30:00Z"}]'
)


def test_a_frame_is_read_without_its_payload() -> None:
    """The envelope is decoded, the payload stays the bytes that came: an edge pays for no more than it needs."""
    call = frames.decode(FRAME)
    assert isinstance(call, frames.Call)
    assert (call.message_id, call.action) == ("17", "StartTransaction")
    assert bytes(call.payload).startswith(b'{"connectorId": 1')


def test_a_payload_becomes_a_type() -> None:
    """The strict pass gives a typed message; what it gives knows which answer belongs to it."""
    call = frames.decode(FRAME)
    assert isinstance(call, frames.Call)
    start = payloads.strict(StartTransactionRequest, call.payload)
    assert (start.connector_id, start.id_tag, start.meter_start) == (1, "TAG1", 1000)
    assert start.response.__name__ == "StartTransactionResponse"


def test_real_stations_are_forgiven() -> None:
    """What the schema refuses, a lenient pass may still understand; what it overlooked is flagged, never hidden."""
    odd = FRAME.replace(b'"TAG1"', b'"A-TAG-OF-MORE-THAN-20-LETTERS"').replace(
        b'"meterStart": 1000', b'"meterStart": "1000"'
    )
    call = frames.decode(odd)
    assert isinstance(call, frames.Call)
    parsed = payloads.parse(StartTransactionRequest, call.payload)
    assert parsed.value.meter_start == 1000
    assert len(parsed.value.id_tag) == 29
    assert parsed.flags


def test_one_call_at_a_time() -> None:
    """A station may have one CALL in the system; the next one waits until the first is answered.

    The rules of the conversation are a state machine without any IO: bytes in, events out. The edge and the simulated
    stations use the same one, each in its role.
    """
    connection = Connection(OCPP16)
    (first,) = connection.receive(FRAME, now=0.0)
    assert isinstance(first, InboundCall)
    assert connection.receive(b'[2, "18", "Heartbeat", {}]', now=0.1) == []
    _, second = connection.answer(first.seq, {"transactionId": 1, "idTagInfo": {"status": "Accepted"}}, now=0.2)
    assert isinstance(second, InboundCall)
    assert second.action == "Heartbeat"
