"""Templates and how stations stand to them, as operators see them."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edge.operators.times import Instant, instant, iso
from shared.records import templates as records
from shared.records.queries.templates import Standing, TuningNow
from shared.records.templates import Desired, RebootRule, Wish, basis_of
from shared.records.tuning import ALL, KeyMemory, Run, TuningState
from shared.records.tuning import Reboot as RebootRecord

Pattern = Annotated[
    str, Meta(max_length=200, description="Regular expression over the whole text, in any case; empty: all.")
]
Interval = Annotated[int, Meta(ge=0, le=86400, description="Seconds; 0: no such samples.")]
Measurands = Annotated[
    list[Annotated[str, Meta(max_length=50)]],
    Meta(max_length=50, description="The most important first; with a phase such as `Voltage.L1` or without."),
]


class TemplateMatch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which stations a template is for: all conditions hold."""

    vendor: Pattern = ""
    model: Pattern = ""
    firmware: Pattern = ""
    group: Annotated[str, Meta(max_length=255, description="A station's group, whole; empty: all.")] = ""


class MeterDataPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What meter data is wanted. Absent: nothing is asked for; an empty list: no data."""

    sampled: Measurands | None = None
    """In MeterValues (MeterValuesSampledData)."""
    sampled_interval_s: Interval | None = None
    aligned: Measurands | None = None
    """In MeterValues, by the clock (MeterValuesAlignedData)."""
    aligned_interval_s: Interval | None = None
    stop_sampled: Measurands | None = None
    """In StopTransaction (StopTxnSampledData)."""
    stop_aligned: Measurands | None = None
    """In StopTransaction, by the clock (StopTxnAlignedData)."""


class StationCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Stations by how they stand; one that was not read since the template's change is pending."""

    in_line: int = 0
    differs: int = 0
    pending: int = 0
    refused: int = 0
    reverting: int = 0


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """What is wanted of the stations that match."""

    name: str
    priority: int
    """Where two templates want different things the higher one wins, then the name that comes first."""
    match: TemplateMatch
    keys: dict[str, str]
    meter_data: MeterDataPolicy
    reboot: RebootRule
    note: str | None
    version: int
    updated_at: Instant
    """When what is wanted was changed."""
    stations: StationCounts
    """Those that it matched when their configuration was read."""

    @classmethod
    def of(cls, record: records.Template, counts: dict[TuningState, int]) -> Template:
        """Show a record."""
        return cls(
            name=record.name,
            priority=record.priority,
            match=TemplateMatch(**msgspec.structs.asdict(record.match)),
            keys=record.keys,
            meter_data=msgspec.convert(msgspec.to_builtins(record.meter_data), MeterDataPolicy),
            reboot=record.reboot,
            note=record.note or None,
            version=record.version,
            updated_at=instant(record.updated_at),
            stations=StationCounts(**counts),
        )


class WantedKey(msgspec.Struct, frozen=True, kw_only=True):
    """How a wanted key stands on a station."""

    key: str
    wanted: str
    template: str
    held: str | None
    """As last read; null: the station did not tell, or not yet."""
    state: TuningState
    since: Instant | None
    """Null: it has not been looked at since the template or the firmware changed."""
    set_at: Instant | None
    answer: str | None
    """What the station answered where it was refused."""
    reverts: int
    """How often it went back to another value."""
    needs_reboot: bool
    taken: list[str] | None
    """For a list of measurands: the largest part that the station takes."""
    refused: list[str]
    no_room: list[str]
    """Left out because the station's list is full."""
    undelivered: list[str]
    """Held by the station, and missing in its last transaction."""
    calls: int
    """ChangeConfiguration calls that the last search took."""

    @classmethod
    def of(cls, memory: KeyMemory) -> WantedKey:
        """Show a memory."""
        return cls(
            key=memory.key,
            wanted=memory.wanted,
            template=memory.template,
            held=memory.held,
            state=memory.state,
            since=iso(memory.since),
            set_at=iso(memory.set_at),
            answer=memory.answer or None,
            reverts=memory.reverts,
            needs_reboot=memory.reboot,
            taken=None if memory.taken is None else list(memory.taken),
            refused=list(memory.refused),
            no_room=list(memory.no_room),
            undelivered=list(memory.undelivered),
            calls=memory.calls,
        )


