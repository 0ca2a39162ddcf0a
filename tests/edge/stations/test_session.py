"""A station's session: its frames, its one CALL at a time, its end."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime

import aiohttp
import msgspec
import pytest
from ocpp.v16 import ChargePoint, call, call_result

from edge.stations import forwarding
from edge.stations.session import PONGS_MISSED
from shared import envelopes, metrics
from shared.bus import keys
from shared.envelopes import Answer, Close, Command, Kind, NotWritten, SessionClosed, SessionOpened
from shared.ocpp import frames
from tests.edge.stations.rig import HEARTBEAT, Rig, ask, closed, running_edge
from tests.support import PATIENCE_S, wait_until


async def test_a_call_is_answered_through_the_streams(rig: Rig) -> None:
    """CALL, uplink, worker, downlink, answer; the session is announced before its first CALL."""
    socket = await rig.dial("CP 1")
    assert await ask(socket, HEARTBEAT % "a") == [3, "a", {}]
    (opened,) = rig.worker.of(Kind.OPENED, "CP 1")
    body = msgspec.msgpack.decode(opened.frame, type=SessionOpened)
    assert (body.subprotocol, body.address, body.security_profile) == ("ocpp1.6", "127.0.0.1", 0)
    (entry,) = rig.worker.of(Kind.CALL)
    assert (entry.epoch, entry.call_seq, entry.node) == (opened.epoch, 1, rig.node.name)
    assert rig.worker.entries.index(opened) < rig.worker.entries.index(entry)
    await socket.close()
    (gone,) = await rig.worker.wait_for(Kind.CLOSED)
    body_closed = msgspec.msgpack.decode(gone.frame, type=SessionClosed)
    assert (body_closed.reason, body_closed.ours, gone.epoch) == ("station", False, opened.epoch)


async def test_the_ocpp_packages_own_client_runs_a_session(rig: Rig) -> None:
    """Interop: boot, heartbeat, and a command of ours that its handler answers."""

    def respond(uplink: envelopes.Uplink) -> bytes:
        frame = frames.decode(uplink.frame)
        assert isinstance(frame, frames.Call)
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        payload: dict[str, object] = {"currentTime": now}
        if frame.action == "BootNotification":
            payload |= {"interval": 60, "status": "Accepted"}
        return frames.encode_result(frame.message_id, payload)

    rig.worker.answer = respond
    socket = await rig.dial("CP1")

    class Wire:
        async def recv(self) -> str:
            return await socket.receive_str()

        async def send(self, text: str) -> None:
            await socket.send_str(text)

    point = ChargePoint("CP1", Wire())
    running = asyncio.create_task(point.start())
    boot = await point.call(call.BootNotification(charge_point_model="m", charge_point_vendor="v"))
    assert isinstance(boot, call_result.BootNotification)
    assert boot.status == "Accepted"
    assert (await point.call(call.Heartbeat())).current_time
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def test_one_call_at_a_time_is_in_the_system_in_order(rig: Rig) -> None:
    """CALLs sent without waiting for answers go up one by one, and are answered in order."""
    rig.worker.holding = True
    socket = await rig.dial()
    for number in range(5):
        await socket.send_str(HEARTBEAT % number)
    await rig.worker.wait_for(Kind.CALL)
    await rig.worker.release()
    answers = [msgspec.json.decode(await socket.receive_str(timeout=PATIENCE_S))[1] for _ in range(5)]
    assert answers == ["0", "1", "2", "3", "4"]
    assert [entry.call_seq for entry in rig.worker.of(Kind.CALL)] == [1, 2, 3, 4, 5]


async def test_the_same_call_again_while_it_waits_is_answered_once(rig: Rig) -> None:
    """A repetition byte for byte of what is in flight or waits is dropped: one answer serves both."""
    rig.worker.holding = True
    socket = await rig.dial()
    for name in ("a", "a", "b", "b", "a"):
        await socket.send_str(HEARTBEAT % name)
    await socket.ping()
    await wait_until(lambda: metrics.EDGE_INVALID_FRAMES.labels("second_call").value == 3)
    await rig.worker.release()
    assert [msgspec.json.decode(await socket.receive_str(timeout=PATIENCE_S))[1] for _ in range(2)] == ["a", "b"]


async def test_a_flood_is_held_back_and_loses_nothing(redis_url: str) -> None:
    """A full queue stops the reading; every CALL of the flood is answered in the end."""
    async with running_edge(redis_url, inbound_queue=4) as rig:
        rig.worker.holding = True
        socket = await rig.dial()
        for number in range(200):
            await socket.send_str(HEARTBEAT % number)
        await wait_until(lambda: rig.hub.sessions["CP1"].held_back)
        await rig.worker.release()
        answers = [msgspec.json.decode(await socket.receive_str(timeout=PATIENCE_S))[1] for _ in range(200)]
        assert answers == [str(number) for number in range(200)]
        assert not rig.hub.sessions["CP1"].held_back


async def test_a_flood_beyond_every_bound_closes(rig: Rig) -> None:
    """More CALLs in one read than the edge will keep end the session."""
    rig.worker.holding = True
    socket = await rig.dial()
    session = rig.hub.sessions["CP1"]
    # As one read of the socket brings them: reading is stopped between reads only.
    for number in range(3000):
        session.on_text((HEARTBEAT % number).encode(), binary=False)
    assert await closed(socket) == 1012
    assert metrics.EDGE_DISCONNECTS.labels("queue_full").value == 1


async def test_a_stale_answer_changes_nothing(rig: Rig) -> None:
    """Answers of another epoch, another CALL or another station are dropped and counted."""
    rig.worker.holding = True
    socket = await rig.dial()
    await socket.send_str(HEARTBEAT % "a")
    (entry,) = await rig.worker.wait_for(Kind.CALL)
    wrong = frames.encode_result("wrong")
    await rig.worker.send(
        rig.node.name,
        Answer("CP1", entry.epoch - 1, 1, wrong),
        Answer("CP1", entry.epoch, 2, wrong),
        Answer("CP2", entry.epoch, 1, wrong),
    )
    await wait_until(lambda: metrics.EDGE_INVALID_FRAMES.labels("late_answer").value == 3)
    await rig.worker.release()
    assert msgspec.json.decode(await socket.receive_str(timeout=PATIENCE_S)) == [3, "a", {}]
    await rig.worker.send(rig.node.name, Answer("CP1", entry.epoch, 1, wrong))
    await wait_until(lambda: metrics.EDGE_INVALID_FRAMES.labels("late_answer").value == 4)


BAD = {
    "": "not_json",
    "   ": "not_json",
    "nonsense": "not_json",
    '{"a":1}': "bad_envelope",
    "[]": "bad_envelope",
    '[1,"a"]': "unknown_type",
    '[9,"a","b",{}]': "unknown_type",
    '[6,"a","NotifyEvent",{}]': "unknown_type",
    "[" * 5000: "too_deep",
}


@pytest.mark.parametrize(("text", "reason"), BAD.items())
async def test_a_bad_frame_is_kept_and_the_session_goes_on(rig: Rig, text: str, reason: str) -> None:
    """What is no frame goes up as UNREADABLE with the text as it came, and the next CALL is served."""
    socket = await rig.dial()
    await socket.send_str(text)
    assert await ask(socket, HEARTBEAT % "after") == [3, "after", {}]
    (entry,) = rig.worker.of(Kind.UNREADABLE)
    assert (entry.frame.decode(), entry.call_seq) == (text, 0)
    assert entry.note
    assert metrics.EDGE_INVALID_FRAMES.labels(reason).value == 1


@pytest.mark.parametrize(
    "text", ['[2,"x","StartTransaction",{"connectorId":1', '[2,"x"]', '[2,"x","Heartbeat",[]]', '[2,"x","A",{},1]']
)
async def test_a_broken_call_takes_its_turn(rig: Rig, text: str) -> None:
    """A CALL whose id can be read goes to the worker, which knows what to answer."""
    socket = await rig.dial()
    answer = await ask(socket, text)
    assert answer[:3] == [4, "x", "FormationViolation"]
    (entry,) = rig.worker.of(Kind.CALL)
    assert (entry.call_seq, entry.frame.decode()) == (1, text)


async def test_many_bad_frames_close_the_session(rig: Rig) -> None:
    """A station that sends nothing but nonsense is closed, not at once."""
    socket = await rig.dial()
    for _ in range(51):
        await socket.send_str("nonsense")
    assert await closed(socket) == 1008
    assert len(await rig.worker.wait_for(Kind.UNREADABLE, count=50)) == 50


async def test_invalid_utf8_is_a_bad_frame_and_a_binary_frame_is_read(rig: Rig) -> None:
    """Bytes that are no text are kept; a frame sent as binary is understood and counted."""
    socket = await rig.dial()
    await socket.send_frame(b'[2,"\xff\xfe",', aiohttp.WSMsgType.TEXT)
    await socket.send_bytes(HEARTBEAT.encode() % b"b")
    assert msgspec.json.decode(await socket.receive_str(timeout=PATIENCE_S)) == [3, "b", {}]
    assert rig.worker.of(Kind.UNREADABLE)[0].frame == b'[2,"\xff\xfe",'
    assert metrics.EDGE_INVALID_FRAMES.labels("binary").value == 1


async def test_a_frame_at_the_limit_passes_and_a_longer_one_closes(redis_url: str) -> None:
    """The size limit is exact, and exceeding it closes with 1009."""
    async with running_edge(redis_url, max_frame_bytes=1024) as rig:
        socket = await rig.dial()
        text = HEARTBEAT % "a"
        assert (await ask(socket, text + " " * (1024 - len(text))))[1] == "a"
        await socket.send_str("x" * 1025)
        assert await closed(socket) == 1009
        assert metrics.EDGE_DISCONNECTS.labels("frame_too_big").value == 1


async def test_nesting_is_bounded_by_the_setting(redis_url: str) -> None:
    """A frame that nests deeper than allowed is no frame; one at the limit is."""
    async with running_edge(redis_url, max_json_depth=10) as rig:
        socket = await rig.dial()
        for name, depth in (("a", 8), ("b", 9)):
            nested = "[" * depth + "]" * depth
            assert (await ask(socket, f'[2,"{name}","Heartbeat",{{"a":{nested}}}]'))[0] == 3
        assert metrics.EDGE_INVALID_FRAMES.labels("too_deep").value == 1


async def test_an_unanswered_call_closes_its_socket_alone(redis_url: str) -> None:
    """After the call timeout the station is sent away with 1012; the others stay."""
    async with running_edge(redis_url, call_timeout_s=0.5) as rig:
        soon, rig.hub.call_timeout_s = rig.hub.call_timeout_s, PATIENCE_S
        other = await rig.dial("CP2")  # Its answer may take as long as it does.
        rig.hub.call_timeout_s = soon
        rig.worker.holding = True
        socket = await rig.dial("CP1")
        await socket.send_str(HEARTBEAT % "a")
        assert await closed(socket) == 1012
        (gone,) = await rig.worker.wait_for(Kind.CLOSED, "CP1")
        assert msgspec.msgpack.decode(gone.frame, type=SessionClosed) == SessionClosed("call_timeout", 1012, True)
        assert metrics.EDGE_ACK_SECONDS.labels("Heartbeat").total >= 10
        rig.worker.holding = False
        assert await ask(other, HEARTBEAT % "b") == [3, "b", {}]


async def test_a_command_is_written_once_and_its_answer_goes_up(rig: Rig) -> None:
    """A command item reaches the socket, beside a CALL in flight; the answer comes back as it is."""
    socket = await rig.dial()
    (opened,) = await rig.worker.wait_for(Kind.OPENED)
    frame = frames.encode_call("cmd-1", "ClearCache")
    await rig.worker.send(rig.node.name, Command("CP1", opened.epoch, "cmd-1", frame, rig.node.pulse.redis_ms() + 9999))
    assert await socket.receive_str(timeout=PATIENCE_S) == frame.decode()
    await socket.send_str('[3,"cmd-1",{"status":"Accepted"}]')
    (entry,) = await rig.worker.wait_for(Kind.ANSWER)
    assert (entry.frame, entry.epoch) == (b'[3,"cmd-1",{"status":"Accepted"}]', opened.epoch)
    assert metrics.EDGE_INVALID_FRAMES.labels("unsolicited_answer").value == 0
    await socket.send_str('[4,"cmd-0","GenericError","",{}]')
    assert len(await rig.worker.wait_for(Kind.ANSWER, count=2)) == 2
    assert metrics.EDGE_INVALID_FRAMES.labels("unsolicited_answer").value == 1


async def test_a_late_answer_to_a_command_goes_up_and_is_no_fault(rig: Rig) -> None:
    """The workers send the next command once they gave one up; its late answer is theirs to match (quirk 24)."""
    socket = await rig.dial()
    (opened,) = await rig.worker.wait_for(Kind.OPENED)
    later = rig.node.pulse.redis_ms() + 9999
    for name in ("cmd-1", "cmd-2"):
        item = Command("CP1", opened.epoch, name, frames.encode_call(name, "ClearCache"), later)
        await rig.worker.send(rig.node.name, item)
        assert name in await socket.receive_str(timeout=PATIENCE_S)
    for name in ("cmd-1", "cmd-2"):
        await socket.send_str(f'[3,"{name}",{{"status":"Accepted"}}]')
    assert len(await rig.worker.wait_for(Kind.ANSWER, count=2)) == 2
    assert metrics.EDGE_INVALID_FRAMES.labels("late_answer").value == 1
    assert metrics.EDGE_INVALID_FRAMES.labels("unsolicited_answer").value == 0
    assert rig.hub.sessions["CP1"].strikes == 0


async def test_a_broken_answer_to_a_command_is_kept_as_what_it_is(rig: Rig) -> None:
    """It goes up as UNREADABLE, never as an answer; the command is the worker's to time out."""
    socket = await rig.dial()
    (opened,) = await rig.worker.wait_for(Kind.OPENED)
    frame = frames.encode_call("cmd-1", "ClearCache")
    await rig.worker.send(rig.node.name, Command("CP1", opened.epoch, "cmd-1", frame, rig.node.pulse.redis_ms() + 9999))
    await socket.receive_str(timeout=PATIENCE_S)
    await socket.send_str('[3,"cmd-1",{"status":')
    (entry,) = await rig.worker.wait_for(Kind.UNREADABLE)
    assert entry.frame == b'[3,"cmd-1",{"status":'
    assert await ask(socket, HEARTBEAT % "after") == [3, "after", {}]
    assert not rig.worker.of(Kind.ANSWER)


