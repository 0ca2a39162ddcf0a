"""Stations' configurations, their history and drifts, and models, as operators see them."""

from __future__ import annotations

import msgspec

from edge.operators.models.probes import ChargingAbilities
from edge.operators.times import Instant, instant, iso
from shared.quirk_profiles import Profile, given
from shared.records import configuration, drifts
from shared.records.configuration import ChangeKind
from shared.records.drifts import DriftState
from shared.records.queries.configuration import ConfigurationNow
from shared.records.queries.models import ModelNow


class ConfigurationKey(msgspec.Struct, frozen=True, kw_only=True):
    """One key; `value` null: the station told none; `***`: a secret, which is not kept."""

    key: str
    value: str | None
    readonly: bool


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One difference between two configurations."""

    kind: ChangeKind
    name: str
    """The key, the code or the measurand; empty for the firmware."""
    before: str | None
    after: str | None

    @classmethod
    def of(cls, one: configuration.Change) -> Change:
        """Show a change."""
        return cls(kind=one.kind, name=one.name, before=one.before, after=one.after)


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """A station's configuration as it was last read, and what is under way about it."""

    station_id: str
    read_at: Instant | None
    """Null: it was never read."""
    version: int
    """Counts the configurations that differed; 0: none was read."""
    vendor: str
    model: str
    firmware: str
    stale: bool
    """Older than it should be, by another firmware, never read, or not read the last time that it was tried."""
    partial: bool
    """Only the standard's keys could be asked for: others stand as they were last known."""
    dropped: int
    """Keys left out because there are too many."""
    reading: bool
    """Whether a read is under way."""
    next_at: Instant | None
    failed_at: Instant | None
    failure: str | None
    open_drifts: int
    keys: list[ConfigurationKey]

    @classmethod
    def of(cls, station_id: str, now: ConfigurationNow, at: int, firmware: str) -> Configuration:
        """Show where a station's configuration stands at `at` (ms); `firmware` is the station's at present."""
        snapshot, configured = now.snapshot, now.configured
        shown = snapshot or configuration.Snapshot(read_at=0, version=0)
        overdue = bool(configured.next_at) and configured.next_at < at
        return cls(
            station_id=station_id,
            read_at=iso(shown.read_at),
            version=shown.version,
            vendor=shown.vendor,
            model=shown.model,
            firmware=shown.firmware,
            stale=snapshot is None or overdue or bool(configured.failed_at) or shown.firmware != firmware,
            partial=shown.partial,
            dropped=shown.dropped,
            reading="whole" in configured.reads,
            next_at=iso(configured.next_at),
            failed_at=iso(configured.failed_at),
            failure=configured.failure or None,
            open_drifts=len(configured.drifts),
            keys=[
                ConfigurationKey(key=name, value=one.value, readonly=one.readonly)
                for name, one in sorted(shown.keys.items(), key=lambda item: item[0].lower())
            ],
        )


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a station's configuration: what made it out of the one before."""

    version: int
    read_at: Instant
    trigger: str
    """Why it was read: `boot`, `schedule`, `operator`, `job`, or who read some keys back."""
    firmware: str
    keys: int
    changes: list[Change]
    drift_id: str | None

    @classmethod
    def of(cls, one: configuration.Version) -> Version:
        """Show a version."""
        return cls(
            version=one.version,
            read_at=instant(one.read_at),
            trigger=one.trigger,
            firmware=one.firmware,
            keys=one.keys,
            changes=[Change.of(each) for each in one.changes],
            drift_id=one.drift_id or None,
        )


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What makes the configuration `to` out of the configuration `from`."""

    station_id: str
    older: int = msgspec.field(name="from")
    newer: int = msgspec.field(name="to")
    changes: list[Change]


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """Significant changes of a station's configuration."""

    id: str
    station_id: str
    found_at: Instant
    version: int
    firmware: str
    previous_firmware: str
    changes: list[Change]
    state: DriftState
    acknowledged_at: Instant | None
    acknowledged_by: str | None
    note: str

    @classmethod
    def of(cls, one: drifts.Drift) -> Drift:
        """Show a drift."""
        return cls(
            id=one.drift_id,
            station_id=one.station_id,
            found_at=instant(one.found_at),
            version=one.version,
            firmware=one.firmware,
            previous_firmware=one.previous_firmware,
            changes=[Change.of(each) for each in one.changes],
            state=one.state,
            acknowledged_at=iso(one.acknowledged_at),
            acknowledged_by=one.acknowledged_by or None,
            note=one.note,
        )


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """What a change is taken for."""

    names: str
    kinds: list[ChangeKind]
    """Empty: all."""
    significant: bool
    note: str


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """The rules of the fleet: the first that fits a change decides; none: it is no drift."""

    rules: list[Rule]
    secrets: list[str]
    """Patterns of keys whose values are neither stored nor shown, beside those that are always taken for secrets."""
    shipped: bool
    """Whether nobody has changed them."""
    updated_at: Instant | None
    by: str | None

    @classmethod
    def of(cls, held: drifts.DriftRules) -> Rules:
        """Show the rules."""
        return cls(
            rules=[
                Rule(names=one.names, kinds=list(one.kinds), significant=one.significant, note=one.note)
                for one in held.rules
            ],
            secrets=list(held.secrets),
            shipped=not held.updated_at,
            updated_at=iso(held.updated_at),
            by=held.by or None,
        )


class ModelOverrides(msgspec.Struct, frozen=True, kw_only=True):
    """What operators say of a model."""

    rules: dict[str, str]
    profiles: list[str] | None
    connectors: int | None
    limits: dict[str, int]
    note: str
    updated_at: Instant | None
    by: str | None


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A model: what its stations tell and show, the rules that hold for it, and what operators say."""

    key: str
    vendor: str
    model: str
    firmware: str
    profiles: list[str]
    """Feature profiles, with the operators' word."""
    connectors: int | None
    """Null: not told, or no number that a station can have."""
    limits: dict[str, int]
    measurands: list[str]
    """That its stations have sent."""
    rules: dict[str, str]
    """Quirk rules: of the profiles that are shipped, then the operators'."""
    overrides: ModelOverrides
    read_at: Instant
    station_id: str
    """The station that was read last."""
    charging: ChargingAbilities | None = None
    """What a probe has shown of its smart charging; null in lists, and where none has."""

    @classmethod
    def of(cls, now: ModelNow, profiles: tuple[Profile, ...]) -> Model:
        """Show a model."""
        model, said = now.model, now.overrides
        told = said.of(model.capabilities)
        return cls(
            key=now.key,
            vendor=model.vendor,
            model=model.model,
            firmware=model.firmware,
            profiles=list(told.profiles),
            connectors=told.connectors,
            limits=told.limits,
            measurands=list(now.measurands),
            rules=given(profiles, model.vendor, model.model, model.firmware) | said.rules,
            overrides=ModelOverrides(
                rules=said.rules,
                profiles=list(said.profiles) if said.profiles is not None else None,
                connectors=said.connectors,
                limits=said.limits,
                note=said.note,
                updated_at=iso(said.updated_at),
                by=said.by or None,
            ),
            read_at=instant(model.read_at),
            station_id=model.station_id,
            charging=ChargingAbilities.of(now.abilities) if now.abilities is not None else None,
        )
