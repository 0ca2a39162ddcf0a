"""The replica barrier with a real replica."""

import time
from pathlib import Path

import pytest

from shared.bus.barrier import Barrier
from shared.bus.lane import Lane, LaneLost
from shared.bus.scripts import COMMIT
from tests.support import running_valkey, wait_until


async def test_commit_waits_for_the_disk_of_replicas(tmp_path: Path) -> None:
    """With a replica a write passes; once the replica is gone, it counts as unknown, and a mere read does not pass."""
    with running_valkey(tmp_path / "primary") as primary:
        lane = await Lane.open(primary.url, name="test")
        await lane.one("CONFIG", "SET", "repl-diskless-sync-delay", 0)
        barrier = Barrier(replicas=1, timeout_ms=3000)
        with running_valkey(tmp_path / "replica") as replica:
            other = await Lane.open(replica.url, name="replica")
            await other.one("REPLICAOF", "127.0.0.1", primary.port)
            await wait_until(lambda: _linked(other))
            await wait_until(lambda: _passes(barrier, lane))
            assert await barrier.execute(lane, [("SET", "a", 1), ("GET", "a")]) == [b"OK", b"1"]
            await lane.one("SCRIPT", "FLUSH")
            call = COMMIT.command(["s:{A}:state"], [1, 7, "", 0, "o:1-1", "", 2, "o:1-1", b"box"])
            assert await barrier.execute(lane, [call]) == [[1]]
            assert await other.one("HGET", "s:{A}:state", "o:1-1") == b"box"
            waits = []
            for number in range(5):
                begun = time.monotonic()
                await barrier.execute(lane, [("SET", "n", number)])
                waits.append(time.monotonic() - begun)
            assert sorted(waits)[2] < 0.5, "each waited for the replica's report of the next second"
            await other.close()
        with pytest.raises(LaneLost, match="0 of 1 replicas"):
            await Barrier(replicas=1, timeout_ms=100).execute(lane, [("GET", "a")])
        assert await Barrier().execute(lane, [("GET", "a")]) == [b"1"]
        await lane.close()


async def _linked(replica: Lane) -> bool:
    return b"master_link_status:up" in await replica.one("INFO", "replication")


async def _passes(barrier: Barrier, lane: Lane) -> bool:
    try:
        await barrier.execute(lane, [("SET", "warm", 1)])
    except LaneLost:
        return False
    return True
