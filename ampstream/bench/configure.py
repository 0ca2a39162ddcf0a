"""A fleet from its boot to being as it is wanted: configuration read, template applied, everything read back.

Simulated stations with every key of their models boot at once. A template wants two keys and meter data of all; how
many were read the worker's counter tells, how many are in line the API. The fleet takes CPU of the same machine.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import msgspec

from ampstream.bench.load import Measured, TooSlow
from ampstream.bench.targets import Target
from ampstream.bench.usage import usages
from ampstream.simulate.fleet import Access, Fleet
from ampstream.simulate.profiles import PROFILES
from ampstream.simulate.websocket import Endpoint
from ampstream.simulate.wheel import LoopWheel
from ampstream.simulate.world import World
from shared import metrics

if TYPE_CHECKING:
    from ampstream.bench.scenarios import Bench
    from ampstream.bench.system import System

STATIONS: Final = 1000
TIMEOUT_S: Final = 300.0
POLL_S: Final = 0.1
SETTINGS: Final = {"AMPSTREAM_CONFIGURATION_READ_S": "86400"}
TEMPLATE: Final[dict[str, Any]] = {
    "keys": {"ConnectionTimeOut": "45", "ResetRetries": "2"},
    "meter_data": {
        "sampled": ["Energy.Active.Import.Register", "Power.Active.Import", "Current.Import"],
        "sampled_interval_s": 60,
    },
}
NAME: Final = "bench"


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """How far the whole fleet was, since its first dial."""

    seconds: float
    cpu_s: dict[str, float]


class Configure(msgspec.Struct, frozen=True, kw_only=True):
    """A fleet from its first dial on."""

    stations: int
    booted: Stage
    read: Stage
    """Every configuration was read."""
    in_line: Stage
    """Every station has what the template wants, read back."""
    commands: int
    """CALLs to stations until then."""

    loads: dict[str, Measured] = {}

    def lines(self) -> list[str]:
        """Say when which stage was reached, and what it had cost."""
        stages = (("booted", self.booted), ("read", self.read), ("in line", self.in_line))
        return [
            f"configure: {self.stations} stations {name} after {stage.seconds:.1f} s; CPU "
            + ", ".join(f"{process} {spent:.1f} s" for process, spent in stage.cpu_s.items())
            for name, stage in stages
        ] + [f"configure: {self.commands / self.stations:.1f} commands a station"]

    def targets(self) -> list[Target]:
        """Return none: the figures are told as they are."""
        return []


async def run(bench: Bench) -> None:
    """Boot a fleet under a template, and wait until all of it is in line."""
    count = STATIONS if not bench.size.one_system else min(STATIONS, bench.size.stations)
    bench.tell(f"configure: {count} stations from boot to a template applied")
    async with bench.fresh(settings=SETTINGS) as running:
        bench.outcome.configure = await _measure(running.system, [f"CFG-{n:05d}" for n in range(count)])


async def _measure(system: System, ids: list[str]) -> Configure:
    passwords = await system.make_keys(ids)
    wheel = LoopWheel()
    world = World(wheel, PROFILES["steady"])
    fleet = Fleet(world, ids, [Endpoint.parse(system.stations_url)], Access(passwords=passwords), connect_rate=0)
    async with aiohttp.ClientSession(
        base_url=system.api_url, headers={"Authorization": f"Bearer {system.token}"}
    ) as http:
        async with http.put(f"/api/v1/templates/{NAME}", json=TEMPLATE) as answer:
            answer.raise_for_status()
        watch = _Watch(system)
        fleet.start()
        try:
            booted = await watch.until(lambda: _booted(fleet, len(ids)))
            read = await watch.until(lambda: _read(http, system, len(ids)))
            in_line = await watch.until(lambda: _in_line(http, len(ids)))
            commands = fleet.status().commands
        finally:
            await fleet.close()
            wheel.stop()
    return Configure(stations=len(ids), booted=booted, read=read, in_line=in_line, commands=commands)


class _Watch:
    """Time and CPU since its making."""

    def __init__(self, system: System) -> None:
        self._pids = system.pids
        self._before = usages(self._pids)
        self._begun = time.perf_counter()

    async def until(self, reached: Callable[[], Awaitable[bool]]) -> Stage:
        """Return the stage at the moment when it is reached; raises `TooSlow`."""
        while not await reached():
            if time.perf_counter() - self._begun > TIMEOUT_S:
                raise TooSlow(f"the fleet was not configured within {TIMEOUT_S:.0f} s")
            await asyncio.sleep(POLL_S)
        now = usages(self._pids)
        return Stage(
            seconds=round(time.perf_counter() - self._begun, 2),
            cpu_s={name: round(now[name].cpu_s - self._before[name].cpu_s, 2) for name in now},
        )


async def _booted(fleet: Fleet, count: int) -> bool:
    return fleet.status().accepted >= count


async def _read(http: aiohttp.ClientSession, system: System, count: int) -> bool:
    name = metrics.CONFIGURATION_READS.name
    async with http.get(system.metrics_urls[-1]) as answer:
        text = await answer.text()
    return sum(float(one) for one in re.findall(rf'^{name}{{.*result="ok".*}} (\S+)$', text, re.MULTILINE)) >= count


async def _in_line(http: aiohttp.ClientSession, count: int) -> bool:
    async with http.get(f"/api/v1/templates/{NAME}") as answer:
        found: dict[str, int] = (await answer.json())["stations"]
    return found["in_line"] + found["refused"] >= count
