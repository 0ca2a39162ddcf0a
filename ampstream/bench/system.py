"""The system under test: Valkey, one worker and one edge, as `ampstream up` starts them, in a directory of its own.

Production's defaults, with these exceptions: stations and id tags come unannounced, and ports are free ones. Every
station of the load gets a key of its own and logs in by Basic. Metrics and INFO logging are on.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import aiohttp
import hiredis
import msgspec

from ampstream.configured import configured
from ampstream.up import lock, valkey
from ampstream.up.child import Spec
from ampstream.up.plan import Options, Plan, make, operator_url, station_url, worker_url
from ampstream.up.supervisor import Supervisor
from shared.bus import keys
from shared.bus.lane import Lane
from shared.credentials import hash_key, load_pepper, make_key
from shared.records.queries import tokens
from shared.settings import Settings

_PROCESSES: Final = {"edge": "edge-0", "worker": "worker-0", "redis": "valkey"}
_BATCH: Final = 500


class System(msgspec.Struct, frozen=True):
    """A running system: where it listens, and who it is."""

    settings: Settings
    stations_url: str
    api_url: str
    token: str
    pids: dict[str, int]
    """By `edge`, `worker` and `redis`."""
    lane: Lane
    metrics_urls: tuple[str, ...] = ()

    async def make_keys(self, station_ids: Sequence[str]) -> dict[str, bytes]:
        """Give each station a key, stored hashed as an edge expects it; return the keys."""
        pepper = await load_pepper(self.lane)
        made = {station_id: make_key() for station_id in station_ids}
        commands = [("HSET", keys.door(name), "key", hash_key(key, pepper)) for name, key in made.items()]
        for begin in range(0, len(commands), _BATCH):
            for reply in await self.lane.execute(commands[begin : begin + _BATCH]):
                if isinstance(reply, hiredis.ReplyError):
                    raise reply
        return {name: key.encode() for name, key in made.items()}


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


@contextlib.asynccontextmanager
async def running(
    directory: Path, module: str = "ampstream", settings: Mapping[str, str] | None = None
) -> AsyncIterator[System]:
    """Run a system in an empty directory for the length of the block; `module` is what edge and worker are run by.

    Stations are not asked for their configuration unless `settings` say so: what the load sends is what is measured.
    """
    station_port, http_port, worker_port, transfer_port = _free_ports(4)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AMPSTREAM_")} | {
        "AMPSTREAM_STATION_PORT": str(station_port),
        "AMPSTREAM_HTTP_PORT": str(http_port),
        "AMPSTREAM_WORKER_PORT": str(worker_port),
        "AMPSTREAM_TRANSFER_PORT": str(transfer_port),
        "AMPSTREAM_UNKNOWN_STATIONS": "accept",
        "AMPSTREAM_UNKNOWN_TAGS": "accept",
        "AMPSTREAM_CONFIGURATION_READ_S": "0",
        **(settings or {}),
    }
    loaded = configured(environ=environ)
    told: list[str] = []
    (directory / "logs").mkdir()
    valkey.write_config(directory / "redis")
    with lock.data_directory(directory) as descriptor:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as http:
            plan = _run_by(module, make(Options(data=directory, stations=0), loaded, environ, http))
            supervisor = Supervisor(plan, directory, descriptor, told.append)
            try:
                await supervisor.start(asyncio.Event())
                told.clear()  # Who is slow to start says so.
                async with _lane(plan.redis_url) as lane:
                    token, _ = await tokens.create(lane, "bench", "operate")
                    yield System(
                        settings=loaded.settings,
                        stations_url=station_url(loaded.settings),
                        api_url=operator_url(loaded.settings),
                        token=token,
                        pids=_pids(supervisor),
                        lane=lane,
                        metrics_urls=(
                            f"{operator_url(loaded.settings)}/metrics",
                            f"{worker_url(loaded.settings)}/metrics",
                        ),
                    )
                    if told:
                        raise RuntimeError("a process of the system died under load: " + "; ".join(told))
            finally:
                await supervisor.stop()


def _run_by(module: str, plan: Plan) -> Plan:
    """Return the plan with another module in the place of the command line."""

    def changed(spec: Spec) -> Spec:
        command = tuple(module if part == "ampstream" else part for part in spec.command)
        return msgspec.structs.replace(spec, command=command)

    return msgspec.structs.replace(plan, stages=tuple(tuple(map(changed, stage)) for stage in plan.stages))


@contextlib.asynccontextmanager
async def _lane(redis_url: str) -> AsyncIterator[Lane]:
    lane = Lane(redis_url, name="bench", timeout_s=10.0)
    try:
        yield lane
    finally:
        await lane.close()


def _pids(supervisor: Supervisor) -> dict[str, int]:
    found = {child.spec.name: child.pid for child in supervisor.children}
    return {name: found[process] or 0 for name, process in _PROCESSES.items()}
