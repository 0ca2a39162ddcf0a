"""`ampstream up`: its options, what it prints, and its live line."""

import asyncio
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import aiohttp
import click
from rich.console import Console
from rich.live import Live

from ampstream import operator_token
from ampstream.configured import configured
from ampstream.up import lock, selfmade, status, valkey
from ampstream.up.plan import Options, Plan, beside, defaults, make, redis_probe, station_ids
from ampstream.up.provision import Provisioner
from ampstream.up.supervisor import Supervisor, signals
from shared.bus.lane import Lane
from shared.settings import Loaded

PORT: Final = click.IntRange(1, 65000)
LINE_S: Final = 5.0
"""How often a plain line is printed where there is no terminal."""


@click.command()
@click.option("--stations", default=5, show_default=True, type=click.IntRange(0, 100_000), help="Simulated stations.")
@click.option("--speed", default=10.0, show_default=True, type=click.FloatRange(0.1, 3600), help="How fast they live.")
@click.option(
    "--data",
    default=Path("data"),
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where everything is kept: Valkey's files, logs, the operator's token.",
)
@click.option("--station-port", type=PORT, help="Stations dial in here; edge i listens on this + i.  [default: 9000]")
@click.option("--http-port", type=PORT, help="API, feed, health and metrics; edge i on this + i.  [default: 8080]")
@click.option(
    "--transfer-port", type=PORT, help="Files for stations; edge i on this + i.  [default: --station-port + 80]"
)
@click.option(
    "--tls-port", type=PORT, help="Stations over TLS, with --tls; edge i on this + i.  [default: --station-port + 443]"
)
@click.option("--worker-port", type=PORT, help="Health and metrics of worker i on this + i.  [default: 8180]")
@click.option("--edges", default=1, show_default=True, type=click.IntRange(1, 64), help="Processes that hold sockets.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Processes that decide.")
@click.option(
    "--unknown-stations",
    type=click.Choice(["accept", "reject"]),
    help="What happens to stations that nobody created.  [default: accept]",
)
@click.option(
    "--tls",
    is_flag=True,
    help="Also over TLS, with certificates made for it in DATA/tls; stations use it, for files too.",
)
def up(*, stations: int, speed: float, data: Path, edges: int, workers: int, tls: bool, **settings: Any) -> None:
    """Run everything on this machine, with charging stations.

    Starts an embedded Valkey (or uses $AMPSTREAM_REDIS_URL), workers, edges and simulated stations as real processes,
    restarts one that dies, and ends them in order on Ctrl-C. Started again on the same --data it has everything that it
    had. Logs are in DATA/logs. A second system on one machine needs other --data, --station-port, --http-port and
    --worker-port.
    """
    environ = defaults(os.environ)
    if tls:
        environ = selfmade.variables(data) | environ
    loaded = configured(beside(settings, environ), environ)
    options = Options(data=data, stations=stations, edges=edges, workers=workers, speed=speed, tls=tls)
    with lock.data_directory(data) as descriptor:
        asyncio.run(_run(options, loaded, environ, descriptor))


async def _run(options: Options, loaded: Loaded, environ: dict[str, str], descriptor: int) -> None:
    console = Console()
    (options.data / "logs").mkdir(exist_ok=True)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as http:
        plan = make(options, loaded, environ, http)
        lock.check_ports(plan.ports)
        if plan.embedded:
            valkey.write_config(options.data / "redis")
        elif reason := await redis_probe(plan.redis_url)():
            raise click.ClickException(
                f"Redis at {loaded.settings.redis_url}: {reason}; `ampstream doctor` looks closer"
            )
        supervisor = Supervisor(plan, options.data, descriptor, _teller(console))
        stop = asyncio.Event()
        with signals(stop, supervisor.hurry):
            try:
                await _serve(supervisor, options, console, http, stop)
            finally:
                stop.set()
                console.print("ending ...")
                await supervisor.stop()


async def _serve(
    supervisor: Supervisor, options: Options, console: Console, http: aiohttp.ClientSession, stop: asyncio.Event
) -> None:
    plan, token_path = supervisor.plan, options.data / "operator.token"

    async def announce() -> None:
        token = await operator_token.ensure(plan.redis_url, token_path)
        _print_urls(console, plan, options, token, token_path)
        if plan.passwords is not None:
            made = await Provisioner(http, plan.operator_url, token, plan.passwords).ensure(station_ids(options))
            console.print(
                f"  unknown stations are rejected: {made} created, keys in {plan.passwords}\n", highlight=False
            )

    console.print(f"starting {', '.join(spec.name for stage in plan.stages for spec in stage)} ...", highlight=False)
    await supervisor.start(stop, {"edge-0": announce})
    if stop.is_set():
        return
    lane = Lane(plan.redis_url, name="up", timeout_s=2.0)
    reader = status.SystemReader(lane, http, _metrics_of_edges(plan))
    try:
        await _show(supervisor, reader, console, stop)
    finally:
        await lane.close()


def _teller(console: Console) -> Callable[[str], None]:
    def tell(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    return tell


def _metrics_of_edges(plan: Plan) -> list[str]:
    specs = [spec for stage in plan.stages for spec in stage if spec.name.startswith("edge-")]
    return [dict(spec.urls)["metrics"] for spec in specs]


def _print_urls(console: Console, plan: Plan, options: Options, token: str, token_path: Path) -> None:
    rows = [
        (f"{spec.name} {label}", url)
        for stage in plan.stages
        for spec in stage
        for label, url in spec.urls
        if label != "redis" or plan.embedded
    ]
    rows.append(("operator token", f"{token}  (in {token_path})"))
    width = max(len(label) for label, _ in rows)
    console.print()
    for label, value in rows:
        console.print(f"  [cyan]{label.ljust(width)}[/cyan]  {value}", highlight=False, soft_wrap=True)
    console.print()
    if options.stations:
        lives = "1 station lives" if options.stations == 1 else f"{options.stations} stations live"
        console.print(f"  {lives} {options.speed:g} times as fast as real ones (--speed).", highlight=False)
    console.print("  Ctrl-C ends everything in order; started again, it has everything that it had.\n", highlight=False)


async def _show(supervisor: Supervisor, reader: status.Reader, console: Console, stop: asyncio.Event) -> None:
    begun = time.monotonic()
    if not (console.is_terminal and sys.stdout.isatty()):
        await _show_lines(supervisor, reader, console, stop)
        return
    with Live(console=console, auto_refresh=False) as live:
        async for _ in supervisor.watch(stop):
            live.update(status.table(await reader.read(), supervisor.children, time.monotonic() - begun), refresh=True)


async def _show_lines(supervisor: Supervisor, reader: status.Reader, console: Console, stop: asyncio.Event) -> None:
    shown = 0.0
    async for _ in supervisor.watch(stop):
        if time.monotonic() - shown >= LINE_S:
            shown = time.monotonic()
            figures = await reader.read()
            console.print(status.line(figures, supervisor.children), highlight=False, soft_wrap=True, markup=False)
