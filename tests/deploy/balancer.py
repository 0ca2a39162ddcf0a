"""A real HAProxy with the configuration that is shipped, in front of the edges of a test's system."""

from __future__ import annotations

import os
import re
import shutil
import signal
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from tests.chaos.harness import system as harness
from tests.chaos.harness.processes import ROOT, Lifeline, Process
from tests.chaos.harness.system import System
from tests.support import wait_until

CONFIG: Final = ROOT / "deploy" / "haproxy" / "haproxy.cfg"
ADDRESS: Final = "127.0.0.9"
"""Where the balancer's connections to the edges come from: nothing else in a test does."""


def binary() -> str:
    """Return HAProxy's path; Debian keeps it out of a user's PATH."""
    found = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    assert found, "haproxy is missing: apt-get install haproxy"
    return found


class Balancer(Process):
    """HAProxy in master-worker mode; ports are its own, edges those of a system."""

    def __init__(self, system: System, lifeline: Lifeline, *, options: str = "") -> None:
        ports = [harness._port() for _ in range(3)]
        self.stations, self.operators, self.health = (f"127.0.0.1:{port}" for port in ports)
        environ = dict(os.environ) | {
            "STATIONS_BIND": self.stations,
            "OPERATORS_BIND": self.operators,
            "HEALTH_BIND": self.health,
            "EDGE_OPTIONS": f"source {ADDRESS} {options}",
        }
        self.files = f"127.0.0.1:{harness._port()}"
        if "AMPSTREAM_TRANSFER_DIR" in system.environ:
            environ["FILES_BIND"] = self.files
        for n in (0, 1):
            http = urlsplit(system.api_url(n))
            if "FILES_BIND" in environ:
                environ[f"EDGE_{n + 1}_FILES"] = f"127.0.0.1:{system.edges[n].environ['AMPSTREAM_TRANSFER_PORT']}"
            environ |= {
                f"EDGE_{n + 1}": urlsplit(system.station_url(n)).netloc,
                f"EDGE_{n + 1}_HTTP": http.netloc,
                f"EDGE_{n + 1}_CHECK": str(http.port),
            }
        super().__init__(
            f"haproxy{options and '-proxied'}",
            [binary(), "-W", "-f", str(CONFIG)],
            environ,
            system.directory / f"haproxy{options and '-proxied'}.log",
            lifeline,
        )

    @property
    def url(self) -> str:
        """Where stations dial, without their id."""
        return f"ws://{self.stations}/ocpp"

    async def serve(self) -> None:
        """Start it and wait until both edges get stations."""
        self.start()
        await self.until_up("edge-1", "edge-2")

    async def until_up(self, *edges: str) -> None:
        """Wait until exactly these edges get stations."""

        async def are() -> bool:
            return await self.up() == set(edges)

        await wait_until(are, interval_s=0.05)

    async def until_down(self) -> None:
        """Wait until it serves and has found that no edge does."""

        async def is_down() -> bool:
            return 'active_servers{proxy="stations"} 0' in await self.metrics()

        await wait_until(is_down, interval_s=0.05)

    async def up(self) -> set[str]:
        """Return the edges that get stations, as its newest worker sees them; none where it does not answer."""
        start = 'haproxy_server_status{proxy="stations",server="'
        found = set()
        for line in (await self.metrics()).splitlines():
            name, _, rest = line.removeprefix(start).partition('"')
            if line.startswith(start) and 'state="UP"' in rest and rest.endswith(" 1"):
                found.add(name)
        return found

    async def metrics(self) -> str:
        """Return its metrics, empty where it does not answer."""
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as http,
                http.get(f"http://{self.health}/metrics") as answer,
            ):
                return await answer.text()
        except (aiohttp.ClientError, OSError, TimeoutError):
            return ""

    async def reload(self) -> None:
        """Read the configuration anew and wait until a new worker serves."""
        before = self._workers()
        self.signal(signal.SIGUSR2)
        await wait_until(lambda: self._workers() - before, interval_s=0.02)
        await self.until_up("edge-1", "edge-2")

    def _workers(self) -> set[str]:
        return set(re.findall(r"New worker \((\d+)\) forked", self.log.read_text("utf-8", "replace")))
