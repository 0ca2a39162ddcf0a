"""Failing closed: the rule by itself, by a clock in the hand, then with a real Redis and a worker that falls silent."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge.stations.failclosed import FailClosed
from shared import metrics
from shared.bus import keys
from shared.bus.lane import Lane
from shared.envelopes import Kind, SessionClosed
from tests.edge.stations.rig import HEARTBEAT, Rig, ask, closed, running_edge
from tests.support import lasting, running_valkey, wait_until


@pytest.fixture
def gate() -> FailClosed:
    return FailClosed(partitions=2, silence_s=4.0, append_s=2.0, reopen=2)


def test_it_closes_after_silence_while_something_is_due(gate: FailClosed) -> None:
    """Four seconds without any answer, counted from the first question."""
    assert gate.tick(100.0) is None
    gate.asked(100.0)
    gate.asked(103.0)
    assert gate.tick(103.9) is None
    assert gate.tick(104.0) == "close"
    assert gate.tick(105.0) is None
    assert not gate.open
    assert gate.reasons(105.0) == ["failed closed: silence"]


def test_any_answer_ends_the_silence(gate: FailClosed) -> None:
    """An answer to a frame counts, also while canaries are still out; the silence begins anew with it."""
    gate.canary_sent(0, 1, 100.0)
    gate.asked(100.0)
    gate.answered(103.5)
    assert gate.tick(107.4) is None
    assert gate.tick(107.5) == "close"


def test_nothing_due_is_no_silence(gate: FailClosed) -> None:
    """Without a question there is nothing to be answered, however long."""
    gate.asked(100.0)
    gate.answered(100.1)
    assert gate.tick(1000.0) is None


def test_failing_appends_close(gate: FailClosed) -> None:
    """Two seconds of failures without a success; one success clears them."""
    gate.append_failed(100.0)
    gate.append_failed(101.9)
    assert gate.tick(101.9) is None
    gate.append_succeeded()
    gate.append_failed(102.0)
    assert gate.tick(103.9) is None
    assert gate.tick(104.0) == "close"
    assert gate.reason == "appends"


@pytest.mark.parametrize(("field", "reason"), [("memory_full", "memory"), ("not_durable", "durability")])
def test_a_redis_that_is_full_or_not_durable_closes_at_once(gate: FailClosed, field: str, reason: str) -> None:
    """Nothing is appended to a Redis that can't be filled or trusted; canaries alone don't open it again."""
    setattr(gate, field, True)
    assert gate.tick(100.0) == "close"
    assert gate.reason == reason
    for number in (1, 2, 3):
        gate.canary_sent(0, number, 100.0 + number)
        gate.canary_answered(0, number, 100.1 + number)
    assert gate.tick(104.0) is None
    setattr(gate, field, False)
    assert gate.tick(104.0) == "open"


def test_two_rounds_of_fresh_canaries_open_it_again(gate: FailClosed) -> None:
    """Canaries sent before it closed, answered late, or of the same round do not count twice."""
    gate.canary_sent(0, 1, 99.0)
    gate.canary_sent(1, 1, 99.0)
    assert gate.tick(103.0) == "close"
    gate.canary_answered(0, 1, 103.1)
    gate.canary_sent(0, 2, 104.0)
    gate.canary_sent(1, 2, 104.0)
    gate.canary_answered(0, 2, 104.1)
    gate.canary_answered(1, 2, 104.1)
    assert gate.tick(104.2) is None
    gate.canary_sent(0, 3, 105.0)
    gate.canary_answered(0, 3, 110.0)
    assert gate.tick(110.0) is None
    gate.canary_sent(1, 4, 111.0)
    gate.canary_answered(1, 4, 111.1)
    assert gate.tick(111.1) == "open"
    assert gate.open


def test_failures_while_closed_begin_the_count_anew(gate: FailClosed) -> None:
    """Rounds must be in a row."""
    gate.asked(100.0)
    assert gate.tick(104.0) == "close"
    gate.canary_sent(0, 1, 105.0)
    gate.canary_answered(0, 1, 105.1)
    gate.append_failed(105.5)
    gate.append_succeeded()
    gate.canary_sent(0, 2, 106.0)
    gate.canary_answered(0, 2, 106.1)
    assert gate.tick(106.2) is None
    gate.canary_sent(0, 3, 107.0)
    gate.canary_answered(0, 3, 107.1)
    assert gate.tick(107.2) == "open"


def test_late_answers_refuse_upgrades_of_that_partition_only(gate: FailClosed) -> None:
    """Overload: nothing is closed, and the other partition's stations may come."""
    gate.canary_sent(0, 1, 100.0)
    gate.canary_sent(1, 1, 100.0)
    gate.canary_answered(1, 1, 100.1)
    assert gate.admits(0, 101.9)
    assert not gate.admits(0, 102.1)
    assert gate.admits(1, 102.1)
    assert gate.tick(102.1) is None
    gate.canary_answered(0, 1, 102.5)
    assert not gate.admits(0, 102.6)
    assert gate.reasons(102.6) == ["answers are late on partition 0"]
    gate.canary_sent(0, 2, 103.0)
    gate.canary_answered(0, 2, 103.1)
    assert gate.admits(0, 103.1)


