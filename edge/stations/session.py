"""One station's socket: its state, its life, and what is due on it by the clock.

The rules of its CALLs and answers are those of `shared.ocpp.connection`, in the CSMS's role (`rpc`). What is done about
them is apart: `reading` (what came), `forwarding` (CALLs to the uplink), `delivering` (answers and commands to the
socket). A session has no task and no timer: the hub's wheel calls `tick` when `due` passed.

    open ── close() ──> ended, waiting for the station's close frame ── on_lost() ──> gone
         ── on_peer_close(), on_lost() ──────────────────────────────────────────────> gone
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

from edge.stations import delivering, forwarding, reading
from edge.stations.wire import PING, Wire
from shared.ocpp.connection import Connection
from shared.ocpp.versions import Version

if TYPE_CHECKING:
    from edge.stations.hub import Hub
    from shared.tracing import Span

GOING_AWAY: Final = 1001
TRY_AGAIN: Final = 1012
OURS: Final = frozenset({GOING_AWAY, TRY_AGAIN})
"""Close codes that tell a station to come back; stations do not dial again after a clean 1000 (quirk 29)."""
ABNORMAL: Final = 1006
CLOSE_WAIT_S: Final = 3.0
"""How long the station may take to answer our close frame."""
TOUCHES_PER_TTL: Final = 3
MAX_STRIKES: Final = 50
"""Bad frames and unasked answers, less the answers since, after which a station is closed (quirk 11)."""
POLICY: Final = 1008
PONGS_MISSED: Final = 3
"""So many pings without a single pong, and the station is known for it (quirk 20)."""
IDLE_S: Final = 300.0
"""A session is looked at this often whatever happens."""


class Session(Wire):
    """A registered connection; `(station_id, epoch)` names it everywhere."""

    __slots__ = (
        "address", "beats", "certificate", "close_code", "due", "ended", "epoch", "expelled_at", "finishing",
        "heartbeat_s", "hub", "noted", "opened_at", "out", "ping_at", "pings", "pings_sent", "ponged", "profile",
        "repeats", "repeats_since", "rpc", "seen_at", "span", "stalled_at", "stalled_bytes", "station_id", "stream",
        "strikes", "touched_at", "ttl_s",
    )  # fmt: skip

    def __init__(
        self, hub: Hub, transport: asyncio.Transport, station_id: str, epoch: int, version: Version, profile: int
    ) -> None:
        super().__init__(transport, hub.max_frame_bytes)
        now = hub.monotonic()
        self.hub = hub
        self.station_id = station_id
        self.epoch = epoch
        self.profile = profile
        self.stream = hub.node.uplink_of(station_id)
        self.address = ""
        self.certificate = ""
        """The id of the one that opened it."""
        self.expelled_at = 0.0
        """When it is closed because its certificate was revoked meanwhile; 0: it was not."""
        self.ended = False
        self.finishing = False
        """Closed as soon as the CALL in flight is answered (drain)."""
        self.close_code = 0
        """What the station said in its close frame."""
        self.opened_at = self.seen_at = self.touched_at = now
        self.due = now
        self.rpc = Connection(
            version,
            max_queued=hub.inbound_queue,
            overflow=forwarding.OVERFLOW,
            inbound_timeout=hub.call_timeout_s,
            max_depth=hub.max_json_depth,
        )
        self.span: Span | None = None
        """Of the CALL in flight, where it is followed."""
        self.strikes = 0
        self.out: deque[delivering.Outgoing] | None = None
        self.stalled_at = 0.0
        self.stalled_bytes = 0
        """What waited in the transport then; less of it later means that the station reads, if slowly."""
        # Signs of life.
        self.pings = hub.ping_s > 0
        self.ping_at = 0.0
        self.pings_sent = 0
        self.ponged = False
        self.beats = False
        # What the workers are told of it, once a session.
        self.noted: frozenset[str] = frozenset()
        self.repeats = 0
        self.repeats_since = now
        self.heartbeat_s = 0
        self.ttl_s = hub.ttl_s(0.0)

    @property
    def version(self) -> Version:
        """The version that was agreed on."""
        return self.rpc.version

    @property
    def in_flight(self) -> bool:
        """Whether a CALL waits for its answer."""
        return self.rpc.in_flight is not None

    @property
    def held_back(self) -> bool:
        """Whether the socket is not read because too many CALLs wait."""
        return self.rpc.paused

    # ── from the socket ──────────────────────────────────────────────────────────────────────────────────────────

    def on_text(self, data: bytes, *, binary: bool) -> None:
        """Read a frame."""
        if not self.ended:
            reading.read(self, data, binary=binary)

    def on_ping(self) -> None:
        """Take the station's ping as a sign of life."""
        self.seen_at = self.hub.monotonic()

    def on_pong(self) -> None:
        """Take a pong as a sign of life; from the first on, pings are what the TTL rests on."""
        now = self.seen_at = self.hub.monotonic()
        if self.ping_at:
            self.hub.meters.ping.observe(now - self.ping_at)
            self.ping_at = 0.0
        if not self.ponged:
            self.ponged = True
            self.set_interval(self.heartbeat_s)

    def on_peer_close(self, code: int) -> None:
        """Answer the station's close frame, or take its answer to ours."""
        self.close_code = code
        if not self.closing:
            self.say_close(code if code not in (0, ABNORMAL) else 0, "")
        self.end()
        self.hub.leave(self, "station", code, ours=False)

    def on_violation(self, code: int, reason: str) -> None:
        """Close: what follows can't be understood."""
        self.close(code, reason, "frame_too_big" if code == 1009 else "protocol_error")

    def on_lost(self, exc: Exception | None) -> None:
        """Tell the hub, which knows whether this was expected."""
        self.hub.leave(self, "lost" if exc is not None else "station", ABNORMAL, ours=False)
        self.hub.gone(self)

    def on_writable(self) -> None:
        """Write what waited."""
        delivering.resume(self)

    def pause_writing(self) -> None:
        """Give the station until `write_timeout_s` to read."""
        super().pause_writing()
        self.stalled_at = self.hub.monotonic()
        self.stalled_bytes = self.unwritten
        self.look_at(self.stalled_at + self.hub.write_timeout_s)

    # ── from the frames ──────────────────────────────────────────────────────────────────────────────────────────

    def may_go_on_after(self, fault: str) -> bool:
        """Count what should not have come, by the metric's word for it; False where that was once too often."""
        self.hub.meters.invalid(fault)
        self.strikes += 1
        if self.strikes > MAX_STRIKES:
            self.close(POLICY, "too many bad frames", "protocol_error")
        return not self.ended

    def note(self, flag: str) -> None:
        """Tell the workers how the station behaves on its socket, once a session."""
        if flag not in self.noted:
            self.noted |= {flag}
            self.hub.noted(self, flag)

    def answered(self) -> None:
        """Forgive a fault for an answer, and close where that was the last one to wait for."""
        if self.strikes:
            self.strikes -= 1
        if self.finishing and not self.in_flight:
            self.close(TRY_AGAIN, "restarting", "drain")

    # ── ends ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def close(self, code: int, reason: str, label: str) -> None:
        """Close the socket; `label` is the metric's word for why. What comes from the station is ignored from now."""
        if self.ended:
            return
        self.say_close(code, reason)
        self.hub.leave(self, label, code, ours=code in OURS)
        if self.stalled:
            self.abort()
            return
        self.resume_reading()

    def append_failed(self) -> None:
        """Close: whether the station's report arrived is not known, so it must report again."""
        self.close(TRY_AGAIN, "not taken, report again", "append_unknown")

    # ── by the clock ─────────────────────────────────────────────────────────────────────────────────────────────

    def look_at(self, at: float) -> None:
        """Let `tick` run at `at` at the latest."""
        if at < self.due:
            self.due = at

    def set_interval(self, heartbeat_s: int) -> None:
        """Take over the heartbeat interval that the station was given; the TTL follows, at once."""
        self.heartbeat_s = heartbeat_s
        interval = float(heartbeat_s) or self.hub.default_heartbeat_s
        if self.pings and self.ponged:
            interval = min(interval, self.hub.ping_s)
        self.ttl_s = self.hub.ttl_s(interval)
        self.touched_at = -1.0
        self.due = 0.0

    def tick(self, now: float) -> None:
        """Do what is due, and say when to look again."""
        if self.ended:
            self.abort()
            self.due = now + IDLE_S
            return
        if self._expired(now):
            return
        self._touch(now)
        if self.pings and not self.stalled and now - max(self.seen_at, self.ping_at) >= self.hub.ping_s:
            self.ping_at = now
            self.write(PING, b"")
            self.pings_sent += 1
            if not self.ponged and self.pings_sent > PONGS_MISSED:
                self.note("no_pong")
        self.due = self._next(now)

    def _expired(self, now: float) -> bool:
        """Close the session where a limit has passed."""
        hub = self.hub
        # Commands are timed by the workers, so a CALL without its answer is all that time can bring.
        if self.rpc.tick(now):
            self.close(TRY_AGAIN, "no answer in time", "call_timeout")
        elif self.stalled and now - self.stalled_at >= hub.write_timeout_s and not self._reads_on(now):
            self.close(TRY_AGAIN, "the station does not read", "write_timeout")
        elif self.expelled_at and now >= self.expelled_at:
            self.close(POLICY, "its certificate is revoked", "revoked")
        elif self._must_show_life and now - self.seen_at >= self.ttl_s:
            self.close(GOING_AWAY, "no sign of life", "ping_timeout")
        return self.ended

    def _reads_on(self, now: float) -> bool:
        """Tell whether a stalled station took a part of what waits; then it has the whole time again for the next."""
        left = self.unwritten
        if left >= self.stalled_bytes:
            return False
        self.stalled_at, self.stalled_bytes = now, left
        return True

    @property
    def _must_show_life(self) -> bool:
        """False for a station that neither heartbeats nor pongs: it lives as long as TCP's keepalive is answered."""
        return self.ponged or self.beats

    def _touch(self, now: float) -> None:
        """Tell Redis of the latest sign of life, at most every third of the TTL."""
        if now - self.touched_at < self.ttl_s / TOUCHES_PER_TTL:
            return
        seen = self.seen_at if self._must_show_life else now
        if seen > self.touched_at:
            left = max(self.ttl_s - (now - seen), 0.001)
            self.hub.presence.touch(self.station_id, self.epoch, int(left * 1000))
            self.touched_at = now

    def _next(self, now: float) -> float:
        hub = self.hub
        times = [now + IDLE_S, max(now, self.touched_at + self.ttl_s / TOUCHES_PER_TTL)]
        if self._must_show_life:
            times.append(self.seen_at + self.ttl_s)
        if self.pings:
            times.append(max(self.seen_at, self.ping_at) + hub.ping_s)
        if (deadline := self.rpc.next_deadline) is not None:
            times.append(deadline)
        if self.expelled_at:
            times.append(self.expelled_at)
        if self.stalled:
            times.append(self.stalled_at + hub.write_timeout_s)
        return min(times)
