"""What one allocation costs: a round of a site with 10, 100 and 1,000 transactions, without its reads and writes.

The sites are steady: every station has what it was told, one in twenty has just begun to charge. Each round is decided
from the same memory, as it comes from disk. Process CPU time; the least of some rounds, by strategy, and the worst of
the strategies counts. A round that makes a plan by prices, which one in a minute does, is told beside it.
"""

from __future__ import annotations

import gc
import time
from random import Random
from typing import TYPE_CHECKING, Final, get_args

import msgspec

from ampstream.bench.load import Measured
from ampstream.bench.targets import Target, at_most
from shared.records.prices import PriceInterval
from shared.records.profiles import Assigned, Limits, Period, Profile
from shared.records.sites import Amount, Circuit, Place, Site, Strategy
from shared.records.transactions import Plan, Reading, Sample, Transaction
from shared.smartcharging.site_profiles import name_of
from workers.jobs.sites.deciding import Moment, decide
from workers.jobs.sites.knowing import Run
from workers.jobs.sites.seeing import Seen

if TYPE_CHECKING:
    from ampstream.bench.scenarios import Bench

SIZES: Final = (10, 100, 1000)
MAX_MS: Final = 50.0
NOW: Final = 1_700_000_000_000
MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
STATIONS_EACH: Final = 20
"""Of a circuit."""


class Allocation(msgspec.Struct, frozen=True, kw_only=True):
    """CPU time of one round, ms, by the number of transactions and by strategy."""

    ms: dict[int, dict[str, float]]
    told: dict[int, int]
    """How many stations a round asked for something."""

    planning_ms: dict[int, float] = {}
    """The round of each minute in which departures and prices are planned."""

    loads: dict[str, Measured] = {}

    def worst(self, count: int) -> float:
        """Return the CPU time of the strategy that takes the longest."""
        return max(self.ms[count].values())

    def lines(self) -> list[str]:
        """Say what was found."""
        each = ", ".join(f"{self.worst(count):.1f} ms at {count:,}" for count in self.ms)
        found = [f"allocation: {each} transactions (one round of a site, the worst of the strategies)"]
        if self.planning_ms:
            plans = ", ".join(f"{spent:.1f} ms at {count:,}" for count, spent in self.planning_ms.items())
            found.append(f"allocation, once a minute, with a plan by prices: {plans} transactions")
        return found

    def targets(self) -> list[Target]:
        """Return what the figure has to reach."""
        return [at_most(f"allocation, {SIZES[-1]:,} transactions", self.worst(SIZES[-1]), "ms", MAX_MS)]


async def run(bench: Bench) -> None:
    """Decide rounds of sites of every size."""
    bench.tell("allocation: a round of a site with 10, 100 and 1,000 transactions")
    repeat = 2 if bench.size.one_system else 7
    found: dict[int, dict[str, float]] = {}
    told: dict[int, int] = {}
    planning: dict[int, float] = {}
    for count in SIZES:
        found[count] = {}
        for strategy in get_args(Strategy):
            spent, asks = measure(count, strategy, repeat)
            found[count][strategy] = round(spent, 2)
            told[count] = asks
        planning[count] = round(measure(count, "deadline", repeat, prices())[0], 2)
    bench.outcome.allocation = Allocation(ms=found, told=told, planning_ms=planning)


def prices() -> tuple[PriceInterval, ...]:
    """Return prices of a day and a half from hour to hour: dear, then cheap, then dearer again."""
    first = NOW // HOUR_MS
    each = [0.5] * 3 + [0.1 + 0.01 * hour for hour in range(33)]
    return tuple(PriceInterval((first + n) * HOUR_MS, (first + n + 1) * HOUR_MS, one) for n, one in enumerate(each))


def measure(count: int, strategy: Strategy, repeat: int, known: tuple[PriceInterval, ...] = ()) -> tuple[float, int]:
    """Return the CPU time of a round in ms, and how many stations it asked for something."""
    site, seen, memory = steady(count, strategy)
    spent: list[float] = []
    asks = 0
    gc.disable()  # A worker's collector hardly ever looks (`shared.memory`).
    try:
        for _ in range(repeat):
            moment = Moment(now=NOW + 10 * MINUTE_MS, seen=seen, prices=known)
            begun = time.process_time()
            found = decide(site, msgspec.msgpack.decode(memory, type=Run), moment)
            spent.append((time.process_time() - begun) * 1000)
            asks = len(found.asks)
    finally:
        gc.enable()
    return min(spent), asks


def steady(count: int, strategy: Strategy) -> tuple[Site, dict[str, Seen], bytes]:
    """Return a site with so many transactions, its stations as they say, and its memory after some rounds."""
    random = Random(count)
    site = _site(count, strategy, random)
    seen = {one.station_id: _station(number, random) for number, one in enumerate(site.stations)}
    run = Run()
    for minute in range(4):
        now = NOW + minute * MINUTE_MS
        found = decide(site, run, Moment(now=now, seen=seen))
        for name, ask in found.asks:
            profile: Profile | None = getattr(ask, "profile", None)
            if profile is not None:
                held = dict(seen[name].limits.by_slot)
                held[f"{profile.purpose}/{profile.connector_id}/{profile.stack_level}"] = Assigned(
                    profile=profile, name=name_of(site.name), version=getattr(ask, "version", 0), state="accepted",
                    accepted_at=now,
                )  # fmt: skip
                seen[name].limits = Limits(held)
    for one in seen.values():
        for transaction in one.running.values():
            limit = one.limits.by_slot.get("transaction/1/0")
            drawn = limit.profile.periods[0] if limit is not None else Period(0, 0)
            one.readings[transaction.transaction_id] = (_reading(drawn.limit, NOW + 9 * MINUTE_MS),)
    decide(site, run, Moment(now=NOW + 9 * MINUTE_MS, seen=seen))
    for number, one in enumerate(seen.values()):
        if number % 20 == 0:
            one.running = {1: msgspec.structs.replace(one.running[1], transaction_id=10_000 + number)}
    return site, seen, msgspec.msgpack.encode(run)


def _site(count: int, strategy: Strategy, random: Random) -> Site:
    circuits = [Circuit(name="main", capacity=Amount((count * 60,) * 3, count * 6_000))]
    rows = max(count // STATIONS_EACH, 1)
    circuits += [Circuit(name=f"row{n}", parent="main", capacity=Amount((1600, 1600, 1600))) for n in range(rows)]
    places = tuple(
        Place(
            station_id=f"A{n:04d}",
            circuit=f"row{n % rows}",
            rotation=("RST", "STR", "TRS", "R", "S", "T")[n % 6],
            priority=random.randrange(3),
        )
        for n in range(count)
    )
    return Site(name="bench", strategy=strategy, circuits=tuple(circuits), stations=places)


def _station(number: int, random: Random) -> Seen:
    transaction = Transaction(
        transaction_id=number + 1, station_id="", connector_id=1, id_tag="T", started_at=NOW + number,
        received_at=NOW + number, meter_start_wh=0, start_key="",
        plan=Plan(energy_wh=random.randrange(5_000, 60_000), departs_at=NOW + random.randrange(1, 10) * 3_600_000),
    )  # fmt: skip
    return Seen(known=True, online=True, ever=True, booted_at=1, running={1: transaction}, readings={})


def _reading(limit: int, at: int) -> Reading:
    samples = tuple(Sample("Current.Import", limit / 10, "A", f"L{phase}") for phase in (1, 2, 3))
    return Reading(at, samples, at, 1)
