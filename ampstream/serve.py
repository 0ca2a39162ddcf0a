"""`ampstream edge` and `ampstream worker`: the processes of production, alone."""

import errno
import os
import socket
from collections.abc import Coroutine
from typing import Any, Literal

import click

from ampstream import loop
from ampstream.configured import configured
from shared import logs, metrics, tracing
from shared.certificates.errors import BadFiles
from shared.quirk_profiles import ProfileError
from shared.settings import Settings

PORT = click.IntRange(0, 65535)
_UNBINDABLE = frozenset({errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES})


@click.command()
@click.option("--no-stations", is_flag=True, help="Serve no stations, only operators.")
@click.option("--no-operators", is_flag=True, help="Serve no operators, only stations, health and metrics.")
@click.option("--station-host", metavar="ADDRESS", help="Where stations dial in.")
@click.option("--station-port", type=PORT, metavar="PORT", help="Port for stations.")
@click.option("--operator-host", metavar="ADDRESS", help="Where operators and scrapers ask.")
@click.option("--http-port", type=PORT, metavar="PORT", help="Port for operators and scrapers.")
@click.option("--tls-port", type=PORT, metavar="PORT", help="Port for stations over TLS.")
@click.option("--transfer-port", type=PORT, metavar="PORT", help="Port where stations fetch and leave files.")
def edge(*, no_stations: bool, no_operators: bool, **options: Any) -> None:
    """Serve stations and operators.

    Holds the sockets of stations and the REST API, and nothing that matters: it can be killed, added or replaced at any
    moment. SIGTERM drains it: it stops accepting, finishes answers, then closes sockets in waves. Settings come from
    AMPSTREAM_* variables; the options here win over them.
    """
    if no_stations and no_operators:
        raise click.UsageError("--no-stations and --no-operators together leave nothing to serve.")
    settings = _prepare("edge", options)
    from edge.main import run

    _run(run(settings, stations=not no_stations, operators=not no_operators))


@click.command()
@click.option("--worker-host", metavar="ADDRESS", help="Where scrapers ask.")
@click.option("--worker-port", type=PORT, metavar="PORT", help="Port for health and metrics.")
@click.option(
    "--name", default="", metavar="NAME", help="Begins the worker's name in logs and Redis; default: the host."
)
def worker(*, name: str, **options: Any) -> None:
    """Decide what stations report.

    Reads the uplink streams, decides, commits to Redis and answers; holds nothing. Any number may run. SIGTERM ends it
    after the batch in hand.
    """
    settings = _prepare("worker", options)
    from workers.main import run

    _run(run(settings, name=name))


def _run(serving: Coroutine[Any, Any, None]) -> None:
    try:
        loop.run(serving)
    except (tracing.Unavailable, ProfileError, BadFiles) as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        if error.errno not in _UNBINDABLE and not isinstance(error, socket.gaierror):
            raise
        raise click.ClickException(f"cannot listen: {error.strerror}") from None


def _prepare(process: Literal["edge", "worker"], options: dict[str, Any]) -> Settings:
    loaded = configured(options)
    settings = loaded.settings
    metrics.show_as(process)
    logs.configure(fmt=settings.log_format, level=settings.log_level)
    changed = {name: str(getattr(settings, name)) for name, source in loaded.sources.items() if source != "default"}
    logs.get_logger(process).info("starting", pid=os.getpid(), settings=changed)
    return settings
