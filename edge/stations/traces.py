"""The spans of an edge: a followed CALL until its answer is written, and a command until it is answered.

    edge.frame      a CALL's arrival until its answer is on the socket; the root of its trace
    edge.answer     the answer's arrival on the downlink until it is on the socket; below the worker's span
    edge.command    a CALL of ours from the socket until the station's answer; below the worker's span

A hub has these only where traces are on: otherwise a frame costs a look whether it has.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, NamedTuple

from shared.envelopes import Answer, Command
from shared.logs import get_logger
from shared.ocpp import frames
from shared.ocpp.errors import FrameError
from shared.ocpp.events import InboundCall
from shared.tracing import Span, Tracer, ago_ns, trace_id

if TYPE_CHECKING:
    from edge.stations.session import Session

MAX_COMMANDS: Final = 1000
"""Commands followed at a time; the oldest is given up for a newer one."""
_log = get_logger("edge.stations")


class Answering(NamedTuple):
    """An answer on its way to the socket: the span of its CALL, the CALL, and the span of the way."""

    frame: Span
    call: InboundCall
    span: Span


class Traces:
    """Begins and ends the spans of one hub."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._commands: dict[str, Span] = {}

    def begin(self, session: Session, call: InboundCall, now: float) -> str:
        """Return the context under which a CALL that takes its turn is followed; empty for most."""
        if not self._tracer.wants():
            session.span = None
            return ""
        about = {
            "ampstream.station": session.station_id,
            "ocpp.action": call.action[:64],
            "ocpp.message_id": call.message_id,
        }
        arrived_ns = ago_ns(now - call.received_at)
        session.span = span = self._tracer.start("edge.frame", "", about, kind="server", at_ns=arrived_ns)
        return span.context

    def answering(self, session: Session, item: Answer) -> Answering | None:
        """Begin the way of an answer to the socket, where its CALL is in flight and followed."""
        span, call = session.span, session.rpc.in_flight
        if span is None or call is None or call.seq != item.call_seq:
            return None
        # Before the answer is written: the next CALL takes its turn, and the place, right after.
        session.span = None
        return Answering(span, call, self._tracer.start("edge.answer", item.trace or span.context))

    def answered(self, session: Session, way: Answering) -> None:
        """End a CALL's trace: its answer is written."""
        ended_ns = time.time_ns()
        way.span.end(ended_ns)
        way.frame.end(ended_ns)
        _log.info(
            "frame followed",
            station=session.station_id,
            action=way.call.action[:64],
            message_id=way.call.message_id,
            trace_id=trace_id(way.frame.context),
        )

    def abandon(self, session: Session) -> None:
        """End the span of a CALL that will not be answered."""
        span, session.span = session.span, None
        if span is not None:
            span.end(error=True)

    def command(self, item: Command) -> None:
        """Begin the time that a station takes for a command."""
        if not item.trace:
            return
        about = {"ampstream.station": item.station, "ocpp.message_id": item.command_id}
        self._commands[item.command_id] = self._tracer.start("edge.command", item.trace, about, kind="client")
        if len(self._commands) > MAX_COMMANDS:
            self._commands.pop(next(iter(self._commands))).end(error=True)

    def command_answered(self, data: bytes) -> str:
        """Return the context of the command that a text answers; empty where none is followed."""
        if not self._commands:
            return ""
        try:
            span = self._commands.pop(frames.decode(data).message_id, None)
        except FrameError:
            return ""
        if span is None:
            return ""
        span.end()
        return span.context
