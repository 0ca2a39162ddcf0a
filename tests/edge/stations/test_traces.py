"""The spans of an edge: a frame until its answer is written, a command until it is answered."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from shared import tracing
from shared.envelopes import Answer, Command, Kind
from shared.ocpp import frames
from tests.edge.stations.rig import HEARTBEAT, ask, running_edge
from tests.support import wait_until
from tests.tracing import Kept, context_of, parent_of

WORKERS = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def tracer(monkeypatch: pytest.MonkeyPatch) -> Kept:
    """Every frame is followed."""
    kept = Kept()
    monkeypatch.setattr(tracing, "open_tracer", lambda *_: kept)
    return kept


async def test_a_frame_is_followed_until_its_answer_is_written(redis_url: str, tracer: Kept) -> None:
    """The uplink carries the frame's context; the answer's span stands below the worker's; a line has the id."""
    async with running_edge(redis_url) as rig:
        rig.worker.holding = True
        socket = await rig.dial()
        with capture_logs() as lines:
            await socket.send_str(HEARTBEAT % "m1")
            (entry,) = await rig.worker.wait_for(Kind.CALL)
            item = Answer(entry.station, entry.epoch, entry.call_seq, frames.encode_result("m1"), WORKERS)
            await rig.worker.send(entry.node, item)
            await wait_until(lambda: tracer.named("edge.frame"))
        frame, way = tracer.one("edge.frame"), tracer.one("edge.answer")
        assert entry.trace == context_of(frame)
        assert parent_of(frame) == ""
        assert parent_of(way) == WORKERS
        assert frame.start_time is not None
        assert way.start_time is not None
        assert frame.start_time < way.start_time
        assert frame.end_time == way.end_time
        assert dict(frame.attributes or {})["ocpp.action"] == "Heartbeat"
        (line,) = [line for line in lines if line["event"] == "frame followed"]
        assert (line["station"], line["message_id"], line["trace_id"]) == ("CP1", "m1", entry.trace[3:35])


async def test_calls_that_wait_for_their_turn_are_followed_each(redis_url: str, tracer: Kept) -> None:
    """Of two CALLs at once each has a trace of its own, and the second's counts from its arrival."""
    async with running_edge(redis_url) as rig:
        socket = await rig.dial()
        await socket.send_str(HEARTBEAT % "m1")
        await ask(socket, HEARTBEAT % "m2")
        await socket.receive()
        await wait_until(lambda: len(tracer.named("edge.frame")) == 2)
        first, second = tracer.named("edge.frame")
        assert context_of(first)[3:35] != context_of(second)[3:35]
        assert first.end_time is not None
        assert second.start_time is not None
        assert second.start_time < first.end_time
        assert [entry.trace for entry in rig.worker.of(Kind.CALL)] == [context_of(first), context_of(second)]


async def test_a_frame_that_is_not_sampled_carries_nothing(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With traces on, a frame outside the share has no context and no span."""
    kept = Kept(0.0)
    monkeypatch.setattr(tracing, "open_tracer", lambda *_: kept)
    async with running_edge(redis_url) as rig:
        await ask(await rig.dial(), HEARTBEAT % "m1")
        assert [entry.trace for entry in rig.worker.of(Kind.CALL)] == [""]
        assert not kept.exporter.get_finished_spans()


async def test_a_frame_whose_socket_closes_unanswered_ends_in_error(redis_url: str, tracer: Kept) -> None:
    """No span stays open."""
    async with running_edge(redis_url) as rig:
        rig.worker.mute = True
        socket = await rig.dial()
        await socket.send_str(HEARTBEAT % "m1")
        await rig.worker.wait_for(Kind.CALL)
        await socket.close()
        await wait_until(lambda: tracer.named("edge.frame"))
        assert dict(tracer.one("edge.frame").attributes or {})["error"] is True


async def test_a_command_is_followed_until_its_answer(redis_url: str, tracer: Kept) -> None:
    """A command's span stands below its item's context, and the answer's entry carries it on."""
    async with running_edge(redis_url) as rig:
        socket = await rig.dial()
        (opened,) = await rig.worker.wait_for(Kind.OPENED)
        later = rig.node.pulse.redis_ms() + 60_000
        item = Command("CP1", opened.epoch, "c1", b'[2,"c1","Reset",{"type":"Soft"}]', later, WORKERS)
        await rig.worker.send(opened.node, item)
        assert '"c1"' in await socket.receive_str()
        await socket.send_str('[3,"c1",{"status":"Accepted"}]')
        (entry,) = await rig.worker.wait_for(Kind.ANSWER)
        span = tracer.one("edge.command")
        assert parent_of(span) == WORKERS
        assert entry.trace == context_of(span)
