"""Random days on a site with faults: what stations truly draw against every limit, by what the job really decides."""

from __future__ import annotations

from random import Random

import msgspec
import pytest

from shared.records.sites import Amount, Circuit, LoadReading, Place, Site, Strategy
from workers.jobs.sites import deciding
from workers.jobs.sites.deciding import Moment, decide
from workers.jobs.sites.knowing import Run
from workers.jobs.sites.tree import Temporary
from workers.services.smartcharging.allocation import Allocation

from .model import METER_TICKS, START, TICK_MS, VOLTAGE, Car, Station, Yard

DAY = 1_200
"""Ticks: nearly two hours, as busy as a day."""
REACTION = METER_TICKS + 8
"""Ticks until what can be lowered is: a meter's interval, a round, a command that is under way and its successor, and
a car."""
ROTATIONS = ("RST", "STR", "TRS", "R", "S", "T")
STRATEGIES: tuple[Strategy, ...] = ("equal", "priority", "first_come", "deadline")


def site(strategy: Strategy, stations: int = 12) -> Site:
    """Return a site of two branches that can't serve all at once."""
    return Site(
        name="yard",
        strategy=strategy,
        circuits=(
            Circuit(name="main", capacity=Amount((1000, 1000, 1000), 62_000)),
            Circuit(name="north", parent="main", capacity=Amount((500, 500, 500))),
            Circuit(name="south", parent="main", capacity=Amount((630, 400, 630))),
        ),
        stations=tuple(
            Place(
                station_id=f"S{number}",
                circuit=("north", "south")[number % 2],
                rotation=ROTATIONS[number % len(ROTATIONS)],
                priority=number % 3,
            )
            for number in range(stations)
        ),
    )


class Day:
    """A day of a yard and its allocator."""

    def __init__(self, random: Random, plan: Site, ways: dict[str, frozenset[str]] | None = None) -> None:
        self.random = random
        self.site = plan
        self.yard = Yard(plan, random, ways)
        self.run = Run()
        self.now = START
        self.temporary: dict[str, Temporary] = {}
        self.load = Amount((50, 50, 50))
        self.changed_at = START
        self.above: dict[tuple[str, int], int] = {}
        self.asks = 0

    def pass_by(self, *, faults: bool = True) -> None:
        """Let all of it pass."""
        for _ in range(DAY):
            self.tick(faults=faults)

    def tick(self, *, faults: bool = True) -> None:
        """Let five seconds pass."""
        self.now += TICK_MS
        for number, one in enumerate(self.yard.stations.values()):
            if faults:
                self._fault(one)
            self._come_and_go(one, number)
            one.live(self.now)
        self.check()
        # Memory goes to disk and back, as it would where another worker takes over.
        run = msgspec.msgpack.decode(msgspec.msgpack.encode(self.run), type=Run)
        loads = {"main": LoadReading(amount=self.load, at=self.now)}
        moment = Moment(now=self.now, seen=self.yard.seen(), loads=loads, temporary=self.temporary)
        found = decide(self.site, run, moment)
        self.run = found.run
        self.asks += len(found.asks)
        self.yard.take(found.asks, self.now)

    def _fault(self, one: Station) -> None:
        # Nobody can know of one that does not obey where it can't be asked either.
        if self.random.random() < 0.002 and "wild" not in one.ways:
            one.online = not one.online
            one.online_since = self.now
        if self.random.random() < 0.0005:
            one.boot(self.now)
            self.changed_at = self.now if "forgetful" in one.ways else self.changed_at
        if self.random.random() < 0.0002:
            self.load = Amount((self.random.randrange(300),) * 3)
            self.changed_at = self.now
        if self.random.random() < 0.0001:
            limit = Temporary(Amount((400, 400, 400)), "shed")
            self.temporary = {} if self.temporary else {"main": limit}
            self.changed_at = self.now

    def _come_and_go(self, one: Station, number: int) -> None:
        if one.car is None and self.random.random() < 0.01:
            one.plug_in(Car(1 + number * 1_000 + int(self.now - START) // TICK_MS % 1_000,
                            self.now, len(one.place.phases), self.random))  # fmt: skip
        elif one.car is not None and one.car.leaves <= self.now:
            one.leave()

    def check(self) -> None:
        """Raise AssertionError where a limit is exceeded for no good reason, or for too long."""
        for circuit in self.site.circuits:
            name, limit = circuit.name, circuit.capacity.amps
            assert limit is not None
            if name in self.temporary:
                limit = self.temporary[name].amount.amps or limit
            drawn = self.yard.drawn(name)
            base = self.load.amps or (0, 0, 0)
            base = base if name == "main" else (0, 0, 0)
            over = {phase for phase in range(3) if drawn[phase] + base[phase] > limit[phase]}
            if (circuit.capacity.watts or 10**9) < (sum(drawn) + sum(base)) * VOLTAGE // 10:
                over = {0, 1, 2}
            for phase in range(3):
                self.above[name, phase] = self.above.get((name, phase), 0) + 1 if phase in over else 0
                if phase in over:
                    self._excuse(name, phase)

    def _excuse(self, name: str, phase: int) -> None:
        """Raise AssertionError, unless nothing could be done about it, or it is within the reaction time."""
        below = [one for one in self.yard.stations.values() if name in self.yard.paths[one.place.circuit]]
        odd = [one for one in below if one.ways or not one.online or self.now - one.online_since < REACTION * TICK_MS]
        if self._alone_above(name, phase, odd):
            # A lower limit found them out of reach, or not listening: all others have to draw nothing.
            self._others_pause(below, odd, name, phase)
            return
        calm = self.now - self.changed_at > REACTION * TICK_MS
        assert any(one.ways for one in below) or not calm, (
            f"{name} is above its limit with everybody obedient, and nothing changed"
        )
        ticks = self.above[name, phase]
        assert ticks <= REACTION, f"{name} is above its limit for {ticks} ticks"

    def _alone_above(self, name: str, phase: int, odd: list[Station]) -> bool:
        """Tell whether those whom nobody can reach draw more than the circuit has for all."""
        circuit = self.site.circuit(name)
        assert circuit is not None
        assert circuit.capacity.amps is not None
        amounts = [circuit.capacity, *([self.temporary[name].amount] if name in self.temporary else [])]
        base = (self.load.amps or (0, 0, 0)) if name == "main" else (0, 0, 0)
        total = [base[number] + sum(one.drawn()[number] for one in odd) for number in range(3)]
        return any(one.amps is not None and total[phase] > one.amps[phase] for one in amounts) or any(
            one.watts is not None and sum(total) * VOLTAGE // 10 > one.watts for one in amounts
        )

    def _others_pause(self, below: list[Station], odd: list[Station], name: str, phase: int) -> None:
        ticks = self.above[name, phase]
        if ticks <= REACTION or self.now - self.changed_at <= REACTION * TICK_MS:
            return
        for one in below:
            since = max(one.online_since, one.car.transaction.started_at if one.car else 0)
            if one not in odd and self.now - since > REACTION * TICK_MS:
                assert one.drawn()[phase] == 0, f"{name} is above its limit for {ticks} ticks"


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_day_stays_within_every_limit(strategy: Strategy) -> None:
    """Stations that go, come back, start again and charge on any phases: no limit is exceeded."""
    day = Day(Random(f"day{strategy}"), site(strategy))
    day.pass_by()
    assert day.asks


