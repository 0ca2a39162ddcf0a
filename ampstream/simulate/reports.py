"""The transaction messages that a station sends (OCPP 1.6 §4.8, §4.7, §4.10), made of what its ledger holds."""

from __future__ import annotations

from ampstream.simulate.ledger import Meter, Start, Stop
from ampstream.simulate.samples import Look, measurands, meter_value
from shared.ocpp.timestamps import format_time
from shared.ocpp.v16.datatypes import MeterValue, TransactionData
from shared.ocpp.v16.enums import Reason
from shared.ocpp.v16.messages import MeterValuesRequest, StartTransactionRequest, StopTransactionRequest


def start_request(start: Start, reservation_id: int | None = None) -> StartTransactionRequest:
    """Return the CALL that reports a start."""
    return StartTransactionRequest(
        connector_id=start.connector,
        id_tag=start.id_tag,
        meter_start=start.meter_wh,
        timestamp=format_time(start.at),
        reservation_id=reservation_id,
    )


def meter_request(meter: Meter, connector: int) -> MeterValuesRequest:
    """Return the CALL that reports a reading of which only the register is remembered."""
    value = meter_value(meter.at, Look(meter.meter_wh), measurands("Energy.Active.Import.Register"))
    return MeterValuesRequest(connector_id=connector, meter_value=(value,))


def stop_request(stop: Stop, id_tag: str, data: tuple[MeterValue, ...] = ()) -> StopTransactionRequest:
    """Return the CALL that reports a stop; the backlog puts the transaction id in."""
    local = stop.reason == Reason.LOCAL
    readings = tuple(TransactionData(timestamp=one.timestamp, sampled_value=one.sampled_value) for one in data)
    return StopTransactionRequest(
        transaction_id=0,
        meter_stop=stop.meter_wh,
        timestamp=format_time(stop.at),
        reason=Reason(stop.reason),
        id_tag=id_tag if local else None,
        transaction_data=readings or None,
    )
