"""Traces: what is followed, what a span is, and that nothing is paid for them where they are off."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import timeit

import msgspec
import pytest

from shared import envelopes, otel, tracing
from shared.envelopes import Uplink
from shared.settings import SettingsError, load
from tests.tracing import Kept, context_of, parent_of

GIVEN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    ("traceparent", "is_followed"),
    [
        (GIVEN, True),
        (GIVEN[:-2] + "03", True),
        (GIVEN[:-2] + "00", False),
        ("", False),
        ("01" + GIVEN[2:], False),
        (GIVEN.upper(), False),
        (GIVEN + "-more", False),
        ("00-" + "0" * 32 + "-b7ad6b7169203331-01", False),
        ("00-0af7651916cd43dd8448eb211c80319c-" + "0" * 16 + "-01", False),
        ("x" * 10_000, False),
    ],
)
def test_whom_callers_may_have_followed(traceparent: str, *, is_followed: bool) -> None:
    """A caller's context counts where it is well formed and sampled (W3C Trace Context); all else is as none."""
    assert tracing.followed(traceparent) == (traceparent if is_followed else "")


def test_spans_stand_below_their_parents() -> None:
    """A span has the trace of its parent and the times it was given; one without a parent begins a trace."""
    tracer = Kept()
    root = tracer.start("root")
    begun, ended = time.time_ns() - 5_000_000, time.time_ns()
    tracer.start("child", root.context, {"n": 1}, kind="consumer", at_ns=begun).end(ended, result="ok")
    root.end()
    child = tracer.one("child")
    assert parent_of(child) == root.context == context_of(tracer.one("root"))
    assert parent_of(tracer.one("root")) == ""
    assert (child.start_time, child.end_time) == (begun, ended)
    assert dict(child.attributes or {}) == {"n": 1, "result": "ok"}
    assert tracing.trace_id(root.context) == tracing.trace_id(context_of(child)) != ""


def test_the_context_of_a_task() -> None:
    """Within a span its context is the current one, and not after it."""
    tracer = Kept()
    span = tracer.start("request")
    with tracing.within(span):
        assert tracing.current() == span.context
    assert tracing.current() == ""


def test_a_share_is_followed() -> None:
    """Of many frames about the share that the setting names is followed; of none none, of all all."""
    none, some, every = Kept(0.0), Kept(0.1), Kept(1.0)
    assert not any(none.wants() for _ in range(1000))
    assert all(every.wants() for _ in range(1000))
    assert 50 < sum(some.wants() for _ in range(1000)) < 200


def test_traces_are_off_where_nothing_is_set() -> None:
    """Without an endpoint there is no tracer."""
    assert tracing.open_tracer(load({}), "ampstream-edge", "e1") is None


def test_an_endpoint_that_is_none_is_refused() -> None:
    """The endpoint is an http URL without a password in it; the error names the variable."""
    for wrong in ("collector:4317", "grpc://collector", "http://me:secret@collector"):
        with pytest.raises(SettingsError, match="AMPSTREAM_TRACES_ENDPOINT"):
            load({"AMPSTREAM_TRACES_ENDPOINT": wrong})


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ("http://127.0.0.1:1", "http://127.0.0.1:1/v1/traces"),
        ("http://127.0.0.1:1/", "http://127.0.0.1:1/v1/traces"),
        ("http://127.0.0.1:1/otlp/v1/traces", "http://127.0.0.1:1/otlp/v1/traces"),
    ],
)
def test_the_standard_path_is_added(monkeypatch: pytest.MonkeyPatch, given: str, asked: str) -> None:
    """A URL without a path gets OTLP's own; one with a path is taken as it is."""
    seen = []
    monkeypatch.setattr(otel, "OTLPSpanExporter", lambda endpoint: seen.append(endpoint))
    monkeypatch.setattr(otel, "BatchSpanProcessor", lambda _exporter: Kept().exporter)
    otel.OtelTracer.to(given, 1.0, "s", "i")
    assert seen == [asked]


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_collector_that_is_away_holds_nobody_up() -> None:
    """Neither a span nor the end of the process waits for a collector that takes the connection and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        tracer = otel.OtelTracer.to(f"http://127.0.0.1:{silent.getsockname()[1]}", 1.0, "s", "i")
        begun = time.perf_counter()
        for _ in range(100):
            tracer.start("frame").end()
        assert time.perf_counter() - begun < 20
        tracer.close()
        assert time.perf_counter() - begun < otel.CLOSE_S + 7


def test_without_opentelemetry_the_start_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Traces that are asked for and not installed end the start with the command that mends it."""
    monkeypatch.setitem(sys.modules, "shared.otel", None)
    with pytest.raises(tracing.Unavailable, match=r"pip install 'ampstream\[otel\]'"):
        tracing.open_tracer(load({"AMPSTREAM_TRACES_ENDPOINT": "http://127.0.0.1:1"}), "s", "i")


def test_opentelemetry_is_not_even_imported_where_traces_are_off() -> None:
    """Edge and worker import nothing of it: without the extra they run all the same."""
    script = (
        "import sys, edge.main, edge.operators.app, workers.main; print([n for n in sys.modules if 'opentel' in n])"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert found.strip() == "[]"


class Untraced(msgspec.Struct, array_like=True, frozen=True):
    """An uplink entry as it would be without traces."""

    version: int
    kind: int
    station: str
    node: str
    epoch: int
    call_seq: int
    frame: bytes
    note: str = ""


def test_an_untraced_frame_pays_next_to_nothing() -> None:
    """The empty context costs a byte of the envelope, and of its packing and unpacking at most a seventh."""
    values = (1, 1, "CP00001", "edge-0123456789ab", 1_795_436_600_000, 12, b"x" * 400)
    plain, traced = Untraced(*values), Uplink(*values)
    assert len(envelopes.encode(traced)) == len(envelopes.encode(plain)) + 1
    decode_plain = msgspec.msgpack.Decoder(Untraced).decode
    packed_plain, packed = envelopes.encode(plain), envelopes.encode(traced)

    def without() -> None:
        envelopes.encode(plain)
        decode_plain(packed_plain)

    def with_() -> None:
        envelopes.encode(traced)
        envelopes.decode_uplink(packed)

    # Alternating, and the least of many: what else runs on the machine meets both.
    times = [(timeit.timeit(without, number=3000), timeit.timeit(with_, number=3000)) for _ in range(40)]
    ratio = min(on for _, on in times) / min(off for off, _ in times)
    assert ratio < 1.15


def test_entries_of_older_and_newer_releases_are_read() -> None:
    """An envelope without the context, and one with more than is known, are read all the same."""
    values = (1, 1, "CP1", "edge", 7, 1, b"[]")
    assert envelopes.decode_uplink(envelopes.encode(Untraced(*values))).trace == ""
    newer = msgspec.msgpack.encode([*values, "", GIVEN, "a field of a later release"])
    assert envelopes.decode_uplink(newer).trace == GIVEN
