"""What a worker tells of single entries: spans of followed ones, lines at debug, heartbeats sampled."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from shared import envelopes, metrics
from shared.bus import keys
from shared.bus.lane import Lane
from shared.envelopes import Answer, Kind, Uplink
from shared.settings import Settings
from tests.support import lasting, wait_until
from tests.tracing import Kept, context_of, parent_of
from tests.workers.consumer.test_partition import POLICY, call, items, lane, open_session, settled
from workers.consumer.following import HEARTBEATS
from workers.consumer.partition import PartitionConsumer

__all__ = ["lane"]
WAITED_S = 0.3
EDGES = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(autouse=True)
def actions() -> None:
    """Name the actions that these tests count."""
    metrics.register_actions(["Heartbeat", "BootNotification"], [])


async def consumed(settings: Settings, lane: Lane, tracer: Kept | None = None) -> list[Any]:
    """Let a consumer settle all that is on the uplink; returns what it logged."""
    consumer = PartitionConsumer(settings, POLICY, 0, "w1", lane, tracer)
    with capture_logs() as lines:
        task = asyncio.create_task(consumer.run())
        await asyncio.sleep(0)
        await wait_until(lambda: settled(lane))
        consumer.stop()
        await task
    await consumer.close()
    return lines


async def test_a_followed_entry_has_its_wait_and_its_phases(settings: Settings, lane: Lane) -> None:
    """Wait and worker stand below the edge's span, phases in order below the worker's; the answer names that."""
    await open_session(lane)
    frame = msgspec.json.encode([2, "m9", "Heartbeat", {}])
    entry = Uplink(envelopes.VERSION, Kind.CALL, "CP1", "edge", 7, 2, frame, "", EDGES)
    await lane.one("XADD", keys.uplink(0), "*", "e", envelopes.encode(entry))
    tracer = Kept(0.0)
    lines = await consumed(settings, lane, tracer)
    worker, wait = tracer.one("worker.frame"), tracer.one("stream.wait")
    assert parent_of(worker) == parent_of(wait) == EDGES
    assert wait.start_time is not None
    assert wait.end_time == worker.start_time
    assert wait.start_time <= (wait.end_time or 0)
    phases = [span for span in tracer.exporter.get_finished_spans() if parent_of(span) == context_of(worker)]
    assert [span.name for span in phases] == ["worker.load", "worker.decide", "worker.commit", "worker.emit"]
    begun = [span.start_time or 0 for span in phases]
    assert begun == sorted(begun)
    assert (phases[-1].end_time or 0) <= (worker.end_time or 0)
    traces = [item.trace for item in await items(lane) if isinstance(item, Answer)]
    assert traces == ["", context_of(worker)]
    (line,) = [line for line in lines if line["event"] == "entry settled"]
    assert (line["station"], line["message_id"], line["entry_kind"]) == ("CP1", "m9", "Heartbeat")
    assert line["trace_id"] == EDGES[3:35]


async def test_phases_are_the_histograms(settings: Settings, lane: Lane) -> None:
    """What the spans say a phase took is what the phase's histogram counts, and no more than passed outside."""
    begun = time.perf_counter()
    frame = msgspec.json.encode([2, "m1", "BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"}])
    await open_session(lane)
    entry = Uplink(envelopes.VERSION, Kind.CALL, "CP1", "edge", 7, 2, frame, "", EDGES)
    await lane.one("XADD", keys.uplink(0), "*", "e", envelopes.encode(entry))
    tracer = Kept(0.0)
    await consumed(settings, lane, tracer)
    passed = time.perf_counter() - begun
    for phase, name in (("load", "load"), ("decide", "decide"), ("commit", "commit"), ("settle", "emit")):
        child = metrics.WORKER_PHASE_SECONDS.labels(phase)
        spans = tracer.named(f"worker.{name}")
        took = sum((span.end_time or 0) - (span.start_time or 0) for span in spans) / 1e9
        assert 0 < took <= child.total * 1.001 + 1e-6
        assert child.total < passed


async def test_the_wait_in_the_stream_and_the_way_to_the_commit(settings: Settings, lane: Lane) -> None:
    """An entry that nobody took up for a while shows that wait, and to its commit no more than an own watch."""
    begun = time.perf_counter()
    await open_session(lane)
    await lasting(WAITED_S, "no worker is there")
    await consumed(settings, lane)
    seen_s = time.perf_counter() - begun
    waited, whole = metrics.STREAM_WAIT_SECONDS.labels(), metrics.WORKER_END_TO_END_SECONDS.labels()
    assert waited.count == whole.count == 2
    # Redis's clock tells whole milliseconds.
    assert 2 * (WAITED_S - 0.001) <= waited.total < whole.total <= 2 * (seen_s + 0.001)


async def test_nothing_is_said_of_single_entries_at_info(settings: Settings, lane: Lane) -> None:
    """Where traces are off and the level is info, no line per entry is written."""
    await open_session(lane)
    assert not [line for line in await consumed(settings, lane) if line["event"] == "entry settled"]


async def test_heartbeats_are_sampled_at_debug(settings: Settings, lane: Lane) -> None:
    """At debug each entry has a line with station, entry and message id; of heartbeats one in a hundred has."""
    await open_session(lane)
    for seq in range(2, HEARTBEATS + 3):
        await call(lane, seq, "Heartbeat", {})
    lines = await consumed(msgspec.structs.replace(settings, log_level="debug"), lane)
    told = [line for line in lines if line["event"] == "entry settled"]
    assert [line["entry_kind"] for line in told] == ["opened", "BootNotification", "Heartbeat", "Heartbeat"]
    assert [line.get("message_id") for line in told] == [None, "1", "2", str(HEARTBEATS + 2)]
    assert all(line["station"] == "CP1" and line["entry"] for line in told)
