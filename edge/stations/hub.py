"""All sessions of one node: finds the one that an item is for, turns the wheel, closes them when it must.

The wheel looks at a tenth of the sessions ten times a second, so that a session needs no timer of its own.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Collection, Iterable
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec

from edge.stations import delivering, forwarding
from edge.stations.limits import Admission, Attempts
from edge.stations.meters import Meters
from edge.stations.presence import Presence
from edge.stations.session import CLOSE_WAIT_S, TRY_AGAIN, Session
from edge.stations.traces import Traces
from shared import envelopes, metrics
from shared.envelopes import Adjust, Answer, Close, Command, Kind, NotWritten, SessionClosed, SessionOpened, Uplink
from shared.logs import get_logger
from shared.presence import ttl_ms

if TYPE_CHECKING:
    from edge.node import Node
    from edge.stations.door import Welcome

SPOKES: Final = 10
SPOKE_S: Final = 0.1
UNANSWERED_S: Final = 10.0
"""What a CALL that is never answered counts as at least, in the answer times."""
REASONS: Final = frozenset(metrics.EDGE_DISCONNECTS.label_sets["reason"] or ())
EXPEL_S: Final = 30.0
"""All whose certificate was revoked are gone after so long."""
_AT_ONCE: Final = 500
"""Sockets closed before others get their turn of the event loop."""

_log = get_logger("edge.stations")


class Hub:
    """The sink of a node with a stations' listener. One station has one session here, the newest."""

    def __init__(self, node: Node, actions: frozenset[str] = frozenset()) -> None:
        settings = node.settings
        self.node = node
        self.gate = node.gate
        self.monotonic = node.clock.monotonic
        self.append = node.appender.append
        self.meters = Meters(actions)
        self.traces = Traces(node.tracer) if node.tracer is not None else None
        self.presence = Presence(node, self._moved_on)
        self.admission = Admission(settings.connect_rate, settings.connect_burst, self.monotonic())
        self.attempts = Attempts(settings.auth_failures)
        self.connect_rate = settings.connect_rate
        self.max_connections = settings.max_connections
        self.max_frame_bytes = settings.max_frame_bytes
        self.max_json_depth = settings.max_json_depth
        self.inbound_queue = settings.inbound_queue
        self.outbound_queue = settings.outbound_queue
        self.call_timeout_s = settings.call_timeout_s
        self.write_timeout_s = settings.write_timeout_s
        self.ping_s = settings.ping_interval_s
        self.default_heartbeat_s = float(settings.heartbeat_interval_s)
        self.sessions: dict[str, Session] = {}
        self._spokes: list[set[Session]] = [set() for _ in range(SPOKES)]
        self._spoke = 0
        self.task: asyncio.Task[None] | None = None
        self._closings: set[asyncio.Task[None]] = set()
        metrics.EDGE_CONNECTIONS_LIMIT.labels().set(settings.max_connections)

    def start(self) -> None:
        """Turn the wheel."""
        self.task = asyncio.create_task(self._turn(), name="wheel")

    async def stop(self) -> None:
        """Stop the wheel, and wait for the closings under way."""
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
        await asyncio.gather(*self._closings, return_exceptions=True)

    def ttl_s(self, interval_s: float) -> float:
        """Return the presence TTL for a station heard of every `interval_s` seconds (0: the default)."""
        return ttl_ms(interval_s, self.node.settings) / 1000

    @property
    def everywhere(self) -> int:
        """How many sockets there are, those that close among them."""
        return sum(map(len, self._spokes))

    @property
    def full(self) -> bool:
        """Whether there is no room for one station more."""
        return self.everywhere >= self.max_connections

    def not_ready(self) -> list[str]:
        """Say why no station should be sent here; those that are here may dial again all the same."""
        return ["at the connection limit"] if self.full else []

    # ── sessions come and go ─────────────────────────────────────────────────────────────────────────────────────

    def join(self, session: Session, notes: tuple[str, ...], welcome: Welcome) -> None:
        """Take a session in, in place of an older one, and tell the workers."""
        older = self.sessions.get(session.station_id)
        if older is not None:
            older.close(TRY_AGAIN, "superseded", "superseded")
        self.sessions[session.station_id] = session
        self._spokes[hash(session) % SPOKES].add(session)
        protocol = session.version.subprotocol
        self.meters.connected(protocol, session.profile, 1)
        shown = welcome.shown
        body = SessionOpened(
            *(protocol, session.address, session.profile, notes, welcome.proof),
            *((shown.id, shown.not_after) if shown is not None else ()),
        )
        self._report(Kind.OPENED, session, envelopes.encode(body))
        _log.info(
            "connected", station=session.station_id, epoch=session.epoch, protocol=protocol, address=session.address
        )

    def leave(self, session: Session, label: str, code: int, *, ours: bool) -> None:
        """Note that a session has ended, once; the workers are told, and what was not written is reported."""
        if session.ended:
            return
        session.ended = True
        now = self.monotonic()
        session.due = now + CLOSE_WAIT_S
        if self.sessions.get(session.station_id) is session:
            del self.sessions[session.station_id]
        if self.traces is not None:
            self.traces.abandon(session)
        for meters, received_at in forwarding.unanswered(session):
            meters.ack.observe(max(now - received_at, UNANSWERED_S))
        delivering.abandon(session)
        self.meters.connected(session.version.subprotocol, session.profile, -1)
        self.meters.disconnected(label)
        self.meters.lifetime.observe(now - session.opened_at)
        self._report(Kind.CLOSED, session, envelopes.encode(SessionClosed(label, code, ours)), gone=not ours)
        _log.info("disconnected", station=session.station_id, epoch=session.epoch, reason=label, code=code)

    def noted(self, session: Session, flag: str) -> None:
        """Tell the workers how a station behaves on its socket."""
        entry = Uplink(envelopes.VERSION, Kind.NOTED, session.station_id, self.node.name, session.epoch, 0, b"", flag)
        self.append(session.stream, envelopes.encode(entry), None)

    def gone(self, session: Session) -> None:
        """Forget a session whose socket is gone."""
        self._spokes[hash(session) % SPOKES].discard(session)

    def _report(self, kind: Kind, session: Session, body: bytes, *, gone: bool = False) -> None:
        entry = Uplink(envelopes.VERSION, kind, session.station_id, self.node.name, session.epoch, 0, body)
        if kind == Kind.OPENED:
            self.append(session.stream, envelopes.encode(entry), session)
            return
        # Presence goes once the workers will know why.
        let_go = partial(self.presence.let_go, session.station_id, session.epoch, gone=gone)
        self.append(session.stream, envelopes.encode(entry), None, let_go)

    def _moved_on(self, station_id: str, epoch: int) -> None:
        """Close a session whose station has a newer one elsewhere: its close item was lost."""
        session = self._find(station_id, epoch)
        if session is not None:
            session.close(TRY_AGAIN, "superseded", "superseded")

    # ── items from the downlink ──────────────────────────────────────────────────────────────────────────────────

    def answer(self, item: Answer) -> None:
        """Write the answer to a CALL, if its session still waits for it."""
        session = self.sessions.get(item.station)
        if session is None or session.epoch != item.epoch:
            self.meters.invalid("late_answer")
        elif self.traces is not None and (way := self.traces.answering(session, item)) is not None:
            delivering.answer(session, item.call_seq, item.frame, self.monotonic())
            self.traces.answered(session, way)
        else:
            delivering.answer(session, item.call_seq, item.frame, self.monotonic())

    def command(self, item: Command) -> None:
        """Write a CALL of ours, or report that it was not written."""
        session = self._find(item.station, item.epoch)
        if session is None:
            self.not_written(item, "no session")
        elif session.finishing:
            self.not_written(item, "draining")
        elif self.is_late(item):
            self.not_written(item, "deadline")
        else:
            if self.traces is not None:
                self.traces.command(item)
            delivering.command(session, item)

    def close(self, item: Close) -> None:
        """Close a session."""
        session = self._find(item.station, item.epoch)
        if session is not None:
            session.close(item.code, item.reason, item.reason if item.reason in REASONS else "operator")

    def adjust(self, item: Adjust) -> None:
        """Take over the heartbeat interval that a station was given."""
        session = self._find(item.station, item.epoch)
        if session is not None:
            session.set_interval(item.heartbeat_interval_s)

    def is_late(self, item: Command) -> bool:
        """Tell whether a command's deadline has passed, by Redis's clock."""
        return self.node.pulse.redis_ms() >= item.deadline_ms

    def not_written(self, item: Command, reason: str) -> None:
        """Report a command that never reached its socket."""
        body = msgspec.msgpack.encode(NotWritten(item.command_id, reason))
        entry = Uplink(envelopes.VERSION, Kind.NOT_WRITTEN, item.station, self.node.name, item.epoch, 0, body)
        self.append(self.node.uplink_of(item.station), envelopes.encode(entry), None)

    def _find(self, station_id: str, epoch: int) -> Session | None:
        session = self.sessions.get(station_id)
        return session if session is not None and session.epoch == epoch else None

    # ── all at once ──────────────────────────────────────────────────────────────────────────────────────────────

    def gap(self) -> None:
        """Close the sessions that may miss an item: those with a CALL in flight. A lost command times out by itself."""
        self._close_soon([each for each in self.sessions.values() if each.in_flight], "downlink_gap")

    def fail_closed(self, reason: str) -> None:
        """Close every session: nobody answers."""
        self._close_soon(list(self.sessions.values()), "failed_closed")

    def reopened(self) -> None:
        """Admit stations again, at the rate and without a burst: they all come at once."""
        self.admission.restart(self.monotonic())

    def expel(self, revoked: Collection[str]) -> None:
        """Close the sessions that one of these certificates opened, each at a moment of its own.

        They dial again, and each try costs a handshake: so they go at the rate at which handshakes are admitted.
        """
        now, before = self.monotonic(), [each for each in self.sessions.values() if each.expelled_at]
        found = [each for each in self.sessions.values() if each.certificate in revoked]
        for session in before:
            if session.certificate not in revoked:  # It was reinstated.
                session.expelled_at = 0.0
        spread_s = min(len(found) / self.connect_rate, EXPEL_S)
        for session in found:
            if not session.expelled_at:
                session.expelled_at = now + random.uniform(0, spread_s)
                session.look_at(session.expelled_at)

    def _close_soon(self, sessions: list[Session], label: str) -> None:
        task = asyncio.create_task(self._close_all(sessions, label))
        self._closings.add(task)
        task.add_done_callback(self._closings.discard)

    async def _close_all(self, sessions: Iterable[Session], label: str) -> None:
        for number, session in enumerate(sessions):
            session.close(TRY_AGAIN, "try again", label)
            if number % _AT_ONCE == _AT_ONCE - 1:
                await asyncio.sleep(0)

    # ── the wheel ────────────────────────────────────────────────────────────────────────────────────────────────

    async def _turn(self) -> None:
        while True:
            await self.node.clock.sleep(SPOKE_S)
            self.turn_once()

    def turn_once(self) -> None:
        """Look at the next tenth of the sessions, and send the touches that came together."""
        now = self.monotonic()
        self._spoke = (self._spoke + 1) % SPOKES
        for session in [each for each in self._spokes[self._spoke] if each.due <= now]:
            session.tick(now)
        self.presence.flush()
