"""The stations' listener: from a TCP connection to a session, or to a refusal that says as much as it may.

a trusted proxy's PROXY header, where that is the setting; else the connection is dropped
→ on the TLS port: the handshake        a failed one is counted and logged
→ headers within the time (aiohttp's keepalive timeout covers a connection's first request too)
→ path, handshake, no Origin          400, 403, 404
→ draining, failed closed, full       503 + Retry-After
→ too many failed logins              429 + Retry-After
→ the door: the station's own policy  401, 403
→ subprotocol; none in common: the handshake without the header, then a close (OCPP-J 1.6 §3.2)
→ epoch, the older socket is told to close, 101; then the epoch is checked once more
"""

from __future__ import annotations

import asyncio
import socket
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import hiredis
from aiohttp import web

from edge.ports import HTTP_LOG, Sockets, cut_off, port_of, serve_on
from edge.stations import handshake, identity, origin
from edge.stations.door import REFUSAL_S, Doorkeeper, Refused, Welcome
from edge.stations.handover import Detached, detach, transport_of
from edge.stations.hub import Hub
from edge.stations.limits import Admission
from edge.stations.opening import Farewell, Superseded, check, register
from edge.stations.origin import Origin
from edge.stations.preface import Prefaces
from edge.stations.renewing import Renewing
from edge.stations.securing import Securing
from edge.stations.session import Session
from edge.stations.tls import Shown, Tls, shown_by
from shared.bus import keys
from shared.bus.lane import LaneLost
from shared.credentials import parse_basic
from shared.logs import get_logger
from shared.ocpp.versions import OCPP16, VERSIONS, Negotiation, negotiate
from shared.settings import networks

if TYPE_CHECKING:
    from edge.node import Node

SERVED: Final = (OCPP16.subprotocol,)
"""Subprotocols that the workers have handlers for; a station that offers none of them is closed."""
BACKLOG: Final = 4096
NONE: Final = "none"
"""The metrics' word for a protocol that is not known (yet)."""

_log = get_logger("edge.door")
_SECURITY_EVENTS: Final = {
    "auth_failed": "StationLoginsFailed",
    "bad_certificate": "InvalidStationCertificate",
    "profile_downgrade": "DowngradeTried",
}
"""Why a login was refused -> the security event that it is (white paper, A00.FR.323)."""


