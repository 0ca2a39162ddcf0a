"""`ampstream simulate`: options, the run, and its status line."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from ampstream import loop
from ampstream.simulate.behaviours import Behaviour, combined
from ampstream.simulate.drawlog import DrawFile
from ampstream.simulate.fleet import Access, Fleet, Status, TooManyStations, allow_sockets
from ampstream.simulate.ledger import Book, FileLedger, LedgerError, read
from ampstream.simulate.makes import EVERYTHING
from ampstream.simulate.models import BY_NAME, MODELS
from ampstream.simulate.profiles import PROFILES, random_for
from ampstream.simulate.transfers import HttpMover
from ampstream.simulate.websocket import Endpoint
from ampstream.simulate.wheel import LoopWheel
from ampstream.simulate.world import World

_FINISH_S: Final = 120.0
_DEFAULT_TAGS: Final = ",".join(f"SIMTAG{n:02d}" for n in range(1, 21))


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line asked for."""

    stations: int
    endpoints: tuple[Endpoint, ...]
    profile: str
    seed: str
    speed: float
    duration_s: float
    prefix: str
    tags: tuple[str, ...]
    ledger: Path | None
    access: Access
    output: str
    """`line`, `json` or `quiet`."""
    finish: bool
    connect_rate: float
    sources: tuple[str, ...]
    model: str | None = None
    draw_log: Path | None = None
    behaviours: tuple[tuple[str, float], ...] = ()
    """Names, and how many per cent of the stations have each."""

    def station_ids(self) -> list[str]:
        """Name the stations: `SIM-00001` and on."""
        return [f"{self.prefix}{number:05d}" for number in range(1, self.stations + 1)]

    def behaviour_of(self, station_id: str) -> Behaviour:
        """Choose how a station deviates: the same for the same seed."""
        return combined(
            EVERYTHING[name]
            for name, percent in self.behaviours
            if random_for(self.seed, station_id, "behaviour", name).random() * 100 < percent
        )


_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
_BEHAVIOURS_HELP: Final = "\b\nBehaviours:\n" + "\n".join(
    f"  {name:<22}{behaviour.summary}" for name, behaviour in EVERYTHING.items()
)


@click.command(short_help="Dial in as a fleet of charging stations.", epilog=_BEHAVIOURS_HELP)
@click.option("--stations", type=click.IntRange(1, 200_000), default=5, show_default=True, help="How many.")
@click.option(
    "--url",
    "urls",
    multiple=True,
    default=("ws://127.0.0.1:9000/ocpp",),
    show_default=True,
    help="Where they dial, without the station id; repeat it for several edges: stations fail over between them.",
)
@click.option(
    "--profile",
    type=click.Choice(list(PROFILES)),
    default="steady",
    show_default=True,
    help="; ".join(f"{profile.name}: {profile.summary}" for profile in PROFILES.values()) + ".",
)
@click.option(
    "--behaviour",
    "behaviours",
    multiple=True,
    metavar="NAME[:PERCENT]",
    help="How stations deviate, all or some per cent of them; repeat it to combine. The names are below.",
)
@click.option(
    "--model",
    type=click.Choice([model.name for model in MODELS], case_sensitive=False),
    help="All stations are of this model.  [default: a mix]",
)
@click.option("--seed", default="1", show_default=True, help="The same seed gives the same cars at the same times.")
@click.option("--speed", type=click.FloatRange(0.1, 3600), default=1.0, show_default=True, help="Simulated s per s.")
@click.option("--duration", type=click.FloatRange(0), default=0.0, help="Seconds until the end; 0: until Ctrl-C.")
@click.option("--prefix", default="SIM-", show_default=True, help="Station ids are this and five digits.")
@click.option("--id-tags", default=_DEFAULT_TAGS, help="Cards in use, comma separated.  [default: SIMTAG01 to 20]")
@click.option("--ledger", type=click.Path(dir_okay=False, path_type=Path), help="Record of what stations report.")
@click.option(
    "--draw-log", type=click.Path(dir_okay=False, path_type=Path), help="Record of what cars truly draw, told or not."
)
@click.option("--key", help="Password of every station (HTTP Basic); visible to others on this machine.")
@click.option(
    "--password-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Passwords, one STATION:PASSWORD a line; `*` stands for all others.",
)
@click.option("--ca", type=_FILE, help="PEM file with who may sign the CSMS's certificate, for wss://.")
@click.option(
    "--certificates",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Directory with stations' own certificates and keys: <station id>.pem.",
)
@click.option("--finish", is_flag=True, help="At the end, stop all sessions and wait until they are reported.")
@click.option("--connect-rate", type=click.FloatRange(0), default=400.0, show_default=True, help="Dials per second.")
@click.option("--source", "sources", multiple=True, help="Local address to dial from; repeat it for several.")
@click.option("--quiet", is_flag=True, help="No status.")
@click.option("--json", "as_json", is_flag=True, help="Status as one JSON object a line.")
def simulate(
    stations: int,
    urls: tuple[str, ...],
    profile: str,
    behaviours: tuple[str, ...],
    model: str | None,
    seed: str,
    speed: float,
    duration: float,
    prefix: str,
    id_tags: str,
    ledger: Path | None,
    draw_log: Path | None,
    finish: bool,
    connect_rate: float,
    sources: tuple[str, ...],
    quiet: bool,
    as_json: bool,
    **proofs: Any,
) -> None:
    """Dial in as a fleet of charging stations.

    OCPP 1.6-J stations of several makes charge cars, over and over, until Ctrl-C. With a ledger they remember: started
    again on it, sessions go on and what was not answered is reported again. They answer every message of 1.6 and its
    security extension, and can be told to be difficult about it.
    """
    options = Options(
        stations=stations,
        endpoints=_endpoints(urls),
        profile=profile,
        seed=seed,
        speed=speed,
        duration_s=duration,
        prefix=prefix,
        tags=_tags(id_tags),
        ledger=ledger,
        access=_access(**proofs),
        output="quiet" if quiet else "json" if as_json else "line",
        finish=finish,
        connect_rate=connect_rate,
        sources=sources,
        model=model,
        draw_log=draw_log,
        behaviours=_behaviours(behaviours),
    )
    try:
        allow_sockets(stations)
        loop.run(_run(options))
    except (TooManyStations, LedgerError, OSError) as error:
        raise click.ClickException(str(error)) from None


