"""Runs arq's worker inside ours: msgpack for jobs, no signal handlers, started again whenever it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import msgspec
import structlog
from arq.connections import RedisSettings
from arq.cron import cron
from arq.worker import Worker

from shared import metrics
from shared.bus.lane import Address, Lane
from shared.settings import Settings

log = structlog.get_logger(__name__)

QUEUE: Final = "jobs"
RESTART_S: Final = 2.0

Job = Callable[[dict[Any, Any]], Awaitable[int]]
"""A job: takes arq's context (`lane`, `settings`, `partitions`), returns how much it did."""


class Scheduled(msgspec.Struct, frozen=True):
    """A job, and the seconds of the minute (and the minutes of the hour; None: each) at which one worker runs it."""

    job: Job
    seconds: frozenset[int]
    minutes: frozenset[int] | None = None


def redis_settings(url: str) -> RedisSettings:
    """Return arq's form of our URL, with the timeouts that it leaves out."""
    address = Address.parse(url)
    return RedisSettings(
        host=address.host,
        port=address.port,
        unix_socket_path=address.path or None,
        database=address.database,
        username=address.username or None,
        password=address.password or None,
        ssl=address.tls,
        conn_timeout=3,
        conn_retries=1,
        retry_on_timeout=False,
        max_connections=8,
    )


async def run(settings: Settings, lane: Lane, partitions: int, jobs: Sequence[Scheduled]) -> None:
    """Run arq until cancelled; whatever ends it is logged and it starts again."""
    while True:
        try:
            worker = _worker(settings, lane, partitions, jobs)
            try:
                await worker.async_run()
            finally:
                await worker.close()
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - arq ends on a lost connection, with whatever redis-py raised
            log.warning("jobs stopped; they start again", error=f"{type(error).__name__}: {error}")
        await asyncio.sleep(RESTART_S)


def _worker(settings: Settings, lane: Lane, partitions: int, jobs: Sequence[Scheduled]) -> Worker:
    crons = [
        cron(
            _measured(each.job),
            name=each.job.__name__,
            minute=set(each.minutes) if each.minutes is not None else None,
            second=set(each.seconds),
            unique=True,
            max_tries=1,
        )
        for each in jobs
    ]
    return Worker(
        cron_jobs=crons,
        queue_name=QUEUE,
        redis_settings=redis_settings(settings.redis_url),
        ctx={"lane": lane, "settings": settings, "partitions": partitions},
        job_serializer=msgspec.msgpack.encode,
        job_deserializer=msgspec.msgpack.decode,
        handle_signals=False,
        keep_result=0,
        log_results=False,
    )


def _measured(job: Job) -> Any:
    async def measured(ctx: dict[Any, Any]) -> None:
        name = job.__name__
        started = asyncio.get_running_loop().time()
        result = "failed"
        try:
            done = await job(ctx)
            result = "ok"
            if done:
                log.info("job done", job=name, count=done)
        finally:
            metrics.WORKER_JOBS.labels(name, result).inc()
            metrics.WORKER_JOB_SECONDS.labels(name).observe(asyncio.get_running_loop().time() - started)

    measured.__qualname__ = job.__name__
    return measured
