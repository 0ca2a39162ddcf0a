"""A round for people: every circuit and connector as it stands, and the minute that goes into the history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shared.records.site_history import MINUTE_MS, Minute, Point
from shared.records.sites import NOTHING, Amps, CircuitState, ConnectorState, RoundNote, Site, SiteState
from workers.services.smartcharging.allocation import Allocation

from .judging import Judged
from .knowing import NEVER
from .tree import Node, on, plus

TOLERANCE = 1.02
"""Meters, and what is rounded: what is above a limit by less than this is not called so."""


def state(
    site: Site, tree: Sequence[Node], judged: Sequence[Judged], found: Allocation, now: int, commands: int, holder: str
) -> SiteState:
    """Return the site at the end of a round."""
    sums = _Sums(site)
    for one in judged:
        given = found.limits[one.session.name] if one.transaction is not None else 0
        sums.add(one, given)
    circuits = tuple(_circuit(node, sums, site.voltage) for node in tree)
    connectors = tuple(_connector(one, found) for one in judged)
    return SiteState(
        name=site.name, version=site.version, at=now, circuits=circuits, connectors=connectors, commands=commands,
        holder=holder,
    )  # fmt: skip


def minute_of(site: Site, state: SiteState) -> Minute:
    """Return what the history keeps of it."""
    stations: dict[str, Point] = {}
    for one in state.connectors:
        if not one.transaction_id:
            continue
        before = stations.get(one.station_id, Point(NOTHING))
        stations[one.station_id] = Point(
            plus(before.limit or NOTHING, on(one.phases, max(one.limit, 0))),
            plus(before.allocated, on(one.phases, one.wanted)),
            plus(before.drawn, one.drawn),
        )
    circuits = {
        one.name: Point(one.limit, one.allocated, one.drawn, one.base, one.limit_w or 0) for one in state.circuits
    }
    return Minute(at=state.at // MINUTE_MS * MINUTE_MS, voltage=site.voltage, circuits=circuits, stations=stations)


def note(site: Site, state: SiteState) -> RoundNote:
    """Return what the gauges are set by."""
    root = next((one for one in state.circuits if not one.parent), None)
    if root is None:
        return RoundNote(state.at)
    volts = site.voltage
    by_amps = sum(root.limit) * volts // 10 if root.limit is not None else None
    limits = [one for one in (by_amps, root.limit_w) if one is not None]
    return RoundNote(
        at=state.at,
        over=any(one.over for one in state.circuits),
        limit_w=min(limits, default=0),
        base_w=sum(root.base) * volts // 10,
        allocated_w=sum(root.allocated) * volts // 10,
        drawn_w=sum(root.drawn) * volts // 10,
    )


class _Sums:
    """What is below each circuit."""

    def __init__(self, site: Site) -> None:
        self._paths: Mapping[str, tuple[str, ...]] = {one.name: tuple(site.path(one.name)) for one in site.circuits}
        self.allocated: dict[str, Amps] = dict.fromkeys(self._paths, NOTHING)
        self.may_draw: dict[str, Amps] = dict.fromkeys(self._paths, NOTHING)
        self.drawn: dict[str, Amps] = dict.fromkeys(self._paths, NOTHING)

    def add(self, one: Judged, given: int) -> None:
        """Count a connector at its circuit and at all above it."""
        allocated, may_draw = on(one.phases, given), on(one.phases, one.may_draw)
        for name in self._paths.get(one.place.circuit, ()):
            self.allocated[name] = plus(self.allocated[name], allocated)
            self.may_draw[name] = plus(self.may_draw[name], may_draw)
            self.drawn[name] = plus(self.drawn[name], one.drawn)


def _circuit(node: Node, sums: _Sums, voltage: int) -> CircuitState:
    circuit = node.circuit
    drawn = sums.drawn[circuit.name]
    whole = plus(drawn, circuit.base_load)
    over = node.limit is not None and any(
        used > limit * TOLERANCE for used, limit in zip(whole, node.limit, strict=True)
    )
    over = over or (node.limit_w is not None and sum(whole) * voltage / 10 > node.limit_w * TOLERANCE)
    return CircuitState(
        name=circuit.name,
        parent=circuit.parent,
        limit=node.limit,
        limit_w=node.limit_w,
        base=circuit.base_load,
        base_source=node.base_source,
        allocated=sums.allocated[circuit.name],
        may_draw=sums.may_draw[circuit.name],
        drawn=drawn,
        over=over,
        window=node.window,
    )


def _connector(one: Judged, found: Allocation) -> ConnectorState:
    name = one.session.name
    wanted = found.limits[name]
    running = one.transaction is not None
    paused = running and one.session.fixed is None and wanted < one.session.minimum and one.state != "full"
    return ConnectorState(
        station_id=one.place.station_id,
        connector_id=one.number,
        circuit=one.place.circuit,
        state="paused" if paused else one.state,
        transaction_id=one.transaction.transaction_id if one.transaction else 0,
        phases=one.phases,
        wanted=wanted,
        limit=max(one.told.limit, 0) if one.told.limit != NEVER else one.may_draw,
        may_draw=one.may_draw,
        drawn=one.drawn,
        drawn_at=one.drawn_at,
        held_by=found.held_by.get(name, "") if running else "",
        energy_left_wh=one.session.energy_left_wh,
        departs_at=one.session.departs_at,
        detail=one.detail,
    )
