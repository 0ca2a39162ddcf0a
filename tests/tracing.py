"""A tracer that keeps its spans, and what tests ask of them."""

from __future__ import annotations

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from shared.otel import OtelTracer


class Kept(OtelTracer):
    """OpenTelemetry's own SDK, with its exporter that keeps ended spans in memory."""

    def __init__(self, ratio: float = 1.0) -> None:
        self.exporter = InMemorySpanExporter()
        super().__init__(SimpleSpanProcessor(self.exporter), ratio, "ampstream-test", "test")

    def named(self, name: str) -> list[ReadableSpan]:
        """The ended spans of a name, in the order of their ends."""
        return [span for span in self.exporter.get_finished_spans() if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        """The only ended span of a name."""
        (span,) = self.named(name)
        return span


def context_of(span: ReadableSpan) -> str:
    """A span as traceparent."""
    found = span.get_span_context()
    assert found is not None
    return f"00-{found.trace_id:032x}-{found.span_id:016x}-01"


def parent_of(span: ReadableSpan) -> str:
    """A span's parent as traceparent; empty for a root."""
    found = span.parent
    return f"00-{found.trace_id:032x}-{found.span_id:016x}-01" if found is not None else ""
