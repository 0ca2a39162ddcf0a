"""A decision in the making: everything that one entry changes, collected without IO.

Services read the state through the draft (so they see their own changes), and write through it. Nothing happens until
the consumer commits it.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from shared import envelopes
from shared.records.certificates import Certificates
from shared.records.commands import CommandRecord, Commands
from shared.records.configuration import Configured
from shared.records.credentials import Credentials
from shared.records.events import Event, StationFlagged
from shared.records.firmware import Updating
from shared.records.history import Fact
from shared.records.local_lists import LocalList
from shared.records.packing import pack
from shared.records.probes import Probing
from shared.records.profiles import Limits
from shared.records.reservations import Reservations
from shared.records.stations import Connectors, SessionRecord, StationRecord
from shared.records.transactions import Charging
from shared.records.tuning import Tuned

from .outbox import Delivery, Outbox, Timer
from .view import StationView
from .wants import Want

Argument = str | int | bytes
Section = (
    StationRecord
    | SessionRecord
    | Connectors
    | Charging
    | Commands
    | Configured
    | Tuned
    | Reservations
    | Updating
    | Limits
    | LocalList
    | Probing
    | Credentials
    | Certificates
)


class Origin(msgspec.Struct, frozen=True):
    """Where a decision comes from: the uplink entry."""

    entry_id: str
    """Stream id of the uplink entry."""
    partition: int
    received_at: int
    """The entry's own time (Redis ms)."""
    node: str
    epoch: int
    call_seq: int
    """0 for what is no CALL."""
    trace: str = ""
    """Context of the span under which the entry is decided (`shared.tracing`); empty where it is not followed."""


