"""Many stations on one loop: who dials where and when, storms, the end, and what the status line shows."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import ssl
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from ampstream.simulate.behaviours import PLAIN, Behaviour
from ampstream.simulate.chargepoint import ChargePoint
from ampstream.simulate.identity import context_of
from ampstream.simulate.ledger import Book, FileLedger, Logical
from ampstream.simulate.models import Model
from ampstream.simulate.websocket import Endpoint, dial
from ampstream.simulate.world import World
from shared.ocpp.v16.enums import Reason

_HANDSHAKE_S: Final = 15.0
_DIALS_AT_ONCE: Final = 512
_SPARE_DESCRIPTORS: Final = 64


class Access(msgspec.Struct, frozen=True):
    """How stations prove who they are: HTTP Basic by `passwords`, else by `key`, else not at all."""

    key: bytes | None = None
    passwords: Mapping[str, bytes] = {}
    ca: Path | None = None
    """Authorities of the CSMS's certificate, for `wss`; else the system's."""
    certificates: Path | None = None
    """Directory with a station's first certificate and its key: `<station id>.pem`."""

    def of(self, station_id: str) -> bytes | None:
        """Return a station's password."""
        return self.passwords.get(station_id, self.key)

    def certificate_of(self, station_id: str) -> str:
        """Return a station's first certificate with its key; empty where it has none."""
        path = self.certificates / f"{station_id}.pem" if self.certificates is not None else None
        return path.read_text(encoding="ascii") if path is not None and path.exists() else ""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The fleet at one moment; counters since its start."""

    stations: int
    online: int
    accepted: int
    charging: int
    power_kw: float
    queued: int
    calls: int
    answered: int
    errors: int
    timeouts: int
    dropped: int
    commands: int
    refused: int
    lost: int
    started: int
    stopped: int
    energy_wh: int


class TooManyStations(ValueError):
    """The process may not open so many sockets."""


def allow_sockets(wanted: int) -> None:
    """Raise the limit of descriptors as far as is allowed; raises `TooManyStations` where that is not enough."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + _SPARE_DESCRIPTORS
    if hard != resource.RLIM_INFINITY and needed > hard:
        raise TooManyStations(
            f"{wanted} stations need {needed} file descriptors, the limit is {hard}; raise it with `ulimit -Hn`"
        )
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed if hard == resource.RLIM_INFINITY else hard, hard))