class Listener:
    """Listens for stations and hands their sockets to the hub."""

    def __init__(self, node: Node, hub: Hub, pepper: bytes) -> None:
        self._node = node
        self._hub = hub
        self._door = Doorkeeper(node.lane, node.settings, pepper)
        self._trusted = networks(node.settings.trusted_proxies)
        self._server: web.Server | None = None
        self._prefaces: Prefaces | None = None
        self._securing: Securing | None = None
        self._renewing: Renewing | None = None
        self._listening: list[asyncio.Server] = []

    async def start(self, sockets: Sockets, tls: Tls | None = None, tls_sockets: Sockets = ()) -> None:
        """Begin to listen on bound sockets, which are the listener's from now on; on `tls_sockets` over TLS."""
        settings = self._node.settings
        self._server = web.Server(
            self._handle,
            keepalive_timeout=settings.handshake_timeout_s,
            access_log=None,
            logger=HTTP_LOG,
            max_line_size=2048,
            max_field_size=4096,
            max_headers=64,
            read_bufsize=16 * 1024,
        )
        self._prefaces = Prefaces(settings, self._server, self._no_preface)
        self._listening = await serve_on(sockets, self._prefaces, BACKLOG)
        if tls is not None:
            await self._serve_tls(tls, tls_sockets, self._server, self._prefaces)
        for some, scheme in ((sockets, "ws"), (tls_sockets, "wss")):
            if some:
                at = f"{scheme}://{settings.station_host}:{port_of(some)}{settings.path_prefix}"
                _log.info("listening for stations", url=at)

    async def _serve_tls(self, tls: Tls, sockets: Sockets, handler: web.Server, prefaces: Prefaces) -> None:
        settings = self._node.settings
        self._renewing = Renewing(tls, self._node.lane, settings.tls_reload_s, self._hub.expel)
        await self._renewing.start()
        self._door.revoked = self._renewing.revoked
        handshakes = Admission(settings.connect_rate, settings.connect_burst, self._hub.monotonic())
        self._securing = Securing(
            *(tls, handler, settings.handshake_timeout_s, prefaces.move, self._shaken),
            admits=lambda: handshakes.take(self._hub.monotonic()),
        )
        self._listening += await serve_on(sockets, prefaces.before(self._securing), BACKLOG)

    def look_at_files(self) -> None:
        """Read the TLS listener's files again, now."""
        if self._renewing is not None:
            self._renewing.hurry()

    async def stop(self) -> None:
        """Stop listening; requests that are being answered are cut off."""
        for listening in self._listening:
            listening.close()
        if self._renewing is not None:
            await self._renewing.stop()
        if self._securing is not None:
            await self._securing.close()
        if self._server is not None:
            await cut_off(self._server)
        self._door.close()

    # ── one request ──────────────────────────────────────────────────────────────────────────────────────────────

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        begun = self._hub.monotonic()
        try:
            async with asyncio.timeout(self._node.settings.handshake_timeout_s):
                session = await self._admit(request, begun)
        except Refused as refused:
            return await self._refuse(refused, begun)
        except Superseded:
            self._hub.meters.upgrade(NONE, "superseded_at_once")
            return self._answer(503, "try again", 1)
        except (LaneLost, hiredis.ReplyError, TimeoutError) as error:
            _log.warning("a login could not be checked", reason=str(error) or "timeout")
            self._hub.meters.upgrade(NONE, "failed_closed")
            return self._answer(503, "try again", self._hub.admission.retry_after_s())
        if session is not None:
            await self._check(session)
        return Detached()

    async def _admit(self, request: web.BaseRequest, begun: float) -> Session | None:
        """Return the session that was opened, None for a socket without a common subprotocol; raises `Refused`."""
        station_id, accept = self._parse(request)
        whence = self._whence(request)
        address = whence.address
        self._check_room(station_id, begun)
        self._check_attempts(address, station_id, begun)
        welcome = await self._login(request, station_id, whence, begun)
        chosen = self._negotiate(request, welcome)
        transport = transport_of(request)
        if transport is None:
            raise Refused("other", 400, "the connection is gone")
        if chosen.version is None:
            self._hub.meters.upgrade(NONE, "no_subprotocol")
            _log.info("no common subprotocol", station=station_id, address=address)
            detach(request, transport, Farewell(transport), handshake.switching(accept, None))
            return None
        if not self._hub.admission.take(self._hub.monotonic()):
            raise Refused("limit", 503, "too many stations at once")
        _watch(transport)
        session = await register(self._hub, transport, station_id, address, welcome, chosen.version)
        self._hub.join(session, self._notes(request, chosen), welcome)
        detach(request, transport, session, handshake.switching(accept, chosen.header))
        if self._prefaces is not None:
            self._prefaces.forget(transport)
        return session

    def _notes(self, request: web.BaseRequest, chosen: Negotiation) -> tuple[str, ...]:
        """Return what the station did in its own way and was understood (quirks 12 and 13)."""
        odd = {
            "subprotocol": chosen.flagged,
            "path": identity.deviates(request.raw_path, self._node.settings.path_prefix),
            "upgrade": "upgrade" not in request.headers.get("Connection", "").lower(),
        }
        return tuple(name for name, is_odd in odd.items() if is_odd)

    def _whence(self, request: web.BaseRequest) -> Origin:
        assert self._prefaces is not None, "it listens"
        header = self._prefaces.header_of(request.transport)
        whence = origin.of(request.remote or "", header, request.headers, self._trusted)
        return Origin(whence.address, tls=True) if _is_encrypted(request) else whence

    def _shaken(self, transport: asyncio.BaseTransport, result: str, reason: str) -> None:
        """Count a TLS handshake, and say whose it was where it failed."""
        assert self._prefaces is not None, "it listens"
        header = self._prefaces.header_of(transport)
        address = (header.address if header is not None else "") or origin.peer_of(transport)
        self._node.security.shaken(result, reason, address)

    def _no_preface(self, address: str, reason: str) -> None:
        """Note that a trusted proxy did not send a PROXY header."""
        self._hub.meters.upgrade(NONE, "other")
        _log.warning("a connection without its PROXY header", proxy=address, reason=reason)

    async def _login(self, request: web.BaseRequest, station_id: str, whence: Origin, begun: float) -> Welcome:
        """Ask the door, and count a login that failed."""
        try:
            return await self._door.admit(
                station_id,
                parse_basic(request.headers.get("Authorization", "")),
                tls=whence.tls,
                shown=_shown(request),
                guessed=self._hub.attempts.guessed(station_id, begun),
            )
        except Refused as refused:
            if refused.status == HTTPStatus.UNAUTHORIZED:
                self._hub.attempts.failed(whence.address, station_id, begun)
            _log.info("login refused", station=station_id, address=whence.address, reason=refused.why)
            if kind := _SECURITY_EVENTS.get(refused.result):
                # What was not proved may be anybody's word: events of a station are those of its own.
                proved = station_id if refused.result == "profile_downgrade" else ""
                info = f"as {station_id}: {refused.why}"
                self._node.security.note(kind, station_id=proved, address=whence.address, info=info)
            raise

    async def _check(self, session: Session) -> None:
        protocol = session.version.subprotocol
        try:
            await check(self._hub, session)
        except Superseded:
            self._hub.meters.upgrade(protocol, "superseded_at_once")
        else:
            self._hub.meters.upgrade(protocol, "accepted")

    def _parse(self, request: web.BaseRequest) -> tuple[str, str]:
        """Return station id and accept key of a well-formed handshake without Origin; raises `Refused`."""
        try:
            station_id = identity.station_of(request.raw_path, self._node.settings.path_prefix)
            accept = handshake.accept_key(request.method, request.headers)
        except identity.NotHere as error:
            raise Refused("other", 404, str(error)) from None
        except identity.BadIdentity as error:
            raise Refused("bad_identity", 400, str(error)) from None
        except handshake.BadHandshake as error:
            raise Refused("other", 400, str(error)) from None
        if "Origin" in request.headers:
            # A browser: no station sends it, and a page must not use its visitor's network.
            raise Refused("other", 403, "browsers are not served here")
        return station_id, accept

    def _check_room(self, station_id: str, now: float) -> None:
        node, hub = self._node, self._hub
        partition = keys.partition_of(station_id, node.partitions)
        if node.draining:
            raise Refused("draining", 503, "this node is shutting down")
        if not hub.gate.admits(partition, now):
            raise Refused("failed_closed", 503, "not serving at the moment")
        if hub.full and station_id not in hub.sessions:
            raise Refused("limit", 503, "this node is full")
        if not hub.admission.peek(now):
            raise Refused("limit", 503, "too many stations at once")

    def _check_attempts(self, address: str, station_id: str, now: float) -> None:
        if wait_s := self._hub.attempts.wait_s(address, station_id, now):
            raise Refused("rate_limited", 429, "too many failed logins", wait_s)

    def _negotiate(self, request: web.BaseRequest, welcome: Welcome) -> Negotiation:
        offered = handshake.offered(request.headers.getall("Sec-WebSocket-Protocol", []))
        default = welcome.subprotocol or self._node.settings.default_subprotocol
        return negotiate(offered, SERVED, default if default in VERSIONS and default in SERVED else None)

    async def _refuse(self, refused: Refused, begun: float) -> web.StreamResponse:
        hub = self._hub
        hub.meters.upgrade(NONE, refused.result)
        retry_s = refused.retry_s
        if refused.status == HTTPStatus.SERVICE_UNAVAILABLE:
            retry_s = hub.admission.retry_after_s()
        elif refused.status == HTTPStatus.UNAUTHORIZED:
            # The same wait for every refused login: what was checked meanwhile does not show.
            spent = hub.monotonic() - begun
            await self._node.clock.sleep(REFUSAL_S - spent % REFUSAL_S)
        return self._answer(refused.status, str(refused), retry_s)

    @staticmethod
    def _answer(status: int, text: str, retry_s: int | None) -> web.StreamResponse:
        response = web.Response(status=status, text=text + "\n")
        response.force_close()
        if status == HTTPStatus.UNAUTHORIZED:
            response.headers["WWW-Authenticate"] = 'Basic realm="ampstream", charset="UTF-8"'
        if retry_s is not None:
            response.headers["Retry-After"] = str(retry_s)
        return response


