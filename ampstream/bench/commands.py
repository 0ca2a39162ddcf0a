"""Commands: from an operator's request over edge, worker, edge and station, and back to the operator with the outcome.

Every request waits for its outcome, on a connection that is kept. The station answers each GetConfiguration with a
value that no other answer has, so that an outcome that belongs to another command is found; what the station saw, what
the API returned and what the API lists afterwards must agree.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import statistics
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import msgspec

from ampstream.bench import mixes
from ampstream.bench.caller import Caller, Tally
from ampstream.bench.load import Measured, measure, us_per_call
from ampstream.bench.mixes import Meterstand
from ampstream.bench.targets import Target, at_most
from ampstream.bench.usage import usage_of, usages
from shared.ocpp import frames

if TYPE_CHECKING:
    from ampstream.bench.scenarios import Bench
    from ampstream.bench.system import System

MAX_P50_MS: Final = 15.0
MANY: Final = 50
KEPT: Final = 100
"""The newest commands of a station that are looked up afterwards; the system keeps no fewer."""
KEY: Final = "BenchKey"


class Commands(msgspec.Struct, frozen=True, kw_only=True):
    """Round trips of commands: one after the other to one station, and to many at once."""

    beat: Measured
    """Heartbeats of the same one station right before: what a way through the system took just then."""
    one: Measured
    many: Measured

    @property
    def loads(self) -> dict[str, Measured]:
        """Rows of the table of loads."""
        return {
            "Heartbeat, one station": self.beat,
            "command, one station": self.one,
            f"command, {self.many.stations} stations": self.many,
        }

    def lines(self) -> list[str]:
        """Set a command beside a Heartbeat."""
        if not self.beat.p50_ms:
            return []
        return [f"command: {self.one.p50_ms / self.beat.p50_ms:.1f} times a Heartbeat of the same station (p50)"]

    def targets(self) -> list[Target]:
        """Return what the figures have to reach."""
        return [at_most("command there and back, p50 with one station", self.one.p50_ms, "ms", MAX_P50_MS)]


class Commanded(Caller):
    """A station that answers GetConfiguration, each time with another value, and remembers which command got which."""

    __slots__ = ("given",)

    def __init__(self, station_id: str, tally: Tally) -> None:
        super().__init__(station_id, tally)
        self.given: dict[str, str] = {}

    def reply_to(self, call: frames.Call) -> bytes:
        """Answer what the CSMS asks."""
        keys = _payload(call.payload).key
        if call.action != "GetConfiguration" or len(keys) != 1 or not keys[0].startswith(KEY):
            # What the system asks by itself.
            return super().reply_to(call)
        if call.message_id in self.given:
            self.tally.problem(f"{self.station_id}: command {call.message_id} came twice")
        value = self.given[call.message_id] = f"{self.station_id}-{len(self.given)}"
        payload = {"configurationKey": [{"key": keys[0], "readonly": False, "value": value}]}
        return frames.encode_result(call.message_id, payload)


class _Asked(msgspec.Struct):
    key: list[str] = []


_payload: Final = msgspec.json.Decoder(_Asked).decode


async def run(bench: Bench) -> None:
    """Measure one station, then many."""
    size, tally = bench.size, Tally()
    many = min(MANY, size.stations)
    async with bench.system() as running:
        bench.tell(f"commands: 1 station, then {many}, {size.seconds / 2:g} s each")
        stations = [Commanded(f"CMD-{n:05d}", tally) for n in range(many)]
        await bench.connect(running.system, stations, tally)
        beat = await measure(
            stations[:1],
            lambda station: mixes.heartbeat(Meterstand(station.station_id), tally, running.claims),
            tally,
            running.system.pids,
            seconds=size.seconds / 4,
            warm_up_s=size.warm_up_s,
        )
        operator = Operator(running.system, tally)
        async with operator.http:
            one = await operator.measure(stations[:1], size.seconds / 2, size.warm_up_s)
            busy = await operator.measure(stations, size.seconds / 2, size.warm_up_s)
            await asyncio.gather(*(operator.verify(station) for station in stations))
        await bench.hang_up(stations)
    bench.outcome.commands = Commands(beat=beat, one=one, many=busy)
    bench.problems(tally.problems, tally.problem_count)


class Operator:
    """Sends commands and waits for their outcomes."""

    def __init__(self, system: System, tally: Tally) -> None:
        self._system = system
        self._tally = tally
        self._numbers = itertools.count(1)
        self._latencies: list[float] = []
        self._commands: dict[str, dict[str, str]] = {}
        self.http = aiohttp.ClientSession(
            base_url=system.api_url,
            headers={"Authorization": f"Bearer {system.token}"},
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=30),
        )

    async def measure(self, stations: Sequence[Commanded], seconds: float, warm_up_s: float) -> Measured:
        """Command every station, one command at a time each, for `seconds` after the warm-up."""
        pids = self._system.pids
        await self._command_all(stations, warm_up_s)
        self._latencies.clear()
        before, own, begun = usages(pids), usage_of(os.getpid()), time.perf_counter()
        await self._command_all(stations, seconds)
        elapsed, calls = time.perf_counter() - begun, len(self._latencies)
        after, own_after = usages(pids), usage_of(os.getpid())
        p50_ms, p99_ms = _percentiles(self._latencies)
        return Measured(
            stations=len(stations),
            seconds=round(elapsed, 2),
            calls=calls,
            calls_per_s=round(calls / elapsed, 1),
            p50_ms=p50_ms,
            p99_ms=p99_ms,
            cpu_us={name: us_per_call(before[name], after[name], calls) for name in pids},
            load_cpu_us=us_per_call(own, own_after, calls),
        )

    async def _command_all(self, stations: Sequence[Commanded], seconds: float) -> None:
        until = time.perf_counter() + seconds
        await asyncio.gather(*(self._command(station, until) for station in stations))

    async def _command(self, station: Commanded, until: float) -> None:
        path = f"/api/v1/stations/{station.station_id}/commands"
        while time.perf_counter() < until:
            body = {"action": "GetConfiguration", "payload": {"key": [f"{KEY}{next(self._numbers)}"]}}
            begun = time.perf_counter()
            async with self.http.post(path, params={"wait": "20s"}, json=body) as answer:
                record = await answer.json()
            self._latencies.append(time.perf_counter() - begun)
            self._check(station, answer.status, record, body["payload"])

    def _check(self, station: Commanded, status: int, record: Mapping[str, Any], payload: Any) -> None:
        """Compare an outcome with what was asked and with what the station said."""
        said = station.given.get(str(record.get("id")))
        keys = (record.get("response") or {}).get("configurationKey") or [{}]
        right = (
            (status, record.get("state"), record.get("payload")) == (200, "accepted", payload)
            and said is not None
            and (keys[0].get("key"), keys[0].get("value")) == (payload["key"][0], said)
        )
        if right and said is not None:
            self._commands.setdefault(station.station_id, {})[str(record["id"])] = said
        else:
            self._tally.problem(f"{station.station_id}: {payload} came to {status} {dict(record)}"[:300])

    async def verify(self, station: Commanded) -> None:
        """Compare what the station was sent with what was answered to operators and with what the API lists."""
        confirmed = self._commands.get(station.station_id, {})
        if confirmed != station.given:
            self._tally.problem(f"{station.station_id}: {len(station.given)} came, {len(confirmed)} were confirmed")
        params = {"station_id": station.station_id, "action": "GetConfiguration", "limit": str(KEPT)}
        async with self.http.get("/api/v1/commands", params=params) as answer:
            listed = {one["id"]: one["state"] for one in (await answer.json())["items"]}
        newest = list(confirmed)[-KEPT:]
        wrong = [command_id for command_id in newest if listed.get(command_id) != "accepted"]
        if wrong:
            self._tally.problem(f"{station.station_id}: {len(wrong)} of {len(newest)} are not listed as accepted")


def _percentiles(latencies: Sequence[float]) -> tuple[float, float]:
    """Return the 50th and 99th in ms."""
    if len(latencies) < 2:
        return 0.0, 0.0
    cuts = statistics.quantiles(latencies, n=100)
    return round(cuts[49] * 1000, 2), round(cuts[98] * 1000, 2)
