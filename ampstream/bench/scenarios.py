"""What is measured, each on a system of its own: throughput beside the yardstick, latency, connections, a storm."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

from ampstream.bench import echo, mixes, system
from ampstream.bench.caller import Caller, Script, Tally
from ampstream.bench.load import Dialling, Measured, Side, until_idle
from ampstream.bench.mixes import Claims, Meterstand
from ampstream.bench.outcome import Connections, Outcome, Size, Storm
from ampstream.bench.system import System
from ampstream.bench.usage import usage_of
from ampstream.bench.verify import verify
from ampstream.simulate.websocket import Endpoint

_CONNECT_S: Final = 240.0
_STORM_S: Final = 180.0
_SETTLE_S: Final = 2.0
_TURNS: Final = 5
_AGAIN_S: Final = 0.5
"""Warm-up of every turn but the first."""
_MEASURED_BY_ECHO: Final = "transaction"
"""The mix whose cost is told in echoes."""
_HANG_UP_S: Final = 0.2
_BELOW_THE_DOOR: Final = 0.9
"""Share of the edge's admission rate at which stations are connected where that is not what is measured."""


class Running(NamedTuple):
    """A system, and all that the load has claimed of it."""

    system: System
    claims: Claims


class Bench:
    """Runs scenarios one after the other; `tell` hears what is going on. An async context manager."""

    def __init__(self, directory: Path, size: Size, tell: Callable[[str], None]) -> None:
        self._directory = directory
        self.size = size
        self.tell = tell
        self._shared: Running | None = None
        self._stack = contextlib.AsyncExitStack()
        self.outcome = Outcome()

    async def __aenter__(self) -> Self:
        """Start the system where one serves all."""
        if self.size.one_system:
            self._shared = await self._stack.enter_async_context(self.fresh())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        await self._stack.aclose()

    async def throughput(self, wanted: Sequence[str], *, yardstick: bool = False) -> None:
        """Run mixes in a closed loop at full size, and verify what they left.

        `yardstick`: the transaction mix runs against the bare echo too, in windows that take turns: what else happens
        on the machine meets both alike.
        """
        stations, seconds, outcome = self.size.stations, self.size.seconds, self.outcome
        alone = [name for name in wanted if not (yardstick and name == _MEASURED_BY_ECHO)]
        if wanted:
            async with self.system() as running:
                for name in alone:
                    self.tell(f"{name}: {stations} stations, {seconds:g} s")
                    outcome.throughput[name] = await self._mix(running, name, stations, seconds)
                if len(alone) < len(wanted):
                    await self._in_turns(running)
                await self.verify(running)
        if yardstick and outcome.echo is None:
            self.tell(f"bare aiohttp echo: {stations} stations, {seconds / 2:g} s")
            async with self._bare() as side:
                await side.window(seconds / 2, self.size.warm_up_s)
                outcome.echo = side.measured()

    async def _in_turns(self, running: Running) -> None:
        size, name = self.size, _MEASURED_BY_ECHO
        turns = _TURNS if not size.one_system else 2
        self.tell(f"{name} and bare aiohttp echo: {size.stations} stations, in {turns} turns, {size.seconds * 1.5:g} s")
        async with self._side(running, name, size.stations) as mix, self._bare() as bare:
            for turn in range(turns):
                warm_up_s = size.warm_up_s if not turn else min(size.warm_up_s, _AGAIN_S)
                await mix.window(size.seconds / turns, warm_up_s)
                await bare.window(size.seconds / 2 / turns, warm_up_s)
            self.outcome.throughput[name], self.outcome.echo = mix.measured(), bare.measured()

    async def latency(self) -> None:
        """Run the transaction mix with one station."""
        seconds = self.size.seconds / 2
        async with self.system() as running:
            self.tell(f"latency: 1 station, {seconds:g} s")
            self.outcome.latency = await self._mix(running, "transaction", 1, seconds)
            await self.verify(running)

    async def connections(self) -> None:
        """Connect as many stations as one edge is to hold, let them boot, and weigh them."""
        tally, count = Tally(), self.size.connections
        async with self.system() as running:
            self.tell(f"connections: {count} stations on one edge")
            edge = running.system.pids["edge"]
            before, begun = usage_of(edge).rss_bytes, time.perf_counter()
            callers = await self._connected(running.system, "C", count, tally)
            connect_s = time.perf_counter() - begun
            await asyncio.sleep(_SETTLE_S)
            after = usage_of(edge).rss_bytes
            await self._once_each(callers, tally)
            alive = sum(caller.connected for caller in callers)
            if alive < count:
                tally.problem(f"{count - alive} of {count} stations were disconnected")
            self.outcome.connections = Connections(
                stations=alive,
                connect_s=round(connect_s, 1),
                edge_bytes_each=(after - before) // count,
                edge_rss_bytes=after,
            )
            await self.hang_up(callers)
        self.problems(tally.problems, tally.problem_count)

    async def storm(self) -> None:
        """Cut all stations off at once; each dials at once, and again when it was told to."""
        tally, count = Tally(), self.size.storm
        async with self.system() as running:
            self.tell(f"storm: {count} stations lose their connection at once")
            callers = await self._connected(running.system, "S", count, tally)
            await asyncio.sleep(_SETTLE_S)
            before = {name: usage_of(pid).cpu_s for name, pid in running.system.pids.items()}
            begun = time.perf_counter()
            for caller in callers:
                caller.abort()
            await asyncio.sleep(0)
            tally.refused = 0
            await self._dial_and_boot(running.system, callers, tally, rate=0.0, timeout_s=_STORM_S)
            self.outcome.storm = Storm(
                stations=count,
                booted_s=round(time.perf_counter() - begun, 1),
                refused=tally.refused,
                cpu_s={name: round(usage_of(pid).cpu_s - before[name], 2) for name, pid in running.system.pids.items()},
            )
            await self.hang_up(callers)
        self.problems(tally.problems, tally.problem_count)

    # --- parts

    @contextlib.asynccontextmanager
    async def system(self) -> AsyncIterator[Running]:
        """Run a system of its own for the length of the block, or give the one that serves all."""
        if self._shared is not None:
            yield self._shared
            return
        async with self.fresh() as running:
            yield running

    @contextlib.asynccontextmanager
    async def fresh(
        self, module: str = "ampstream", settings: Mapping[str, str] | None = None
    ) -> AsyncIterator[Running]:
        """Run a system of its own in any case; `module` is what its edge and worker are run by."""
        with tempfile.TemporaryDirectory(prefix="ampstream-bench-", dir=self._directory) as fresh:
            async with system.running(Path(fresh), module, settings) as running:
                yield Running(running, Claims())

    async def _mix(self, running: Running, name: str, stations: int, seconds: float) -> Measured:
        async with self._side(running, name, stations) as side:
            await side.window(seconds, self.size.warm_up_s)
        return side.measured()

    @contextlib.asynccontextmanager
    async def _side(self, running: Running, name: str, stations: int) -> AsyncIterator[Side]:
        """Connect stations to a system for a mix; their connections are dropped at the end."""
        tally = Tally()
        callers = await self._connected(running.system, f"{name[0].upper()}{stations}-", stations, tally)
        yield Side(callers, mixes.MIXES[name], tally, running.claims, running.system.pids)
        await self.hang_up(callers)
        self.problems(tally.problems, tally.problem_count)

    @contextlib.asynccontextmanager
    async def _bare(self) -> AsyncIterator[Side]:
        """Connect as many stations to the yardstick."""
        tally = Tally(echo=True)
        async with echo.running() as bare:
            callers = [Caller(f"ECHO-{n:05d}", tally) for n in range(self.size.stations)]
            await Dialling(Endpoint.parse(bare.url), {}).connect(callers, _CONNECT_S)
            yield Side(callers, mixes.MIXES[_MEASURED_BY_ECHO], tally, Claims(), {"echo": bare.pid})
            await self.hang_up(callers)
        self.problems(tally.problems, tally.problem_count)

    async def verify(self, running: Running) -> None:
        """Audit all that the load claims of this system; verdicts of several systems add up."""
        self.tell("verifying every transaction through the API")
        verdict = await verify(running.claims, running.system.api_url, running.system.token)
        before = self.outcome.verdict
        self.outcome.verdict = verdict if before is None or self._shared is not None else before.plus(verdict)

    async def _connected(self, running: System, prefix: str, count: int, tally: Tally) -> list[Caller]:
        """Connect and boot new stations, no faster than the edge lets them in."""
        callers = [Caller(f"{prefix}{n:05d}", tally) for n in range(count)]
        await self.connect(running, callers, tally)
        return callers

    async def connect(self, running: System, callers: Sequence[Caller], tally: Tally) -> None:
        """Connect and boot stations, no faster than the edge lets them in."""
        rate = running.settings.connect_rate * _BELOW_THE_DOOR
        await self._dial_and_boot(running, callers, tally, rate=rate, timeout_s=_CONNECT_S)

    async def _dial_and_boot(
        self, running: System, callers: Sequence[Caller], tally: Tally, *, rate: float, timeout_s: float
    ) -> None:
        passwords = await running.make_keys([caller.station_id for caller in callers])
        script_of = _scripts(mixes.boot, tally, Claims())
        dialling = Dialling(Endpoint.parse(running.stations_url), passwords, _sources(), rate=rate)
        await dialling.connect(callers, timeout_s, lambda caller: caller.begin(script_of(caller)))
        await until_idle(callers, timeout_s)

    async def _once_each(self, callers: Sequence[Caller], tally: Tally) -> None:
        """Let every station say one thing more, some hundred at a time."""

        def once(caller: Caller) -> Script:
            return _first(mixes.heartbeat(Meterstand(caller.station_id), tally, Claims()))

        for begin in range(0, len(callers), 500):
            part = [caller for caller in callers[begin : begin + 500] if caller.connected]
            for caller in part:
                caller.begin(once(caller))
            await until_idle(part, _CONNECT_S)

    async def hang_up(self, callers: Sequence[Caller]) -> None:
        """Drop the connections."""
        for caller in callers:
            caller.abort()
        await asyncio.sleep(_HANG_UP_S)

    def problems(self, problems: Sequence[str], count: int) -> None:
        """Keep what a scenario found wrong."""
        self.outcome.problems = [*self.outcome.problems, *problems][:50]
        self.outcome.problem_count += count


def _scripts(
    mix: Callable[[Meterstand, Tally, Claims], Script], tally: Tally, claims: Claims
) -> Callable[[Caller], Script]:
    return lambda caller: mix(Meterstand(caller.station_id), tally, claims)


def _first(script: Script) -> Script:
    """Return a script of only the first CALL of another."""
    answer = yield next(script)
    with contextlib.suppress(StopIteration):
        script.send(answer)


def _sources() -> tuple[str, ...]:
    """Return local addresses to dial from: each has only so many ports. Linux answers on all of 127/8."""
    return tuple(f"127.0.0.{n}" for n in range(1, 9)) if sys.platform == "linux" else ()
