"""The system under load, and all that watches it: redis_exporter, Prometheus, Alertmanager and the receivers."""

from __future__ import annotations

import contextlib
import shutil
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import yaml

from tests.chaos.harness import ports
from tests.chaos.harness.processes import Lifeline, Process
from tests.chaos.harness.system import System
from tests.e2e.secured import secured
from tests.grafana.reading import ROOT
from tests.observe import scaling
from tests.observe.prometheus import Prometheus
from tests.observe.watching import Watch
from tests.support import free_port, wait_until

SETTINGS: Final = {
    "PARTITIONS": "4",
    "HEARTBEAT_INTERVAL_S": "5",
    "PING_INTERVAL_S": "3",
    "CALL_TIMEOUT_S": "12",
    "CONFIGURATION_READ_S": "60",
    "OPENADR_POLL_S": "5",
    "OPENADR_CLIENT_ID": "me",
    "OPENADR_CLIENT_SECRET": "secret",
}
"""Where this differs from the crash tests' waits: calmer, and unanswered CALLs live to be counted as slow."""
FLEETS: Final = {"NORTH": 180, "SOUTH": 120}
"""Stations by fleet; the south is what loses its network."""
SPEED: Final = 30
MAX_MEMORY: Final = 512 * 1024 * 1024
TAGS: Final = [f"SIMTAG{number:02d}" for number in range(1, 21)]
TOOLS: Final = {
    "prometheus": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "prometheus-redis-exporter": "prometheus-redis-exporter",
}
"""Programs, and Debian's packages that have them."""


class Stage:
    """Everything that runs; `directory` is empty at first and holds its files and logs."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "tls").mkdir(parents=True)
        self.vtn_port = ports.take()
        settings = SETTINGS | secured(directory / "tls")  # So that there is an end of a certificate to be shown.
        settings |= {"TRANSFER_DIR": str(directory / "files"), "OPENADR_URL": f"http://127.0.0.1:{self.vtn_port}/vtn"}
        self.system = System(directory / "system", edges=2, workers=2, worker_guards=["defect"], settings=settings)
        self._lifeline = Lifeline()
        exporter, prometheus, alertmanager = free_port(), free_port(), free_port()
        self.hook_port = free_port()
        self.prometheus = Prometheus(f"http://127.0.0.1:{prometheus}")
        self.watch = Watch(self.prometheus)
        self._alertmanager = f"127.0.0.1:{alertmanager}"
        self._ready = (f"{self.prometheus.url}/-/ready", f"http://{self._alertmanager}/-/ready")
        self.watchers = [
            self._exporter(exporter),
            self._process(
                "prometheus-alertmanager",
                *self._writes("alertmanager.yaml", self._alertmanager_yaml(), "--config.file={}"),
                f"--web.listen-address={self._alertmanager}",
                "--cluster.listen-address=",
                f"--storage.path={directory / 'alertmanager'}",
            ),
            self._process(
                "prometheus",
                *self._writes("prometheus.yml", self._prometheus_yml(exporter), "--config.file={}"),
                f"--web.listen-address=127.0.0.1:{prometheus}",
                f"--storage.tsdb.path={directory / 'prometheus'}",
            ),
        ]
        self.fleets = {name: self._fleet(name, count) for name, count in FLEETS.items()}

    # ── what runs ────────────────────────────────────────────────────────────────────────────────────────────────

    def _process(self, program: str, *arguments: str) -> Process:
        path = shutil.which(program)
        assert path, f"{program} is missing; on Debian: apt-get install --no-install-recommends {TOOLS[program]}"
        log = self.directory / f"{program}.log"
        return Process(program, [path, *arguments], self.system.environ, log, self._lifeline)

    def _exporter(self, port: int) -> Process:
        address = f"redis://127.0.0.1:{self.system.valkey.port}"
        return self._process(
            "prometheus-redis-exporter", "-redis.addr", address, "-web.listen-address", f"127.0.0.1:{port}"
        )

    def _fleet(self, name: str, count: int) -> Process:
        urls = [word for url in self.system.station_urls for word in ("--url", url)]
        line = [sys.executable, "-m", "ampstream", "simulate", "--stations", str(count), "--prefix", f"{name}-", *urls]
        line += ["--speed", str(SPEED), "--seed", name, "--id-tags", ",".join(TAGS), "--connect-rate", "20", "--json"]
        return Process(f"fleet-{name}", line, self.system.environ, self.directory / f"{name}.log", self._lifeline)

    def fleet_stations(self, name: str) -> list[str]:
        """Return the ids of a fleet's stations."""
        return [f"{name}-{number:05d}" for number in range(1, FLEETS[name] + 1)]

    def note(self, text: str) -> None:
        """Write a line into the load's log: what faults do to those who only want to be there is no failure."""
        with (self.directory / "load.log").open("a", encoding="utf-8") as log:
            log.write(f"{time.strftime('%H:%M:%S')} {text}\n")

    # ── configuration ────────────────────────────────────────────────────────────────────────────────────────────

    def _writes(self, name: str, content: object, option: str) -> list[str]:
        path = self.directory / name
        path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        return [option.format(path)]

    def _prometheus_yml(self, exporter: int) -> dict[str, Any]:
        self._writes("rules.yaml", scaling.rules(_ours("alerts/rules.yaml")), "")
        ports = {process.name: self.system._ports[process.name][1] for process in self.system.all[1:]}
        targets = {
            f"ampstream-{role}": [f"127.0.0.1:{port}" for name, port in ports.items() if name.startswith(role)]
            for role in ("edge", "worker")
        } | {"redis": [f"127.0.0.1:{exporter}"]}
        rules = self.directory / "rules.yaml"
        return scaling.prometheus(_ours("prometheus/prometheus.yml"), rules, targets, self._alertmanager)

    def _alertmanager_yaml(self) -> dict[str, Any]:
        return scaling.alertmanager(_ours("alerts/alertmanager.yaml"), f"http://127.0.0.1:{self.hook_port}")

    def instance(self, process: Process) -> str:
        """Return the `instance` that Prometheus calls one of our processes."""
        return f"127.0.0.1:{self.system._ports[process.name][1]}"

    # ── the run ──────────────────────────────────────────────────────────────────────────────────────────────────

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run everything but the load for the length of the block."""
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(self._close)
            await self.serve_redis()
            await self.system.start()
            await stack.enter_async_context(self.watch.listening(self.hook_port))
            for watcher in self.watchers:
                watcher.start()
            await wait_until(self._watched, 30, 0.2)
            await stack.enter_async_context(self.prometheus)
            await stack.enter_async_context(self.watch.looking())
            yield

    async def serve_redis(self) -> None:
        """Start Valkey, with the limit of memory that an operator would set."""
        await self.system.valkey.serve()
        self.system.valkey.client().config_set("maxmemory", MAX_MEMORY)

    def _watched(self) -> bool:
        """Tell whether Prometheus and Alertmanager are ready."""
        for url in self._ready:
            try:
                with urllib.request.urlopen(url, timeout=2):
                    pass
            except (urllib.error.URLError, OSError):
                return False
        return True

    def _close(self) -> None:
        """End everything."""
        for process in (*self.fleets.values(), *reversed(self.watchers)):
            process.terminate()
        for process in (*self.fleets.values(), *self.watchers):
            process.kill()
        self.system.close()
        self._lifeline.close()


def _ours(name: str) -> Any:
    return yaml.safe_load((ROOT / "grafana" / name).read_text(encoding="utf-8"))
