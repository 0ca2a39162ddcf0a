"""What counting costs: the same load against two systems in turn, of which one counts nothing.

Both run all the time, and windows of load alternate between them: what else happens on the machine meets both alike.
Each pair of windows gives a ratio of CPU time a call; the median of the ratios counts. The system that counts is
scraped in each of its windows, far more often than a Prometheus would. In the other one `inc` and `observe` do nothing,
but are called: the ratio is without those empty calls, and `empty_call_ns` is what one takes.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import timeit
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Final

import aiohttp
import msgspec

from ampstream.bench import mixes
from ampstream.bench.caller import Caller, Tally
from ampstream.bench.load import Measured, Side
from ampstream.bench.targets import Target, at_most
from shared.series import DURATION_BUCKETS, PREFIX, Histogram

if TYPE_CHECKING:
    from ampstream.bench.scenarios import Bench, Running

UNMETERED: Final = "ampstream.bench.unmetered"
MAX_PERCENT: Final = 5.0
STATIONS: Final = 100
PAIRS: Final = 15
WINDOWS_S: Final = 2.0
"""Length of one window in a full run."""


class Metering(msgspec.Struct, frozen=True, kw_only=True):
    """CPU time a call with metrics and without, by pair of windows."""

    stations: int
    counted_us: list[float]
    uncounted_us: list[float]
    percent: float
    """What counting adds to the CPU time of edge, worker and Redis together, median of the pairs; may be below 0."""
    quartiles: tuple[float, float]
    """Between these percentages half of the pairs are: how sure the median is."""
    operations: float
    """Observations and increments a call, over both processes, as their own exposition counts them."""
    operations_us: float
    """What so many take on a quiet processor, the least of many tries: sure where the machine is busy."""
    empty_call_ns: float
    """What is still paid where nothing is counted: one call of a method that does nothing."""

    loads: dict[str, Measured] = {}

    def lines(self) -> list[str]:
        """Say what was found."""
        with_, without = statistics.median(self.counted_us), statistics.median(self.uncounted_us)
        low, high = self.quartiles
        pairs = f"median of {len(self.counted_us)} alternating pairs, half of them {low:+.1f} to {high:+.1f} %"
        return [
            f"metrics: {with_:.0f} µs a call with them, {without:.0f} µs without, {self.percent:+.1f} % ({pairs})",
            f"metrics: {self.operations:.0f} observations and increments a call, {self.operations_us:.1f} µs together",
        ]

    def targets(self) -> list[Target]:
        """Return what the figure has to reach; where the pairs disagree by more than that, nothing is decided."""
        target = at_most("metrics, of a call's CPU", self.percent, "%", MAX_PERCENT)
        low, high = self.quartiles
        return [target if high - low <= MAX_PERCENT else msgspec.structs.replace(target, met=None)]


async def run(bench: Bench) -> None:
    """Alternate windows of the transaction mix between a system that counts and one that does not."""
    stations, pairs = min(STATIONS, bench.size.stations), PAIRS if not bench.size.one_system else 2
    window_s = min(WINDOWS_S, bench.size.seconds)
    bench.tell(f"metrics: {stations} stations, {pairs} pairs of {window_s:g} s with and without")
    found: dict[str, list[float]] = {"counted": [], "uncounted": []}
    async with contextlib.AsyncExitStack() as stack:
        sides = {
            "counted": await stack.enter_async_context(_side(bench, bench.system(), stations)),
            "uncounted": await stack.enter_async_context(_side(bench, bench.fresh(UNMETERED), stations)),
        }
        for side in sides.values():
            await side.window(0.2, bench.size.warm_up_s)
        for pair in range(pairs):
            # Who goes first alternates too.
            for name in sorted(sides, reverse=bool(pair % 2)):
                found[name].append((await sides[name].window(window_s, 0.3)).total_cpu_us)
        for side in sides.values():
            await bench.hang_up(side.callers)
            await bench.verify(side.running)
            bench.problems(side.tally.problems, side.tally.problem_count)
    ratios = [on / off for on, off in zip(found["counted"], found["uncounted"], strict=True) if off]
    percents = (
        [round((cut - 1) * 100, 1) for cut in statistics.quantiles(ratios, n=4)] if len(ratios) > 1 else [0.0] * 3
    )
    operations = sides["counted"].operations()
    bench.outcome.metering = Metering(
        stations=stations,
        counted_us=found["counted"],
        uncounted_us=found["uncounted"],
        percent=percents[1],
        quartiles=(percents[0], percents[2]),
        operations=round(operations, 1),
        operations_us=round(operations * _operation_ns() / 1000, 2),
        empty_call_ns=_empty_call_ns(),
    )


class _Side:
    """One of the two systems with its stations."""

    def __init__(self, running: Running, callers: Sequence[Caller], tally: Tally) -> None:
        self.running = running
        self.callers = callers
        self.tally = tally
        self._load = Side(callers, mixes.transaction, tally, running.claims, running.system.pids)
        self._counted: list[tuple[float, int]] = []
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))

    async def window(self, seconds: float, warm_up_s: float) -> Measured:
        """Load the system for one window, in the middle of which it is scraped."""
        scraping = asyncio.create_task(self._scrape(warm_up_s + seconds / 2))
        measured = await self._load.window(seconds, warm_up_s)
        await scraping
        return measured

    async def _scrape(self, after_s: float) -> None:
        await asyncio.sleep(after_s)
        operations = 0.0
        for url in self.running.system.metrics_urls:
            async with self._http.get(url) as answer:
                operations += counted(await answer.text())
        self._counted.append((operations, self.tally.answered))

    def operations(self) -> float:
        """Return how often something was counted a call, between the first scrape and the last."""
        (first, before), (last, after) = self._counted[0], self._counted[-1]
        return (last - first) / (after - before) if after > before else 0.0

    async def close(self) -> None:
        """End the connections of the scrapes."""
        await self._http.close()


@contextlib.asynccontextmanager
async def _side(bench: Bench, system: AbstractAsyncContextManager[Running], stations: int) -> AsyncIterator[_Side]:
    async with system as running:
        tally = Tally()
        callers = [Caller(f"M-{n:05d}", tally) for n in range(stations)]
        await bench.connect(running.system, callers, tally)
        side = _Side(running, callers, tally)
        try:
            yield side
        finally:
            await side.close()


def counted(exposition: str) -> float:
    """Return how often counters and histograms of Ampstream's own were told something, as far as they tell themselves.

    Each observation is in its histogram's `_count`; counters rise by one, but for the one of joules.
    """
    operations = 0.0
    for line in exposition.splitlines():
        name = line.partition(" ")[0].partition("{")[0]
        if name.startswith(PREFIX) and name.endswith(("_count", "_total")) and "joules" not in name:
            operations += float(line.rpartition(" ")[2])
    return operations


def _operation_ns() -> float:
    child, number = Histogram(DURATION_BUCKETS), 20_000
    return min(timeit.repeat(lambda: child.observe(0.003), number=number, repeat=25)) / number * 1e9


def _empty_call_ns() -> float:
    class Nothing:
        __slots__ = ()

        def observe(self, _value: float) -> None:
            return

    child, number = Nothing(), 100_000
    return round(min(timeit.repeat(lambda: child.observe(0.1), number=number, repeat=5)) / number * 1e9, 1)