def test_a_lost_canary_is_answered_by_a_later_one_and_strangers_are_ignored(gate: FailClosed) -> None:
    """Streams keep their order: the answer to a later canary covers the earlier ones."""
    gate.canary_sent(0, 1, 100.0)
    gate.canary_sent(0, 2, 101.0)
    gate.canary_answered(0, 2, 101.1)
    assert gate.admits(0, 110.0)
    gate.canary_answered(7, 1, 110.0)
    gate.canary_answered(0, 99, 110.0)


FAST: dict[str, Any] = {"canary_interval_s": 0.1, "silence_close_s": 0.8, "append_close_s": 0.5}


async def test_silent_workers_send_stations_away_and_answers_let_them_in_again(redis_url: str) -> None:
    """All workers dead: sockets close with 1012 before the call timeout, upgrades get 503, canaries open again (F5)."""
    async with running_edge(redis_url, **FAST) as rig:
        socket = await rig.served()
        epoch, times = rig.worker.of(Kind.OPENED)[-1].epoch, metrics.EDGE_FAIL_CLOSED.labels().value
        rig.worker.mute = True
        assert await closed(socket) == 1012
        error = await rig.refused()
        assert error.status == 503
        assert error.headers is not None
        assert int(error.headers["Retry-After"]) >= 1
        assert rig.node.not_ready() == ["failed closed: silence"]
        assert metrics.EDGE_FAIL_CLOSED.labels().value == times + 1
        await wait_until(lambda: rig.worker.of(Kind.CLOSED) and rig.worker.of(Kind.CLOSED)[-1].epoch == epoch)
        gone = rig.worker.of(Kind.CLOSED)[-1]
        assert msgspec.msgpack.decode(gone.frame, type=SessionClosed) == SessionClosed("failed_closed", 1012, True)
        rig.worker.mute = False
        await wait_until(lambda: rig.node.gate.open)
        await wait_until(lambda: not rig.node.not_ready())
        await rig.served()


async def test_late_answers_refuse_and_close_nothing(redis_url: str) -> None:
    """While answers come late the sockets stay and new ones are refused."""
    async with running_edge(redis_url, canary_interval_s=50, silence_close_s=60) as rig:
        socket = await rig.dial()
        await rig.worker.wait_for(Kind.CANARY, count=rig.node.partitions)
        await wait_until(lambda: not any(rig.node.gate._sent))  # The next ones come when this is long over.
        rig.node.gate._late[:] = [31.0] * rig.node.partitions
        assert (await rig.refused("CP2")).status == 503
        assert await ask(socket, HEARTBEAT % "a") == [3, "a", {}]


async def test_a_redis_that_dies_and_returns(tmp_path: Path) -> None:
    """kill -9 of Redis: closed in time; after its return the same node serves again (F8)."""
    with running_valkey(tmp_path) as valkey:
        async with running_edge(valkey.url, **FAST) as rig:
            socket = await rig.served()
            opened = rig.worker.of(Kind.OPENED)[-1]
            valkey.kill()
            assert await closed(socket) == 1012
            assert (await rig.refused()).status == 503
            valkey.start()
            await wait_until(lambda: rig.node.gate.open)
            await rig.served()
            newest = rig.worker.of(Kind.OPENED)[-1]
            assert newest.epoch > opened.epoch


