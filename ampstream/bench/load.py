"""Many callers at once: dialling them, running their scripts for a while, and what that cost everybody."""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final

import msgspec

from ampstream.bench.caller import Caller, Script, Tally
from ampstream.bench.mixes import Claims, Meterstand
from ampstream.bench.usage import Usage, usage_of, usages
from ampstream.simulate.websocket import Endpoint, dial

_HANDSHAKE_S: Final = 20.0
_DRAIN_S: Final = 30.0
_POLL_S: Final = 0.02


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """A window of load: what was answered, how fast, and the CPU time that each process spent on a call."""

    stations: int
    seconds: float
    calls: int
    calls_per_s: float
    p50_ms: float
    p99_ms: float
    cpu_us: dict[str, float]
    """By process, µs of CPU a call."""
    load_cpu_us: float
    """Of the load generator itself, which shares the machine."""

    @property
    def total_cpu_us(self) -> float:
        """The system's CPU time a call, all processes together."""
        return round(sum(self.cpu_us.values()), 1)


def together(windows: Sequence[Measured]) -> Measured:
    """Return windows of one load as one; the latencies of the last are those of all."""
    calls, seconds = sum(one.calls for one in windows), sum(one.seconds for one in windows)

    def mean(costs: Iterable[float]) -> float:
        return round(sum(cost * weight for cost, weight in zip(costs, weights, strict=True)), 1)

    weights = [one.calls / calls if calls else 0.0 for one in windows]
    return msgspec.structs.replace(
        windows[-1],
        seconds=round(seconds, 2),
        calls=calls,
        calls_per_s=round(calls / seconds, 1),
        cpu_us={name: mean(one.cpu_us[name] for one in windows) for name in windows[-1].cpu_us},
        load_cpu_us=mean(one.load_cpu_us for one in windows),
    )


class TooSlow(Exception):
    """Stations could not be connected, or did not end, in time."""


class Dialling:
    """Brings callers to their sockets: refused ones come back when they are told to, as stations do."""

    def __init__(
        self, endpoint: Endpoint, passwords: Mapping[str, bytes], sources: Sequence[str] = (), *, rate: float = 0.0
    ) -> None:
        """`rate`: dials begun per second, 0: all at once. `sources`: local addresses, used in turn."""
        self._endpoint = endpoint
        self._passwords = passwords
        self._sources = sources
        self._rate = rate
        self._random = random.Random(1)
        self._opened: Callable[[Caller], None] = lambda _caller: None
        self._tasks: set[asyncio.Task[None]] = set()
        self._open = 0

    async def connect(
        self, callers: Sequence[Caller], timeout_s: float, opened: Callable[[Caller], None] | None = None
    ) -> None:
        """Dial until all are open; `opened` is called for each as it opens. Raises `TooSlow`."""
        loop = asyncio.get_running_loop()
        self._open, self._opened = 0, opened or (lambda _caller: None)
        deadline = time.monotonic() + timeout_s
        for index, caller in enumerate(callers):
            caller.expect(self._arrived, self._refused)
            delay = index / self._rate if self._rate > 0 else 0.0
            loop.call_later(delay, self._begin, caller, index)
        while self._open < len(callers):
            if time.monotonic() > deadline:
                raise TooSlow(f"{self._open} of {len(callers)} stations connected in {timeout_s:g} s")
            await asyncio.sleep(_POLL_S)

    def _arrived(self, caller: Caller) -> None:
        self._open += 1
        self._opened(caller)

    def _refused(self, caller: Caller, status: int, retry_after_s: float) -> None:
        if status in (401, 403, 404):
            caller.tally.problem(f"{caller.station_id}: upgrade answered {status}")
        pause = retry_after_s + self._random.uniform(0.0, 1.0)
        asyncio.get_running_loop().call_later(pause, self._begin, caller, self._random.randrange(1 << 16))

    def _begin(self, caller: Caller, index: int) -> None:
        task = asyncio.get_running_loop().create_task(self._dial(caller, index))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _dial(self, caller: Caller, index: int) -> None:
        source = self._sources[index % len(self._sources)] if self._sources else None
        password = self._passwords.get(caller.station_id)
        try:
            async with asyncio.timeout(_HANDSHAKE_S):
                await dial(
                    self._endpoint,
                    caller.station_id,
                    caller,
                    password=password,
                    local_address=source,
                    made=caller.attach,
                )
        except (OSError, TimeoutError):
            self._refused(caller, 0, 1.0)


