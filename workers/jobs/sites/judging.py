"""What each connector of a site is to its allocator, by what is known and what was seen.

Nothing is taken on trust: a station that is away counts with what it may still draw, one that never took a limit with
its fuse, and one that draws more than it was told with what it draws.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import msgspec

from shared.records.profiles import Assigned
from shared.records.sites import NOTHING, Amps, ConnectorNow, Place, Site
from shared.records.transactions import Reading, Transaction
from shared.smartcharging.site_profiles import is_of, name_of
from workers.services.smartcharging.room import PHASES, Phase, Session

from .knowing import NEVER, ConnectorRun, StationRun, Told
from .seeing import Drawn, Seen, drawn, taken_at

GRACE_MS: Final = 10_000
"""A reading tells of a limit that was in force so long before it was taken."""
EXCESS: Final = 1.05
SLACK: Final = 10
"""Tenths of an ampere. Who draws more than his limit by this and `EXCESS` does not obey."""
INEXACT: Final = 1.01
"""A meter is off by so much, and by a tenth of an ampere: that is no excess."""
MARGIN: Final = 20
"""Tenths of an ampere that a car is given beyond what it takes, so that it shows when it wants more."""
NEARLY: Final = 10
"""Within so much of its limit a car may want more."""
FRESH_MS: Final = 900_000
"""A reading that is older tells nothing of what the car wants."""
FULL_MS: Final = 60_000
"""A car that was allowed to draw for so long and draws nothing is full, or waits for its own time."""
FULL_AGAIN_MS: Final = 1_800_000
"""It is asked again after so long."""
DISTRUST_MS: Final = 24 * 3_600_000
"""Who did not obey within this is taken to draw all that it can where no meter tells otherwise."""
REFUSALS: Final = 2
"""So many refusals in a row: another way is tried."""
EV_SUSPENDED: Final = "SuspendedEV"
NO_LEVEL: Final = 0
HIGHEST_LEVEL: Final = 8
"""Of stack levels, also where a station says that it takes more: it may mean the number of levels."""


class Judged(msgspec.Struct, kw_only=True):
    """A connector in a round: `session` is what the allocator sees, `told` where its limit goes."""

    place: Place
    number: int
    session: Session
    may_draw: int
    told: Told
    state: ConnectorNow = "idle"
    transaction: Transaction | None = None
    run: ConnectorRun | None = None
    drawn: Amps = NOTHING
    drawn_at: int = 0
    phases: tuple[int, ...] = ()
    online: bool = False
    detail: str = ""


def judge(place: Place, seen: Seen, run: StationRun, site: Site, now: int) -> list[Judged]:
    """Return every connector of a station; `run` takes in what was seen."""
    _place(run, seen, site)
    if seen.booted_at > run.told_after_boot:
        # Some forget what they had been told: the transactions' profiles may go, and the others do at times.
        run.told_after_boot = seen.booted_at
        for told in (run.default, *(one.told for one in run.connectors.values())):
            if told.at < seen.booted_at:
                told.forget()
    name, held = name_of(site.name), seen.limits.by_slot
    run.default.take_in(held.get(f"default/0/{run.level}"), name, now)
    gone = [number for number in run.connectors if number not in seen.running and not run.by_default]
    for number in gone:
        del run.connectors[number]
    found = []
    for number in seen.connectors:
        transaction = seen.running.get(number)
        if run.by_default or transaction is not None:
            _own(run, number, transaction, held, name, now, run.default.holds(place.maximum))
        if transaction is None:
            found.append(_idle(place, number, seen, run))
        else:
            found.append(_running(place, number, seen, run, site, now))
    return found


def _place(run: StationRun, seen: Seen, site: Site) -> None:
    """Keep to the station's highest stack level, also where that was not known when the site began.

    What was told at another level is told anew. What stands above a level that is lower than before works there, and
    would prevail: then all stays as it is.
    """
    told = seen.takes.max_stack_level
    level = min(told or NO_LEVEL, HIGHEST_LEVEL)
    if run.level == NEVER:
        run.level = level
    if told is None or level == run.level:
        return
    ours = (one for one in seen.limits.by_slot.values() if is_of(site.name, one) and one.installed)
    if any(one.profile.stack_level > level for one in ours):
        return
    run.level, run.by_default = level, False
    for one in (run.default, *(each.told for each in run.connectors.values())):
        one.forget()
        one.refused, one.refusals = NEVER, 0


def minimum_of(place: Place, seen: Seen) -> int:
    """Return the least that a station's connectors charge with."""
    return max(place.minimum, seen.takes.min_current or 0)


