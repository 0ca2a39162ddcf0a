"""8. Who is there.

A station that pulls its plug says nothing. So each sign of life sets a deadline, in a key that expires and in a sorted
set that is swept; when it passes, an entry comes to the uplink like everything else, and is decided. A sign of life
that came in between makes it void.
"""

from __future__ import annotations

import msgspec

from shared.bus import keys
from shared.envelopes import Kind
from shared.presence import ttl_ms
from shared.records.events import StationOffline
from shared.settings import Settings
from tests.workers.harness import World


def test_how_long_a_station_is_believed() -> None:
    """Twice the interval at which it is to be heard, and ten seconds, within bounds."""
    settings = Settings()
    assert ttl_ms(60, settings) == 130_000
    assert ttl_ms(1, settings) == 30_000
    assert ttl_ms(86_400, settings) == 900_000
    assert ttl_ms(60, msgspec.structs.replace(settings, presence_grace_s=0)) == 120_000


def test_a_passed_deadline_is_offline() -> None:
    """Nobody heard of it in time: it is offline, and an event says why."""
    world = World()
    world.open()
    world.expire()
    assert world.view.session.connection == "closed"
    (offline,) = world.events_of(StationOffline)
    assert offline.cause == "expiry"


def test_a_sign_of_life_makes_it_void() -> None:
    """The deadline was on its way when the station was heard: nothing happens."""
    world = World()
    world.open()
    entry_of_the_past = world.epoch
    world.memory.data[keys.presence("CP1")] = f"edge-1/{world.epoch}".encode()
    world.feed(world.entry(Kind.EXPIRED, epoch=entry_of_the_past))
    assert world.view.session.connection == "open"
