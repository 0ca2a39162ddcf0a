"""Stations that are not the allocator's: what they take, keep, lose and truly draw, tick by tick.

What they tell of themselves (`Yard.seen`) is what Ampstream's records would say; what they draw (`Yard.drawn`) nobody
but the test sees.
"""

from __future__ import annotations

import zlib
from random import Random
from typing import Final

import msgspec

from shared.records.profiles import Assigned, Limits, slot_of
from shared.records.requests import AssignProfile
from shared.records.sites import NOTHING, Amps, Place, Site
from shared.records.transactions import Plan, Reading, Sample, Transaction
from workers.jobs.sites.seeing import Seen
from workers.jobs.sites.telling import Ask
from workers.jobs.sites.tree import on, plus

TICK_MS: Final = 5_000
METER_TICKS: Final = 6
START: Final = 1_700_000_000_000
VOLTAGE: Final = 230


class Car:
    """A car: its charger, what it lacks, and when it leaves."""

    def __init__(self, number: int, now: int, station_phases: int, random: Random) -> None:
        self.phases = random.choice([1, station_phases])
        self.most = random.choice([160, 160, 320])
        self.wh = float(random.randrange(3_000, 40_000))
        self.leaves = now + random.randrange(120, 1_400) * TICK_MS
        self.delivered = 0.0
        self.transaction = Transaction(
            transaction_id=number, station_id="", connector_id=1, id_tag="T", started_at=now, received_at=now,
            meter_start_wh=0, start_key="", plan=Plan(energy_wh=int(self.wh), departs_at=self.leaves),
        )  # fmt: skip

    def wants(self) -> int:
        """Return the current that it would draw: less once it is nearly full."""
        left = self.wh - self.delivered
        return 0 if left <= 0 else self.most if left > 2_000 else max(self.most // 2, 60)


class Station:
    """One connector; `ways` is how it deviates: wild, forgetful, only_default, no_profiles, slow."""

    def __init__(self, place: Place, ways: frozenset[str], random: Random) -> None:
        self.place = place
        self.ways = ways
        self.random = random
        self.online = True
        self.online_since = 0
        self.booted_at = 1
        self.car: Car | None = None
        self.records: dict[str, Assigned] = {}
        self.installed: dict[str, int] = {}
        self.under_way: list[tuple[int, AssignProfile]] = []
        self.limit = place.maximum
        """What its car follows: a tick behind what is installed."""
        self.readings: tuple[Reading, ...] = ()

    def ask(self, request: AssignProfile, now: int) -> None:
        """Take a request as the station's commit does: it is wanted, and goes out."""
        slot = slot_of(request.profile)
        held = self.records.get(slot)
        if held is not None and held.version >= request.version:
            return
        if request.profile.purpose == "transaction" and self.car is None:
            return
        self.records[slot] = Assigned(profile=request.profile, name=request.name, version=request.version, since=now)
        ticks = self.random.randrange(1, 3) + (4 if "slow" in self.ways else 0)
        self.under_way.append((now + ticks * TICK_MS, request))

    def live(self, now: int) -> None:
        """Answer what has arrived, follow what is installed, and charge for a tick."""
        self.limit = self.allowed()
        for at, request in list(self.under_way):
            if at <= now and self.online:
                self.under_way.remove((at, request))
                self._answer(request, now)
        car = self.car
        if car is not None:
            car.delivered += sum(self.drawn()) / 10 * VOLTAGE * TICK_MS / 3_600_000
            if now // TICK_MS % METER_TICKS == zlib.crc32(self.place.station_id.encode()) % METER_TICKS and self.online:
                self.readings = (self._reading(now), *self.readings[:1])
            car.transaction = msgspec.structs.replace(car.transaction, energy_wh=int(car.delivered))

    def _answer(self, request: AssignProfile, now: int) -> None:
        slot, profile = slot_of(request.profile), request.profile
        refuses = "no_profiles" in self.ways or ("only_default" in self.ways and profile.purpose == "transaction")
        if profile.purpose == "transaction" and (self.car is None or not self._is_of(profile.transaction_id)):
            self.records.pop(slot, None)
            return
        held = self.records.get(slot)
        current = held is not None and held.version == request.version
        if not refuses:
            self.installed[slot] = profile.periods[0].limit
        if current and held is not None:
            state = "refused" if refuses else "accepted"
            self.records[slot] = msgspec.structs.replace(held, state=state, since=now, accepted_at=now)

    def _is_of(self, transaction_id: int) -> bool:
        return self.car is not None and self.car.transaction.transaction_id == transaction_id

    def allowed(self) -> int:
        """Return what its profiles let it draw."""
        level = max((int(slot.rpartition("/")[2]) for slot in self.installed), default=0)
        for slot in (f"transaction/1/{level}", f"default/1/{level}", f"default/0/{level}"):
            if slot in self.installed:
                return self.installed[slot]
        return self.place.maximum

    def drawn(self) -> Amps:
        """Return what is truly drawn on each phase of the grid."""
        if self.car is None:
            return NOTHING
        wanted = self.car.wants()
        wild = "wild" in self.ways and self.car.transaction.transaction_id % 2 == 0
        most = wanted if wild else min(wanted, self.limit)
        return on(self.place.phases[: self.car.phases], most if most >= 60 else 0)

    def _reading(self, now: int) -> Reading:
        drawn = self.drawn()
        samples = [
            Sample("Current.Import", drawn[phase] / 10, "A", f"L{number + 1}")
            for number, phase in enumerate(self.place.phases)
        ]
        return Reading(now, tuple(samples), now, 1)

    def plug_in(self, car: Car) -> None:
        """Begin a transaction."""
        self.car, self.readings = car, ()

    def leave(self) -> None:
        """End it: the transaction's profile goes with it (§3.13.1)."""
        self.car, self.readings = None, ()
        for slot in [one for one in self.installed if one.startswith("transaction")]:
            del self.installed[slot]
        for slot in [one for one in self.records if one.startswith("transaction")]:
            del self.records[slot]

    def boot(self, now: int) -> None:
        """Start again; some forget what they were told."""
        self.booted_at = now
        if "forgetful" in self.ways:
            self.installed.clear()

    @property
    def seen(self) -> Seen:
        """What the records say."""
        running = {1: self.car.transaction} if self.car else {}
        readings = {self.car.transaction.transaction_id: self.readings} if self.car else {}
        return Seen(
            known=True, online=self.online, ever=True, booted_at=self.booted_at, running=running,
            limits=Limits(dict(self.records)), readings=readings,
        )  # fmt: skip


class Yard:
    """All stations of a site."""

    def __init__(self, site: Site, random: Random, ways: dict[str, frozenset[str]] | None = None) -> None:
        self.site = site
        self.stations = {
            one.station_id: Station(one, (ways or {}).get(one.station_id, frozenset()), random) for one in site.stations
        }
        self.paths = {one.name: set(site.path(one.name)) for one in site.circuits}

    def take(self, asks: list[Ask], now: int) -> None:
        """Hand out what the allocator asks."""
        for station_id, request in asks:
            assert isinstance(request, AssignProfile)
            self.stations[station_id].ask(request, now)

    def seen(self) -> dict[str, Seen]:
        """What all of them say."""
        return {name: one.seen for name, one in self.stations.items()}

    def drawn(self, circuit: str) -> Amps:
        """Return what is truly drawn below a circuit."""
        total = NOTHING
        for one in self.stations.values():
            if circuit in self.paths[one.place.circuit]:
                total = plus(total, one.drawn())
        return total
