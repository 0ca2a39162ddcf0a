"""From options and environment to the processes of `ampstream up`: command lines, ports, variables, probes."""

import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec
import redis.asyncio
import redis.exceptions

from ampstream.up import provision, selfmade, valkey
from ampstream.up.child import Spec
from shared.settings import Loaded, Settings

REDIS_VARIABLES: Final = ("AMPSTREAM_REDIS_URL", "AMPSTREAM_REDIS_URL_FILE")
DEFAULT_OF_UP: Final = {"AMPSTREAM_UNKNOWN_STATIONS": "accept", "AMPSTREAM_UNKNOWN_TAGS": "accept"}
"""What `up` sets where nobody did: its listeners are on loopback, and its stations come unannounced."""
DISTANCES: Final = {"transfer_port": 80, "tls_port": 443}
"""Where the other ports for stations lie behind `--station-port`, as they do by default."""
STATION_PREFIX: Final = "SIM-"
STOP_MARGIN_S: Final = 5.0
"""What a process may take to end beyond its drain."""


class Options(msgspec.Struct, frozen=True):
    """What was asked of `up`, beside the settings."""

    data: Path
    stations: int = 5
    edges: int = 1
    workers: int = 1
    speed: float = 10.0
    """Simulated seconds in a second, so that cars come and go while somebody watches."""
    tls: bool = False
    """With certificates of `selfmade`, and the simulated stations over it."""


class Plan(msgspec.Struct, frozen=True):
    """The processes in the order of their start, by stage: a stage starts when the one before it serves."""

    redis_url: str
    embedded: bool
    stages: tuple[tuple[Spec, ...], ...]
    ports: tuple[tuple[str, int, str], ...]
    operator_url: str
    passwords: Path | None = None
    """Where the simulated stations' keys are, if they must be made known first."""


def station_ids(options: Options) -> list[str]:
    """Return the ids of the simulated stations, as `ampstream simulate` names them."""
    return [f"{STATION_PREFIX}{number:05d}" for number in range(1, options.stations + 1)]


