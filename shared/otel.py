"""The tracer of OpenTelemetry, sent by OTLP over HTTP; the only module that imports it (`pip install ampstream[otel]`).

Whether a frame is followed is decided here, before the SDK is asked for anything; what is begun is always recorded. The
SDK reads its own standard variables: OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME, OTEL_BSP_* for the queue, and
OTEL_EXPORTER_OTLP_* for headers, timeouts and certificates.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Final, Self
from urllib.parse import urlsplit

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags, set_span_in_context

from shared.tracing import Attribute, Kind

PATH: Final = "/v1/traces"
CLOSE_S: Final = 2.0
GIVE_UP_S: Final = 0.5
_KINDS: Final = {
    "internal": SpanKind.INTERNAL,
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
}


class OtelSpan:
    """A span that is recorded."""

    __slots__ = ("_span", "context")

    def __init__(self, span: trace.Span) -> None:
        self._span = span
        found = span.get_span_context()
        self.context = f"00-{found.trace_id:032x}-{found.span_id:016x}-01"

    def end(self, at_ns: int | None = None, **attributes: Attribute) -> None:
        """End it, now or at a Unix time in ns."""
        if attributes:
            self._span.set_attributes(attributes)
        self._span.end(at_ns)


class OtelTracer:
    """Follows a share of the frames."""

    def __init__(self, processor: SpanProcessor, ratio: float, service: str, instance: str) -> None:
        """`processor` takes the ended spans, `ratio` is the share of frames that are followed."""
        attributes = {"service.version": version("ampstream"), "service.instance.id": instance}
        if "OTEL_SERVICE_NAME" not in os.environ:
            attributes["service.name"] = service
        self._provider = TracerProvider(sampler=ALWAYS_ON, resource=Resource.create(attributes), shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("ampstream", version("ampstream"))
        self._ratio = ratio
        self._random = random.random
        self._give_up: Callable[[], object] = _nothing

    @classmethod
    def to(cls, endpoint: str, ratio: float, service: str, instance: str) -> Self:
        """Return a tracer that sends to an OTLP/HTTP endpoint; a URL without a path gets the standard's."""
        url = endpoint if urlsplit(endpoint).path.strip("/") else endpoint.rstrip("/") + PATH
        exporter = OTLPSpanExporter(endpoint=url)
        tracer = cls(BatchSpanProcessor(exporter), ratio, service, instance)
        # It goes on trying otherwise, in a thread of its own.
        tracer._give_up = lambda: exporter.shutdown()  # type: ignore[no-untyped-call]
        return tracer

    def wants(self) -> bool:
        """Tell whether a frame that begins now is to be followed."""
        return self._random() < self._ratio

    def start(
        self,
        name: str,
        parent: str = "",
        about: Mapping[str, Attribute] | None = None,
        *,
        kind: Kind = "internal",
        at_ns: int | None = None,
    ) -> OtelSpan:
        """Begin a span with attributes, below `parent` (traceparent) or alone, now or at a Unix time in ns."""
        context = set_span_in_context(NonRecordingSpan(_parsed(parent))) if parent else Context()
        span = self._tracer.start_span(name, context=context, kind=_KINDS[kind], attributes=about, start_time=at_ns)
        return OtelSpan(span)

    def close(self) -> None:
        """Send what was not sent yet, for at most `CLOSE_S`; blocks."""
        # The exporter tries a collector that is away for ten seconds and more; a process that ends does not.
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(CLOSE_S)
        if closing.is_alive():
            self._give_up()
            closing.join(GIVE_UP_S)


def _nothing() -> None:
    """Give up nothing: what is not sent over a network ends by itself."""


def _parsed(traceparent: str) -> SpanContext:
    _, trace_id, span_id, _ = traceparent.split("-")
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