def _endpoints(urls: Sequence[str]) -> tuple[Endpoint, ...]:
    try:
        return tuple(Endpoint.parse(url) for url in urls)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--url") from None


def _behaviours(given: Sequence[str]) -> tuple[tuple[str, float], ...]:
    chosen: list[tuple[str, float]] = []
    for text in given:
        name, separator, share = text.partition(":")
        try:
            percent = float(share) if separator else 100.0
        except ValueError:
            percent = -1.0
        if name not in EVERYTHING:
            raise click.BadParameter(f"{name!r} is none of {', '.join(EVERYTHING)}", param_hint="--behaviour")
        if not 0 <= percent <= 100:
            raise click.BadParameter(f"{text!r}: the share is 0 to 100 per cent", param_hint="--behaviour")
        chosen.append((name, percent))
    return tuple(chosen)


def _tags(text: str) -> tuple[str, ...]:
    tags = tuple(tag.strip() for tag in text.split(",") if tag.strip())
    if not tags or any(len(tag) > 20 for tag in tags):
        raise click.BadParameter("wants one or more tags of at most 20 characters", param_hint="--id-tags")
    return tags


def _access(key: str | None, password_file: Path | None, ca: Path | None, certificates: Path | None) -> Access:
    common = key.encode() if key is not None else None
    if password_file is None:
        return Access(common, ca=ca, certificates=certificates)
    passwords: dict[str, bytes] = {}
    for number, line in enumerate(password_file.read_bytes().splitlines(), 1):
        name, separator, password = line.partition(b":")
        if not line.strip():
            continue
        if not separator or not name:
            raise click.BadParameter(
                f"{password_file}, line {number}: not STATION:PASSWORD", param_hint="--password-file"
            )
        passwords[name.decode(errors="replace")] = password
    return Access(passwords.pop("*", common), passwords, ca, certificates)


async def _run(options: Options) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    book = read(options.ledger) if options.ledger is not None and options.ledger.exists() else Book()
    wheel = LoopWheel()
    ledger = FileLedger(options.ledger, options.seed, _wall_ms()) if options.ledger is not None else None
    draws = DrawFile(options.draw_log) if options.draw_log is not None else None
    world = World(
        wheel,
        PROFILES[options.profile],
        seed=options.seed,
        run=book.runs,
        tags=options.tags,
        speed=options.speed,
        ledger=ledger,
        draws=draws,
        mover=(mover := HttpMover(ca=options.access.ca)),
    )
    ids = options.station_ids()
    fleet = Fleet(
        world,
        ids,
        options.endpoints,
        options.access,
        source_addresses=options.sources,
        connect_rate=options.connect_rate,
        model=BY_NAME[options.model] if options.model is not None else None,
        behaviours={one: options.behaviour_of(one) for one in ids} if options.behaviours else {},
    )
    fleet.start(book)
    shown = asyncio.create_task(_show(fleet, options.output))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(options.duration_s or None):
            await ended.wait()
    reported = await fleet.finish(_FINISH_S) if options.finish and not ended.is_set() else True
    shown.cancel()
    await asyncio.gather(shown, return_exceptions=True)
    last = fleet.status()
    await fleet.close()
    await mover.close()
    wheel.stop()
    if draws is not None:
        draws.close()
    _write(last, options.output, last=True)
    if not reported:
        raise click.ClickException(f"{last.queued} messages are not reported after {_FINISH_S:g} s")


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


async def _show(fleet: Fleet, output: str) -> None:
    """Show the status every second or so; where nobody watches, less often."""
    pause = 1.0 if output == "json" or sys.stdout.isatty() else 10.0
    while output != "quiet":
        await asyncio.sleep(pause)
        _write(fleet.status(), output)


def _write(status: Status, output: str, *, last: bool = False) -> None:
    if output == "quiet":
        return
    if output == "json":
        click.echo(msgspec.json.encode(status).decode())
        return
    text = (
        f"{status.online}/{status.stations} online  {status.charging} charging {status.power_kw:g} kW"
        f"  {status.stopped} sessions {status.energy_wh / 1000:.1f} kWh"
        f"  {status.answered} calls answered, {status.errors} errors, {status.queued} waiting"
    )
    live = sys.stdout.isatty()
    click.echo(f"\r\x1b[2K{text}" if live else text, nl=last or not live)
