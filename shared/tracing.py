"""Traces: one sampled frame followed through edge, stream, worker and back (docs/tracing.md).

This is all that the processes know of tracing; `shared.otel` speaks OpenTelemetry and is imported only where traces
are on. A context travels as W3C `traceparent` text, in envelopes (`Uplink.trace` and the like) and HTTP headers; an
empty one means that nothing is followed, and is all that such a frame costs.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, Literal, Protocol

from shared.settings import Settings

Kind = Literal["internal", "server", "client", "producer", "consumer"]
Attribute = str | int | float | bool
_TRACEPARENT: Final = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})")
_SAMPLED: Final = 1

_current: Final[ContextVar[str]] = ContextVar("traceparent", default="")


class Unavailable(RuntimeError):
    """Traces are asked for, and OpenTelemetry is not installed."""


class Span(Protocol):
    """Something that takes time; `context` is what its children name as their parent."""

    @property
    def context(self) -> str:
        """The span as traceparent."""
        ...

    def end(self, at_ns: int | None = None, **attributes: Attribute) -> None:
        """End it, now or at a Unix time in ns."""


class Tracer(Protocol):
    """Makes spans and sends them on, in the background."""

    def wants(self) -> bool:
        """Tell whether a frame that begins now is to be followed; asked once for each."""
        ...

    def start(
        self,
        name: str,
        parent: str = "",
        about: Mapping[str, Attribute] | None = None,
        *,
        kind: Kind = "internal",
        at_ns: int | None = None,
    ) -> Span:
        """Begin a span with attributes, below `parent` (traceparent) or alone, now or at a Unix time in ns."""
        ...

    def close(self) -> None:
        """Send what was not sent yet, for a bounded time."""


def open_tracer(settings: Settings, service: str, instance: str) -> Tracer | None:
    """Return the tracer of this process; None where traces are off. Raises `Unavailable`."""
    if not settings.traces_endpoint:
        return None
    try:
        from shared.otel import OtelTracer
    except ImportError as error:
        raise Unavailable(
            f"AMPSTREAM_TRACES_ENDPOINT is set, but OpenTelemetry is not installed ({error.name}): "
            "pip install 'ampstream[otel]'"
        ) from None
    return OtelTracer.to(settings.traces_endpoint, settings.traces_ratio, service, instance)


def followed(traceparent: str) -> str:
    """Return a caller's traceparent where it is well formed and sampled, else an empty text."""
    found = _TRACEPARENT.fullmatch(traceparent)
    return traceparent if found and int(found[2], 16) & _SAMPLED else ""


def trace_id(context: str) -> str:
    """Return the trace id of a context, as logs have it; empty for none."""
    return context[3:35]


def current() -> str:
    """Return the context of what this task does; empty where nothing is followed."""
    return _current.get()


@contextmanager
def within(span: Span) -> Iterator[None]:
    """Let `current` tell this span for the length of the block."""
    token = _current.set(span.context)
    try:
        yield
    finally:
        _current.reset(token)


def ago_ns(seconds: float) -> int:
    """Return the Unix time of so many seconds ago, in ns."""
    return time.time_ns() - int(seconds * 1e9)
