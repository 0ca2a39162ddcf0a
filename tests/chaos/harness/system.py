"""A whole Ampstream of real processes for one test: Valkey, edges, workers; waits scaled down together."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, Final

import aiohttp
import redis

from ampstream.up import valkey
from shared.bus.lane import Lane
from shared.records.queries import tokens
from tests.chaos.harness import points, ports
from tests.chaos.harness.link import Link
from tests.chaos.harness.operator import Operator
from tests.chaos.harness.processes import Lifeline, Process
from tests.support import wait_until

SCALED: Final[dict[str, str]] = {
    "PARTITIONS": "1",
    "REDIS_TIMEOUT_S": "3",
    "CLAIM_IDLE_S": "1",
    "CALL_TIMEOUT_S": "4",
    "PING_INTERVAL_S": "0.5",  # An edge looks at each session once a second: a ping each time.
    "HEARTBEAT_INTERVAL_S": "1",
    "CANARY_INTERVAL_S": "0.5",
    "PRESENCE_GRACE_S": "5",
    "PRESENCE_MIN_S": "1",
    "SWEEP_INTERVAL_S": "0.2",
    "NODE_TTL_S": "2",
    "BOOT_HOLD_S": "0.5",
    "COMMAND_TIMEOUT_S": "3",
    "RECONCILE_AFTER_S": "2",
    "CONFIGURATION_READ_S": "0",  # Tests that play a station by hand are asked nothing that they did not ask for.
    "DRAIN_S": "5",
    "UNKNOWN_STATIONS": "accept",
    "UNKNOWN_TAGS": "accept",
}
"""Production's waits, about a tenth: one partition, so that every worker may get every entry."""
TTL_S: Final = 6.0
"""How long a station is believed to be there: 2 x 0.5 s + 5 s.

An edge looks at each session once a second. So a touch is up to 3 s after the last one and tells of a pong of 1 s ago,
which leaves a busy machine 2 s.
"""
READY_S: Final = 60.0
Guards = Sequence[str]
"""Names of launchers: `no_...` takes a guard out, others put pause points or a fault in."""


_port = ports.take


class Valkey(Process):
    """The embedded Valkey on a port of its own, with a directory that survives it."""

    def __init__(self, directory: Path, lifeline: Lifeline, *, fsync: str = "always", preload: str = "") -> None:
        self.directory = directory
        self.port = ports.take()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._client: Any = None
        config = valkey.write_config(directory, port=self.port, fsync=fsync)
        with config.open("a") as more:
            more.write("# F12 lets it sleep.\nenable-debug-command local\n")
        environ = dict(os.environ) | ({"LD_PRELOAD": preload} if preload else {})
        super().__init__("valkey", valkey.command(config), environ, directory / "valkey.log", lifeline)

    async def serve(self) -> None:
        """Start it and wait until it has loaded its data."""
        self.start()
        await asyncio.to_thread(valkey.wait_ready, self.url)

    def client(self) -> Any:
        """Return a client for the test's own look at the keys."""
        if self._client is None:
            self._client = redis.Redis.from_url(self.url)
        return self._client

    def close(self) -> None:
        """End it and forget the client."""
        self.kill()
        if self._client is not None:
            self._client.close()


