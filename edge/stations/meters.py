"""The metrics of the stations' listener, with the children that each frame needs at hand."""

from __future__ import annotations

from shared import metrics
from shared.series import OTHER, Counter, Histogram


class ActionMeters:
    """What is counted for CALLs of one action."""

    __slots__ = ("ack", "calls", "errors", "results")

    def __init__(self, action: str) -> None:
        self.calls: Counter = metrics.EDGE_FRAMES.labels("in", "call", action)
        self.results: Counter = metrics.EDGE_FRAMES.labels("out", "callresult", action)
        self.errors: Counter = metrics.EDGE_FRAMES.labels("out", "callerror", action)
        self.ack: Histogram = metrics.EDGE_ACK_SECONDS.labels(action)


class Meters:
    """All of the listener's metrics; `of` returns those of an action, `other` for one that nobody registered."""

    __slots__ = ("_actions", "_other", "bytes_in", "bytes_out", "lifetime", "ping", "queued")

    def __init__(self, actions: frozenset[str]) -> None:
        self._actions = {action: ActionMeters(action) for action in actions}
        self._other = ActionMeters(OTHER)
        self.bytes_in = metrics.EDGE_FRAME_BYTES.labels("in")
        self.bytes_out = metrics.EDGE_FRAME_BYTES.labels("out")
        self.lifetime = metrics.EDGE_CONNECTION_SECONDS.labels()
        self.ping = metrics.EDGE_PING_SECONDS.labels()
        self.queued = metrics.EDGE_SEND_QUEUE.labels()

    def of(self, action: str) -> ActionMeters:
        """Return the meters of an action."""
        return self._actions.get(action, self._other)

    def answered(self, meters: ActionMeters, frame: bytes, seconds: float) -> None:
        """Count an answer that was written."""
        (meters.errors if frame[1:2] == b"4" else meters.results).inc()
        self.bytes_out.observe(len(frame))
        meters.ack.observe(seconds)

    @staticmethod
    def connected(subprotocol: str, profile: int, step: int) -> None:
        """Count a session that begins (1) or ends (-1)."""
        metrics.EDGE_CONNECTIONS.labels(subprotocol, str(profile)).inc(step)

    @staticmethod
    def upgrade(subprotocol: str, result: str) -> None:
        """Count an upgrade's outcome."""
        metrics.EDGE_CONNECTS.labels(subprotocol, result).inc()

    @staticmethod
    def disconnected(reason: str) -> None:
        """Count a session's end."""
        metrics.EDGE_DISCONNECTS.labels(reason).inc()

    @staticmethod
    def invalid(reason: str) -> None:
        """Count a text that is no frame, or none that fits."""
        metrics.EDGE_INVALID_FRAMES.labels(reason).inc()

    def command_out(self, frame: bytes, action: str) -> None:
        """Count a CALL of ours that was written."""
        metrics.EDGE_FRAMES.labels("out", "call", action).inc()
        self.bytes_out.observe(len(frame))

    @staticmethod
    def answer_in(action: str, *, is_error: bool) -> None:
        """Count an answer to a CALL of ours; `action` is empty for one that nobody asked for."""
        metrics.EDGE_FRAMES.labels("in", "callerror" if is_error else "callresult", action or OTHER).inc()
