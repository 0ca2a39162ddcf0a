"""A worker process: partition consumers, sweeps, gauges and arq, supervised; health and metrics beside them.

It holds nothing: it can be killed, added or replaced at any moment.
"""

from __future__ import annotations

import asyncio
import secrets
import signal
import socket
from collections.abc import Awaitable, Callable
from typing import Final

import hiredis

from shared import memory, metrics, observe, quirk_profiles, tracing
from shared.bus import keys, streams
from shared.bus.lane import Lane, LaneLost
from shared.bus.lease import Lease
from shared.bus.server import Server, Unfit, verify
from shared.logs import get_logger
from shared.ocpp.actions import actions_of
from shared.ocpp.versions import OCPP16
from shared.policy import Policy, of_settings
from shared.settings import Settings
from workers import authorizer
from workers.consumer.partition import PartitionConsumer
from workers.heartbeat import Heartbeat
from workers.jobs import maintenance, quotas, runner, security
from workers.jobs.bulk.keeping import forget_jobs
from workers.jobs.bulk.runner import Runner
from workers.jobs.demand.runner import Conductor
from workers.jobs.firmware.keeping import forget_campaigns
from workers.jobs.firmware.runner import Runner as Campaigns
from workers.jobs.local_lists import runner as local_lists
from workers.jobs.reconcile import reconcile
from workers.jobs.runner import Scheduled
from workers.jobs.signing import Signer
from workers.jobs.sites.runner import Runner as Sites
from workers.jobs.stuck import count_stuck
from workers.services import authorization_elsewhere, quirks
from workers.sweeps import expiry, models
from workers.sweeps.due import HOLD_MS, Sweep
from workers.sweeps.fleet import Fleet

log = get_logger(__name__)

HEARTBEAT_S: Final = 1.0
GAUGES_S: Final = 5.0
RETRY_S: Final = 0.5
LEAVE_S: Final = 5.0
JOBS: Final = (
    Scheduled(quotas.trim_events, frozenset({5})),
    Scheduled(quotas.trim_quarantine, frozenset({50})),
    Scheduled(security.trim_security_events, frozenset({10})),
    Scheduled(security.trim_audit, frozenset({12}), frozenset({7})),
    Scheduled(security.check_audit, frozenset({12}), frozenset({37})),
    Scheduled(quotas.trim_histories, frozenset({55}), frozenset(range(5, 60, 10))),
    Scheduled(maintenance.reap_consumers, frozenset({15, 45})),
    Scheduled(maintenance.free_places, frozenset({25})),
    Scheduled(maintenance.mend_indexes, frozenset({35}), frozenset(range(0, 60, 10))),
    Scheduled(count_stuck, frozenset({40})),
    Scheduled(reconcile, frozenset({0, 30})),
    Scheduled(forget_jobs, frozenset({20}), frozenset(range(5, 60, 10))),
    Scheduled(forget_campaigns, frozenset({22}), frozenset(range(5, 60, 10))),
)


async def run(settings: Settings, *, name: str = "") -> None:
    """Serve until SIGTERM or SIGINT, then end after the batches in hand."""
    worker = Worker(settings, name or socket.gethostname())
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    await worker.serve(stopped)


