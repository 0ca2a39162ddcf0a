"""MeterValues (OCPP 1.6 §4.7)."""

from __future__ import annotations

from collections.abc import Sequence

from shared.ocpp.v16.datatypes import MeterValue, SampledValue
from shared.ocpp.v16.messages import MeterValuesRequest, MeterValuesResponse
from workers.handlers.registry import empty_answer, handles
from workers.services import metering, times
from workers.services.reported import ENERGY, MeterReport, ReadingReport, SampleReport
from workers.store.draft import Draft


@handles(MeterValuesRequest, unreadable=empty_answer(MeterValuesResponse))
def meter_values(draft: Draft, request: MeterValuesRequest) -> MeterValuesResponse:
    """Take in samples; a station is never told that they are odd."""
    readings = read(draft, request.meter_value, "meterValue.timestamp")
    report = MeterReport(connector_id=request.connector_id, transaction_id=request.transaction_id, readings=readings)
    metering.record(draft, report)
    return MeterValuesResponse()


def read(draft: Draft, values: Sequence[MeterValue], field: str) -> tuple[ReadingReport, ...]:
    """Translate meter values; `field` names the timestamps in flags."""
    return tuple(
        [
            ReadingReport(times.read(draft, value.timestamp, field), tuple(map(_sample, value.sampled_value)))
            for value in values
        ]
    )


def _sample(one: SampledValue) -> SampleReport:
    return SampleReport(
        one.value,
        one.measurand or ENERGY,
        one.unit or "",
        one.phase or "",
        one.location or "Outlet",
        one.context or "Sample.Periodic",
        one.format or "Raw",
    )
