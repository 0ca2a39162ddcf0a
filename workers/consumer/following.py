"""What is told of single entries: spans of those that are followed, and lines in the log.

    stream.wait      from the entry's place on the uplink (Redis's clock, whole ms) until this worker has read it
    worker.frame     from there until it is settled; the answer's and the commands' spans stand below it
    worker.load, worker.decide, worker.commit, worker.emit    the phases of the round that it was part of

A round serves many entries: each followed one shows the phases of its round as its own. Where traces are off, and the
log level is not `debug`, a round costs two looks.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple

import msgspec

from shared import metrics
from shared.envelopes import Kind
from shared.logs import get_logger
from shared.tracing import Span, Tracer, followed
from workers.dispatch import Entry

from .batch import Done

log = get_logger("worker.consumer")

HEARTBEATS: Final = 100
"""Of heartbeats one in so many is logged: they say nothing that the metrics do not."""
_UNLOGGED: Final = frozenset({Kind.CANARY})
_NAMES: Final = {"settle": "emit"}


class Phase(NamedTuple):
    """A part of a round, in Unix ns."""

    name: str
    begun_ns: int
    ended_ns: int


class Following:
    """Follows the rounds of one partition."""

    def __init__(self, tracer: Tracer | None, *, verbose: bool) -> None:
        """`verbose`: log every entry, of heartbeats one in `HEARTBEATS`."""
        self._tracer = tracer
        self._verbose = verbose
        self._phases: list[Phase] | None = None
        self._beats = 0

    def observe(self, phase: str, seconds: float) -> None:
        """Count how long a phase took."""
        metrics.WORKER_PHASE_SECONDS.labels(phase).observe(seconds)
        if self._phases is not None:
            now = time.time_ns()
            self._phases.append(Phase(_NAMES.get(phase, phase), now - int(seconds * 1e9), now))

    @contextmanager
    def round(self, entries: Sequence[Entry]) -> Iterator[None]:
        """Follow a round from the moment that it is read until it is settled."""
        tracer = self._tracer
        spans = [] if tracer is None else [_begun(tracer, entry) for entry in entries if followed(entry.uplink.trace)]
        if not spans or tracer is None:
            yield
            return
        phases: list[Phase] = []
        self._phases = phases
        try:
            yield
        finally:
            self._phases = None
            for span in spans:
                for phase in phases:
                    tracer.start(f"worker.{phase.name}", span.context, at_ns=phase.begun_ns).end(phase.ended_ns)
                span.end()

    def settled(self, done: Sequence[Done]) -> None:
        """Log what was settled: what is followed always, everything where the level is `debug`."""
        if self._tracer is None and not self._verbose:
            return
        for one in done:
            if one.entry.origin.trace:
                log.info("entry settled", **_told(one))
            elif self._verbose and self._is_logged(one.entry):
                log.debug("entry settled", **_told(one))

    def _is_logged(self, entry: Entry) -> bool:
        if entry.kind in _UNLOGGED:
            return False
        if entry.label != "Heartbeat":
            return True
        self._beats += 1
        return self._beats % HEARTBEATS == 1


def _begun(tracer: Tracer, entry: Entry) -> Span:
    now, origin, parent = time.time_ns(), entry.origin, entry.uplink.trace
    about = {"ampstream.station": entry.station, "ampstream.entry": entry.label}
    # The stream's clock is Redis's: where it is ahead, the wait is none, not less.
    waited_ns = min(origin.received_at * 1_000_000, now)
    tracer.start("stream.wait", parent, {"ampstream.partition": origin.partition}, at_ns=waited_ns).end(now)
    span = tracer.start("worker.frame", parent, about, kind="consumer", at_ns=now)
    entry.origin = msgspec.structs.replace(origin, trace=span.context)
    return span


def _told(done: Done) -> dict[str, str]:
    result = done.outcome.result.name.lower()
    return {**done.entry.names, "entry_kind": done.entry.label, "result": done.draft.result, "commit": result}