def _is_encrypted(request: web.BaseRequest) -> bool:
    """Tell whether TLS ends here."""
    return request.transport is not None and request.transport.get_extra_info("ssl_object") is not None


def _shown(request: web.BaseRequest) -> Shown | None:
    """Return the certificate that the station showed here; a proxy's word for one counts nothing."""
    return shown_by(request.transport.get_extra_info("peercert")) if request.transport is not None else None


_KEEPALIVE: Final = (("TCP_KEEPIDLE", 20), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 30_000))
"""Seconds, seconds, tries, and milliseconds that sent bytes may stay unacknowledged."""
_UNSENT: Final = 16 * 1024
"""Bytes that the kernel takes beyond what the station's window has room for: else it swallows up to 4 MB of what a
station never reads, and nobody notices that it does not."""


def _watch(transport: asyncio.Transport) -> None:
    """Let TCP find a dead peer within 35 s, by which alone live stations that neither heartbeat nor pong; bound it."""
    found = transport.get_extra_info("socket")
    if found is None or found.family not in (socket.AF_INET, socket.AF_INET6):
        return
    found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (*_KEEPALIVE, ("TCP_NOTSENT_LOWAT", _UNSENT)):
        option = getattr(socket, name, None)
        if option is not None:
            found.setsockopt(socket.IPPROTO_TCP, option, value)
