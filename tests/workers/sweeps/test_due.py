"""Sweeping timers and presence deadlines into uplink entries, against a real Valkey."""

import msgspec
import pytest

from shared import envelopes
from shared.bus import keys
from shared.bus.lane import Lane
from shared.envelopes import Expired, Kind, Uplink
from shared.records.packing import pack
from shared.settings import Settings
from workers.sweeps.due import PAUSE_MS, Sweep, health

PARTITIONS = 2


@pytest.fixture
async def sweep(lane: Lane, settings: Settings) -> Sweep:
    """A sweep that has just swept, and for long: it was not paused."""
    await lane.one("HSET", keys.SWEPT, "last", await now_of(lane), "since", 0)
    sweep = Sweep(lane, settings, PARTITIONS)
    await sweep.run()
    return sweep


async def now_of(lane: Lane) -> int:
    """Redis TIME in ms."""
    seconds, micros = await lane.one("TIME")
    return int(seconds) * 1000 + int(micros) // 1000


async def appended(lane: Lane) -> list[Uplink]:
    """Every entry on every uplink."""
    found = [await lane.one("XRANGE", keys.uplink(partition), "-", "+") for partition in range(PARTITIONS)]
    return [envelopes.decode_uplink(fields[1]) for entries in found for _, fields in entries]


async def set_timer(lane: Lane, station: str, due_ms: int) -> None:
    """Put a timer where a commit's emission puts it."""
    partition = keys.partition_of(station, PARTITIONS)
    await lane.one("ZADD", keys.wakeups(partition), due_ms, pack((station, "reconcile", "7")))


async def put_deadline(lane: Lane, due_ms: int, *, heartbeat_ms: int) -> None:
    """A station of a node that was last heard of at `heartbeat_ms`."""
    await lane.one("ZADD", keys.NODES, heartbeat_ms, "edge-1")
    await lane.one("ZADD", keys.deadlines("edge-1"), due_ms, "CP1/99")


async def test_due_timer_wakes_its_station_once(lane: Lane, sweep: Sweep) -> None:
    """A timer that is due becomes one WAKEUP entry; one that is not due stays."""
    now = await now_of(lane)
    await set_timer(lane, "CP1", now - 1)
    await set_timer(lane, "CP2", now + 60_000)
    await sweep.run()
    await sweep.run()
    (entry,) = await appended(lane)
    assert (entry.kind, entry.station) == (Kind.WAKEUP, "CP1")
    assert await lane.one("ZCARD", keys.wakeups(keys.partition_of("CP2", PARTITIONS))) == 1


async def test_more_timers_than_one_read_takes(lane: Lane, sweep: Sweep) -> None:
    """A thousand due timers are swept in one round."""
    now = await now_of(lane)
    for number in range(1000):
        await set_timer(lane, f"CP{number}", now - 1000 + number % 900)
    assert await sweep.run() == 1000
    assert len({entry.station for entry in await appended(lane)}) == 1000


async def test_timer_set_anew_survives_the_removal(lane: Lane) -> None:
    """A timer that is moved between the reading and the removing is not lost."""
    await set_timer(lane, "CP1", 10)
    member = pack(("CP1", "reconcile", "7"))
    key = keys.wakeups(keys.partition_of("CP1", PARTITIONS))
    await lane.one("ZADD", key, 5000, member)
    from shared.bus.scripts import REMOVE_DUE

    assert await lane.one(*REMOVE_DUE.command([key], [member, 10])) == 0
    assert await lane.one("ZSCORE", key, member) == b"5000"


async def test_passed_deadline_is_told_to_the_station(lane: Lane, sweep: Sweep) -> None:
    """A presence deadline that passed becomes an EXPIRED entry with its epoch."""
    now = await now_of(lane)
    await put_deadline(lane, now - 1, heartbeat_ms=now)
    assert await sweep.run() == 1
    (entry,) = await appended(lane)
    assert (entry.kind, entry.station, entry.epoch, entry.node) == (Kind.EXPIRED, "CP1", 99, "edge-1")
    assert msgspec.msgpack.decode(entry.frame, type=Expired) == Expired("sweep", now - 1)
    assert await lane.one("ZCARD", keys.deadlines("edge-1")) == 0


