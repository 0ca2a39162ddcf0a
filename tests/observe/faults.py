"""What goes wrong, and which alert must say so."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final

from ampstream.simulate.station import Station
from tests.chaos.launchers.defect import DEFECT
from tests.e2e.field import BOOT, Field
from tests.observe import load
from tests.observe.stage import Stage
from tests.observe.watching import Sign

_POISONED: Final = 7
"""More than the 5 within 10 minutes that QuarantineGrowing lets pass."""


@dataclass(frozen=True)
class Fault:
    """A fault: how it is done (for the length of a block), and what has to fire.

    `besides` are critical alerts that are a true consequence of the fault, and why they are.
    """

    name: str
    done: Callable[[Stage], AbstractAsyncContextManager[None]]
    signs: Callable[[Stage], tuple[Sign, ...]]
    besides: tuple[tuple[str, str], ...] = ()
    within_s: float = 30
    resolved_s: float = 30


@contextlib.asynccontextmanager
async def _bad_credentials(stage: Stage) -> AsyncIterator[None]:
    """Six wrong passwords a second."""

    async def guess() -> None:
        number = 0
        while True:
            attempts = [load.knock(stage, number + n) for n in range(6)]
            await asyncio.gather(*attempts, asyncio.sleep(1))
            number += len(attempts)

    task = asyncio.create_task(guess())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@contextlib.asynccontextmanager
async def _mass_disconnect(stage: Stage) -> AsyncIterator[None]:
    """A network with two fifths of the stations is gone."""
    stage.fleets["SOUTH"].kill()
    yield
    stage.fleets["SOUTH"].start()


@contextlib.asynccontextmanager
async def _edge_killed(stage: Stage) -> AsyncIterator[None]:
    """`kill -9` of an edge; its stations fail over to the other, but for three that know only this one."""
    edge = stage.system.edges[1]
    orphans = [Station(stage.system.station_url(1), f"ORPHAN-{number}") for number in range(3)]
    for orphan in orphans:
        await orphan.connect()
        await orphan.call("BootNotification", BOOT)
    edge.kill()
    yield
    await stage.system.restart(edge)


@contextlib.asynccontextmanager
async def _worker_killed(stage: Stage) -> AsyncIterator[None]:
    """`kill -9` of a worker; the other takes over what it had in hand."""
    worker = stage.system.workers[0]
    worker.kill()
    yield
    await stage.system.restart(worker)


@contextlib.asynccontextmanager
async def _poison(stage: Stage) -> AsyncIterator[None]:
    """Frames whose handler raises in every try, as a defect of ours would."""

    async def send(number: int) -> None:
        async with Field(stage.system, f"POISON-{number}") as field:
            await field.boot()
            with contextlib.suppress(*load.TROUBLE):
                await field.say("DataTransfer", vendorId=DEFECT)

    sent = [asyncio.create_task(send(number)) for number in range(_POISONED)]
    yield
    await asyncio.gather(*sent, return_exceptions=True)


@contextlib.asynccontextmanager
async def _redis_stopped(stage: Stage) -> AsyncIterator[None]:
    """`kill -9` of Valkey; edges send their stations away until it is back."""
    stage.system.valkey.kill()
    yield
    await stage.serve_redis()
    await stage.system.ready()


FAULTS: Final = (
    Fault(
        "bad credentials",
        _bad_credentials,
        lambda _: (Sign("ConnectRejectSpike", {"result": "auth_failed"}),),
        within_s=90,
        resolved_s=60,
    ),
    Fault("mass disconnect", _mass_disconnect, lambda _: (Sign("StationsOfflineMassEvent"),), within_s=60),
    Fault(
        "an edge killed",
        _edge_killed,
        lambda stage: (Sign("TargetDown", {"instance": stage.instance(stage.system.edges[1])}),),
    ),
    Fault(
        "a worker killed",
        _worker_killed,
        lambda stage: (Sign("TargetDown", {"instance": stage.instance(stage.system.workers[0])}),),
    ),
    Fault(
        "poison frames",
        _poison,
        lambda _: (Sign("QuarantineGrowing", {"reason": "poison"}),),
        resolved_s=75,
    ),
    Fault(
        "Redis stopped",
        _redis_stopped,
        lambda _: (Sign("TargetDown", {"job": "redis"}), Sign("EdgeFailedClosed")),
        besides=(
            ("AckLatencyBudgetBurnFast", "unanswered CALLs are what this does to stations, for a while"),
            (
                "StreamLagHigh",
                "the first sample shows what waited meanwhile; it stands for 5 s, and a minute is four here",
            ),
            ("StationsOfflineMassEvent", "every station was sent away, and shows as offline until it is back"),
        ),
        resolved_s=90,
    ),
)
"""In this order: what burns the error budget comes last, for its windows remember."""