async def test_a_command_for_another_epoch_or_too_late_is_reported(rig: Rig) -> None:
    """What must not be written any more is told to the workers, with the reason."""
    await rig.dial()
    (opened,) = await rig.worker.wait_for(Kind.OPENED)
    frame, later = frames.encode_call("x", "ClearCache"), rig.node.pulse.redis_ms() + 9999
    await rig.worker.send(
        rig.node.name,
        Command("CP1", opened.epoch - 1, "old", frame, later),
        Command("CP1", opened.epoch, "late", frame, rig.node.pulse.redis_ms() - 9999),
        Command("CP9", opened.epoch, "nobody", frame, later),
    )
    entries = await rig.worker.wait_for(Kind.NOT_WRITTEN, count=3)
    bodies = {
        body.command_id: body.reason
        for body in (msgspec.msgpack.decode(each.frame, type=NotWritten) for each in entries)
    }
    assert bodies == {"old": "no session", "late": "deadline", "nobody": "no session"}


async def test_a_command_before_its_sessions_close_is_not_written(rig: Rig) -> None:
    """Where both are read at once, as after a pause of the edge, that socket is not commanded any more."""
    socket = await rig.dial()
    (opened,) = await rig.worker.wait_for(Kind.OPENED)
    later = rig.node.pulse.redis_ms() + 9999
    await rig.worker.send(
        rig.node.name,
        Command("CP1", opened.epoch, "x", frames.encode_call("x", "ClearCache"), later),
        Close("CP1", opened.epoch, 1012, "superseded"),
    )
    (entry,) = await rig.worker.wait_for(Kind.NOT_WRITTEN)
    assert msgspec.msgpack.decode(entry.frame, type=NotWritten) == NotWritten("x", "no session")
    assert await closed(socket) == 1012