async def measure(
    callers: Sequence[Caller],
    script_of: Callable[[Caller], Script],
    tally: Tally,
    pids: Mapping[str, int],
    *,
    seconds: float,
    warm_up_s: float,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Measured:
    """Run every caller's script; measure `seconds` after the warm-up; let the scripts come to their end.

    `pause` lets the time that is measured pass; it may take longer than it is told to. Latencies are those of all that
    the tally has measured.
    Raises `TooSlow` where they do not.
    """
    tally.running = True
    for caller in callers:
        caller.begin(script_of(caller))
    await asyncio.sleep(warm_up_s)
    before, own, answered, begun = usages(pids), usage_of(os.getpid()), tally.answered, time.perf_counter()
    tally.measuring = True
    await pause(seconds)
    tally.measuring = False
    elapsed = time.perf_counter() - begun
    calls = tally.answered - answered
    after, own_after = usages(pids), usage_of(os.getpid())
    tally.running = False
    await until_idle(callers, _DRAIN_S)
    return Measured(
        stations=len(callers),
        seconds=round(elapsed, 2),
        calls=calls,
        calls_per_s=round(calls / elapsed, 1),
        p50_ms=_percentile(tally, 50),
        p99_ms=_percentile(tally, 99),
        cpu_us={name: us_per_call(before[name], after[name], calls) for name in pids},
        load_cpu_us=us_per_call(own, own_after, calls),
    )


class Side:
    """Stations with a mix to run, and who pays for it: one window of load, or several with pauses between them."""

    def __init__(
        self,
        callers: Sequence[Caller],
        mix: Callable[[Meterstand, Tally, Claims], Script],
        tally: Tally,
        claims: Claims,
        pids: Mapping[str, int],
    ) -> None:
        self.callers = callers
        self.tally = tally
        self._mix = mix
        self._claims = claims
        self._pids = pids
        self._stands = {caller.station_id: Meterstand(caller.station_id) for caller in callers}
        self._windows: list[Measured] = []

    async def window(self, seconds: float, warm_up_s: float) -> Measured:
        """Load for one window, and return what it cost; raises `TooSlow`."""

        def script_of(caller: Caller) -> Script:
            return self._mix(self._stands[caller.station_id], self.tally, self._claims)

        measured = await measure(self.callers, script_of, self.tally, self._pids, seconds=seconds, warm_up_s=warm_up_s)
        self._windows.append(measured)
        return measured

    def measured(self) -> Measured:
        """Return all windows as one."""
        return together(self._windows)


def _percentile(tally: Tally, percent: int) -> float:
    if len(tally.latencies) < 2:
        return 0.0
    return round(statistics.quantiles(tally.latencies, n=100)[percent - 1] * 1000, 2)


def us_per_call(before: Usage, after: Usage, calls: int) -> float:
    """Return a process's CPU time a call, in µs; 0 where there was none."""
    return round((after.cpu_s - before.cpu_s) * 1e6 / calls, 1) if calls else 0.0


async def until_idle(callers: Sequence[Caller], timeout_s: float) -> None:
    """Wait until every script has ended; raises `TooSlow`."""
    deadline = time.monotonic() + timeout_s
    while waiting := sum(caller.busy for caller in callers):
        if time.monotonic() > deadline:
            raise TooSlow(f"{waiting} of {len(callers)} stations are not done in {timeout_s:g} s")
        await asyncio.sleep(_POLL_S)
