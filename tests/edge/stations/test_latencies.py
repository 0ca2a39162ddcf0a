"""The edge's answer and append times, and its frames by action, are those that a station's own watch and book show."""

from __future__ import annotations

import asyncio
import time

from shared import metrics
from shared.envelopes import Answer, Command, Kind
from shared.ocpp import frames
from shared.series import Counter
from tests.edge.stations.rig import HEARTBEAT, ask, running_edge
from tests.support import lasting, wait_until

HELD_S = 0.3


def counted(direction: str, kind: str, action: str) -> Counter:
    """The counter of frames of one direction, type and action."""
    return metrics.EDGE_FRAMES.labels(direction, kind, action)


async def test_the_answer_time_is_the_stations_own(redis_url: str) -> None:
    """Frame in, answer out: what is observed lies between the time that the answer was held and the station's watch."""
    metrics.register_actions(["Heartbeat"], [])
    async with running_edge(redis_url) as rig:
        rig.worker.holding = True
        socket = await rig.dial()
        ingest = metrics.EDGE_INGEST_SECONDS.labels()
        await wait_until(lambda: ingest.count == 1)  # Of the session's opening, which this watch has not seen.
        opening_s = ingest.total
        begun = time.perf_counter()
        asking = asyncio.create_task(ask(socket, HEARTBEAT % "m1"))
        (entry,) = await rig.worker.wait_for(Kind.CALL)
        await lasting(HELD_S, "the answer is held back")
        item = Answer(entry.station, entry.epoch, entry.call_seq, frames.encode_result("m1"))
        await rig.worker.send(entry.node, item)
        await asking
        seen_s = time.perf_counter() - begun
        child = metrics.EDGE_ACK_SECONDS.labels("Heartbeat")
        await wait_until(lambda: child.count == 1)
        assert HELD_S <= child.total <= seen_s
        # The append is a part of it: the frame was on the uplink before the answer was held.
        assert ingest.count == 2
        assert 0 < ingest.total - opening_s < seen_s - HELD_S


async def test_a_call_that_waits_for_its_turn_counts_from_its_arrival(redis_url: str) -> None:
    """The second of two CALLs at once has waited for the first: both times count, each whole."""
    metrics.register_actions(["Heartbeat"], [])
    async with running_edge(redis_url) as rig:
        rig.worker.holding = True
        socket = await rig.dial()
        await socket.send_str(HEARTBEAT % "m1")
        await socket.send_str(HEARTBEAT % "m2")
        await rig.worker.wait_for(Kind.CALL)
        await lasting(HELD_S, "the first answer is held back")
        await rig.worker.release()
        await wait_until(lambda: metrics.EDGE_ACK_SECONDS.labels("Heartbeat").count == 2)
        assert metrics.EDGE_ACK_SECONDS.labels("Heartbeat").total >= 2 * HELD_S


async def test_commands_count_by_action(redis_url: str) -> None:
    """A CALL of ours and its answer count under its action, an answer that nobody asked for under other."""
    metrics.register_actions(["Heartbeat"], ["Reset"])
    async with running_edge(redis_url) as rig:
        socket = await rig.dial()
        (opened,) = await rig.worker.wait_for(Kind.OPENED)
        later = rig.node.pulse.redis_ms() + 60_000
        frame = b'[2,"c1","Reset",{"type":"Soft"}]'
        await rig.worker.send(opened.node, Command("CP1", opened.epoch, "c1", frame, later))
        assert '"c1"' in await socket.receive_str()
        await socket.send_str('[3,"c1",{"status":"Accepted"}]')
        await socket.send_str('[3,"c2",{"status":"Accepted"}]')
        await rig.worker.wait_for(Kind.ANSWER, count=2)
        assert counted("out", "call", "Reset").value == 1
        assert counted("in", "callresult", "Reset").value == 1
        assert counted("in", "callresult", "other").value == 1