class Draft:
    """What one entry changes. `now` is Redis TIME of the batch in ms."""

    __slots__ = (
        "_events", "answer", "certificates", "changed", "charging", "commands", "configured", "connectors", "counts",
        "credentials", "deliveries", "effects", "flags", "limits", "listed", "now", "origin", "policy", "probing",
        "releases", "reserved", "result", "session", "station", "station_id", "timers", "tuned", "updating", "view",
        "writes",
    )  # fmt: skip

    station: StationRecord | None
    session: SessionRecord
    connectors: Connectors
    charging: Charging
    commands: Commands
    configured: Configured
    tuned: Tuned
    limits: Limits
    reserved: Reservations
    updating: Updating
    credentials: Credentials
    certificates: Certificates
    probing: Probing
    listed: LocalList

    def __init__(self, view: StationView, origin: Origin, now: int, policy: Any) -> None:
        self.view = view
        self.station_id = view.station_id
        # What every decision looks at; the other sections come with their first use.
        self.station = view.station
        self.session = view.session
        self.origin = origin
        self.now = now
        self.policy = policy
        self.answer: bytes | None = None
        """The frame that answers the CALL, or None where none goes out."""
        self.changed: dict[str, Any] = {}
        self.writes: list[tuple[Argument, ...]] = []
        self._events: list[Event] = []
        self.effects: list[list[Argument]] = []
        self.deliveries: list[tuple[str, envelopes.Item]] = []
        self.timers: list[Timer] = []
        self.releases: list[tuple[str, str]] = []
        self.counts: list[tuple[str, tuple[str, ...], float]] = []
        self.flags: list[str] = []
        self.result = "ok"
        """For the metrics: `ok`, `late`, `invalid` or `quarantined`."""

    # ── reading: the state with this draft's changes ─────────────────────────────────────────────────────────────

    @property
    def late(self) -> bool:
        """True for an entry of an epoch that a newer session has replaced."""
        return 0 < self.origin.epoch < self.session.epoch

    def __getattr__(self, name: str) -> Any:
        # A section that this draft has not changed: the view's, from now on as an attribute of its own.
        if name not in _SECTIONS:
            raise AttributeError(name)
        value = getattr(self.view, name)
        setattr(self, name, value)
        return value

    def get(self, want: Want) -> Any:
        """Return what was loaded for `want`; raises `Missing`, upon which the consumer loads it and decides again."""
        return self.view.get(want)

    # ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────

    def put(self, section: Section) -> None:
        """Replace a section of the state; `forget` removes all of them."""
        field, name = _PLACES[type(section)]
        self.changed[field] = section
        setattr(self, name, section)

    def forget(self) -> None:
        """Remove every section: the station is deleted."""
        self.changed.update(dict.fromkeys(field for field, _ in _PLACES.values()))
        self.station = None

    def write(self, command: str, key: str, *args: Argument) -> None:
        """Run `command key args` with the commit; `key` must carry the station's hash tag."""
        self.writes.append((command, key, *args))

    def effect(self, *command: Argument) -> None:
        """Run an idempotent command on fleet-wide keys after the commit."""
        self.effects.append(list(command))

    def emit(self, event: Event) -> None:
        """Publish an event after the commit; its id is set here."""
        origin = self.origin
        source = f"{origin.epoch}:{origin.call_seq}" if origin.call_seq else origin.entry_id
        event.id = f"{self.view.station_id}:{source}:{len(self._events)}"
        self._events.append(event)

    def deliver(self, node: str, item: envelopes.Item) -> None:
        """Send an item to a node after the commit."""
        self.deliveries.append((node, item))

    def wake(self, name: str, subject: str, due_ms: int) -> None:
        """Let a WAKEUP entry `(name, subject)` come to this station at `due_ms`; setting it again moves it."""
        self.timers.append(Timer(due_ms, name, subject))

    def release(self, id_tag: str, holder: str) -> None:
        """Free a place under an id tag's concurrent limit."""
        self.releases.append((id_tag, holder))

    def count(self, metric: str, *labels: str, amount: float = 1) -> None:
        """Raise a metric of `shared.metrics` by its name once this decision is committed."""
        self.counts.append((metric, labels, amount))

    def flag(self, quirk: str, detail: str = "") -> None:
        """Note a deviation on the station: counted each time, remembered and announced the first time.

        `quirk` is of a closed set (a metric label), `detail` names the field.
        """
        self.counts.append(("quirks_total", (quirk,), 1))
        flag = f"{quirk}:{detail}" if detail else quirk
        self.flags.append(flag)
        station = self.station
        if station is None or flag in station.flags or len(station.flags) >= MAX_FLAGS:
            return
        self.put(msgspec.structs.replace(station, flags={**station.flags, flag: self.origin.received_at}))
        self.emit(StationFlagged(station_id=self.station_id, at=self.origin.received_at, flag=flag))

    def remember(self, fact: Fact, key: str, keep: int = 1000) -> None:
        """Append a fact to the station's history stream `key`, bounded to about `keep` entries."""
        self.write("XADD", key, "MAXLEN", "~", keep, "*", "h", pack(fact))

    def save_command(self, record: CommandRecord, key: str) -> None:
        """Write a command's record."""
        self.write("SET", key, pack(record))

    # ── for the commit ───────────────────────────────────────────────────────────────────────────────────────────

    @property
    def events(self) -> tuple[Event, ...]:
        return tuple(self._events)

    def outbox(self) -> Outbox:
        """Pack what is owed after the commit, the answer among it."""
        origin = self.origin
        deliveries: list[Delivery] = []
        for node, item in self.deliveries:
            deliveries.append(Delivery(node, msgspec.Raw(envelopes.encode(item))))
        if self.answer is not None:
            answer = envelopes.Answer(self.station_id, origin.epoch, origin.call_seq, self.answer, origin.trace)
            deliveries.append(Delivery(origin.node, msgspec.Raw(envelopes.encode(answer))))
        return Outbox(
            events=[msgspec.Raw(pack(event)) for event in self._events],
            effects=self.effects,
            deliveries=deliveries,
            timers=self.timers,
            releases=self.releases,
        )


MAX_FLAGS = 100
"""Flags remembered per station: a station that makes up field names can't fill its record."""

_PLACES: Final[dict[type, tuple[str, str]]] = {
    StationRecord: ("st", "station"),
    SessionRecord: ("se", "session"),
    Connectors: ("co", "connectors"),
    Charging: ("ch", "charging"),
    Commands: ("cm", "commands"),
    Configured: ("cf", "configured"),
    Tuned: ("tu", "tuned"),
    Limits: ("sc", "limits"),
    Reservations: ("rs", "reserved"),
    Updating: ("fw", "updating"),
    Credentials: ("ke", "credentials"),
    Certificates: ("ce", "certificates"),
    Probing: ("pr", "probing"),
    LocalList: ("ll", "listed"),
}
"""Section -> field of the state hash, attribute of a draft."""
_SECTIONS: Final = frozenset(name for _, name in _PLACES.values())
