"""What a process shows of itself: `/metrics`, `/healthz`, `/readyz`, and the lag of its event loop.

`/healthz` tells that the loop turns and never asks Redis: a restart mends a hung process, not a missing Redis.
`/readyz` tells whether work should be sent here: 200, or 503 with the reasons. The operators' listener of an edge adds
these routes to its own application (`add_routes`); an edge without one (`app`) and a worker (`serve`) have no others.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from importlib.metadata import version
from platform import python_version
from typing import Final

import msgspec
from aiohttp import web

from shared import metrics
from shared.clock import Clock, SystemClock

Reasons = Callable[[], Sequence[str] | Awaitable[Sequence[str]]]
"""Returns why the process is not ready; empty when it is."""

LAG_INTERVAL_S: Final = 0.5


class Health(msgspec.Struct, frozen=True):
    """The body of `/healthz` and `/readyz`."""

    status: str
    reasons: Sequence[str] = ()


def add_routes(app: web.Application, not_ready: Reasons) -> None:
    """Add `/metrics`, `/healthz` and `/readyz` to an application."""

    async def ready(_request: web.Request) -> web.Response:
        found = not_ready()
        reasons = await found if isinstance(found, Awaitable) else found
        return _answer(Health("unready", reasons), 503) if reasons else _answer(Health("ready"), 200)

    app.router.add_get("/metrics", _metrics)
    app.router.add_get("/healthz", _healthy)
    app.router.add_get("/readyz", ready)


def app(not_ready: Reasons) -> web.Application:
    """Return an application of the three routes and nothing else."""
    made = web.Application()
    add_routes(made, not_ready)
    return made


async def serve(host: str, port: int, not_ready: Reasons) -> tuple[web.AppRunner, int]:
    """Serve the three routes; returns the runner, whose `cleanup` ends it, and the port (for port 0: the one it got).

    Raises `OSError` when the port is taken.
    """
    runner = web.AppRunner(app(not_ready), access_log=None, handle_signals=False)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError:
        await runner.cleanup()
        raise
    address = runner.addresses[0]
    return runner, int(address[1])


async def watch_loop_lag(clock: Clock | None = None, interval_s: float = LAG_INTERVAL_S) -> None:
    """Observe, until cancelled, how late the loop wakes this task; run one per process."""
    clock = clock or SystemClock()
    lag = metrics.EVENT_LOOP_LAG_SECONDS.labels()
    while True:
        begun = clock.monotonic()
        await clock.sleep(interval_s)
        lag.observe(max(0.0, clock.monotonic() - begun - interval_s))


def loop_name() -> str:
    """Return which event loop runs, for `build_info` and the start-up line: `uvloop` or `asyncio`."""
    return type(asyncio.get_running_loop()).__module__.split(".")[0]


def runtime() -> dict[str, str]:
    """Return what runs here, for the start-up line: version, Python, event loop."""
    return {"version": version("ampstream"), "python": python_version(), "loop": loop_name()}


async def _metrics(_request: web.Request) -> web.Response:
    return web.Response(body=await metrics.exposition(), headers={"Content-Type": metrics.CONTENT_TYPE})


async def _healthy(_request: web.Request) -> web.Response:
    return _answer(Health("ok"), 200)


def _answer(health: Health, status: int) -> web.Response:
    return web.Response(body=msgspec.json.encode(health), status=status, content_type="application/json")
