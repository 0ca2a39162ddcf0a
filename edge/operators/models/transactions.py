"""Transactions and meter values as operators see them."""

from __future__ import annotations

from typing import Literal

import msgspec

from edge.operators.times import Instant, instant, iso
from shared.records import transactions as records
from shared.records.transactions import TransactionState


class EstimatedEnd(msgspec.Struct, frozen=True, kw_only=True):
    """An end that Ampstream assumed, kept once the station's own stop replaced it."""

    made_at: Instant
    stopped_at: Instant
    meter_stop_wh: int
    energy_wh: int
    reason: str
    evidence: str
    """Why the transaction was provably over."""

    @classmethod
    def of(cls, record: records.Estimate) -> EstimatedEnd:
        """Show a record."""
        return cls(
            made_at=instant(record.made_at),
            stopped_at=instant(record.stopped_at),
            meter_stop_wh=record.meter_stop_wh,
            energy_wh=record.energy_wh,
            reason=record.reason,
            evidence=record.evidence,
        )


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator wants a transaction to get; its site's strategy goes by it."""

    energy_kwh: float | None
    departs_at: Instant | None
    priority: int | None

    @classmethod
    def of(cls, record: records.Plan) -> Plan:
        """Show a record."""
        energy = record.energy_wh
        return cls(
            energy_kwh=None if energy is None else energy / 1000,
            departs_at=iso(record.departs_at or 0),
            priority=record.priority,
        )


class Transaction(msgspec.Struct, frozen=True, kw_only=True):
    """A charging session. Times are the station's own, energy is integer Wh."""

    id: int
    station_id: str
    connector_id: int
    id_tag: str
    state: TransactionState
    started_at: Instant
    stopped_at: Instant | None
    meter_start_wh: int
    meter_stop_wh: int | None
    energy_wh: int
    """While open: by the last meter value."""
    stop_reason: str | None
    flags: list[str]
    group: str | None
    """The id tag's parent."""
    authorization: str
    """What the start was answered with."""
    reservation_id: int | None
    received_at: Instant
    """When the start reached Ampstream."""
    stop_received_at: Instant | None
    stop_id_tag: str | None
    estimated: bool
    """Whether the end is Ampstream's assumption; the station's own stop replaces it."""
    estimates: list[EstimatedEnd]
    sample_count: int
    last_sample_at: Instant | None
    last_meter_wh: int | None
    last_power_w: float | None
    last_soc_percent: float | None
    data_policy: Literal["met", "partly", "unmet", "none"] | None
    """Whether its meter data was what the policy wants; null: there is none, or it was too short to tell."""
    data_missing: list[str]
    """What was missing: `<field of the policy>:<measurand>`, or an interval that was not kept."""
    plan: Plan | None

    @classmethod
    def of(cls, record: records.Transaction) -> Transaction:
        """Show a record."""
        return cls(
            id=record.transaction_id,
            station_id=record.station_id,
            connector_id=record.connector_id,
            id_tag=record.id_tag,
            state=record.state,
            started_at=instant(record.started_at),
            stopped_at=iso(record.stopped_at),
            meter_start_wh=record.meter_start_wh,
            meter_stop_wh=record.meter_stop_wh,
            energy_wh=record.energy_wh,
            stop_reason=record.stop_reason or None,
            flags=list(record.flags),
            group=record.group or None,
            authorization=record.authorization,
            reservation_id=record.reservation_id or None,
            received_at=instant(record.received_at),
            stop_received_at=iso(record.stop_received_at),
            stop_id_tag=record.stop_id_tag or None,
            estimated=record.estimated,
            estimates=[EstimatedEnd.of(estimate) for estimate in record.estimates],
            sample_count=record.sample_count,
            last_sample_at=iso(record.last_sample_at),
            last_meter_wh=record.last_meter_wh,
            last_power_w=record.last_power_w,
            last_soc_percent=record.last_soc,
            data_policy=record.data_policy or None,
            data_missing=list(record.data_missing),
            plan=None if record.plan is None else Plan.of(record.plan),
        )


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One measured value, its unit normalised (Wh, W, A, V, ...)."""

    measurand: str
    value: int | float | str
    unit: str
    phase: str | None
    location: str
    context: str
    format: str
    flags: list[str]

    @classmethod
    def of(cls, record: records.Sample) -> Sample:
        """Show a record."""
        return cls(
            measurand=record.measurand,
            value=record.value,
            unit=record.unit,
            phase=record.phase or None,
            location=record.location,
            context=record.context,
            format=record.format,
            flags=list(record.flags),
        )


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """All values of one timestamp, in the order of their arrival."""

    timestamp: Instant
    """The station's own time."""
    received_at: Instant | None
    connector_id: int
    flags: list[str]
    samples: list[Sample]

    @classmethod
    def of(cls, record: records.Reading) -> Reading:
        """Show a record."""
        return cls(
            timestamp=instant(record.taken_at),
            received_at=iso(record.received_at),
            connector_id=record.connector_id,
            flags=list(record.flags),
            samples=[Sample.of(sample) for sample in record.samples],
        )
