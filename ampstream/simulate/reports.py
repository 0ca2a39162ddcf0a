"""What a station reports: boot, statuses, and of transactions (OCPP 1.6 §4.8, §4.7, §4.10) what its ledger holds."""

from __future__ import annotations

from ampstream.simulate.behaviours import Behaviour
from ampstream.simulate.ledger import Meter, Start, Stop
from ampstream.simulate.models import Model
from ampstream.simulate.samples import Look, measurands, meter_value
from shared.ocpp.timestamps import format_time
from shared.ocpp.v16.datatypes import MeterValue, TransactionData
from shared.ocpp.v16.enums import ChargePointErrorCode, ChargePointStatus, Reason
from shared.ocpp.v16.messages import (
    BootNotificationRequest,
    MeterValuesRequest,
    StartTransactionRequest,
    StatusNotificationRequest,
    StopTransactionRequest,
)


def boot_request(station_id: str, model: Model, behaviour: Behaviour, firmware: str) -> BootNotificationRequest:
    """Return the CALL by which a station introduces itself, under other names where its behaviour says so."""
    vendor = behaviour.vendor or model.vendor
    return BootNotificationRequest(
        charge_point_vendor=vendor,
        charge_point_model=behaviour.model or model.name,
        charge_point_serial_number=f"{vendor[:2].upper()}-{station_id}"[:25],
        firmware_version=firmware,
        meter_type=model.meter_type,
    )


def status_request(connector: int, status: ChargePointStatus, at_ms: int) -> StatusNotificationRequest:
    """Return the CALL that reports a status (§4.9); 0: that of the station itself."""
    return StatusNotificationRequest(
        connector_id=connector,
        error_code=ChargePointErrorCode.NO_ERROR,
        status=status,
        timestamp=format_time(at_ms),
    )


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