async def test_pause_of_the_sweep_holds_stations(lane: Lane, settings: Settings) -> None:
    """After a pause of the sweep nobody is offline at once: each station gets one TTL more."""
    now = await now_of(lane)
    await put_deadline(lane, now - 1, heartbeat_ms=now)
    await lane.one("HSET", keys.door("CP1"), "interval", 100)
    assert await Sweep(lane, settings, PARTITIONS).run() == 0
    held_until = int(await lane.one("ZSCORE", keys.deadlines("edge-1"), "CP1/99"))
    assert 205_000 < held_until - now < 215_000


async def test_pause_holds_stations_whose_time_is_not_up_yet(lane: Lane, settings: Settings) -> None:
    """Their touches were lost as well: a deadline that comes soon after a pause is moved, one far off stays."""
    now = await now_of(lane)
    await put_deadline(lane, now + 1000, heartbeat_ms=now)
    await lane.one("ZADD", keys.deadlines("edge-1"), now + 900_000, "CP2/99")
    await lane.one("HSET", keys.door("CP1"), "interval", 100)
    assert await Sweep(lane, settings, PARTITIONS).run() == 0
    assert int(await lane.one("ZSCORE", keys.deadlines("edge-1"), "CP1/99")) - now > 205_000
    assert int(await lane.one("ZSCORE", keys.deadlines("edge-1"), "CP2/99")) == now + 900_000


async def test_pause_gives_nodes_their_time_to_be_heard(lane: Lane, settings: Settings) -> None:
    """Right after a pause no node is dead, however old its heartbeat: nobody could be heard meanwhile."""
    now = await now_of(lane)
    await put_deadline(lane, now - 1, heartbeat_ms=now - 60_000)
    sweep = Sweep(lane, settings, PARTITIONS)
    assert [await sweep.run(), await sweep.run()] == [0, 0]
    assert await lane.one("ZSCORE", keys.deadlines("edge-1"), "CP1/99") == str(now - 1).encode()


async def test_another_sweeper_goes_on_without_a_pause(lane: Lane, settings: Settings, sweep: Sweep) -> None:
    """When another worker takes over at once, what is due is told at once."""
    now = await now_of(lane)
    await put_deadline(lane, now - 1, heartbeat_ms=now)
    assert await Sweep(lane, settings, PARTITIONS).run() == 1


@pytest.mark.parametrize(
    ("heard", "before", "since", "expected"),
    [
        (99_000, 98_000, 0, "alive"),
        (99_000, 93_000, 0, "back"),
        (94_000, 94_000, 0, "silent"),
        (80_000, 80_000, 0, "dead"),
        (80_000, 80_000, 95_000, "silent"),
    ],
)
def test_health_of_a_node(heard: int, before: int, since: int, expected: str) -> None:
    """A node is judged by its heartbeats, and dead only where it could have been heard."""
    assert health(100_000, heard, before, since, 10_000) == expected


async def test_silence_of_a_live_node_holds_its_stations(lane: Lane, sweep: Sweep) -> None:
    """A silent node may not be able to touch its stations: they wait, and are held for a TTL once it is back."""
    now = await now_of(lane)
    await put_deadline(lane, now - 1, heartbeat_ms=now - PAUSE_MS - 1000)
    assert await sweep.run() == 0
    assert await lane.one("ZSCORE", keys.deadlines("edge-1"), "CP1/99") == str(now - 1).encode()
    await put_deadline(lane, now - 1, heartbeat_ms=now)
    assert await sweep.run() == 0
    assert await lane.one("ZCARD", keys.deadlines("edge-1")) == 1


async def test_dead_node_is_forgotten_after_its_stations(lane: Lane, sweep: Sweep) -> None:
    """A dead node stays until its last station's deadline passed; then its downlink goes too."""
    now = await now_of(lane)
    await put_deadline(lane, now - 1, heartbeat_ms=now - 60_000)
    await lane.one("XADD", keys.downlink("edge-1"), "*", "e", b"x")
    assert await sweep.run() == 1
    await sweep.run()
    assert await lane.one("ZCARD", keys.NODES) == 0
    assert await lane.one("EXISTS", keys.downlink("edge-1")) == 0
