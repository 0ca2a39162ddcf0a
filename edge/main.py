"""An edge process: the stations' listener, the operators' listener, or both on one event loop.

Health and metrics are served in any case: where operators are not, they stand alone on their port.

bind → wait in the lobby for a Redis that may be trusted → listen → (SIGTERM, SIGINT) → drain → leave
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import signal
from collections.abc import Iterable
from typing import Final

import hiredis
from aiohttp import web

from edge.lobby import Lobby
from edge.node import Node
from edge.ports import Sockets, bind, close, port_of
from edge.stations.draining import drain
from edge.stations.hub import Hub
from edge.stations.listener import Listener
from edge.stations.tls import Tls
from edge.transfers.listener import TransferListener
from shared import memory, metrics, observe
from shared.bus.lane import LaneLost
from shared.credentials import load_pepper
from shared.logs import get_logger
from shared.ocpp.actions import actions_of
from shared.ocpp.versions import OCPP16
from shared.settings import Settings

RETRY_S: Final = 0.5
SPARE_DESCRIPTORS: Final = 500
"""What an edge needs beside its sockets."""

_log = get_logger("edge")


async def run(settings: Settings, *, stations: bool = True, operators: bool = True) -> None:
    """Serve until SIGTERM or SIGINT, then drain; a second signal cuts the draining short.

    Raises OSError where a port is taken, and `BadFiles` where the TLS listener's certificates can't be used.
    """
    first, second = _on_signals()
    tls = Tls(settings) if stations and settings.tls_certificates.strip() else None
    actions = actions_of(OCPP16)
    metrics.register_actions(actions.from_station, actions.from_csms)
    metrics.set_build_info(observe.loop_name())
    memory.settle()
    plain = stations and not settings.tls_only
    for_stations = await bind(settings.station_host, settings.station_port) if plain else ()
    for_tls = await bind(settings.station_host, settings.tls_port) if tls is not None else ()
    for_http = await bind(settings.operator_host, settings.http_port)
    files = stations and bool(settings.transfer_dir)
    for_files = await bind(settings.transfer_host, settings.transfer_port) if files else ()
    lobby = Lobby(settings)
    await lobby.open(for_stations, for_http)
    try:
        node = await _connect(settings, first, lobby)
    finally:
        await lobby.close()
    if node is None:
        close((*for_stations, *for_tls, *for_http, *for_files))
        return
    edge = Edge(node, settings)
    try:
        if stations:
            _raise_descriptor_limit(settings.max_connections + (settings.transfer_connections * 3 if files else 0))
            await edge.serve_stations(actions.from_station, for_stations, tls, for_tls)
        await edge.serve_files(for_files, tls if settings.transfer_tls else None)
        await edge.serve_http(for_http, operators=operators)
        edge.say_what_runs(stations=for_stations, tls=for_tls, http=for_http, operators=operators)
        await edge.until(first)
    finally:
        await edge.leave(second)
    _log.info("edge ended", node=node.name)


class Edge:
    """The listeners of one node, and what runs beside them."""

    def __init__(self, node: Node, settings: Settings) -> None:
        self._node = node
        self._settings = settings
        self._hub: Hub | None = None
        self._listener: Listener | None = None
        self._http: web.AppRunner | None = None
        self._files: TransferListener | None = None
        self._lag = asyncio.create_task(observe.watch_loop_lag(), name="loop lag")

    async def serve_stations(
        self, actions: Iterable[str], sockets: Sockets, tls: Tls | None = None, tls_sockets: Sockets = ()
    ) -> None:
        """Listen for stations on bound sockets, on `tls_sockets` over TLS; SIGHUP reads its files again."""
        node = self._node
        pepper = await load_pepper(node.lane)
        self._hub = Hub(node, frozenset(actions))
        node.sink = self._hub
        self._hub.start()
        self._listener = Listener(node, self._hub, pepper)
        await self._listener.start(sockets, tls, tls_sockets)
        if tls is not None:
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._listener.look_at_files)

    async def serve_files(self, sockets: Sockets, tls: Tls | None = None) -> None:
        """Let stations fetch and leave files on bound sockets; does nothing without any."""
        if sockets:
            node = self._node
            self._files = TransferListener(node.lane, self._settings, node.name, node.security)
            await self._files.start(sockets, tls)
            _log.info(
                "files are served",
                at=f"{'http' if tls is None else 'https'}://{self._settings.transfer_host}:{port_of(sockets)}",
            )

    async def serve_http(self, sockets: Sockets, *, operators: bool) -> None:
        """Listen for whoever asks about this process, and for operators, on bound sockets."""
        self._http = web.AppRunner(
            self._api() if operators else observe.app(self._node.not_ready),
            access_log=None,
            handle_signals=False,
            shutdown_timeout=1.0,
        )
        await self._http.setup()
        for each in sockets:
            await web.SockSite(self._http, each).start()

    def _api(self) -> web.Application:
        # Only a process that serves operators pays for the API's modules.
        from edge.operators.app import make_app

        return make_app(self._node, self._settings)

    def say_what_runs(self, *, stations: Sockets, tls: Sockets, http: Sockets, operators: bool) -> None:
        """Log what this process is and where it listens."""
        node, settings = self._node, self._settings
        url = f"http://{settings.operator_host}:{port_of(http)}"
        at = f"ws://{settings.station_host}:{port_of(stations)}{settings.path_prefix}" if stations else "off"
        _log.info(
            "edge serves",
            node=node.name,
            stations=at,
            tls=f"wss://{settings.station_host}:{port_of(tls)}{settings.path_prefix}" if tls else "off",
            operators=url if operators else "off",
            metrics=f"{url}/metrics",
            redis=settings.redis_url.masked(),
            partitions=node.partitions,
            **observe.runtime(),
        )

    async def until(self, stopped: asyncio.Event) -> None:
        """Serve until `stopped`; raises what ended one of the tasks that must never end."""
        wheel = self._hub.task if self._hub is not None else None
        vital = [task for task in (*self._node.tasks, wheel) if task is not None]
        waiting = asyncio.create_task(stopped.wait())
        await asyncio.wait((waiting, *vital), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        for task in vital:
            if task.done():
                _log.error("a task ended that must not", task=task.get_name())
                task.result()

    async def leave(self, hurry: asyncio.Event) -> None:
        """Let no station in, finish and close the sessions, tell the workers, go; `hurry` cuts the first part short."""
        node, hub = self._node, self._hub
        node.draining = True
        if hub is not None:
            await drain(hub, self._settings.drain_s, hurry)
            await hub.stop()
        if self._listener is not None:
            await self._listener.stop()
        if self._files is not None:
            await self._files.stop()
        await node.stop()
        if self._http is not None:
            await self._http.cleanup()
        self._lag.cancel()
        await asyncio.gather(self._lag, return_exceptions=True)


def _on_signals() -> tuple[asyncio.Event, asyncio.Event]:
    """Return what the first and the second SIGTERM or SIGINT set."""
    first, second = asyncio.Event(), asyncio.Event()

    def received() -> None:
        (second if first.is_set() else first).set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, received)
    return first, second


async def _connect(settings: Settings, stopped: asyncio.Event, lobby: Lobby) -> Node | None:
    """Return a node once Redis answers and may be trusted, None where the process was stopped first."""
    said = ""
    while not stopped.is_set():
        try:
            node = await Node.start(settings)
        except (LaneLost, hiredis.ReplyError) as error:
            reason = str(error)
        else:
            if not node.pulse.problems:
                return node
            reason = "; ".join(node.pulse.problems)
            await node.stop()
        if reason != said:
            _log.warning("waiting for Redis", reason=reason)
            said = reason
            lobby.reason = f"waiting for Redis: {reason}"
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), RETRY_S)
    return None


def _raise_descriptor_limit(connections: int) -> None:
    """Let this process have a descriptor for each station, as far as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + SPARE_DESCRIPTORS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        if allowed < wanted:
            _log.warning("too few descriptors for max_connections", allowed=allowed, wanted=wanted)
