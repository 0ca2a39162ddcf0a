"""Demand response: a site or some stations draw less for a while, because somebody asked for it.

    scheduled ──its start──> running ──its end──> ended
        └──────cancelled─────────┴──────────────> cancelled

An event says what is wanted, and is a record of its own; what was drawn before, and what the limit came to, is written
beside it when it starts. An event of a site limits one circuit, and the site's allocator keeps to it; an event of
stations puts a profile on each, which ends by itself with the event. Times are ms, power is integer W.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from .sites import Amount

DemandKind = Literal["curtail", "shed"]
"""`curtail`: no more than the limit is drawn; `shed`: the limit less than before, or nothing where there is none."""
DemandState = Literal["scheduled", "running", "ended", "cancelled"]
StationOutcome = Literal["waiting", "sent", "taken", "refused", "away", "site"]
"""How far an event got at a station.

`waiting`: nothing was sent; `taken`: it accepted its limit; `away`: it was offline; `site`: its site limits it.
"""

ORIGIN: Final = "demand"
OPERATOR: Final = "operator"
OPENADR: Final = "openadr"
MAX_EVENTS: Final = 5000
"""That have not ended, at a time."""
BASELINE_MS: Final = 15 * 60_000
"""What was drawn in so long before the start is what a reduction is counted from."""
GRACE_MS: Final = 60_000
"""Nobody is judged by what was drawn in so long after the start."""


class DemandEvent(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What is wanted of whom, and when."""

    event_id: str
    name: str = ""
    """For people."""
    kind: DemandKind = "curtail"
    start_at: int
    end_at: int
    """Exclusive."""
    amount: Amount | None = None
    """Of a circuit in all, its base load included; of stations each, unless `together`."""
    percent: int | None = None
    """In place of an amount: a share of what was drawn before."""
    site: str = ""
    circuit: str = ""
    """Empty: the site's root."""
    stations: tuple[str, ...] = ()
    filter: dict[str, str] = {}
    """In place of both: the stations that it takes when the event starts."""
    together: bool = False
    """Whether an amount is shared by the stations, in equal parts."""
    source: str = OPERATOR
    source_id: str = ""
    """What it is called where it came from."""
    created_at: int = 0
    created_by: str = ""

    @property
    def cap(self) -> Amount | None:
        """The limit where it is known without looking at what is drawn; None: it is not."""
        return self.amount if self.kind == "curtail" and self.percent is None and not self.together else None


class DemandRecord(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An event as it stands; key `demand:{id}:record`."""

    event: DemandEvent
    state: DemandState = "scheduled"
    changed_at: int = 0
    changed_by: str = ""
    """Who cancelled it."""
    total: int = 0
    """Stations."""
    baseline_w: int = 0
    """Drawn before, by all that it limits."""
    cap: Amount | None = None
    """What the limit came to when it started; of stations each."""
    measured_at: int = 0
    """When its stations were looked at last."""
    told_at: int = 0
    """When its source got its report."""
    detail: str = ""

    @property
    def open(self) -> bool:
        """Whether something is still to be done about it in time."""
        return self.state in ("scheduled", "running")


class DemandStation(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A station under an event: hash `demand:{id}:stations`."""

    baseline_w: int = 0
    """Mean over the time before the start."""
    limit_w: int | None = None
    outcome: StationOutcome = "waiting"
    drawn_w: int | None = None
    """Mean over the event so far, after its first minute; None: no meter told."""
    peak_w: int | None = None
    """The most that was drawn over a while."""
    energy_wh: int = 0
    """Drawn during the event."""
    purpose: str = ""
    """Of the profile that it got; empty: it got none."""
    sent_at: int = 0
    detail: str = ""


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """A limit on a circuit for a while, as an allocator takes it."""

    event_id: str
    name: str = ""
    """What people call the event."""
    circuit: str
    start_at: int
    end_at: int
    cap: Amount
