"""The lane against a real Valkey: order, refusals, losses."""

import asyncio

import hiredis
import pytest

from shared.bus.lane import Address, Lane, LaneLost
from shared.bus.scripts import COMMIT
from tests.support import PATIENCE_S


async def test_replies_come_in_order(lane: Lane) -> None:
    """Many commands in one write have their replies in the order of the commands."""
    replies = await lane.execute([("SET", f"k{n}", n) for n in range(500)] + [("GET", f"k{n}") for n in range(500)])
    assert replies[:500] == [b"OK"] * 500
    assert replies[500:] == [str(n).encode() for n in range(500)]


async def test_concurrent_calls_do_not_mix(lane: Lane) -> None:
    """Concurrent callers on one lane each get their own replies."""

    async def echo(n: int) -> bool:
        return await lane.execute([("ECHO", f"{n}-{i}") for i in range(n % 7 + 1)]) == [
            f"{n}-{i}".encode() for i in range(n % 7 + 1)
        ]

    assert all(await asyncio.gather(*(echo(n) for n in range(200))))


async def test_refused_command_stands_in_its_place(lane: Lane) -> None:
    """A refused command does not take its neighbours along."""
    first, refused, last = await lane.execute([("SET", "a", 1), ("LPUSH", "a", 2), ("GET", "a")])
    assert (first, last) == (b"OK", b"1")
    assert isinstance(refused, hiredis.ReplyError)
    with pytest.raises(hiredis.ReplyError, match="WRONGTYPE"):
        await lane.one("LPUSH", "a", 2)


async def test_unknown_script_is_loaded_and_run_again(lane: Lane) -> None:
    """After SCRIPT FLUSH a script runs all the same, and only that command is repeated."""
    await lane.one("SCRIPT", "FLUSH")
    call = COMMIT.command(["s:{A}:state"], [1, 7, "", 0, "o:1-1", "", 2, "o:1-1", b"box"])
    counted, committed, again = await lane.execute([("INCR", "n"), call, ("INCR", "n")])
    assert (counted, committed, again) == (1, [1], 2)


async def test_reply_that_takes_too_long_loses_the_lane(lane: Lane) -> None:
    """A late reply is never taken for the next command's: the connection is dropped, the next use has a new one."""
    with pytest.raises(LaneLost, match="in time"):
        await lane.execute([("BLPOP", "nothing", 5)], timeout_s=0.05)
    assert await lane.one("ECHO", "x") == b"x"
    assert lane.connects == 2


async def test_cancelled_call_leaves_the_lane_usable(lane: Lane) -> None:
    """A caller that goes away does not shift the replies of those behind it."""
    task = asyncio.create_task(lane.execute([("ECHO", "gone")]))
    await asyncio.sleep(0)
    task.cancel()
    assert await lane.one("ECHO", "here") == b"here"


async def test_lost_connection_is_told_to_everyone_waiting(lane: Lane) -> None:
    """A killed connection fails every call under way, and nothing is run twice."""
    other = await Lane.open(f"redis://{lane.address}/0", name="killer")
    waiting = asyncio.create_task(lane.execute([("BLPOP", "nothing", 0)], timeout_s=5))
    behind = asyncio.create_task(lane.execute([("INCR", "n")], timeout_s=5))
    await asyncio.sleep(0)
    clients = (await other.one("CLIENT", "LIST")).decode().splitlines()
    number = next(line.split()[0].removeprefix("id=") for line in clients if "name=ampstream-test" in line)
    assert await other.one("CLIENT", "KILL", "ID", number) == 1
    for task in (waiting, behind):
        with pytest.raises(LaneLost):
            await task
    assert await other.one("GET", "n") is None
    await other.close()


async def test_unreachable_redis_is_named_without_its_password() -> None:
    """The error for a Redis that is not there names host and port, never the password."""
    with pytest.raises(LaneLost) as caught:
        await Lane.open("redis://user:hush@127.0.0.1:1/0", name="test")
    assert "127.0.0.1:1" in str(caught.value)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://h:1/3", Address(host="h", port=1, database=3)),
        ("rediss://u:p%40@h", Address(host="h", tls=True, username="u", password="p@")),
        ("unix:///tmp/x.sock?db=2", Address(path="/tmp/x.sock", database=2)),
    ],
)
def test_url_is_read(url: str, expected: Address) -> None:
    """The three kinds of URL are read, percent signs in the password too."""
    assert Address.parse(url) == expected


@pytest.mark.parametrize("url", ["http://h", "redis://h:x", "redis://h/zero"])
def test_bad_url_is_refused(url: str) -> None:
    """A URL of another kind, or with a port or database that is no number, is an error that says so."""
    with pytest.raises(ValueError, match="Redis URL"):
        Address.parse(url)


def test_lane_runs_on_uvloop(redis_url: str) -> None:
    """The loop of production serves the lane as asyncio's own does."""
    uvloop = pytest.importorskip("uvloop")

    async def talk() -> None:
        lane = await Lane.open(redis_url, name="uv")
        assert await lane.execute([("SET", "a", 1), ("GET", "a")]) == [b"OK", b"1"]
        await lane.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(talk())


async def test_lane_cancelled_while_it_connects_leaves_no_connection() -> None:
    """Whoever gives up while a lane greets Redis leaves no socket behind."""
    greeted, gone = asyncio.Event(), asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        greeted.set()
        while await reader.read(1024):
            pass
        gone.set()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    async with server:
        lane = Lane(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0", name="quitter")
        task = asyncio.create_task(lane.one("PING"))
        async with asyncio.timeout(PATIENCE_S):
            await greeted.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await gone.wait()
        await lane.close()
