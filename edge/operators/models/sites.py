"""Sites as operators write and see them: amperes and kilowatts, phases R, S, T of the grid, times in ISO-8601."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from edge.operators.models.base import StationId
from edge.operators.models.profiles import tenths
from edge.operators.times import Instant, iso
from shared.records import sites as records
from shared.records.prices import AREA_PATTERN, DEFAULT_AREA, MAX_AREA
from shared.records.sites import GRID, Amps, ConnectorNow, LoadSource, Strategy

Name = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]*$")]
Ampere = Annotated[float, Meta(ge=0, le=100_000)]
Kilowatt = Annotated[float, Meta(ge=0, le=100_000)]
Rotation = Literal["RST", "RTS", "SRT", "STR", "TRS", "TSR", "R", "S", "T", "RS", "ST", "TR", "SR", "TS", "RT"]
MAX_CIRCUITS: Final = 500
MAX_STATIONS: Final = 2000
HOURS: Final = 24


class Amount(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Amperes of each phase (one number: the same on all three), or kilowatts in all, or both: then both hold."""

    amps: Annotated[list[Ampere], Meta(min_length=3, max_length=3)] | Ampere | None = None
    kw: Kilowatt | None = None

    def record(self, *, up: bool = False) -> records.Amount:
        """Return it as it is stored; limits are rounded down, loads `up`."""
        given = self.amps
        amps: Amps | None = None
        if given is not None:
            each = given if isinstance(given, list) else [given] * 3
            whole = [-tenths_down(-one) if up else tenths_down(one) for one in each]
            amps = (whole[0], whole[1], whole[2])
        return records.Amount(amps, None if self.kw is None else round(self.kw * 1000))

    @classmethod
    def of(cls, record: records.Amount) -> Amount:
        """Show a record."""
        amps = None if record.amps is None else [one / 10 for one in record.amps]
        if amps is not None and len(set(amps)) == 1:
            return cls(amps=amps[0], kw=_kw(record.watts))
        return cls(amps=amps, kw=_kw(record.watts))


