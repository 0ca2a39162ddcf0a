"""Health, readiness and metrics of a process, over real HTTP."""

import asyncio
import socket

import aiohttp
import pytest

from shared import metrics, observe
from shared.clock import ManualClock


async def get(port: int, path: str) -> tuple[int, str, str]:
    """Status, body and content type of a GET."""
    async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{port}{path}") as answer:
        return answer.status, await answer.text(), answer.headers["Content-Type"]


async def test_health_and_readiness() -> None:
    """`/healthz` is 200 while the loop turns; `/readyz` is 503 with the reasons until there are none."""
    reasons = ["redis does not answer"]
    runner, port = await observe.serve("127.0.0.1", 0, lambda: reasons)
    try:
        assert await get(port, "/healthz") == (200, '{"status":"ok","reasons":[]}', "application/json")
        status, body, _ = await get(port, "/readyz")
        assert status == 503
        assert "redis does not answer" in body
        reasons.clear()
        assert (await get(port, "/readyz"))[0] == 200
    finally:
        await runner.cleanup()


async def test_reasons_may_be_asked_for() -> None:
    """The reasons may come from a coroutine."""

    async def not_ready() -> list[str]:
        return ["starting"]

    runner, port = await observe.serve("127.0.0.1", 0, not_ready)
    try:
        assert (await get(port, "/readyz"))[0] == 503
    finally:
        await runner.cleanup()


async def test_metrics_over_http() -> None:
    """`/metrics` serves the text format with the process's figures."""
    metrics.EDGE_FAIL_CLOSED.labels().inc()
    runner, port = await observe.serve("127.0.0.1", 0, list)
    try:
        status, body, kind = await get(port, "/metrics")
    finally:
        await runner.cleanup()
    assert (status, kind) == (200, metrics.CONTENT_TYPE)
    assert "\nampstream_edge_fail_closed_total 1\n" in body


async def test_a_taken_port_is_an_error() -> None:
    """A port in use raises OSError and leaves nothing behind."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="address already in use"):
            await observe.serve("127.0.0.1", taken.getsockname()[1], list)


async def test_loop_lag_is_what_a_timer_comes_late() -> None:
    """The lag is the time a wake-up came after its due time."""
    clock = ManualClock()
    watching = asyncio.create_task(observe.watch_loop_lag(clock, interval_s=1.0))
    await asyncio.sleep(0)
    await clock.advance(1.0)
    child = metrics.EVENT_LOOP_LAG_SECONDS.labels()
    assert (child.count, child.total) == (1, 0.0)
    watching.cancel()
