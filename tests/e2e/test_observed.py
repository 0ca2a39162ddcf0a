"""What every process shows of itself, whatever its part."""

from __future__ import annotations

import functools
import re

import aiohttp

from tests.chaos.harness.system import System
from tests.support import wait_until

LAG = re.compile(r"^ampstream_event_loop_lag_seconds_count (\S+)$", re.MULTILINE)


async def test_every_process_watches_its_loop(system: System) -> None:
    """Edges and workers alike observe how late their loop wakes, or EventLoopBlocked would be blind there."""

    async def observed(port: int) -> bool:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as http,
            http.get(f"http://127.0.0.1:{port}/metrics") as answer,
        ):
            found = LAG.search(await answer.text())
        return found is not None and float(found[1]) > 0

    assert len(system._ports) == 4
    for _, port in system._ports.values():
        await wait_until(functools.partial(observed, port))
