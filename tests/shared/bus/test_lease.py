"""Leases on a real Valkey: one holder at a time, and none takes another's away."""

from typing import Final

import hiredis
import pytest

from deploy.roles import EDGE
from shared.bus.lane import Lane, LaneLost
from shared.bus.lease import Lease
from tests.support import wait_until

KEY: Final = "lock:test"
LONG_MS: Final = 60_000


def lease(lane: Lane, holder: str, hold_ms: int = LONG_MS) -> Lease:
    return Lease(lane, KEY, holder, hold_ms)


async def test_one_holder_at_a_time(lane: Lane) -> None:
    """Who has it renews it, another does not get it, and gets it once it is given up."""
    first, second = lease(lane, "a"), lease(lane, "b")
    assert [await first.mine(), await second.mine(), await first.mine()] == [True, False, True]
    assert (first.held, second.held) == (True, False)
    await first.resign()
    assert (first.held, await second.mine(), await first.mine()) == (False, True, False)


async def test_it_is_renewed_by_its_holder_only(lane: Lane) -> None:
    """Each time its holder asks it lasts the whole time again; another's asking adds nothing."""
    first, second = lease(lane, "a"), lease(lane, "b", 10 * LONG_MS)
    await first.mine()
    await lane.one("PEXPIRE", KEY, LONG_MS // 2)
    await second.mine()
    assert 0 < await lane.one("PTTL", KEY) <= LONG_MS // 2
    await first.mine()
    assert LONG_MS // 2 < await lane.one("PTTL", KEY) <= LONG_MS


async def test_who_stops_asking_loses_it(lane: Lane) -> None:
    """It expires, another takes it, and the first one is told so when it asks again."""
    first, second = lease(lane, "a", 1), lease(lane, "b")
    assert await first.mine()
    await wait_until(second.mine, 30)
    assert not await first.mine()
    assert not first.held


async def test_resigning_takes_it_from_nobody_else(lane: Lane) -> None:
    """Whoever lost it without knowing, and resigns, leaves it to the one who has it."""
    first, second = lease(lane, "a"), lease(lane, "b")
    await first.mine()
    await lane.one("DEL", KEY)  # As its expiry does.
    await second.mine()
    await first.resign()
    assert await lane.one("GET", KEY) == b"b"
    assert await second.mine()


async def test_resigning_is_one_step(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look at whose it is and its end there is no other command: another may come in there."""
    first, sent = lease(lane, "a"), list[str]()
    await first.mine()
    execute = lane.execute

    async def counted(commands: list[tuple[str, ...]], timeout_s: float | None = None) -> list[object]:
        sent.extend(command[0] for command in commands)
        return await execute(commands, timeout_s)

    monkeypatch.setattr(lane, "execute", counted)
    await first.resign()
    assert sent == ["EVALSHA"]
    monkeypatch.undo()
    assert await lane.one("EXISTS", KEY) == 0


async def test_a_lost_connection_leaves_it_open_who_holds_it(lane: Lane) -> None:
    """Without a reply nobody counts as the holder; over the next connection it is the same holder's still."""
    first = lease(lane, "a")
    await first.mine()
    other = await Lane.open(f"redis://{lane.address}/0", name="other")
    await other.one("CLIENT", "PAUSE", LONG_MS, "WRITE")
    try:
        lane.timeout_s = 0.1
        with pytest.raises(LaneLost):
            await first.mine()
    finally:
        await other.one("CLIENT", "UNPAUSE")
    assert not first.held
    lane.timeout_s = 30
    assert await first.mine()
    assert lane.connects == 2
    await other.close()


async def test_an_edge_may_hold_one(lane: Lane) -> None:
    """The commands of both scripts are granted to edges too: one of them deletes files."""
    await lane.execute([("ACL", "SETUSER", "edge", "reset", "on", ">hush", *EDGE.rules())])
    edge = await Lane.open(f"redis://edge:hush@{lane.address}/0", name="edge")
    mine = Lease(edge, "x:sweeper", "edge-1", LONG_MS)
    assert [await mine.mine(), await mine.mine()] == [True, True]
    await mine.resign()
    assert await lane.one("EXISTS", "x:sweeper") == 0
    with pytest.raises(hiredis.ReplyError, match="NOPERM"):
        await Lease(edge, "lock:jobs", "edge-1", LONG_MS).mine()
    await edge.close()
    await lane.one("ACL", "DELUSER", "edge")
