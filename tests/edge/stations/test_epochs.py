"""One owner per station: newer sockets supersede older ones, and what is old changes nothing."""

from __future__ import annotations

import asyncio

from shared import metrics
from shared.bus import keys
from shared.envelopes import Kind
from tests.edge.stations.rig import HEARTBEAT, FakeWorker, Rig, ask, closed, running_edge
from tests.support import wait_until


async def owner(rig: Rig) -> tuple[bytes, bytes]:
    """The node and epoch that Redis holds for CP1."""
    node, epoch = await rig.worker.lane.one("HMGET", keys.session("CP1"), "node", "epoch")
    return node, epoch


async def test_a_second_connection_on_the_same_node_supersedes(rig: Rig) -> None:
    """The older socket is closed, the newer one served; the old close leaves presence and owner alone."""
    first = await rig.dial("CP1")
    second = await rig.dial("CP1")
    assert await closed(first) == 1012
    assert await ask(second, HEARTBEAT % "a") == [3, "a", {}]
    old, new = await rig.worker.wait_for(Kind.OPENED, count=2)
    assert new.epoch > old.epoch
    await wait_until(lambda: rig.hub.everywhere == 1)
    assert await owner(rig) == (rig.node.name.encode(), str(new.epoch).encode())
    assert await rig.worker.lane.one("GET", keys.presence("CP1")) == f"{rig.node.name}/{new.epoch}".encode()
    assert metrics.EDGE_SUPERSEDED.labels("true").value == 1
    (gone,) = await rig.worker.wait_for(Kind.CLOSED)
    assert gone.epoch == old.epoch


async def test_a_second_connection_on_another_node_supersedes(redis_url: str) -> None:
    """The other node is told over its downlink, and closes within a second (F18)."""
    async with running_edge(redis_url) as one, running_edge(redis_url, worker=one.worker) as two:
        first = await one.dial("CP1")
        second = await two.dial("CP1")
        assert await closed(first) == 1012
        assert await ask(second, HEARTBEAT % "a") == [3, "a", {}]
        await wait_until(lambda: one.hub.everywhere == 0)
        node, epoch = await owner(two)
        assert node == two.node.name.encode()
        presence = await two.worker.lane.one("GET", keys.presence("CP1"))
        assert presence == node + b"/" + epoch


async def test_an_old_sockets_clean_close_does_not_take_the_new_one_offline(redis_url: str) -> None:
    """A close that reaches the old node late finds a newer epoch, and changes nothing (F7)."""
    async with running_edge(redis_url) as one, running_edge(redis_url, worker=one.worker) as two:
        first = await one.dial("CP1")
        # The close item is lost: the old node never hears of the new socket.
        await one.worker.lane.one("DEL", keys.downlink(one.node.name))
        await two.dial("CP1")
        before = await owner(two)
        await first.close()
        await one.worker.wait_for(Kind.CLOSED)
        await wait_until(lambda: one.hub.everywhere == 0)
        await one.node.appender.flush(5)
        assert await owner(two) == before
        assert await two.worker.lane.one("EXISTS", keys.presence("CP1")) == 1


async def test_a_touch_of_an_old_epoch_closes_the_old_socket(redis_url: str) -> None:
    """Where the close item was lost, the next sign of life finds out."""
    async with running_edge(redis_url) as one, running_edge(redis_url, worker=one.worker) as two:
        first = await one.dial("CP1")
        session = one.hub.sessions["CP1"]
        await one.worker.lane.one("DEL", keys.downlink(one.node.name))
        await two.dial("CP1")
        session.set_interval(60)
        assert await closed(first) == 1012
        assert metrics.EDGE_DISCONNECTS.labels("superseded").value == 1


async def test_epochs_rise_over_everything(rig: Rig) -> None:
    """An epoch is above the last one, wherever that came from, and not below Redis's clock."""
    await rig.worker.lane.one("HSET", keys.session("CP1"), "epoch", "99999999999999", "node", "elsewhere")
    await rig.dial("CP1")
    (opened,) = await rig.worker.wait_for(Kind.OPENED)
    assert opened.epoch == 100000000000000
    await rig.dial("CP2")
    (other,) = await rig.worker.wait_for(Kind.OPENED, "CP2")
    seconds, _ = await rig.worker.lane.one("TIME")
    assert abs(other.epoch - int(seconds) * 1000) < 60_000


async def test_many_at_once_leave_one_owner(rig: Rig) -> None:
    """Concurrent connections of one station end with exactly one socket, the one of the highest epoch."""
    await asyncio.gather(*(rig.dial("CP1") for _ in range(20)))
    opened = await rig.worker.wait_for(Kind.OPENED, count=20)
    await wait_until(lambda: rig.hub.everywhere == 1)
    newest = max(each.epoch for each in opened)
    assert rig.hub.sessions["CP1"].epoch == newest
    assert await owner(rig) == (rig.node.name.encode(), str(newest).encode())


async def test_a_socket_that_was_superseded_before_its_last_look_is_closed(rig: Rig) -> None:
    """After the upgrade the epoch is compared once more."""
    lane = rig.node.lane
    execute = lane.execute

    async def interfered(commands, timeout_s=None):  # type: ignore[no-untyped-def]
        if any(command[0] == "HGET" for command in commands):
            await execute([("HINCRBY", keys.session("CP1"), "epoch", 5)])
        return await execute(commands, timeout_s)

    lane.execute = interfered  # type: ignore[method-assign]
    socket = await rig.dial("CP1")
    assert await closed(socket) == 1012
    lane.execute = execute  # type: ignore[method-assign]
    await wait_until(lambda: metrics.EDGE_CONNECTS.labels("ocpp1.6", "superseded_at_once").value == 1)


async def test_a_station_that_left_by_itself_supersedes_nobody_when_it_returns(rig: Rig) -> None:
    """After a clean close nothing is left to supersede."""
    socket = await rig.dial("CP1")
    await socket.close()
    await rig.worker.wait_for(Kind.CLOSED)

    async def left() -> bool:
        return (await owner(rig))[0] == b""

    await wait_until(left)
    await rig.dial("CP1")
    assert metrics.EDGE_SUPERSEDED.labels("true").value == 0
    assert isinstance(rig.worker, FakeWorker)
