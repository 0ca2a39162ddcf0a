"""What a site is: a tree of circuits with capacities, stations on them, and how its allocator shares what there is.

Currents are integers in tenths of an ampere, of each phase of the grid in the order R, S, T; power is integer W. The
document is written whole and versioned; what the allocator last saw and did is a `SiteState` beside it, which may be
read at any time and is rewritten each round.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Final, Literal

import msgspec

from shared.records.prices import DEFAULT_AREA

Strategy = Literal["equal", "priority", "first_come", "deadline"]
Amps = tuple[int, int, int]
"""Tenths of an ampere on R, S, T."""
NOTHING: Final[Amps] = (0, 0, 0)
GRID: Final = "RST"
LoadSource = Literal["none", "estimate", "reading", "stale"]
"""`stale`: a reading that is too old, and there is no estimate to fall back on: it counts on."""
ConnectorNow = Literal["idle", "charging", "paused", "full", "offline", "disobeys", "unmanaged", "unknown"]
"""What a connector is to its site.

`idle`: no transaction; `paused`: its limit is 0 for want of room; `full`: its car draws nothing though it may;
`offline`: it keeps what it had; `disobeys`: it draws more than it was told; `unmanaged`: it takes no profiles;
`unknown`: there is no such station, or it was never seen.
"""


class Amount(msgspec.Struct, frozen=True, omit_defaults=True):
    """Amperes of each phase, watts in all, or both: then both hold."""

    amps: Amps | None = None
    watts: int | None = None

    def spread(self, voltage: int) -> Amps:
        """Return it as currents; watts alone are taken to be the same on all phases, rounded up."""
        if self.amps is not None:
            return self.amps
        each = -(-(self.watts or 0) * 10 // (3 * voltage))
        return (each, each, each)


class BaseLoad(msgspec.Struct, frozen=True, omit_defaults=True):
    """An estimate of what else draws on a circuit: always the same, or by the hour of the site's own day."""

    fixed: Amount | None = None
    hours: tuple[Amount, ...] = ()
    """24 of them, from midnight."""


class Circuit(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A node of the tree: a fuse, a cable, a contract with the grid."""

    name: str
    parent: str = ""
    """Empty: the root, of which there is one."""
    capacity: Amount
    base_load: BaseLoad | None = None
    reading_valid_s: int = 900
    """A base load that was read counts for so long, then the estimate does."""


@cache
def _phases(rotation: str) -> tuple[int, ...]:
    return tuple(GRID.index(letter) for letter in rotation)


class Place(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A station in the tree."""

    station_id: str
    circuit: str
    rotation: str = GRID
    """Phases of the grid that the station's L1, L2, L3 are wired to; one letter: it has one phase."""
    maximum: int = 320
    """Tenths of an ampere that one of its connectors draws at most on a phase: its fuse."""
    minimum: int = 60
    """Below this nothing charges (IEC 61851: 6 A)."""
    priority: int = 0
    """Greater is sooner; a transaction's own plan goes before it."""

    @property
    def phases(self) -> tuple[int, ...]:
        """The grid's phases, 0 to 2, in the order of the station's own."""
        return _phases(self.rotation)


class Site(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The whole document; key `site:{name}:doc`."""

    name: str
    version: int = 1
    """Raised by each change."""
    note: str = ""
    strategy: Strategy = "equal"
    circuits: tuple[Circuit, ...] = ()
    stations: tuple[Place, ...] = ()
    voltage: int = 230
    """Between phase and neutral: what watts and amperes are converted by."""
    zone: str = "UTC"
    """IANA name; hours of base loads are its."""
    price_area: str = DEFAULT_AREA
    """Whose prices its deadlines go by."""
    hysteresis: int = 10
    """Tenths of an ampere: a smaller change is not worth a command."""
    command_interval_s: int = 15
    """A station is told no more often than this, unless a limit is exceeded."""
    ramp: int = 0
    """Tenths of an ampere per minute by which a limit rises at most; 0: at once."""
    turn_s: int = 900
    """Where not all can charge, one that does is left to for so long before one that waits takes over."""
    updated_at: int = 0
    updated_by: str = ""
    deleted_at: int = 0
    """It is going: its stations' profiles are being cleared. Lists leave it out."""

    def circuit(self, name: str) -> Circuit | None:
        """Return a circuit by its name."""
        return next((one for one in self.circuits if one.name == name), None)

    def path(self, name: str) -> Iterator[str]:
        """Yield a circuit's name and those above it; ends where the tree is broken."""
        seen: set[str] = set()
        parents = {one.name: one.parent for one in self.circuits}
        while name in parents and name not in seen:
            seen.add(name)
            yield name
            name = parents[name]


class LoadReading(msgspec.Struct, frozen=True, kw_only=True):
    """A base load that somebody measured: hash `site:{name}:loads`, by circuit."""

    amount: Amount
    at: int
    by: str = ""


# ── what the allocator saw and did ───────────────────────────────────────────────────────────────────────────────────


class CircuitState(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """A circuit at the end of a round. Everything counts what is below it too."""

    name: str
    parent: str = ""
    limit: Amps | None = None
    """Of each phase, now: its capacity, or less by a temporary limit; None: limited by watts alone."""
    limit_w: int | None = None
    base: Amps = NOTHING
    """Base loads."""
    base_source: LoadSource = "none"
    """Of its own base load."""
    allocated: Amps = NOTHING
    """What the transactions are given."""
    may_draw: Amps = NOTHING
    """What all stations could draw by what they are known to have taken, base load left out."""
    drawn: Amps = NOTHING
    """What the stations were last measured to draw, base load left out."""
    over: bool = False
    """Whether what is drawn, with the base load, is above the limit."""
    window: str = ""
    """The temporary limit that holds."""


class ConnectorState(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """A connector at the end of a round."""

    station_id: str
    connector_id: int
    circuit: str
    state: ConnectorNow = "idle"
    transaction_id: int = 0
    phases: tuple[int, ...] = ()
    """Of the grid, 0 to 2: those that its car uses, as far as is known."""
    wanted: int = 0
    """What it is to have of each of its phases, tenths of an ampere."""
    limit: int = 0
    """What it was last sent."""
    may_draw: int = 0
    """What it could draw until it has taken that."""
    drawn: Amps = NOTHING
    drawn_at: int = 0
    """When that was measured; 0: never."""
    held_by: str = ""
    """The circuit that keeps it from getting more."""
    energy_left_wh: int | None = None
    departs_at: int | None = None
    detail: str = ""


class SiteState(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A site at the end of a round; key `site:{name}:state`."""

    name: str
    version: int
    """Of the document."""
    at: int
    """When the round was (Redis ms)."""
    circuits: tuple[CircuitState, ...] = ()
    connectors: tuple[ConnectorState, ...] = ()
    commands: int = 0
    """How many stations were told something in this round."""
    holder: str = ""
    """The worker that did it."""


class RoundNote(msgspec.Struct, array_like=True, frozen=True):
    """What a round leaves for the gauges: hash `idx:sites:rounds`. Power at the root, integer W."""

    at: int
    over: bool = False
    """Whether a circuit was above its limit."""
    limit_w: int = 0
    base_w: int = 0
    allocated_w: int = 0
    drawn_w: int = 0