def _own(
    run: StationRun, number: int, transaction: Transaction | None, held: dict[str, Assigned], name: str, now: int,
    otherwise: int,
) -> None:  # fmt: skip
    """Bring the memory of a connector up to date with its place in the station's stack."""
    mine = run.connectors.get(number)
    number_now = transaction.transaction_id if transaction else 0
    if mine is None or mine.transaction_id != number_now:
        # In the place of a default profile what was sent stays in force when a transaction ends.
        mine = ConnectorRun(transaction_id=number_now, told=mine.told if mine and run.by_default else Told())
        run.connectors[number] = mine
    slot = f"default/{number}/{run.level}" if run.by_default else f"transaction/{number}/{run.level}"
    before, accepted_at = mine.told.holds(otherwise), mine.told.accepted_at
    if mine.told.take_in(held.get(slot), name, now) == "differs" and mine.wild == 0:
        mine.wild = NEVER
    if mine.told.accepted_at != accepted_at:
        mine.told.was = before
    if mine.told.refusals >= REFUSALS and not run.by_default:
        run.by_default, mine.told = True, Told()


def _idle(place: Place, number: int, seen: Seen, run: StationRun) -> Judged:
    mine = run.connectors.get(number) if run.by_default else None
    told = mine.told if mine is not None else run.default
    otherwise = run.default.holds(place.maximum)
    may = told.holds(otherwise) if mine is not None else otherwise
    least = minimum_of(place, seen)
    there = seen.known and seen.ever
    session = Session(
        name=f"{place.station_id}/{number}",
        circuit=place.circuit,
        phases=_grid(place.phases),
        minimum=least,
        maximum=least,
        last=True,
        fixed=(may if there else 0) if not seen.online else None,
        pauses=not seen.takes.zero_ends,
    )
    state: ConnectorNow = "idle" if seen.online else "offline" if there else "unknown"
    return Judged(
        place=place, number=number, session=session, may_draw=may if there else 0, told=told, state=state,
        run=mine, online=seen.online, phases=place.phases, detail="" if seen.known else "no such station",
    )  # fmt: skip


def _running(place: Place, number: int, seen: Seen, run: StationRun, site: Site, now: int) -> Judged:
    transaction, mine = seen.running[number], run.connectors[number]
    told, least = mine.told, minimum_of(place, seen)
    reading = _reading(seen.readings.get(transaction.transaction_id, ()), mine, place, site.voltage)
    may = told.holds(run.default.holds(place.maximum))
    if reading is not None:
        _measure(run, mine, reading, may)
    fresh = reading is not None and now - reading.at <= FRESH_MS
    most = max(mine.drawn) if reading is not None else 0
    state: ConnectorNow = "charging"
    fixed: int | None = None
    unwatched = (
        run.wild_at and now - run.wild_at < DISTRUST_MS and (not fresh or mine.drawn_at < told.accepted_at + GRACE_MS)
    )
    if unwatched and mine.wild <= 0:
        may = max(may, place.maximum)
    if not seen.online:
        state, fixed = "offline", max(may, mine.wild)
    elif run.by_default and told.refusals >= REFUSALS and told.accepted == NEVER:
        state, fixed = "unmanaged", may
    elif mine.wild > 0:
        state, fixed = "disobeys", mine.wild
    elif mine.wild == NEVER and not fresh:
        may = max(may, place.maximum)
    _fill_up(mine, seen.statuses.get(number, ""), may, least, fresh, most, now)
    if fixed is None and mine.full_since:
        state = "full"
    counted = may + mine.excess if fixed is None else fixed
    phases = mine.phases or place.phases
    session = _session(place, mine, transaction, site, least, now, phases=_grid(phases), fixed=fixed,
                       name=f"{place.station_id}/{number}", pauses=not seen.takes.zero_ends)  # fmt: skip
    return Judged(
        place=place, number=number, session=session, may_draw=counted, told=told, state=state,
        transaction=transaction, run=mine, drawn=mine.drawn, drawn_at=mine.drawn_at, online=seen.online, phases=phases,
    )  # fmt: skip


