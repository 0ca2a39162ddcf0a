"""6. Who speaks for a station.

A station that lost its network dials again while its old socket still looks alive. Each connection gets an *epoch*,
greater than every one before; whatever an older epoch reports or closes changes nothing about the present.
"""

from __future__ import annotations

from shared.bus import keys
from shared.bus.lane import Lane
from shared.bus.scripts import REGISTER_SESSION
from shared.envelopes import Close
from tests.workers.harness import World


async def test_epochs_only_rise(lane: Lane) -> None:
    """The script that registers a session gives out its epoch, and names the node whose socket it replaces."""
    sessions = [keys.session("CP1"), keys.presence("CP1")]
    first = await lane.one(*REGISTER_SESSION.command(sessions, ["edge-a", 30_000, "10.0.0.1"]))
    second = await lane.one(*REGISTER_SESSION.command(sessions, ["edge-b", 30_000, "10.0.0.1"]))
    assert second[0] > first[0]
    assert second[1] == b"edge-a"
    assert await lane.one("GET", keys.presence("CP1")) == f"edge-b/{second[0]}".encode()


def test_the_old_socket_is_closed() -> None:
    """The worker that hears of a new session tells the old one's node to close, with a code that asks to come back."""
    world = World()
    world.open(node="edge-a")
    old = world.epoch
    world.open(node="edge-b")
    close = world.items_of(Close)[-1]
    assert (close.epoch, close.code) == (old, 1012)


def test_an_old_close_does_not_take_the_station_offline() -> None:
    """The close of a socket that was replaced is the past: the station stays online."""
    world = World()
    world.open(node="edge-a")
    old = world.epoch
    world.open(node="edge-b")
    world.close(old)
    assert _connection(world) == "open"
    world.close()
    assert _connection(world) == "closed"


def _connection(world: World) -> str:
    return world.view.session.connection
