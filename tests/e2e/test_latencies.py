"""Times in the metrics against a watch of one's own: a frame's answer, its way to the commit, a command's trip."""

from __future__ import annotations

import asyncio
import time

from tests.chaos.harness.system import System
from tests.e2e.field import Field, scrape
from tests.support import lasting, wait_until

HELD_S = 0.4
GRAIN_S = 0.002
"""Redis's clock is read in whole milliseconds, at either end."""


async def read(system: System, name: str, label: str = "") -> tuple[float, float]:
    """Count and sum of a histogram over all processes."""
    return await scrape(system, f"{name}_count", label), await scrape(system, f"{name}_sum", label)


async def test_an_answer_took_what_its_station_saw(system: System) -> None:
    """The answer's time, of an action that nobody else sends now, is within what the station's own watch shows."""
    label = 'action="DiagnosticsStatusNotification"'
    async with Field(system, "WATCH1") as field:
        await field.boot()
        before = await read(system, "ampstream_edge_ack_duration_seconds", label)
        begun = time.perf_counter()
        await field.say("DiagnosticsStatusNotification", status="Idle")
        seen_s = time.perf_counter() - begun
        after = await read(system, "ampstream_edge_ack_duration_seconds", label)
    assert after[0] - before[0] == 1
    assert 0.0005 < after[1] - before[1] <= seen_s


async def test_a_command_took_what_its_operator_saw(system: System) -> None:
    """A command's time holds that of a slow station whole, and is within what the waiting operator's watch shows."""
    label = 'action="GetLocalListVersion"'
    async with Field(system, "WATCH2") as field:
        await field.boot()
        before = await read(system, "ampstream_command_duration_seconds", label)
        begun = time.perf_counter()
        body = {"action": "GetLocalListVersion", "payload": {}}
        path = "/stations/WATCH2/commands?wait=60s"
        asking = asyncio.create_task(field.operator.request("POST", path, json=body))
        call = await field.command()
        await lasting(HELD_S, "the station thinks")
        field.station.answer(call, {"listVersion": 0})
        status, record = await asking
        seen_s = time.perf_counter() - begun
        assert (status, record["state"]) == (200, "accepted")

        async def counted() -> tuple[float, float] | None:
            after = await read(system, "ampstream_command_duration_seconds", label)
            return after if after[0] > before[0] else None

        after = await wait_until(counted)
    assert after is not None
    assert after[0] - before[0] == 1
    assert HELD_S - GRAIN_S <= after[1] - before[1] <= seen_s + GRAIN_S


async def test_waits_and_ways_are_parts_of_the_answer(system: System) -> None:
    """On average an entry waits in the stream less than it takes to its commit, and that less than a second here."""
    async with Field(system, "WATCH3") as field:
        await field.boot()
        for _ in range(20):
            await field.say("Heartbeat")
    waited = await read(system, "ampstream_stream_wait_seconds")
    whole = await read(system, "ampstream_worker_end_to_end_seconds")
    assert whole[0] >= waited[0] > 20
    assert waited[1] / waited[0] < whole[1] / whole[0] < 1