class TemplateStation(msgspec.Struct, frozen=True, kw_only=True):
    """A station that a template matched."""

    station_id: str
    state: TuningState
    since: Instant | None
    outdated: bool
    """It was looked at before the template's last change, which applies at its next boot or read."""
    keys: list[WantedKey]
    """The template's keys that are not in line."""

    @classmethod
    def of(cls, name: str, found: Standing) -> TemplateStation:
        """Show a standing."""
        applied = found.tuned.templates.get(name)
        memories = (one for one in found.tuned.keys.values() if one.template == name and one.state != "in_line")
        return cls(
            station_id=found.station_id,
            state=found.state,
            since=iso(applied.since) if applied is not None else None,
            outdated=found.outdated,
            keys=[WantedKey.of(one) for one in memories],
        )


class MatchingTemplate(msgspec.Struct, frozen=True, kw_only=True):
    """A template that matches a station."""

    name: str
    priority: int
    version: int
    state: TuningState
    since: Instant | None


class KeyConflict(msgspec.Struct, frozen=True, kw_only=True):
    """Two templates want different things of one key."""

    key: str
    winner: str
    loser: str
    value: str
    """What the loser wants."""


class UnderWay(msgspec.Struct, frozen=True, kw_only=True):
    """What is being set on a station."""

    since: Instant
    phase: Literal["set", "verify"]
    key: str | None
    command_id: str | None
    """Null: the last command was lost; it goes on in a minute, or when the station is back."""
    left: int
    """Keys still to be set after this one."""

    @classmethod
    def of(cls, run: Run, held: dict[str, KeyMemory]) -> UnderWay:
        """Show a run."""
        memory = held.get(run.key)
        return cls(
            since=instant(run.began_at),
            phase=run.phase,
            key=memory.key if memory is not None else None,
            command_id=run.command_id or None if run.phase == "set" else None,
            left=len(run.todo),
        )


class WantedReboot(msgspec.Struct, frozen=True, kw_only=True):
    """A reboot that waits until nobody charges."""

    since: Instant
    asked: Literal["soft", "hard"] | None
    command_id: str | None
    refused: str | None
    """Why nothing more is tried."""

    @classmethod
    def of(cls, record: RebootRecord) -> WantedReboot:
        """Show a record."""
        return cls(
            since=instant(record.since),
            asked=record.asked or None,
            command_id=record.command_id or None,
            refused=record.refused or None,
        )


class Tuning(msgspec.Struct, frozen=True, kw_only=True):
    """What is wanted of a station, what it holds, and what is under way."""

    station_id: str
    state: TuningState | None
    """Null: no template matches."""
    since: Instant | None
    read_at: Instant | None
    """When its configuration was last held against what is wanted."""
    templates: list[MatchingTemplate]
    """The strongest first."""
    keys: list[WantedKey]
    conflicts: list[KeyConflict]
    under_way: UnderWay | None
    reboot: WantedReboot | None

    @classmethod
    def of(cls, found: TuningNow, wanted: Desired) -> Tuning:
        """Show a station against what is wanted now; what changed since its last look is pending."""
        tuned = found.tuned
        overall = tuned.templates.get(ALL)
        shown = [_key(found, name, wish) for name, wish in wanted.wishes.items()]
        outdated = any(one.since is None for one in shown)
        return cls(
            station_id=found.station.station_id,
            state=None if not wanted.templates else "pending" if outdated or not overall else overall.state,
            since=None if outdated or overall is None or not wanted.templates else iso(overall.since),
            read_at=iso(tuned.read_at),
            templates=[_matching(found, one) for one in wanted.templates],
            keys=sorted(shown, key=lambda one: one.key.lower()),
            conflicts=[KeyConflict(**msgspec.structs.asdict(one)) for one in wanted.conflicts],
            under_way=None if tuned.run is None else UnderWay.of(tuned.run, tuned.keys),
            reboot=None if tuned.reboot is None else WantedReboot.of(tuned.reboot),
        )


def _key(found: TuningNow, name: str, wish: Wish) -> WantedKey:
    memory = found.tuned.keys.get(name)
    if memory is not None and memory.basis == basis_of(wish, found.station.firmware):
        return WantedKey.of(memory)
    held = found.snapshot.keys if found.snapshot is not None else {}
    value = next((one.value for key, one in held.items() if key.lower() == name), None)
    fresh = KeyMemory(key=wish.key, template=wish.template, basis="", wanted=wish.value, state="pending", held=value)
    return WantedKey.of(fresh)


def _matching(found: TuningNow, template: records.Template) -> MatchingTemplate:
    applied = found.tuned.templates.get(template.name)
    current = applied is not None and applied.revision == template.updated_at
    return MatchingTemplate(
        name=template.name,
        priority=template.priority,
        version=template.version,
        state=applied.state if applied is not None and current else "pending",
        since=iso(applied.since) if applied is not None and current else None,
    )
