"""Runs arq's worker inside ours: msgpack for jobs, no signal handlers, started again whenever it ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import msgspec
from arq.connections import ArqRedis
from arq.cron import cron
from arq.worker import Worker
from redis.asyncio import ConnectionPool
from redis.exceptions import RedisError

from shared import metrics
from shared.bus import keys
from shared.bus.lane import Address, Lane
from shared.logs import get_logger
from shared.settings import Settings

log = get_logger(__name__)

MAX_CONNECTIONS: Final = 8
RESTART_S: Final = 2.0

Job = Callable[[dict[Any, Any]], Awaitable[int]]
"""A job: takes arq's context (`lane`, `settings`, `partitions`), returns how much it did."""


class Scheduled(msgspec.Struct, frozen=True):
    """A job, and the seconds of the minute (and the minutes of the hour; None: each) at which one worker runs it."""

    job: Job
    seconds: frozenset[int]
    minutes: frozenset[int] | None = None


async def run(settings: Settings, lane: Lane, partitions: int, jobs: Sequence[Scheduled]) -> None:
    """Run arq until cancelled; whatever ends it is logged and it starts again."""
    while True:
        pool = make_pool(settings)
        worker = _worker(pool, {"lane": lane, "settings": settings, "partitions": partitions}, jobs)
        try:
            await worker.async_run()
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - arq ends on a lost connection, with whatever redis-py raised
            log.warning("jobs stopped; they start again", error=f"{type(error).__name__}: {error}")
        finally:
            await _end(worker, pool)
        await asyncio.sleep(RESTART_S)


def make_pool(settings: Settings) -> ArqRedis:
    """Return arq's connections, with the limits that it would leave out; they connect when first used."""
    url = settings.redis_url.reveal()
    connections = ConnectionPool.from_url(
        url,
        socket_connect_timeout=settings.redis_connect_timeout_s,
        socket_timeout=settings.redis_timeout_s,
        **Address.parse(url).keepalive,
        retry_on_timeout=False,
        max_connections=MAX_CONNECTIONS,
        encoding="utf8",
    )
    return ArqRedis(
        pool_or_conn=connections,
        job_serializer=msgspec.msgpack.encode,
        job_deserializer=msgspec.msgpack.decode,
        default_queue_name=keys.JOBS,
    )


def _worker(pool: ArqRedis, context: dict[Any, Any], jobs: Sequence[Scheduled]) -> Worker:
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
        queue_name=keys.JOBS,
        redis_pool=pool,
        ctx=context,
        job_serializer=msgspec.msgpack.encode,
        job_deserializer=msgspec.msgpack.decode,
        handle_signals=False,
        keep_result=0,
        log_results=False,
    )


async def _end(worker: Worker, pool: ArqRedis) -> None:
    """Stop what still runs, and close; arq's own `close` waits for Redis, and raises where there is none."""
    running = [task for task in (worker.main_task, *worker.tasks.values()) if task is not None]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    with contextlib.suppress(RedisError, OSError):
        await pool.aclose(close_connection_pool=True)


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