class System:
    """The processes of one test. `edges` and `workers` keep their ports over restarts."""

    def __init__(
        self,
        directory: Path,
        *,
        edges: int = 1,
        workers: int = 2,
        edge_guards: Guards = (),
        worker_guards: Guards = (),
        settings: dict[str, str] | None = None,
        fsync: str = "always",
        preload: str = "",
        linked: Sequence[str] = (),
        warm: bool = True,
    ) -> None:
        """`*_guards` name launchers that the processes are started through; `settings` override `SCALED`.

        `linked` names processes (`edge-0`, `worker-1`) whose network to Redis is in `links`, and may be cut. Not `warm`
        are processes that are started by their command line instead of forked.
        """
        self.directory = directory
        self._warm = warm
        self.points = directory / "points"
        self.points.mkdir(parents=True)
        self._armed: dict[str, points.Action] = {}
        self._lifeline = Lifeline()
        self.valkey = Valkey(directory / "valkey", self._lifeline, fsync=fsync, preload=preload)
        values = SCALED | (settings or {})
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AMPSTREAM_")}
        self.environ = inherited | {f"AMPSTREAM_{name}": value for name, value in values.items()}
        self.environ |= {"AMPSTREAM_REDIS_URL": self.valkey.url, points.DIRECTORY: str(self.points)}
        self.links = {name: Link(self.valkey.port) for name in linked}
        self._ports: dict[str, tuple[int, int]] = {}
        self.edges = [self._edge(n, edge_guards) for n in range(edges)]
        self.workers = [self._worker(n, worker_guards) for n in range(workers)]
        self.token = ""

    # ── what there is ────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def all(self) -> list[Process]:
        """Every process, Valkey first."""
        return [self.valkey, *self.workers, *self.edges]

    def station_url(self, edge: int = 0) -> str:
        """Return where stations dial an edge, without their id."""
        return f"ws://127.0.0.1:{self._ports[f'edge-{edge}'][0]}/ocpp"

    @property
    def station_urls(self) -> list[str]:
        """Where stations dial, edge by edge."""
        return [self.station_url(n) for n in range(len(self.edges))]

    def api_url(self, edge: int = 0) -> str:
        """Return the base URL of an edge's operators' listener."""
        return f"http://127.0.0.1:{self._ports[f'edge-{edge}'][1]}"

    def operator(self, edge: int = 0) -> Operator:
        """Return someone who asks this edge what the system holds."""
        return Operator(self.api_url(edge), self.token, self.valkey.url)

    def process(self, pid: int) -> Process:
        """Return the process of an id, alive or just gone."""
        return next(each for each in self.all if each._process is not None and each._process.pid == pid)

    # ── starting and ending ──────────────────────────────────────────────────────────────────────────────────────

    async def start(self) -> None:
        """Start everything and wait until it serves; makes an operator's token."""
        if not self.valkey.alive:
            await self.valkey.serve()
        for link in self.links.values():
            await link.open()
        for process in (*self.workers, *self.edges):
            if not process.alive:
                process.start()
        await self.ready()
        if not self.token:
            lane = await Lane.open(self.valkey.url, name="test")
            self.token, _ = await tokens.create(lane, "chaos", "admin", 0)
            await lane.close()

    async def ready(self, *processes: Process, timeout_s: float = READY_S) -> None:
        """Wait until these processes (all edges and workers by default) say that they serve."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as http:
            for process in processes or (*self.workers, *self.edges):
                deadline = time.monotonic() + timeout_s
                while not await self._serves(http, process):
                    assert time.monotonic() < deadline, f"{process.name} does not serve:\n{process.tail()}"
                    await asyncio.sleep(0.05)

    async def unready(self, *processes: Process) -> None:
        """Wait until these processes say that they do not serve."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as http:

            async def none_serves() -> bool:
                return not any([await self._serves(http, process) for process in processes])

            await wait_until(none_serves)

    async def _serves(self, http: aiohttp.ClientSession, process: Process) -> bool:
        if not process.alive:
            raise AssertionError(f"{process.name} ended with status {process.status}:\n{process.tail()}")
        port = self._ports[process.name][1]
        try:
            async with http.get(f"http://127.0.0.1:{port}/readyz") as answer:
                return answer.status == 200
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False

    async def restart(self, *processes: Process) -> None:
        """Start processes that are gone, and wait until they serve."""
        for process in processes:
            await process.ended()
            process.start()
        await self.ready(*processes)

    def close(self) -> None:
        """End everything, the hung and the stopped too."""
        for link in self.links.values():
            link.close()
        for process in (*self.edges, *self.workers):
            process.kill()
        self.valkey.close()
        self._lifeline.close()

    def logs(self) -> str:
        """Return the end of every log: a failed test shows them."""
        return "\n".join(
            f"──── {process.name} ({'alive' if process.alive else process.status})\n{process.tail()}"
            for process in self.all
        )

    # ── points ───────────────────────────────────────────────────────────────────────────────────────────────────

    def arm(self, point: str, action: points.Action, *texts: str) -> None:
        """Let the next process that passes `point` with all `texts` be hit."""
        self._armed[point] = action
        points.arm(self.points, point, action, *texts)

    async def reached(self, point: str, timeout_s: float = 10.0) -> Process:
        """Wait until a point has fired, and return whom it hit; it stands still by then where it was to stop."""
        found = self.process(await wait_until(lambda: points.hit(self.points, point), timeout_s))
        if self._armed[point] == "stop":
            # Told to go on before it has stopped, it would stop for ever.
            await found.stopped()
        return found

    # ── command lines ────────────────────────────────────────────────────────────────────────────────────────────

    def _edge(self, n: int, guards: Guards) -> Process:
        name = f"edge-{n}"
        self._ports[name] = ports.take(), ports.take()
        stations, http = map(str, self._ports[name])
        listening = {"AMPSTREAM_STATION_PORT": stations, "AMPSTREAM_HTTP_PORT": http}
        if "AMPSTREAM_TRANSFER_DIR" in self.environ:
            files = str(ports.take())
            # Any edge serves any file: stations are sent to the first one.
            self.environ.setdefault("AMPSTREAM_TRANSFER_URL", f"http://127.0.0.1:{files}")
            listening["AMPSTREAM_TRANSFER_PORT"] = files
        return self._process(name, ["edge"], guards, listening)

    def _worker(self, n: int, guards: Guards) -> Process:
        name = f"worker-{n}"
        self._ports[name] = 0, ports.take()
        return self._process(
            name, ["worker", "--name", name], guards, {"AMPSTREAM_WORKER_PORT": str(self._ports[name][1])}
        )

    def _process(self, name: str, command: list[str], guards: Guards, listening: dict[str, str]) -> Process:
        module = ["tests.chaos.launchers", "+".join(guards)] if guards else ["ampstream"]
        line = [sys.executable, "-m", *module, *command]
        network = {"AMPSTREAM_REDIS_URL": self.links[name].url} if name in self.links else {}
        environ, log = self.environ | listening | network, self.directory / f"{name}.log"
        return Process(name, line, environ, log, self._lifeline, role=command[0] if self._warm else "")


@contextlib.asynccontextmanager
async def running(directory: Path, **options: object) -> AsyncIterator[System]:
    """Run a system for the length of the block; where that fails, the logs are shown."""
    make: Callable[..., System] = System
    system = make(directory, **options)
    try:
        await system.start()
        yield system
    except BaseException:
        print(system.logs())
        raise
    finally:
        system.close()