class BaseLoad(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An estimate: always the same, or 24 amounts by the hour of the site's own day, from midnight."""

    fixed: Amount | None = None
    hours: Annotated[list[Amount], Meta(min_length=HOURS, max_length=HOURS)] | None = None


class CircuitBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A node of the tree: a fuse, a cable, a contract. The one without a parent is the root."""

    name: Name
    parent: Name | None = None
    capacity: Amount
    base_load: BaseLoad | None = None
    """What else draws here, without the circuits below it."""
    reading_valid_s: Annotated[int, Meta(ge=10, le=86_400)] = 900
    """A base load that was posted counts for so long, then the estimate does."""

    def record(self) -> records.Circuit:
        """Return it as it is stored."""
        load = self.base_load
        return records.Circuit(
            name=self.name,
            parent=self.parent or "",
            capacity=self.capacity.record(),
            base_load=None
            if load is None
            else records.BaseLoad(
                None if load.fixed is None else load.fixed.record(up=True),
                tuple(one.record(up=True) for one in load.hours or ()),
            ),
            reading_valid_s=self.reading_valid_s,
        )

    @classmethod
    def of(cls, record: records.Circuit) -> CircuitBody:
        """Show a record."""
        load = record.base_load
        shown = None
        if load is not None:
            shown = BaseLoad(
                fixed=Amount.of(load.fixed) if load.fixed is not None else None,
                hours=[Amount.of(one) for one in load.hours] or None,
            )
        return cls(
            name=record.name,
            parent=record.parent or None,
            capacity=Amount.of(record.capacity),
            base_load=shown,
            reading_valid_s=record.reading_valid_s,
        )


class PlaceBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A station in the tree."""

    id: StationId
    circuit: Name
    rotation: Rotation = "RST"
    """Phases of the grid that its L1, L2, L3 are wired to (OCPP: ConnectorPhaseRotation); one letter: one phase."""
    max_amps: Annotated[float, Meta(ge=6, le=1000, description="Of each phase of a connector: its fuse.")] = 32
    min_amps: Annotated[float, Meta(ge=1, le=1000, description="Below this nothing charges.")] = 6
    priority: Annotated[int, Meta(ge=-1000, le=1000)] = 0

    def record(self) -> records.Place:
        """Return it as it is stored."""
        return records.Place(
            station_id=self.id,
            circuit=self.circuit,
            rotation=self.rotation,
            maximum=tenths(self.max_amps),
            minimum=tenths(self.min_amps),
            priority=self.priority,
        )

    @classmethod
    def of(cls, record: records.Place) -> PlaceBody:
        """Show a record."""
        return cls(
            id=record.station_id,
            circuit=record.circuit,
            rotation=msgspec.convert(record.rotation, Rotation),
            max_amps=record.maximum / 10,
            min_amps=record.minimum / 10,
            priority=record.priority,
        )


class SiteBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A site whole: its tree, its stations, and how its capacity is shared."""

    circuits: Annotated[list[CircuitBody], Meta(min_length=1, max_length=MAX_CIRCUITS)]
    stations: Annotated[list[PlaceBody], Meta(max_length=MAX_STATIONS)] = []
    strategy: Strategy = "equal"
    voltage: Annotated[int, Meta(ge=50, le=1000, description="Between phase and neutral.")] = 230
    time_zone: Annotated[str, Meta(max_length=64, description="IANA name: the hours of base loads are its.")] = "UTC"
    price_area: Annotated[str, Meta(min_length=1, max_length=MAX_AREA, pattern=AREA_PATTERN)] = DEFAULT_AREA
    """Whose prices its deadlines go by."""
    hysteresis_amps: Annotated[float, Meta(ge=0, le=32)] = 1.0
    """A smaller change of a limit is not worth a command."""
    command_interval_s: Annotated[int, Meta(ge=0, le=3600)] = 15
    """A station is told no more often than this, unless a limit is exceeded."""
    ramp_amps_per_minute: Annotated[float, Meta(ge=0, le=1000)] = 0
    """How fast a limit rises; 0: at once."""
    turn_s: Annotated[int, Meta(ge=0, le=86_400)] = 900
    """Where not all can charge: how long one does before one that waits takes over."""
    note: Annotated[str, Meta(max_length=1000)] = ""


class SiteSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A site in a list."""

    name: str
    version: int
    strategy: Strategy
    circuits: int
    stations: int
    note: str
    updated_at: Instant | None
    updated_by: str

    @classmethod
    def of(cls, record: records.Site) -> SiteSummary:
        """Show a record."""
        return cls(
            name=record.name, version=record.version, strategy=record.strategy, circuits=len(record.circuits),
            stations=len(record.stations), note=record.note, updated_at=iso(record.updated_at),
            updated_by=record.updated_by,
        )  # fmt: skip


class Site(SiteBody, frozen=True, kw_only=True):
    """A site; `version` rises with each change."""

    name: str
    version: int
    updated_at: Instant | None
    updated_by: str

    @classmethod
    def of(cls, record: records.Site) -> Site:
        """Show a record."""
        return cls(
            name=record.name,
            version=record.version,
            updated_at=iso(record.updated_at),
            updated_by=record.updated_by,
            circuits=[CircuitBody.of(one) for one in record.circuits],
            stations=[PlaceBody.of(one) for one in record.stations],
            strategy=record.strategy,
            voltage=record.voltage,
            time_zone=record.zone,
            price_area=record.price_area,
            hysteresis_amps=record.hysteresis / 10,
            command_interval_s=record.command_interval_s,
            ramp_amps_per_minute=record.ramp / 10,
            turn_s=record.turn_s,
            note=record.note,
        )


class LoadBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a meter says that else draws on a circuit, charging left out: amperes or kilowatts."""

    amps: Annotated[list[Ampere], Meta(min_length=3, max_length=3)] | Ampere | None = None
    kw: Kilowatt | None = None


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """A base load that was posted."""

    circuit: str
    amps: list[float] | float | None
    kw: float | None
    at: Instant | None
    by: str

    @classmethod
    def of(cls, circuit: str, record: records.LoadReading) -> Load:
        """Show a record."""
        shown = Amount.of(record.amount)
        return cls(circuit=circuit, amps=shown.amps, kw=shown.kw, at=iso(record.at), by=record.by)


class CircuitNow(msgspec.Struct, frozen=True, kw_only=True):
    """A circuit at the last round; lists are of the phases R, S, T, and count everything below."""

    name: str
    parent: str | None
    limit_amps: list[float] | None
    limit_kw: float | None
    base_amps: list[float]
    base_source: LoadSource
    allocated_amps: list[float]
    """What transactions are given."""
    may_draw_amps: list[float]
    """What stations could draw by what they are known to have taken."""
    drawn_amps: list[float]
    """As last measured, base load left out."""
    drawn_kw: float
    over: bool
    """Whether more is drawn than it takes."""
    window: str | None
    """The temporary limit that holds."""

    @classmethod
    def of(cls, record: records.CircuitState, voltage: int) -> CircuitNow:
        """Show a record."""
        return cls(
            name=record.name,
            parent=record.parent or None,
            limit_amps=None if record.limit is None else _amps(record.limit),
            limit_kw=_kw(record.limit_w),
            base_amps=_amps(record.base),
            base_source=record.base_source,
            allocated_amps=_amps(record.allocated),
            may_draw_amps=_amps(record.may_draw),
            drawn_amps=_amps(record.drawn),
            drawn_kw=round(sum(record.drawn) * voltage / 10_000, 3),
            over=record.over,
            window=record.window or None,
        )


class SiteConnector(msgspec.Struct, frozen=True, kw_only=True):
    """A connector at the last round."""

    station_id: str
    connector_id: int
    circuit: str
    state: ConnectorNow
    transaction_id: int | None
    phases: str
    """Of the grid: those that its car uses, as far as is known."""
    wanted_amps: float
    limit_amps: float
    may_draw_amps: float
    drawn_amps: list[float]
    drawn_at: Instant | None
    held_by: str | None
    """The circuit that keeps it from getting more."""
    energy_left_kwh: float | None
    departs_at: Instant | None
    detail: str | None

    @classmethod
    def of(cls, record: records.ConnectorState) -> SiteConnector:
        """Show a record."""
        left = record.energy_left_wh
        return cls(
            station_id=record.station_id,
            connector_id=record.connector_id,
            circuit=record.circuit,
            state=record.state,
            transaction_id=record.transaction_id or None,
            phases="".join(GRID[phase] for phase in record.phases),
            wanted_amps=record.wanted / 10,
            limit_amps=record.limit / 10,
            may_draw_amps=record.may_draw / 10,
            drawn_amps=_amps(record.drawn),
            drawn_at=iso(record.drawn_at),
            held_by=record.held_by or None,
            energy_left_kwh=None if left is None else left / 1000,
            departs_at=iso(record.departs_at or 0),
            detail=record.detail or None,
        )


class SiteState(msgspec.Struct, frozen=True, kw_only=True):
    """What a site's allocator saw and did in its last round; `at` null: there was none yet."""

    name: str
    version: int
    """Of the document that it went by."""
    at: Instant | None
    worker: str | None
    """That allocates for it at the moment."""
    commands: int
    circuits: list[CircuitNow]
    connectors: list[SiteConnector]
    loads: list[Load]
    """Base loads that were posted."""


def tenths_down(amount: float) -> int:
    """Return tenths, rounded down also where negative; what is within a hundred-thousandth of a tenth is that tenth."""
    return int((amount * 10 + 1e-4) // 1)


def _amps(amounts: Amps) -> list[float]:
    return [one / 10 for one in amounts]


def _kw(watts: int | None) -> float | None:
    return None if watts is None else watts / 1000