def _reading(readings: tuple[Reading, ...], mine: ConnectorRun, place: Place, voltage: int) -> Drawn | None:
    """Return what the newest reading says; one that was looked at before is remembered."""
    if readings and mine.drawn_at and taken_at(readings[0]) <= mine.drawn_at:
        return Drawn(mine.drawn, mine.drawn_at, ())
    return drawn(readings, place, voltage, mine.phases)


def _session(
    place: Place, mine: ConnectorRun, transaction: Transaction, site: Site, least: int, now: int, **more: Any
) -> Session:
    plan = transaction.plan
    energy = plan.energy_wh if plan is not None else None
    return Session(
        circuit=place.circuit,
        minimum=least,
        maximum=max(min(place.maximum, mine.cap or place.maximum), least),
        priority=plan.priority if plan is not None and plan.priority is not None else place.priority,
        since=transaction.received_at,
        waiting_since=mine.waiting_since,
        keeps=bool(mine.charging_since) and now - mine.charging_since < site.turn_s * 1000,
        last=bool(mine.full_since),
        excess=mine.excess,
        energy_left_wh=None if energy is None else max(energy - transaction.energy_wh, 0),
        departs_at=plan.departs_at if plan is not None else None,
        voltage=site.voltage,
        **more,
    )


def _measure(run: StationRun, mine: ConnectorRun, reading: Drawn, may: int) -> None:
    """Take in what the meter says: which phases are used, and whether the limit is obeyed."""
    told = mine.told
    mine.drawn = reading.amps
    if reading.phases and set(reading.phases) - set(mine.phases):
        # What was seen once stays: a car that went back to one phase may take three again.
        mine.phases = tuple(sorted(set(mine.phases) | set(reading.phases)))
    if reading.at <= mine.drawn_at:
        return
    mine.drawn_at = reading.at
    most, settled = max(reading.amps), reading.at >= told.accepted_at + GRACE_MS
    # Just after a change what was allowed before it counts too, and nobody is acquitted.
    if most > (may if settled else max(may, told.was)) * EXCESS + SLACK:
        mine.wild, mine.excess = most, 0
    elif settled:
        mine.wild, mine.excess = 0, most - may if most > may * INEXACT + 1 else 0
    if mine.wild > 0:
        run.wild_at = reading.at


def _fill_up(mine: ConnectorRun, status: str, may: int, least: int, fresh: bool, most: int, now: int) -> None:
    """Note what the car takes at most, and whether it takes anything."""
    told = mine.told
    known = told.accepted != NEVER and not told.pending  # Else it may have a lower limit than is thought.
    settled = fresh and known and mine.drawn_at >= told.accepted_at + GRACE_MS
    if not fresh or most >= may - NEARLY:
        mine.cap = 0
    elif settled and may >= least:
        mine.cap = max(most + MARGIN, least)
    if may < least or NEVER < told.limit < least:  # It pauses because it has to: what it wants can't be seen.
        if mine.full_since and now - mine.full_since >= FULL_AGAIN_MS:
            mine.full_since = 0
        return
    idle = status == EV_SUSPENDED or (settled and most < SLACK and mine.drawn_at - told.accepted_at >= FULL_MS)
    if not idle or (mine.full_since and now - mine.full_since >= FULL_AGAIN_MS and status != EV_SUSPENDED):
        mine.full_since = 0
    elif not mine.full_since:
        mine.full_since = now


@cache
def _grid(phases: tuple[int, ...]) -> tuple[Phase, ...]:
    return tuple(PHASES[phase] for phase in sorted(phases))
