"""What probes and people are told of a process: that it lives, whether it serves, and what it is."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial
from importlib.metadata import version
from typing import Any

import aiohttp
import msgspec
import pytest

from tests.chaos.harness.processes import Process
from tests.chaos.harness.system import System
from tests.e2e.field import Field
from tests.support import wait_until

PASSWORDLESS = "redis://127.0.0.1:"


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One edge and one worker."""
    made = System(tmp_path_factory.mktemp("health") / "system", workers=1, settings={"REDIS_TIMEOUT_S": "1"})
    try:
        asyncio.run(made.start())
        yield made
    finally:
        made.close()


def said(process: Process, event: str) -> dict[str, Any]:
    """The only line of a process about an event."""
    lines = [msgspec.json.decode(line) for line in process.log.read_text().splitlines()]
    (found,) = [line for line in lines if line["event"] == event]
    assert isinstance(found, dict)
    return found


async def probe(http: aiohttp.ClientSession, url: str) -> tuple[int, list[str]]:
    """Status and reasons of a probe that waits no longer than a load balancer's."""
    async with http.get(url, timeout=aiohttp.ClientTimeout(total=2)) as answer:
        body = await answer.json()
        return answer.status, list(body["reasons"])


async def test_the_start_says_what_runs_where(system: System) -> None:
    """Each process says its name, version, Python and event loop, where it listens, and which Redis it serves."""
    stations, http = system._ports["edge-0"]
    edge = said(system.edges[0], "edge serves")
    assert edge["stations"] == f"ws://127.0.0.1:{stations}/ocpp"
    assert edge["operators"] == f"http://127.0.0.1:{http}"
    assert edge["metrics"] == f"http://127.0.0.1:{http}/metrics"
    worker = said(system.workers[0], "worker serves")
    assert worker["metrics"] == f"http://127.0.0.1:{system._ports['worker-0'][1]}/metrics"
    assert worker["server"].startswith("Valkey ")
    for line in (edge, worker):
        assert line["redis"].startswith(PASSWORDLESS)
        assert (line["version"], line["loop"], line["partitions"]) == (version("ampstream"), "uvloop", 1)
    settings = said(system.edges[0], "starting")["settings"]
    assert settings["station_port"] == str(stations), "what differs from the defaults is told"
    assert "drain_s" in settings
    assert "max_frame_bytes" not in settings


async def test_a_redis_that_hangs_is_no_death(system: System) -> None:
    """While Redis does not answer, /healthz stays 200 at once, /readyz says 503 and why; then both are well again."""
    urls = [f"http://127.0.0.1:{system._ports[name][1]}" for name in ("edge-0", "worker-0")]
    async with aiohttp.ClientSession() as http:
        system.valkey.stop()
        try:
            for url in urls:
                assert await reasons(http, url, 503)
                assert await probe(http, f"{url}/healthz") == (200, [])
        finally:
            system.valkey.resume()
        for url in urls:
            await reasons(http, url, 200)


async def test_an_edge_that_drains_wants_no_work(system: System) -> None:
    """From SIGTERM on /readyz says that the edge is draining, as long as it is there; it lives all the same."""
    url = system.api_url()
    async with Field(system, "HEALTH"), aiohttp.ClientSession() as http:
        system.valkey.stop()  # So that it has something to wait for.
        try:
            system.edges[0].terminate()
            await wait_until(partial(_drains, http, url), interval_s=0.02)
            assert await probe(http, f"{url}/healthz") == (200, [])
        finally:
            system.valkey.resume()
        assert await system.edges[0].ended(15) == 0


async def _drains(http: aiohttp.ClientSession, url: str) -> bool:
    status, found = await probe(http, f"{url}/readyz")
    return status == 503 and "draining" in found


async def reasons(http: aiohttp.ClientSession, url: str, status: int) -> list[str]:
    """Wait until /readyz has this status, and return the reasons that it gives."""

    async def look() -> tuple[int, list[str]] | None:
        found = await probe(http, f"{url}/readyz")
        return found if found[0] == status else None

    found = await wait_until(look, interval_s=0.1)
    assert found is not None
    return found[1]
