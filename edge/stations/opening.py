"""From an admitted station to a session: its epoch, its older socket's end, the upgrade, a last look at the epoch."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import hiredis

from edge.stations.session import TRY_AGAIN, Session
from edge.stations.wire import Wire
from shared import envelopes, metrics
from shared.bus import keys
from shared.bus.scripts import REGISTER_SESSION, SET_DEADLINES
from shared.envelopes import Close
from shared.logs import get_logger

if TYPE_CHECKING:
    from edge.stations.door import Welcome
    from edge.stations.hub import Hub
    from shared.ocpp.versions import Version

PROTOCOL_ERROR: Final = 1002
_LINGER_S: Final = 3.0

_log = get_logger("edge.door")


class Superseded(Exception):  # an outcome, not an error
    """A newer socket of the station came while this one was opened; this one is closed."""


async def register(
    hub: Hub, transport: asyncio.Transport, station_id: str, address: str, welcome: Welcome, version: Version
) -> Session:
    """Give the socket its epoch, tell the older one to close, and return the session, not yet upgraded.

    Raises `Superseded` where the socket is gone meanwhile, LaneLost and ReplyError.
    """
    node = hub.node
    ttl_ms = int(hub.ttl_s(welcome.interval_s) * 1000)
    command = REGISTER_SESSION.command(
        [keys.session(station_id), keys.presence(station_id)], [node.name, ttl_ms, address]
    )
    epoch, before, epoch_before, address_before = await node.lane.one(*command)
    session = Session(hub, transport, station_id, int(epoch), version, welcome.profile)
    session.address = address
    session.certificate = welcome.shown.id if welcome.shown is not None else ""
    session.pings = session.pings and welcome.pings
    session.heartbeat_s = welcome.interval_s
    session.ttl_s = ttl_ms / 1000
    if before:
        _supersede(hub, station_id, before.decode(), int(epoch_before), same=address_before.decode() == address)
    if transport.is_closing():
        # The epoch is taken and nobody holds it: presence runs out, and the station's next socket gets a newer one.
        raise Superseded
    return session


async def check(hub: Hub, session: Session) -> None:
    """Look at the epoch once more after the upgrade, and set the presence deadline that the sweep goes by.

    Raises `Superseded` where a newer socket came in between; where Redis is lost the session is closed.
    """
    member = f"{session.station_id}/{session.epoch}"
    commands = [
        ("HGET", keys.session(session.station_id), "epoch"),
        SET_DEADLINES.command([keys.deadlines(hub.node.name)], [member, int(session.ttl_s * 1000)]),
    ]
    try:
        newest, _ = await hub.node.lane.execute(commands)
    except ConnectionError:
        session.close(TRY_AGAIN, "try again", "append_unknown")
        return
    if isinstance(newest, hiredis.ReplyError) or newest is None or int(newest) != session.epoch:
        session.close(TRY_AGAIN, "superseded", "superseded")
        raise Superseded


def _supersede(hub: Hub, station_id: str, node: str, epoch: int, *, same: bool) -> None:
    """Tell the node of the older socket to close it; on this node the hub does so when the new one joins."""
    metrics.EDGE_SUPERSEDED.labels("true" if same else "false").inc()
    _log.info("superseded", station=station_id, epoch=epoch, node=node, same_address=same)
    if node != hub.node.name:
        items = envelopes.encode([Close(station_id, epoch, TRY_AGAIN, "superseded")])
        hub.node.appender.send(("XADD", keys.downlink(node), "NOMKSTREAM", "*", envelopes.FIELD, items))


class Farewell(Wire):
    """A socket without a common subprotocol: closed right after its handshake (OCPP-J 1.6 §3.2)."""

    __slots__ = ("_timer",)

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__(transport, 1024)
        self._timer = asyncio.get_running_loop().call_later(_LINGER_S, self.abort)

    def on_open(self) -> None:
        """Say goodbye: the handshake has just been answered."""
        self.say_close(PROTOCOL_ERROR, "no common subprotocol")

    def on_text(self, data: bytes, *, binary: bool) -> None:
        """Ignore it."""

    def on_pong(self) -> None:
        """Ignore it."""

    def on_ping(self) -> None:
        """Ignore it."""

    def on_writable(self) -> None:
        """Nothing waits."""

    def on_peer_close(self, code: int) -> None:
        """Close, now that both have said so."""
        self.end()

    def on_violation(self, code: int, reason: str) -> None:
        """Drop it."""
        self.abort()

    def on_lost(self, exc: Exception | None) -> None:
        """Forget the timer."""
        self._timer.cancel()