class Worker:
    """One incarnation; its name is unique, so that nobody takes its pending entries for their own."""

    def __init__(self, settings: Settings, name: str) -> None:
        self.name = f"{name}-{secrets.token_hex(4)}"
        self._settings = settings
        self._policy: Policy = of_settings(settings)
        quirks.install(quirk_profiles.load(settings.quirk_profiles_dir))
        self._lane = self._new_lane("worker")
        self._sweep_lane = self._new_lane("sweeper")
        self._jobs_lane = self._new_lane("jobs")
        self._heartbeat = Heartbeat(self._lane, self.name, settings.node_ttl_s)
        self._commit_lanes: list[Lane] = []
        self._consumers: list[PartitionConsumer] = []
        self._server: Server | None = None
        self._unfit = ""
        self._connects = 0
        self._url = ""
        self._authorizer = authorizer.Client(settings) if settings.authorizer_url else None
        authorization_elsewhere.install(asks=self._authorizer is not None)
        self._tracer = tracing.open_tracer(settings, "ampstream-worker", self.name)

    def _new_lane(self, name: str) -> Lane:
        return Lane(self._settings.redis_url, name=name, timeout_s=self._settings.redis_timeout_s)

    def _commit_lane(self, partition: int) -> Lane:
        """Return the lane that all share; with a replica barrier each partition has its own, lest they queue for it."""
        if not self._settings.replica_barrier:
            return self._lane
        self._commit_lanes.append(self._new_lane(f"commit-{partition}"))
        return self._commit_lanes[-1]

    async def serve(self, stopped: asyncio.Event) -> None:
        """Wait for a Redis that may be trusted, serve until `stopped`, then leave in order."""
        memory.settle()
        actions = actions_of(OCPP16)
        metrics.register_actions(actions.from_station, actions.from_csms)
        metrics.set_build_info(observe.loop_name())
        runner_, port = await observe.serve(self._settings.worker_host, self._settings.worker_port, self._reasons)
        self._url = f"http://{self._settings.worker_host}:{port}/metrics"
        log.info("worker listens", name=self.name, metrics=self._url)
        try:
            partitions = await self._ready(stopped)
            if partitions:
                await self._work(partitions, stopped)
        finally:
            for lane in (self._lane, *self._commit_lanes):
                await lane.close()
            await self._sweep_lane.close()
            await self._jobs_lane.close()
            if self._authorizer is not None:
                await self._authorizer.close()
            await runner_.cleanup()
            if self._tracer is not None:
                await asyncio.to_thread(self._tracer.close)
        log.info("worker ended", name=self.name)

    async def _ready(self, stopped: asyncio.Event) -> int:
        """Return the number of partitions once Redis may be trusted; 0 where the worker was stopped first."""
        waited = False
        while not stopped.is_set():
            try:
                self._server = await verify(self._lane, self._settings)
                self._connects = self._lane.connects
                partitions = await streams.partitions(self._lane, self._settings.partitions)
                await models.refresh(self._lane)  # Before the first frame: a rule may say in what unit a meter counts.
            except (LaneLost, hiredis.ReplyError, Unfit) as error:
                self._unfit = str(error)
                if not waited:
                    log.warning("waiting for Redis", error=str(error))
                waited = True
                await _pause(stopped, RETRY_S)
            else:
                self._unfit = ""
                self._say_what_runs(partitions)
                return partitions
        return 0

    def _say_what_runs(self, partitions: int) -> None:
        log.info(
            "worker serves",
            name=self.name,
            metrics=self._url,
            redis=self._settings.redis_url.masked(),
            server=self._server.name if self._server is not None else "",
            partitions=partitions,
            **observe.runtime(),
        )

    async def _work(self, partitions: int, stopped: asyncio.Event) -> None:
        self._consumers = [
            PartitionConsumer(
                self._settings,
                self._policy,
                number,
                self.name,
                self._commit_lane(number),
                self._tracer,
                self._authorizer,
                partitions=partitions,
            )
            for number in range(partitions)
        ]
        consuming = [asyncio.create_task(self._supervised(each.run)) for each in self._consumers]
        sweeper = Lease(self._sweep_lane, keys.SWEEPER, self.name, HOLD_MS)
        jobs = Runner(self._jobs_lane, self._settings, partitions, self.name)
        campaigns = Campaigns(self._jobs_lane, self._settings, partitions, self.name)
        sites = Sites(self._jobs_lane, self._settings, partitions, self.name)
        lists = local_lists.Runner(self._jobs_lane, self._settings, self.name)
        demand = Conductor(self._jobs_lane, self._settings, partitions, self.name)
        helping: list[Callable[[], Awaitable[None]]] = [
            *(each.run for each in (jobs, campaigns, sites, lists, demand)),
            lambda: Signer(self._jobs_lane, self._settings, partitions, self.name).run(),
            lambda: self._sweeping(partitions, sweeper),
            lambda: self._showing(partitions),
            lambda: runner.run(self._settings, self._sweep_lane, partitions, JOBS),
            self._beating,
            observe.watch_loop_lag,
        ]
        helpers = [asyncio.create_task(self._supervised(each)) for each in helping]
        await stopped.wait()
        log.info("worker drains", name=self.name)
        for consumer in self._consumers:
            consumer.stop()
        await asyncio.wait(consuming, timeout=self._settings.drain_s)
        for task in (*consuming, *helpers):
            task.cancel()
        # Bounded: what a library does on its way out, with Redis gone, must not keep the process.
        await asyncio.wait([*consuming, *helpers], timeout=LEAVE_S)
        for consumer in self._consumers:
            await consumer.close()
        await self._leave(sweeper, jobs.lease, sites, lists.lease, demand.lease, campaigns.lease)

    async def _supervised(self, task: Callable[[], Awaitable[None]]) -> None:
        """Run a task and start it again should it end with an error: a defect in one must not stop the others."""
        while True:
            try:
                await task()
            except (LaneLost, hiredis.ReplyError) as error:
                log.warning("task waits for Redis", error=str(error))
            except asyncio.CancelledError:
                raise
            except Exception:
                log.exception("task failed; it starts again")
            else:
                return
            await asyncio.sleep(RETRY_S)

    async def _beating(self) -> None:
        """Say that this worker lives, and look at the server again whenever the connection is another."""
        while True:
            try:
                now_ms = await self._heartbeat.beat()
                if self._connects != self._lane.connects:
                    await self._look_again()
            except Unfit as error:
                # Ending is the safe answer: whoever supervises starts us again, and `_ready` waits for a better Redis.
                log.error("Redis must not be served any more", error=str(error))  # noqa: TRY400 - the text says it all
                signal.raise_signal(signal.SIGTERM)
                return
            metrics.WORKER_HEARTBEAT.labels().set(now_ms / 1000)
            await asyncio.sleep(HEARTBEAT_S)

    async def _look_again(self) -> None:
        connects = self._lane.connects
        server = await verify(self._lane, self._settings)
        if self._server is not None and server.run_id != self._server.run_id:
            log.warning("Redis is another process than before", redis=server.name, role=server.role)
        self._server, self._connects = server, connects

    async def _sweeping(self, partitions: int, lease: Lease) -> None:
        expiries = expiry.Expiries()
        listening = asyncio.create_task(expiry.listen(self._settings.redis_url.reveal(), expiries))
        sweep = Sweep(self._sweep_lane, self._settings, partitions)
        try:
            while True:
                expired = expiries.take()
                if await lease.mine():
                    await sweep.run(expired)
                await expiries.wait(self._settings.sweep_interval_s)
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    async def _showing(self, partitions: int) -> None:
        fleet = Fleet(self._sweep_lane, partitions)
        while True:
            await fleet.refresh()
            await models.refresh(self._sweep_lane)
            await asyncio.sleep(GAUGES_S)

    async def _leave(self, *leases: Lease | Sites) -> None:
        try:
            for one in leases:
                await one.resign()
            await self._heartbeat.leave()
        except (LaneLost, hiredis.ReplyError) as error:
            log.info("left without saying so", error=str(error))

    def _reasons(self) -> list[str]:
        if self._unfit or not self._consumers:
            return [self._unfit or "starting"]
        return [f"partition {each.partition} waits for Redis" for each in self._consumers if not each.reading]


async def _pause(event: asyncio.Event, seconds: float) -> None:
    """Wait for the event, but no longer than `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