async def test_a_close_item_closes_that_epoch_only(rig: Rig) -> None:
    """A close of an older epoch does nothing, one of this epoch closes with its code."""
    socket = await rig.dial()
    (opened,) = await rig.worker.wait_for(Kind.OPENED)
    await rig.worker.send(rig.node.name, Close("CP1", opened.epoch - 1, 1012, "operator"))
    assert await ask(socket, HEARTBEAT % "a") == [3, "a", {}]
    await rig.worker.send(rig.node.name, Close("CP1", opened.epoch, 1012, "operator"))
    assert await closed(socket) == 1012
    assert metrics.EDGE_DISCONNECTS.labels("operator").value == 1


async def test_a_text_in_pieces_is_one_frame(rig: Rig) -> None:
    """Fragments and a frame that comes byte by byte are put together."""
    socket = await rig.dial()
    text = (HEARTBEAT % "pieces").encode()
    assert socket._writer is not None
    transport = socket._writer.transport
    masked = bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text
    for byte in masked:
        transport.write(bytes([byte]))
        await asyncio.sleep(0)
    assert msgspec.json.decode(await socket.receive_str(timeout=PATIENCE_S)) == [3, "pieces", {}]


async def test_a_lost_connection_is_reported_and_leaves_nothing(rig: Rig) -> None:
    """A station that vanishes without a close frame ends its session; presence and deadline go with it."""
    socket = await rig.dial()
    (opened,) = await rig.worker.wait_for(Kind.OPENED)
    await wait_until(lambda: rig.worker.lane.one("ZSCORE", keys.deadlines(rig.node.name), f"CP1/{opened.epoch}"))
    assert socket._writer is not None
    socket._writer.transport.abort()
    await rig.worker.wait_for(Kind.CLOSED)

    async def forgotten() -> bool:
        presence = await rig.worker.lane.one("EXISTS", keys.presence("CP1"))
        return not presence and not await rig.worker.lane.one("ZCARD", keys.deadlines(rig.node.name))

    await wait_until(forgotten)
    await wait_until(lambda: rig.hub.everywhere == 0)


