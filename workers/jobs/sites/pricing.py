"""Which transactions wait for cheaper hours, by a plan of all that have a departure; made anew every minute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from shared.records.prices import PriceInterval
from shared.records.sites import LoadReading, Site
from workers.services.smartcharging.room import UNLIMITED

from . import planning
from .judging import Judged
from .knowing import Run
from .planning import HOUR_MS, Wish
from .tree import Temporary, nodes

PLAN_MS: Final = 60_000


def is_due(site: Site, run: Run, prices: Sequence[PriceInterval], now: int) -> bool:
    """Tell whether a round makes a plan."""
    return site.strategy == "deadline" and bool(prices) and not 0 <= now - run.planned_at < PLAN_MS


def plan(
    site: Site, run: Run, judged: Sequence[Judged], prices: Sequence[PriceInterval], loads: Mapping[str, LoadReading],
    temporary: Mapping[str, Temporary], now: int,
) -> None:  # fmt: skip
    """Note in `run` which transactions wait."""
    paths = {one.name: tuple(site.path(one.name)) for one in site.circuits}
    planned = {one.session.name: one for one in judged if _has_plan(one)}
    wishes = [_wish(one, paths[one.place.circuit]) for one in planned.values()]
    others = dict.fromkeys(paths, 0)
    for one in judged:
        if one.session.name not in planned and (one.transaction is not None or one.session.fixed):
            amount = one.session.minimum if one.session.fixed is None else one.session.fixed
            for name in paths[one.place.circuit]:
                others[name] += amount * len(one.phases) * site.voltage // 10

    def free(at: int) -> dict[str, int]:
        # An event of demand response is known for now; a plan is made again when it is over.
        tree = nodes(site, loads, temporary if at - now < HOUR_MS else {}, at)
        found = {}
        for node in tree:
            circuit = node.circuit
            amps = min(sum(circuit.capacity), circuit.total, UNLIMITED) - sum(circuit.base_load)
            found[circuit.name] = amps * site.voltage // 10 - others[circuit.name]
        return found

    names = planning.waiting(wishes, prices, now, free)
    run.planned_at = now
    run.waits = {one.transaction.transaction_id for name in names if (one := planned[name]).transaction is not None}


def _has_plan(one: Judged) -> bool:
    session = one.session
    charges = one.transaction is not None and session.fixed is None and session.pauses
    return charges and session.energy_left_wh is not None and session.departs_at is not None


def _wish(one: Judged, circuits: tuple[str, ...]) -> Wish:
    session = one.session
    volts = session.voltage * len(session.phases)
    return Wish(
        name=session.name,
        circuits=circuits,
        energy_wh=session.energy_left_wh or 0,
        departs_at=session.departs_at or 0,
        watts=session.maximum * volts // 10,
        least_watts=session.minimum * volts // 10,
    )