async def test_a_redis_that_hangs_without_a_word(tmp_path: Path) -> None:
    """A black hole, no reset: closed in time and no hang; when it wakes the same node serves again (F13)."""
    with running_valkey(tmp_path) as valkey:
        async with running_edge(valkey.url, **FAST, redis_timeout_s=1) as rig:
            socket = await rig.served()
            assert valkey.process is not None
            valkey.process.send_signal(signal.SIGSTOP)
            try:
                assert await closed(socket) == 1012
                assert (await rig.refused()).status == 503
                await lasting(1.5, "Redis hangs")
            finally:
                valkey.process.send_signal(signal.SIGCONT)
            await wait_until(lambda: rig.node.gate.open)
            await rig.served()


async def test_an_append_of_unknown_outcome_closes_that_session_and_is_not_repeated(redis_url: str) -> None:
    """The connection to Redis breaks under a CALL: its session is closed 1012, others live, nothing comes twice."""
    async with running_edge(redis_url, canary_interval_s=50) as rig:
        socket, other = await rig.dial("CP1"), await rig.dial("CP2")
        await rig.worker.wait_for(Kind.OPENED, count=2)
        # What the connection breaks under is to be the CALL: the next canaries come when this is long over.
        await rig.worker.wait_for(Kind.CANARY, count=rig.node.partitions)
        wire = rig.node.lane._wire
        assert wire is not None
        await wait_until(lambda: not rig.node.appender._under_way and not wire.batches)
        pausing = await Lane.open(redis_url, name="pausing")
        await pausing.one("CLIENT", "PAUSE", 60_000, "WRITE")
        try:
            await socket.send_str(HEARTBEAT % "a")
            await wait_until(lambda: rig.node.appender._under_way and wire.batches)
            wire.abort("test")
            assert await closed(socket) == 1012
        finally:
            await pausing.one("CLIENT", "UNPAUSE")
            await pausing.close()
        assert metrics.EDGE_DISCONNECTS.labels("append_unknown").value == 1
        assert await ask(other, HEARTBEAT % "b") == [3, "b", {}]
        assert len(rig.worker.of(Kind.CALL, "CP1")) <= 1


async def test_a_nearly_full_redis_is_not_appended_to(redis_url: str) -> None:
    """At the limit of memory stations are sent away; with room again they may come."""
    async with running_edge(redis_url, canary_interval_s=0.1) as rig:
        socket = await rig.dial()
        info = await rig.worker.lane.one("INFO", "memory")
        used = int(next(line for line in info.decode().splitlines() if line.startswith("used_memory:")).split(":")[1])
        try:
            await rig.worker.lane.one("CONFIG", "SET", "maxmemory", int(used / 0.9))
            assert await closed(socket) == 1012
            assert rig.node.not_ready() == ["failed closed: memory"]
            await rig.worker.lane.one("CONFIG", "SET", "maxmemory", used * 10)
            await wait_until(lambda: rig.node.gate.open)
        finally:
            await rig.worker.lane.one("CONFIG", "SET", "maxmemory", 0)


async def test_a_lost_downlink_closes_the_sessions_that_wait(redis_url: str) -> None:
    """The stream vanishes: sessions with a CALL in flight are closed, the others go on over a new one."""
    async with running_edge(redis_url, canary_interval_s=0.1) as rig:
        waiting, idle = await rig.dial("CP1"), await rig.dial("CP2")
        rig.worker.holding = True
        await waiting.send_str(HEARTBEAT % "a")
        await rig.worker.wait_for(Kind.CALL)
        rig.worker.holding = False
        await rig.worker.lane.one("DEL", keys.downlink(rig.node.name))
        assert await closed(waiting) == 1012
        assert metrics.EDGE_DISCONNECTS.labels("downlink_gap").value == 1

        async def recreated() -> bool:
            return bool(await rig.worker.lane.one("EXISTS", keys.downlink(rig.node.name)))

        await wait_until(recreated)
        assert await ask(idle, HEARTBEAT % "b") == [3, "b", {}]


async def test_an_unreadable_downlink_entry_is_a_gap(rig: Rig) -> None:
    """An entry that can't be decoded may have held an answer."""
    socket = await rig.dial()
    rig.worker.holding = True
    await socket.send_str(HEARTBEAT % "a")
    await rig.worker.wait_for(Kind.CALL)
    await rig.worker.lane.one("XADD", keys.downlink(rig.node.name), "*", "e", b"\xc1")
    assert await closed(socket) == 1012
