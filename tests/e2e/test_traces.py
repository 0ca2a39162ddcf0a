"""Traces end to end: real processes, OTLP over HTTP to a collector of this test, a trace per frame and per command."""

from __future__ import annotations

import asyncio
import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import aiohttp
import msgspec
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.chaos.harness.system import System
from tests.e2e.field import PATIENT, Field
from tests.support import wait_until

GIVEN_TRACE = "0af7651916cd43dd8448eb211c80319c"
GIVEN_SPAN = "b7ad6b7169203331"


class Span(msgspec.Struct, frozen=True):
    """A span as it came."""

    name: str
    service: str
    trace_id: str
    span_id: str
    parent_id: str
    begun_ns: int
    ended_ns: int
    station: str


class Collector:
    """Takes OTLP/HTTP in protobuf, on a thread, and keeps the spans."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                assert self.path == "/v1/traces"
                collector.take(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, request: ExportTraceServiceRequest) -> None:
        """Keep the spans of an export."""
        for each in request.resource_spans:
            about = {attribute.key: attribute.value.string_value for attribute in each.resource.attributes}
            for span in (span for scope in each.scope_spans for span in scope.spans):
                named = {attribute.key: attribute.value.string_value for attribute in span.attributes}
                self.spans.append(
                    Span(
                        span.name,
                        about["service.name"],
                        span.trace_id.hex(),
                        span.span_id.hex(),
                        span.parent_span_id.hex(),
                        span.start_time_unix_nano,
                        span.end_time_unix_nano,
                        named.get("ampstream.station", ""),
                    )
                )

    def of(self, trace_id: str) -> list[Span]:
        """The spans of a trace."""
        return [span for span in self.spans if span.trace_id == trace_id]

    def close(self) -> None:
        """Stop listening."""
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    """A collector."""
    made = Collector()
    yield made
    made.close()


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[System]:
    """One edge and one worker that follow every frame; what they send goes out at once."""
    settings = {**PATIENT, "TRACES_ENDPOINT": collector.url, "TRACES_RATIO": "1"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        made = System(tmp_path_factory.mktemp("traces") / "system", workers=1, settings=settings)
    try:
        asyncio.run(made.start())
        yield made
    finally:
        made.close()


def edges_of(spans: list[Span]) -> set[tuple[str, str]]:
    """Who stands below whom, by name; a parent outside the trace's spans is the caller."""
    names = {span.span_id: span.name for span in spans}
    return {(span.name, names.get(span.parent_id, "caller" if span.parent_id else "")) for span in spans}


def log_of(process: object) -> str:
    """All that a process logged."""
    log = getattr(process, "log", None)
    assert isinstance(log, Path)
    return log.read_text()


BELOW_A_WORKER = {(f"worker.{phase}", "worker.frame") for phase in ("load", "decide", "commit", "emit")}


async def test_one_trace_follows_a_frame(system: System, collector: Collector) -> None:
    """A BootNotification: socket, wait in the stream, the worker's phases, the answer; each below the right one."""
    async with Field(system, "TRACE1") as field:
        await field.boot()

    def whole() -> list[Span]:
        ids = {span.trace_id for span in collector.spans if (span.name, span.station) == ("edge.frame", "TRACE1")}
        spans = [span for trace_id in ids for span in collector.of(trace_id)]
        return spans if len(spans) >= 8 else []

    spans = await wait_until(whole)
    assert len({span.trace_id for span in spans}) == 1
    assert edges_of(spans) == {
        ("edge.frame", ""),
        ("stream.wait", "edge.frame"),
        ("worker.frame", "edge.frame"),
        ("edge.answer", "worker.frame"),
        *BELOW_A_WORKER,
    }
    by_name = {span.name: span for span in spans}
    assert by_name["edge.frame"].service == by_name["edge.answer"].service == "ampstream-edge"
    assert by_name["worker.frame"].service == by_name["stream.wait"].service == "ampstream-worker"
    order = ["edge.frame", "worker.frame", "worker.load", "worker.decide", "worker.commit", "worker.emit"]
    begun = [by_name[name].begun_ns for name in order]
    assert begun == sorted(begun)
    assert by_name["edge.frame"].ended_ns == by_name["edge.answer"].ended_ns > by_name["worker.emit"].begun_ns
    trace_id = by_name["edge.frame"].trace_id
    for process, event in ((system.edges[0], "frame followed"), (system.workers[0], "entry settled")):
        lines = [msgspec.json.decode(line) for line in log_of(process).splitlines() if trace_id in line]
        assert [(line["event"], line["station"]) for line in lines] == [(event, "TRACE1")]


async def test_one_trace_follows_a_command(system: System, collector: Collector) -> None:
    """An operator's traceparent: request, its entry, the command at the station, its answer; all in the caller's."""
    async with Field(system, "TRACE2") as field, aiohttp.ClientSession() as http:
        await field.boot()
        headers = {
            "Authorization": f"Bearer {system.token}",
            "traceparent": f"00-{GIVEN_TRACE}-{GIVEN_SPAN}-01",
        }
        url = f"{system.api_url()}/api/v1/stations/TRACE2/commands?wait=60s"
        body = {"action": "ClearCache", "payload": {}}
        asking = asyncio.create_task(http.post(url, json=body, headers=headers).__aenter__())
        call = await field.command()
        field.station.answer(call, {"status": "Accepted"})
        answer = await asking
        assert (await answer.json())["state"] == "accepted"
        answer.release()
    request = "POST /api/v1/stations/{station_id}/commands"
    wanted = {
        (request, "caller"),
        ("stream.wait", request),
        ("worker.frame", request),
        ("edge.command", "worker.frame"),
        ("stream.wait", "edge.command"),
        ("worker.frame", "edge.command"),
        *BELOW_A_WORKER,
    }
    await wait_until(lambda: edges_of(collector.of(GIVEN_TRACE)) >= wanted)
    assert edges_of(collector.of(GIVEN_TRACE)) == wanted
    roots = [span for span in collector.of(GIVEN_TRACE) if span.name == request]
    assert [span.parent_id for span in roots] == [GIVEN_SPAN]
    (line,) = [
        msgspec.json.decode(line) for line in log_of(system.edges[0]).splitlines() if '"event":"request"' in line
    ]
    assert line["trace_id"] == GIVEN_TRACE