@pytest.mark.parametrize("seed", range(2))
def test_a_day_with_stations_that_do_as_they_like(seed: int) -> None:
    """One that draws what it likes, one that forgets, one that takes only defaults, one that takes nothing."""
    ways = {"S0": {"wild"}, "S1": {"forgetful"}, "S2": {"only_default"}, "S3": {"no_profiles"}, "S4": {"slow"}}
    day = Day(Random(seed), site("equal"), {name: frozenset(what) for name, what in ways.items()})
    day.pass_by()
    assert day.run.stations["S2"].by_default


def test_without_steps_a_day_goes_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: limits that are sent at once, raises before others are lowered, are above a circuit's limit."""
    monkeypatch.setattr(deciding, "step", lambda _circuits, _sessions, wanted, *_more: dict(wanted))
    day = Day(Random(1), site("first_come"))
    with pytest.raises(AssertionError, match="everybody obedient"):
        day.pass_by(faults=False)


def test_without_defaults_a_start_goes_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: where nobody who may begin is counted, starts between rounds are above a circuit's limit."""
    share = deciding._share

    def generous(*args: object) -> Allocation:
        found = share(*args)  # type: ignore[arg-type]
        return msgspec.structs.replace(found, limits={name: limit or 60 for name, limit in found.limits.items()})

    monkeypatch.setattr(deciding, "_share", generous)
    monkeypatch.setattr(deciding, "step", lambda _circuits, _sessions, wanted, *_more: dict(wanted))
    day = Day(Random(3), site("equal"))
    with pytest.raises(AssertionError, match="everybody obedient"):
        day.pass_by(faults=False)


def test_what_there_is_gets_used() -> None:
    """Where the demand exceeds the capacity at least 95 % of it is drawn; tapering cars leave theirs to others."""
    plan = msgspec.structs.replace(
        site("equal", 14), circuits=(Circuit(name="main", capacity=Amount((630, 630, 630))),),
        stations=tuple(Place(station_id=f"S{n}", circuit="main") for n in range(10)),
    )  # fmt: skip
    day = Day(Random(5), plan)
    day.load = Amount((0, 0, 0))
    for number, one in enumerate(day.yard.stations.values()):
        car = Car(number + 1, START, 3, day.random)
        car.phases, car.wh, car.leaves = 3, 1e9, START + 10**9
        car.most = 160 if number else 80
        one.plug_in(car)
    used = []
    for tick in range(250):
        day.tick(faults=False)
        if tick > 100:
            used.append(day.yard.drawn("main")[0] / 630)
    assert sum(used) / len(used) >= 0.95, sum(used) / len(used)
    commands = day.asks
    for _ in range(200):
        day.tick(faults=False)
    assert day.asks - commands <= 10, "nothing changes, so nobody is told anything"


def test_who_waits_gets_a_turn() -> None:
    """Where not all can have their minimum each charges two thirds of the time, in turns of ten minutes."""
    plan = Site(
        name="small", turn_s=600, circuits=(Circuit(name="main", capacity=Amount((125, 125, 125))),),
        stations=tuple(Place(station_id=f"S{n}", circuit="main") for n in range(3)),
    )  # fmt: skip
    day = Day(Random(6), plan)
    day.load = Amount((0, 0, 0))
    for number, one in enumerate(day.yard.stations.values()):
        one.plug_in(Car(number + 1, START, 3, day.random))
        assert one.car is not None
        one.car.wh, one.car.leaves = 1e9, START + 10**9
    charging = dict.fromkeys(day.yard.stations, 0)
    for _ in range(720):
        day.tick(faults=False)
        for name, one in day.yard.stations.items():
            charging[name] += max(one.drawn()) >= 60
    assert all(0.5 <= ticks / 720 <= 0.75 for ticks in charging.values()), charging
    assert day.asks <= 6 * 5
