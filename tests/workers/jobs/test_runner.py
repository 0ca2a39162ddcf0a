"""arq beside the consumers: it runs the jobs, and a lost Redis ends neither it nor the worker."""

import asyncio
import os
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import msgspec
import pytest

from shared import metrics
from shared.bus.lane import Lane
from shared.settings import Settings
from tests.support import PATIENCE_S, ValkeyServer, free_port, running_valkey, wait_until, wait_until_sync
from workers.jobs import runner
from workers.jobs.runner import Scheduled

EACH_SECOND = frozenset(range(60))
JOB_S = PATIENCE_S + 15
"""The next job of a real worker may be ten seconds away, whatever the machine does."""


async def test_jobs_go_on_after_redis_was_gone(settings: Settings, tmp_path: Path) -> None:
    """A Redis that dies ends arq, not the task that runs it: jobs run again once Redis is back."""
    ran: list[bool] = []

    async def probe(ctx: dict[Any, Any]) -> int:
        ran.append(True)
        return 0

    with running_valkey(tmp_path) as server:
        own = msgspec.structs.replace(settings, redis_url=type(settings.redis_url)(server.url))
        lane = Lane(server.url, name="test")
        task = asyncio.create_task(runner.run(own, lane, 1, [Scheduled(probe, EACH_SECOND)]))
        await wait_until(lambda: ran)
        server.kill()
        await asyncio.to_thread(server.start)
        ran.clear()
        await wait_until(lambda: ran)
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await lane.close()


async def test_jobs_run_over_a_unix_socket(settings: Settings, tmp_path: Path) -> None:
    """What `ampstream up` uses: a socket in the file system."""
    ran: list[bool] = []

    async def probe(ctx: dict[Any, Any]) -> int:
        ran.append(True)
        return 0

    with running_valkey(tmp_path) as server:
        own = msgspec.structs.replace(settings, redis_url=type(settings.redis_url)(server.unix_url))
        lane = Lane(server.unix_url, name="test")
        task = asyncio.create_task(runner.run(own, lane, 1, [Scheduled(probe, EACH_SECOND)]))
        await wait_until(lambda: ran)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await lane.close()


async def test_end_is_not_held_up_by_a_missing_redis(settings: Settings, tmp_path: Path) -> None:
    """A worker that ends while Redis is away ends at once."""
    with running_valkey(tmp_path) as server:
        own = msgspec.structs.replace(settings, redis_url=type(settings.redis_url)(server.url))
        lane = await Lane.open(server.url, name="test")
        task = asyncio.create_task(runner.run(own, lane, 1, [Scheduled(idle, EACH_SECOND)]))
        await wait_until(lambda: _connected(lane))
        server.kill()
        task.cancel()
        async with asyncio.timeout(PATIENCE_S):
            with pytest.raises(asyncio.CancelledError):
                await task
        await lane.close()


async def idle(ctx: dict[Any, Any]) -> int:
    """Do nothing."""
    return 0


async def _connected(lane: Lane) -> bool:
    """Tell whether arq is connected beside the test's own lane."""
    return len((await lane.one("CLIENT", "LIST")).splitlines()) > 1


async def test_failed_job_is_counted_and_the_others_run(settings: Settings, redis_url: str) -> None:
    """A job that raises is a failed job; the next one runs, and it runs again itself."""

    async def broken(ctx: dict[Any, Any]) -> int:
        raise ValueError("no")

    async def sound(ctx: dict[Any, Any]) -> int:
        return 1

    lane = Lane(redis_url, name="test")
    jobs = [Scheduled(broken, EACH_SECOND), Scheduled(sound, EACH_SECOND)]
    task = asyncio.create_task(runner.run(settings, lane, 1, jobs))
    await wait_until(lambda: metrics.WORKER_JOBS.labels("sound", "ok").value > 1)
    assert metrics.WORKER_JOBS.labels("broken", "failed").value >= 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await lane.close()


def _ran(port: int) -> float:
    """Return how many jobs a worker process has run, by its metrics."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=2) as answer:
            lines = answer.read().decode().splitlines()
    except OSError:
        return 0
    counts = [line for line in lines if line.startswith("ampstream_worker_jobs_total{") and 'result="ok"' in line]
    return sum(float(line.rpartition(" ")[2]) for line in counts)


@pytest.mark.slow
def test_worker_process_runs_its_jobs_and_outlives_redis(tmp_path: Path) -> None:
    """A real worker runs what is scheduled; after Redis was killed and is back the same process runs jobs again."""
    server = ValkeyServer(tmp_path)
    server.start()
    port = free_port()
    environment = {**os.environ, "AMPSTREAM_REDIS_URL": server.url, "AMPSTREAM_WORKER_PORT": str(port)}
    worker = subprocess.Popen([sys.executable, "-m", "ampstream", "worker"], env=environment)
    try:
        wait_until_sync(lambda: _ran(port) >= 1, JOB_S)
        server.kill()
        server.start()
        before = wait_until_sync(lambda: _ran(port))
        wait_until_sync(lambda: _ran(port) > before, JOB_S)
        assert worker.poll() is None
        worker.terminate()
        assert worker.wait(PATIENCE_S) == 0
    finally:
        worker.kill()
        worker.wait()
        server.stop()