class Fleet:
    """Stations, and how they reach their edges; a station whose edge refuses it tries the next."""

    def __init__(
        self,
        world: World,
        station_ids: Iterable[str],
        endpoints: Sequence[Endpoint],
        access: Access | None = None,
        *,
        source_addresses: Sequence[str] = (),
        connect_rate: float = 400.0,
        model: Model | None = None,
        behaviours: Mapping[str, Behaviour] | Behaviour = PLAIN,
    ) -> None:
        """Make the stations, by shares of all models or of one.

        `connect_rate` is how many get their power per second at the start, 0: all at once. `behaviours` is how all of
        them deviate, or how some do, by station id.
        """
        self.world = world

        def behaviour_of(station_id: str) -> Behaviour:
            return behaviours if isinstance(behaviours, Behaviour) else behaviours.get(station_id, PLAIN)

        self.stations = [ChargePoint(world, self, one, model, behaviour_of(one)) for one in station_ids]
        self._homes = {station.station_id: index for index, station in enumerate(self.stations)}
        self._endpoints = endpoints
        self._access = access or Access()
        self._tls: ssl.SSLContext | None = None
        self._sources = source_addresses
        self._rate = connect_rate
        self._dialling: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(_DIALS_AT_ONCE)

    # --- dialling

    def dial(self, station: ChargePoint) -> None:
        """Begin to connect a station."""
        task = asyncio.get_running_loop().create_task(self._dial(station))
        self._dialling.add(task)
        task.add_done_callback(self._dialling.discard)

    async def _dial(self, station: ChargePoint) -> None:
        home = self._homes[station.station_id]
        endpoints = self._where(station)
        endpoint = endpoints[(home + station.failures) % len(endpoints)]
        source = self._sources[home % len(self._sources)] if self._sources else None
        try:
            async with self._slots, asyncio.timeout(_HANDSHAKE_S):
                link = await dial(
                    endpoint,
                    station.station_id,
                    station,
                    password=self._password(station),
                    context=self._context(station) if endpoint.secure else None,
                    local_address=source,
                    made=station.attach,
                )
        except (OSError, TimeoutError):
            station.unreachable()
            return

        def give_up() -> None:
            if not link.was_open:
                link.abort()

        self.world.wheel.after(_HANDSHAKE_S, give_up)

    def _where(self, station: ChargePoint) -> Sequence[Endpoint]:
        """Return where its security profile lets it dial; where the fleet has nothing of the kind, anywhere."""
        secure = station.identity is not None and station.identity.profile > 1
        return [one for one in self._endpoints if one.secure == secure] or self._endpoints

    def _password(self, station: ChargePoint) -> bytes | None:
        """Return the key that the station was given by the CSMS, else the fleet's."""
        given = station.identity.key if station.identity is not None else None
        return self._access.of(station.station_id) if given is None else given

    def _context(self, station: ChargePoint) -> ssl.SSLContext:
        """Return what it dials in with: one context for all that have no certificate of their own."""
        identity, access = station.identity, self._access
        if identity is None and access.certificates is not None:
            identity = station.features.identity
            identity.chain = identity.chain or access.certificate_of(station.station_id)
        if identity is not None and identity.chain:
            return identity.context(access.ca)
        if self._tls is None:
            self._tls = context_of(access.ca)
        return self._tls

    # --- the run

    def start(self, book: Book | None = None) -> None:
        """Give the stations their power, at the connect rate; `book` is the ledger of earlier runs."""
        past: dict[str, list[Logical]] = {}
        for logical in book.transactions.values() if book else ():
            past.setdefault(logical.start.station, []).append(logical)
        for index, station in enumerate(self.stations):
            delay = index / self._rate if self._rate > 0 else 0.0
            self.world.wheel.after(delay, _power(station, past.get(station.station_id, [])))
        if self.world.profile.storm_every_s > 0:
            self.world.wheel.after(self.world.profile.storm_every_s, self._storm)

    def _storm(self) -> None:
        self.drop_all()
        self.world.wheel.after(self.world.profile.storm_every_s, self._storm)

    def drop_all(self) -> None:
        """Cut every station off at once; each comes back after its back-off."""
        for station in self.stations:
            station.drop()

    async def finish(self, timeout_s: float) -> bool:
        """End all sessions and wait until everything is reported; False where time was too short."""
        self.world.stopping = True
        for station in self.stations:
            for connector in station.connectors:
                connector.stop(Reason.LOCAL)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not all(station.idle for station in self.stations):  # noqa: ASYNC110 - thousands of sources
                    await asyncio.sleep(0.1)
        return all(station.idle for station in self.stations)

    async def close(self) -> None:
        """Close all sockets, politely for a second, then at once."""
        for station in self.stations:
            station.leave()
        for task in tuple(self._dialling):
            task.cancel()
        await asyncio.gather(*self._dialling, return_exceptions=True)
        for _ in range(20):
            if not any(station.connected for station in self.stations):
                break
            await asyncio.sleep(0.05)
        for station in self.stations:
            station.drop()
        await asyncio.sleep(0)
        if isinstance(self.world.ledger, FileLedger):
            self.world.ledger.close()

    def status(self) -> Status:
        """Return the fleet at this moment."""
        charging = [c for station in self.stations for c in station.connectors if c.session]
        power_w = sum(connector.power_w for connector in charging)
        return Status(
            stations=len(self.stations),
            online=sum(station.connected for station in self.stations),
            accepted=sum(station.online for station in self.stations),
            charging=len(charging),
            power_kw=round(power_w / 1000, 1),
            queued=sum(station.queued for station in self.stations),
            **msgspec.structs.asdict(self.world.counters),
        )


def _power(station: ChargePoint, past: list[Logical]) -> Callable[[], None]:
    def power_on() -> None:
        station.power_on(past)

    return power_on
