"""A round of a site, as a pure function: what is told to whom, and what is remembered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import msgspec

from shared.records.prices import PriceInterval
from shared.records.sites import LoadReading, Site, SiteState
from workers.services.smartcharging.allocation import Allocation, allocate, step, taken

from . import pricing, showing, telling
from .judging import Judged, judge
from .knowing import Run, StationRun
from .seeing import Seen
from .telling import Ask
from .tree import Node, Temporary, nodes


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """What a round looks at beside the site and its memory."""

    now: int
    seen: Mapping[str, Seen]
    """By station; of those that leave the site too."""
    loads: Mapping[str, LoadReading] = {}
    temporary: Mapping[str, Temporary] = {}
    """Limits of demand response and the like, by circuit."""
    prices: Sequence[PriceInterval] = ()
    """In order of time: under `deadline` what may wait charges when it is cheap."""
    holder: str = ""


class Decision(msgspec.Struct, frozen=True):
    """What comes of a round. `run` is the memory that was given, changed."""

    run: Run
    asks: list[Ask]
    state: SiteState

    @property
    def changes(self) -> dict[str, int]:
        """How many of which kind were asked for, for the metrics."""
        return Counter(telling.kind_of(ask) for _, ask in self.asks)


def decide(site: Site, run: Run, moment: Moment) -> Decision:
    """Share what there is, and say what is to be told now; `run` is changed."""
    now = moment.now
    tree = nodes(site, moment.loads, moment.temporary, now)
    judged: list[Judged] = []
    for place in site.stations:
        station = run.stations.setdefault(place.station_id, StationRun())
        judged += judge(place, moment.seen.get(place.station_id, Seen()), station, site, now)
    if pricing.is_due(site, run, moment.prices, now):
        pricing.plan(site, run, judged, moment.prices, moment.loads, moment.temporary, now)
    waits = run.waits if site.strategy == "deadline" and moment.prices else ()
    found = _share(site, tree, judged, waits, now)
    _remember(judged, found, now)
    circuits = [one.circuit for one in tree]
    sessions = [one.session for one in judged]
    may_draw = {one.session.name: one.may_draw for one in judged}
    room = taken(circuits, sessions, may_draw)
    over = room.over()
    targets = step(circuits, sessions, found.limits, may_draw, room)
    urgent = frozenset(one.name for one in site.circuits if not over.isdisjoint(site.path(one.name)))
    asks = telling.tell(site, run, judged, moment.seen, targets, urgent, now)
    asks += telling.clear(site, run, moment.seen, now)
    state = showing.state(site, tree, judged, found, now, len(asks), moment.holder)
    return Decision(run, asks, state)


def _share(site: Site, tree: Sequence[Node], judged: Sequence[Judged], waits: Collection[int], now: int) -> Allocation:
    for one in judged:
        if one.transaction is not None and one.transaction.transaction_id in waits and _may_wait(one):
            one.session = msgspec.structs.replace(one.session, maximum=0)
            one.detail = "waits for cheaper hours"
    sessions = [one.session for one in judged]
    return allocate([one.circuit for one in tree], sessions, site.strategy, now)


def _may_wait(one: Judged) -> bool:
    return one.session.fixed is None and one.session.pauses


def _remember(judged: Sequence[Judged], found: Allocation, now: int) -> None:
    """Note since when each transaction has charged, or waited."""
    for one in judged:
        if one.run is None or one.transaction is None or one.session.fixed is not None:
            continue
        if found.limits[one.session.name] >= one.session.minimum:
            one.run.charging_since, one.run.waiting_since = one.run.charging_since or now, 0
        else:
            one.run.charging_since, one.run.waiting_since = 0, one.run.waiting_since or now