@pytest.mark.parametrize(("action", "flags"), [("Heartbeat", ["flood"]), ("StatusNotification", ["flood"]), ("X", [])])
async def test_a_flood_is_noted_once(rig: Rig, action: str, flags: list[str]) -> None:
    """Heartbeats and statuses by the dozen are answered, and noted once a session; a replayed queue is not."""
    socket = await rig.dial()
    for number in range(forwarding.FLOOD * 2 + 1):
        assert (await ask(socket, f'[2,"{number}","{action}",{{}}]'))[0] == 3
    assert [entry.note for entry in rig.worker.of(Kind.NOTED)] == flags


async def test_a_few_repeats_are_no_flood(rig: Rig) -> None:
    """Less than the threshold in the time is what any station does."""
    socket = await rig.dial()
    for number in range(forwarding.FLOOD - 1):
        await ask(socket, HEARTBEAT % number)
    assert not rig.worker.of(Kind.NOTED)


@pytest.mark.parametrize("pongs", [True, False])
async def test_a_station_that_never_pongs_is_noted(redis_url: str, pongs: bool) -> None:
    """After some pings without a single pong the workers are told, once; one that pongs is not noted."""
    async with running_edge(redis_url, ping_interval_s=0.1) as rig:
        socket = await rig.dial(autoping=pongs)
        (session,) = rig.hub.sessions.values()
        reading = asyncio.create_task(socket.receive())  # The client pongs where it reads.
        await wait_until(lambda: session.pings_sent > PONGS_MISSED)

        reading.cancel()
        expected = [] if pongs else ["no_pong"]
        await wait_until(lambda: [entry.note for entry in rig.worker.of(Kind.NOTED)] == expected)
