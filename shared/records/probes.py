"""Probes: what a station's smart charging really does, found by trying, and what that teaches of its model.

    probing ──every check tried, aborted, or the station left──> restoring ──> over, a `ProbeReport` is written

Section `pr` holds what is under way: every message that was sent, and what was answered. All that a probe does next
follows from that (`workers.services.probing`), so any worker goes on where another one died. Times are ms.

    s:{CP1}:probe          string: the station's last `ProbeReport`
    models:charging        hash: model key -> `Abilities`
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from shared.smartcharging.comparing import Reported

from .profiles import Assigned, Kind, Purpose, Recurrence, Unit

Phase = Literal["probing", "restoring"]
Outcome = Literal["accepted", "rejected", "error", "lost"]
"""`error`: a CALLERROR; `lost`: no answer in time."""
Verdict = Literal["passed", "failed", "lacking", "untested"]
"""`failed`: it contradicts the standard, or what the station says of itself; `lacking`: it can't, and need not."""
VERDICTS: Final[tuple[Verdict, ...]] = ("passed", "failed", "lacking", "untested")
Ended = Literal["complete", "aborted"]
Zero = Literal["pauses", "shown", "taken", "ignored", "ends", "locks", "refused"]
"""What a limit of 0 does: charging pauses (measured); the composite schedule has it (not measured);
it was accepted, and nothing was seen; it has no effect; the
transaction ends; it pauses and does not go on when the limit is raised; it is not taken."""
Criterion = Literal["id", "connector", "purpose", "level", "place", "all"]
"""By what profiles are cleared; `place`: purpose, connector and stack level together."""
Composite = Literal["truthful", "differs", "absent"]
"""Whether GetCompositeSchedule tells what follows from the profiles that were accepted."""
ORIGIN: Final = "probe"
"""Of the commands of a probe."""


class Criteria(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Which profiles are to be cleared; what is None does not matter, nothing set means all."""

    profile_id: int | None = None
    connector_id: int | None = None
    purpose: Purpose | None = None
    stack_level: int | None = None


class Measured(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a transaction drew some time after a limit was set; `current` in tenths of an ampere, None: no sample."""

    current: int | None = None
    running: bool = True
    """Whether the transaction was still open."""


class Exchange(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One message of a probe and its answer, or one look at what is drawn (no action)."""

    check: str
    step: str
    """Digest of what was to be done: where the same evidence leads elsewhere, the probe's code has changed."""
    action: str = ""
    payload: str = ""
    """JSON text as it went on the wire."""
    command_id: str = ""
    at: int = 0
    due_at: int = 0
    """Of a look at what is drawn: when it is taken."""
    answered_at: int = 0
    outcome: Outcome = "lost"
    answer: str = ""
    """JSON text of the answer, cut; or the CALLERROR."""
    status: str = ""
    told: Reported | None = None
    measured: Measured | None = None


class Bench(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a probe knows of its station before the first message; never changes."""

    base_ms: int
    """Whole seconds: what profiles of the probe count from."""
    connector_id: int = 1
    transaction_id: int = 0
    """The transaction whose current is compared; 0: none runs, or nobody asked for it."""
    charging_since: int = 0
    max_stack_level: int | None = None
    units: tuple[Unit, ...] = ()
    max_periods: int | None = None
    max_installed: int | None = None


class Run(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A probe that is under way."""

    probe_id: str
    began_at: int
    bench: Bench
    battery: int
    """Which battery of checks: one of another release is not gone on with."""
    epoch: int
    """The session that it began in: a station that left is restored, not probed on."""
    by: str = ""
    job: str = ""
    forced: bool = False
    settle_ms: int = 0
    """How long after a limit the current is looked at."""
    phase: Phase = "probing"
    evidence: tuple[Exchange, ...] = ()
    pending: Exchange | None = None
    """What was sent and not yet answered."""
    checks_done: int = 0
    losses: int = 0
    """Answers in a row that did not come."""
    why: str = ""
    """Why it was aborted; empty: it was not."""
    ended_at: int = 0
    """When its last check was over."""
    to_clear: tuple[int, ...] = ()
    """While restoring: ids of the probe's profiles that may be on the station yet; 0: all of them at once."""
    putting_back: str = ""
    """While restoring: the place of the wanted profile that is being sent."""
    tries: int = 0
    """How often the present item of the restoration was sent."""
    put_back: tuple[str, ...] = ()
    not_put_back: tuple[str, ...] = ()


class Probed(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How the last probe of a station ended."""

    probe_id: str
    ended: Ended
    at: int
    why: str = ""
    job: str = ""


class Probing(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Section `pr`: the probe that runs on a station, and how the last one ended."""

    run: Run | None = None
    last: Probed | None = None


class Abilities(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a model's smart charging can do, by trial. None and empty: not known."""

    vendor: str = ""
    model: str = ""
    firmware: str = ""
    max_stack_level: int | None = None
    units: tuple[Unit, ...] = ()
    """Units that are taken, and computed with rightly."""
    max_periods: int | None = None
    """None: as many as it says."""
    max_installed: int | None = None
    purposes: tuple[Purpose, ...] = ()
    refused_purposes: tuple[Purpose, ...] = ()
    kinds: tuple[Kind, ...] = ()
    refused_kinds: tuple[Kind, ...] = ()
    recurrences: tuple[Recurrence, ...] = ()
    refused_recurrences: tuple[Recurrence, ...] = ()
    validity: bool | None = None
    """Whether validTo is kept to."""
    zero: Zero | None = None
    min_current: int | None = None
    """Tenths of an ampere: a limit between 0 and this is refused, or becomes another."""
    clears: tuple[Criterion, ...] = ()
    """Criteria that clear what they name, and nothing else."""
    clears_not: tuple[Criterion, ...] = ()
    composite: Composite | None = None
    obeys: bool | None = None
    """Whether the measured current kept to the limits; None: it was not measured."""
    evidence: dict[str, tuple[str, ...]] = {}
    """What was learned -> the checks of the report that show it."""
    station_id: str = ""
    probe_id: str = ""
    learned_at: int = 0


class Finding(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a check came to."""

    check: str
    verdict: Verdict
    text: str


class ProbeReport(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """All that a probe did and found."""

    probe_id: str
    station_id: str
    vendor: str = ""
    model: str = ""
    firmware: str = ""
    subprotocol: str = ""
    began_at: int = 0
    ended_at: int = 0
    ended: Ended = "complete"
    why: str = ""
    by: str = ""
    bench: Bench | None = None
    findings: tuple[Finding, ...] = ()
    exchanges: tuple[Exchange, ...] = ()
    abilities: Abilities = Abilities()
    held: tuple[Assigned, ...] = ()
    """The profiles that are wanted on the station, as they stood after the restoration."""
    not_put_back: tuple[str, ...] = ()
    """Places of wanted profiles that the station did not take again, or of which that is not known."""
