"""Whom to tell what now: a change that is worth it, no faster than a ramp allows, and no station too often.

What lowers the load of a circuit that is above its limit goes out at once; all else waits for its station's turn.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from shared.records.profiles import MAINS, Period, Profile, Purpose, Supply, Unit
from shared.records.requests import AssignProfile, ClearProfile
from shared.records.sites import Site
from shared.smartcharging.site_profiles import name_of

from .judging import Judged
from .knowing import NEVER, REFUSED_MS, Run, StationRun, Told
from .seeing import Seen

LEAST_MS: Final = 2_000
"""Also what is urgent comes no more often to a station."""
ROOM_MS: Final = 60_000
"""Room for whoever begins must have been there for so long before a station is told of it."""
VERIFY_MS: Final = 900_000
"""How often the composite schedule is looked at of a limit that changes all the time."""
BACK_MS: Final = 3_600_000
"""A schedule begins so long ago: a station's clock may be behind."""
CLEAR_MS: Final = 300_000
"""A station that leaves is asked again after so long."""

Ask = tuple[str, AssignProfile | ClearProfile]
"""A station, and what is asked of its commit."""


def tell(
    site: Site, run: Run, judged: Iterable[Judged], seen: Mapping[str, Seen], targets: Mapping[str, int],
    urgent: frozenset[str], now: int,
) -> list[Ask]:  # fmt: skip
    """Return what is asked of stations in this round; `run` remembers it. `urgent`: circuits to be relieved."""
    by_station: dict[str, list[Judged]] = {}
    for one in judged:
        if one.online:
            by_station.setdefault(one.place.station_id, []).append(one)
    asks: list[Ask] = []
    for station_id, connectors in by_station.items():
        teller = _Teller(site, run, run.stations[station_id], seen[station_id], now)
        for one in connectors:
            if one.run is not None:
                teller.connector(one, targets[one.session.name], one.place.circuit in urgent)
        idle = [one for one in connectors if one.state == "idle" and one.run is None]
        told = run.stations[station_id].default
        if idle:
            lowest = min(targets[one.session.name] for one in idle)
            teller.default(idle[0], told, lowest, idle[0].place.circuit in urgent)
        elif told.limit == NEVER and all(one.told.accepted != NEVER for one in connectors):
            # It was charging when the site began; who comes next is covered too.
            teller.default(connectors[0], told, connectors[0].session.minimum, False)
        asks += [(station_id, ask) for ask in teller.asks]
    return asks


def clear(site: Site, run: Run, seen: Mapping[str, Seen], now: int) -> list[Ask]:
    """Return what takes the site's profiles off stations that are its no more; `run` forgets those that are free."""
    members = {one.station_id for one in site.stations}
    for station_id in [one for one in run.stations if one not in members]:
        del run.stations[station_id]
        run.leaving[station_id] = 0
    asks: list[Ask] = []
    for station_id, asked_at in list(run.leaving.items()):
        held = seen.get(station_id, Seen())
        ours = [one for one in held.limits.by_slot.values() if one.name == name_of(site.name)]
        if station_id in members or not ours:
            del run.leaving[station_id]
        elif now - asked_at >= CLEAR_MS:
            run.leaving[station_id] = now
            request_id = f"{name_of(site.name)}:{run.next_seq(now)}"
            asks.append((station_id, ClearProfile(request_id=request_id, by=name_of(site.name), site=site.name)))
    return asks


def kind_of(ask: AssignProfile | ClearProfile) -> str:
    """Return what a request is, for the metrics."""
    if isinstance(ask, ClearProfile):
        return "clear"
    return "default" if ask.profile.purpose == "default" and not ask.profile.connector_id else "transaction"


class _Teller:
    """What is asked of one station in a round."""

    def __init__(self, site: Site, run: Run, station: StationRun, seen: Seen, now: int) -> None:
        self._site = site
        self._run = run
        self._station = station
        self._seen = seen
        self._now = now
        self._since = now - station.told_at
        self.asks: list[AssignProfile] = []

    def connector(self, one: Judged, target: int, urgent: bool) -> None:
        """Tell the connector its limit, where that is due."""
        assert one.run is not None
        if one.session.fixed is not None and one.state != "unmanaged":
            return  # It would not listen, or was told already.
        if one.state == "unmanaged":
            target = one.session.minimum
        limit = self._due(one.told, target, urgent)
        if limit is None:
            return
        if self._station.by_default:
            self._send(one, one.told, "default", one.number, limit)
        else:
            self._send(one, one.told, "transaction", one.number, limit)

    def default(self, one: Judged, told: Told, target: int, urgent: bool) -> None:
        """Tell the station what a transaction that begins gets."""
        station = self._station
        if target <= told.limit or told.limit == NEVER:
            station.room_since = 0
        elif not station.room_since:
            station.room_since = self._now
        if station.room_since and self._now - station.room_since < ROOM_MS:
            return
        limit = self._due(told, target, urgent)
        if limit is not None:
            self._send(one, told, "default", 0, limit)

    def _due(self, told: Told, target: int, urgent: bool) -> int | None:
        """Return the limit to send now; None: none."""
        current = told.limit
        if target == current or (target == told.refused and self._now - told.at < REFUSED_MS):
            return None
        relieves = urgent and target < current
        if self._since < LEAST_MS or (told.pending and not relieves):
            return None
        if current == NEVER or relieves:
            return target
        if self._since < self._site.command_interval_s * 1000:
            return None
        if target > current:
            target = self._ramped(told, target)
        if abs(target - current) < self._site.hysteresis and 0 not in (target, current):
            return None
        return target

    def _ramped(self, told: Told, target: int) -> int:
        """Return how far a limit may rise by now; what charges again begins with its minimum."""
        ramp = self._site.ramp
        if not ramp:
            return target
        if told.limit == 0:
            return min(target, self._least)
        return min(target, told.limit + ramp * (self._now - told.at) // 60_000)

    @property
    def _least(self) -> int:
        return max(60, self._seen.takes.min_current or 0)

    def _send(self, one: Judged, told: Told, purpose: Purpose, connector: int, limit: int) -> None:
        now, site = self._now, self._site
        seq = self._run.next_seq(now)
        verify = now - told.verified_at >= VERIFY_MS
        told.send(limit, seq, now)
        if verify:
            told.verified_at = now
        self._station.told_at = now
        transaction = one.transaction.transaction_id if one.transaction and purpose == "transaction" else 0
        self.asks.append(
            AssignProfile(
                request_id=f"{name_of(site.name)}:{seq}",
                by=name_of(site.name),
                profile=self._profile(one, purpose, connector, limit, transaction),
                name=name_of(site.name),
                version=seq,
                site=site.name,
                verify=verify,
            )
        )

    def _profile(self, one: Judged, purpose: Purpose, connector: int, limit: int, transaction: int) -> Profile:
        takes = self._seen.takes
        unit: Unit = "A" if takes.units is None or "A" in takes.units else "W"
        relative = "absolute" in takes.refused_kinds
        hour = (self._now - BACK_MS) // BACK_MS * BACK_MS
        return Profile(
            profile_id=0,
            purpose=purpose,
            kind="relative" if relative else "absolute",
            unit=unit,
            periods=(
                Period(0, Supply(self._site.voltage or MAINS.voltage).convert(limit, "A", unit, len(one.phases))),
            ),
            connector_id=connector,
            stack_level=self._station.level,
            transaction_id=transaction,
            start_at=None if relative else hour,
        )
