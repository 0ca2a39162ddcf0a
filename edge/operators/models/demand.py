"""Demand response events, their reports, and prices as operators write and see them."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from edge.operators.models.sites import Amount, Kilowatt
from edge.operators.times import GivenInstant, Instant, instant, iso, milliseconds
from shared.records import demand as records
from shared.records import prices as price_records
from shared.records.demand import DemandKind, DemandRecord, DemandState, DemandStation, StationOutcome
from shared.records.prices import MAX_INTERVALS, PriceInterval
from shared.smartcharging.demand import complied, reduced_w


class GivenLimit(Amount, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Amperes of each phase, kilowatts in all, or in place of both a share of what was drawn before."""

    percent: Annotated[int, Meta(ge=0, le=100)] | None = None


class DemandEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A demand response event as it stands."""

    id: str
    name: str | None
    kind: DemandKind
    state: DemandState
    start_at: Instant
    end_at: Instant
    limit: GivenLimit | None
    site: str | None
    circuit: str | None
    stations: list[str] | None
    filter: dict[str, str] | None
    together: bool
    source: str
    """`operator` or `openadr`."""
    source_id: str | None
    """Event and interval, as the VTN calls them."""
    total: int
    """Stations, once it has begun."""
    baseline_kw: Kilowatt
    """Drawn before by all of them."""
    cap: Amount | None
    """What the limit came to when it began; of stations each, on the average where it is a share."""
    created_at: Instant
    created_by: str
    changed_at: Instant
    changed_by: str | None
    measured_at: Instant | None
    detail: str | None

    @classmethod
    def of(cls, record: DemandRecord) -> DemandEvent:
        """Show an event."""
        event = record.event
        return cls(
            id=event.event_id,
            name=event.name or None,
            kind=event.kind,
            state=record.state,
            start_at=instant(event.start_at),
            end_at=instant(event.end_at),
            limit=_limit(event),
            site=event.site or None,
            circuit=event.circuit or None,
            stations=list(event.stations) or None,
            filter=None if event.site or event.stations else event.filter,
            together=event.together,
            source=event.source,
            source_id=event.source_id or None,
            total=record.total,
            baseline_kw=record.baseline_w / 1000,
            cap=None if record.cap is None else Amount.of(record.cap),
            created_at=instant(event.created_at),
            created_by=event.created_by,
            changed_at=instant(record.changed_at),
            changed_by=record.changed_by or None,
            measured_at=iso(record.measured_at),
            detail=record.detail or None,
        )


def _limit(event: records.DemandEvent) -> GivenLimit | None:
    if event.percent is not None:
        return GivenLimit(percent=event.percent)
    if event.amount is None:
        return None
    shown = Amount.of(event.amount)
    return GivenLimit(amps=shown.amps, kw=shown.kw)


class DemandRow(msgspec.Struct, frozen=True, kw_only=True):
    """A station under an event."""

    station_id: str
    outcome: StationOutcome
    purpose: str | None
    """Of the profile that it got."""
    baseline_kw: Kilowatt
    limit_kw: Kilowatt | None
    """Null where its site has the limit."""
    drawn_kw: Kilowatt | None
    """On the average, after the first minute."""
    peak_kw: Kilowatt | None
    reduced_kw: float | None
    energy_kwh: float
    complied: bool | None
    """Null: there is no meter, or no limit of its own, to tell by."""
    detail: str | None

    @classmethod
    def of(cls, station_id: str, row: DemandStation) -> DemandRow:
        """Show a station."""
        return cls(
            station_id=station_id,
            outcome=row.outcome,
            purpose=row.purpose or None,
            baseline_kw=row.baseline_w / 1000,
            limit_kw=_kw(row.limit_w),
            drawn_kw=_kw(row.drawn_w),
            peak_kw=_kw(row.peak_w),
            reduced_kw=_kw(reduced_w(row)),
            energy_kwh=row.energy_wh / 1000,
            complied=complied(row),
            detail=row.detail or None,
        )


def _kw(watts: int | None) -> float | None:
    return None if watts is None else watts / 1000


class DemandCircuit(msgspec.Struct, frozen=True, kw_only=True):
    """The circuit under an event of a site, by its site's minutes, base load included."""

    circuit: str
    limit: Amount
    before: Amount | None
    """On the average of the quarter of an hour before the start."""
    carried: Amount
    """On the average, after the first minute."""
    complied: bool


class DemandReport(msgspec.Struct, frozen=True, kw_only=True):
    """Who complied, and by how much, from meter data; final once the event is over for two minutes."""

    event: DemandEvent
    final: bool
    baseline_kw: Kilowatt
    drawn_kw: Kilowatt | None
    """By all whose meters tell."""
    reduced_kw: float | None
    energy_kwh: float
    complied: int
    exceeded: int
    unknown: int
    circuit: DemandCircuit | None
    """Null of stations without a site, and until a minute of the event is known."""
    stations: list[DemandRow]


# ── prices ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class GivenPrice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A price of a kWh for a time."""

    start: GivenInstant
    end: GivenInstant
    price: Annotated[float, Meta(ge=-1_000_000, le=1_000_000)]

    def record(self) -> PriceInterval:
        """Return it as it is stored."""
        return PriceInterval(milliseconds(self.start), milliseconds(self.end), self.price)


class PricesBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Prices of an area; what is known for other times stays."""

    currency: Annotated[str, Meta(max_length=8, description="Such as EUR.")] = ""
    intervals: Annotated[list[GivenPrice], Meta(min_length=1, max_length=MAX_INTERVALS)]


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """A price of a kWh for a time."""

    start: Instant
    end: Instant
    price: float


class Prices(msgspec.Struct, frozen=True, kw_only=True):
    """The prices of an area, in order."""

    area: str
    currency: str | None
    updated_at: Instant | None
    updated_by: str | None
    intervals: list[Price]

    @classmethod
    def of(cls, record: price_records.Prices, since: int = 0, until: int = 2**62) -> Prices:
        """Show prices, those that hold between two moments (ms)."""
        wanted = [one for one in record.intervals if one.end_at > since and one.start_at < until]
        return cls(
            area=record.area,
            currency=record.currency or None,
            updated_at=iso(record.updated_at),
            updated_by=record.updated_by or None,
            intervals=[Price(start=instant(one.start_at), end=instant(one.end_at), price=one.price) for one in wanted],
        )