def defaults(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment as `up` sees it: its own defaults under what is set."""
    return DEFAULT_OF_UP | dict(environ)


def beside(given: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the options with ports for stations that nobody named moved along with `station_port`, where that is."""
    base = given.get("station_port")
    moved = {name: base + distance for name, distance in DISTANCES.items()} if base is not None else {}
    unnamed = {name: port for name, port in moved.items() if f"AMPSTREAM_{name.upper()}" not in environ}
    return unnamed | {name: value for name, value in given.items() if value is not None}


def make(options: Options, loaded: Loaded, environ: Mapping[str, str], http: aiohttp.ClientSession) -> Plan:
    """Plan all processes; `environ` is what the settings were loaded from."""
    settings = loaded.settings
    embedded = not any(name in environ for name in REDIS_VARIABLES)
    redis_directory = (options.data / "redis").resolve()
    redis_url = valkey.url(redis_directory) if embedded else settings.redis_url.reveal()
    base = _environ(environ, redis_url, loaded, options.data, embedded=embedded)
    logs = options.data / "logs"
    workers = tuple(_worker(index, settings, base, logs, http) for index in range(options.workers))
    edges = tuple(_edge(index, settings, base, logs, http) for index in range(options.edges))
    stages = [_valkey(redis_directory, redis_url, logs)] if embedded else []
    closed = options.stations and settings.unknown_stations == "reject"
    passwords = options.data / provision.FILE_NAME if closed else None
    simulator = (_simulator(options, settings, base, passwords),) if options.stations else ()
    return Plan(
        redis_url=redis_url,
        embedded=embedded,
        stages=tuple(stage for stage in (tuple(stages), workers, edges, simulator) if stage),
        ports=tuple(_ports(options, settings)),
        operator_url=operator_url(settings),
        passwords=passwords,
    )


def reachable(host: str) -> str:
    """Return the address under which this machine reaches a listener on `host`."""
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # compared, not bound
    return f"[{address}]" if ":" in address else address


def station_url(settings: Settings, index: int = 0) -> str:
    """Return the URL that stations of edge `index` dial, without the station's id."""
    return f"ws://{reachable(settings.station_host)}:{settings.station_port + index}{settings.path_prefix}"


def tls_url(settings: Settings, index: int = 0) -> str:
    """Return the URL that stations of edge `index` dial over TLS, without the station's id."""
    return f"wss://{reachable(settings.station_host)}:{settings.tls_port + index}{settings.path_prefix}"


def operator_url(settings: Settings, index: int = 0) -> str:
    """Return the base URL of edge `index`'s operators' listener."""
    return f"http://{reachable(settings.operator_host)}:{settings.http_port + index}"


def transfer_url(settings: Settings, index: int = 0) -> str:
    """Return the base URL under which stations fetch and leave files at edge `index`."""
    scheme = "https" if settings.transfer_tls else "http"
    return f"{scheme}://{reachable(settings.transfer_host)}:{settings.transfer_port + index}"


def worker_url(settings: Settings, index: int = 0) -> str:
    """Return the base URL of worker `index`."""
    return f"http://{reachable(settings.worker_host)}:{settings.worker_port + index}"


def _environ(
    environ: Mapping[str, str], redis_url: str, loaded: Loaded, data: Path, *, embedded: bool
) -> dict[str, str]:
    base = dict(environ)
    for name, source in loaded.sources.items():
        if source == "option":
            base[f"AMPSTREAM_{name.upper()}"] = str(getattr(loaded.settings, name))
    if embedded:
        base["AMPSTREAM_REDIS_URL"] = redis_url
    if "AMPSTREAM_TRANSFER_DIR" not in environ:
        base["AMPSTREAM_TRANSFER_DIR"] = str((data / "files").resolve())
    return base


def _valkey(directory: Path, redis_url: str, logs: Path) -> Spec:
    return Spec(
        name="valkey",
        command=tuple(valkey.command(directory / "valkey.conf")),
        log=logs / "valkey.log",
        environ=valkey.environment(os.environ),
        probe=redis_probe(redis_url),
        urls=(("redis", redis_url),),
        stop_s=30.0,
    )


def _worker(index: int, settings: Settings, base: dict[str, str], logs: Path, http: aiohttp.ClientSession) -> Spec:
    name, url = f"worker-{index}", worker_url(settings, index)
    return Spec(
        name=name,
        command=(sys.executable, "-m", "ampstream", "worker", "--name", name),
        log=logs / f"{name}.log",
        environ=base | {"AMPSTREAM_WORKER_PORT": str(settings.worker_port + index)},
        probe=http_probe(http, url),
        urls=(("metrics", f"{url}/metrics"),),
        stop_s=settings.drain_s + STOP_MARGIN_S,
    )


def _edge(index: int, settings: Settings, base: dict[str, str], logs: Path, http: aiohttp.ClientSession) -> Spec:
    name, url = f"edge-{index}", operator_url(settings, index)
    ports = {
        "AMPSTREAM_STATION_PORT": str(settings.station_port + index),
        "AMPSTREAM_HTTP_PORT": str(settings.http_port + index),
        "AMPSTREAM_TLS_PORT": str(settings.tls_port + index),
        "AMPSTREAM_TRANSFER_PORT": str(settings.transfer_port + index),
    }
    return Spec(
        name=name,
        command=(sys.executable, "-m", "ampstream", "edge"),
        log=logs / f"{name}.log",
        environ=base | ports,
        probe=http_probe(http, url),
        urls=(
            ("stations", f"{station_url(settings, index)}/<station id>"),
            *([("over TLS", f"{tls_url(settings, index)}/<station id>")] if settings.tls_certificates else []),
            ("api", f"{url}/api/v1/"),
            ("openapi", f"{url}/openapi.json"),
            ("files", f"{transfer_url(settings, index)}/transfer/<link>"),
            ("metrics", f"{url}/metrics"),
        ),
        stop_s=settings.drain_s + STOP_MARGIN_S,
    )


def _simulator(options: Options, settings: Settings, base: dict[str, str], passwords: Path | None) -> Spec:
    url = tls_url if options.tls else station_url
    urls = [part for index in range(options.edges) for part in ("--url", url(settings, index))]
    trust = ("--ca", str(selfmade.directory(options.data) / selfmade.CA)) if options.tls else ()
    login = ("--password-file", str(passwords)) if passwords else ()
    fleet = ("--prefix", STATION_PREFIX, "--stations", str(options.stations), "--speed", f"{options.speed:g}")
    return Spec(
        name="simulator",
        command=(
            *(sys.executable, "-m", "ampstream", "simulate", *fleet),
            *("--ledger", str(options.data / "stations.ledger"), *login, *trust, *urls),
        ),
        log=options.data / "logs" / "simulator.log",
        environ=base,
        probe=_running,
    )


async def _running() -> str:
    return ""


def http_probe(http: aiohttp.ClientSession, url: str) -> Callable[[], Awaitable[str]]:
    """Return a probe of `/readyz`: why the process at `url` does not serve."""

    async def probe() -> str:
        try:
            async with http.get(f"{url}/readyz") as answer:
                if answer.status == 200:
                    return ""
                body = await answer.read()
        except (aiohttp.ClientError, OSError, TimeoutError):
            return "does not answer yet"
        try:
            reasons = msgspec.json.decode(body, type=_NotReady).reasons
        except msgspec.MsgspecError:
            reasons = []
        return ", ".join(reasons) or f"not ready ({answer.status})"

    return probe


class _NotReady(msgspec.Struct):
    reasons: list[str]


def redis_probe(redis_url: str) -> Callable[[], Awaitable[str]]:
    """Return a probe of the server: why it does not answer commands."""

    async def probe() -> str:
        client = redis.asyncio.Redis.from_url(redis_url, socket_timeout=1.0)
        try:
            await client.ping()
        except redis.exceptions.BusyLoadingError:
            return "loading its data"
        except (redis.RedisError, OSError):
            return "does not answer yet"
        finally:
            await client.aclose()
        return ""

    return probe


def _ports(options: Options, settings: Settings) -> list[tuple[str, int, str]]:
    edges, workers = range(options.edges), range(options.workers)
    return [
        *((settings.station_host, settings.station_port + index, "--station-port") for index in edges),
        *((settings.operator_host, settings.http_port + index, "--http-port") for index in edges),
        *(
            (settings.station_host, settings.tls_port + index, "--tls-port")
            for index in edges
            if settings.tls_certificates
        ),
        *((settings.transfer_host, settings.transfer_port + index, "--transfer-port") for index in edges),
        *((settings.worker_host, settings.worker_port + index, "--worker-port") for index in workers),
    ]
