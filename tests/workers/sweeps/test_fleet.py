"""The gauges of the whole system come from indexes and streams."""

from shared import envelopes, metrics, series
from shared.bus import keys, streams
from shared.bus.lane import Lane
from shared.envelopes import Canary, Kind, Uplink
from workers.sweeps.fleet import Fleet


async def put_canary(lane: Lane) -> None:
    """Append an entry that belongs to nobody."""
    entry = Uplink(envelopes.VERSION, Kind.CANARY, "", "edge", 0, 0, envelopes.encode(Canary(0, 1)))
    await lane.one("XADD", keys.uplink(0), "*", "e", envelopes.encode(entry))


def value(family: series.Family[series.Gauge], *labels: str) -> float:
    """Return what a gauge shows."""
    return family.labels(*labels).value


async def test_gauges_show_the_indexes(lane: Lane) -> None:
    """Each figure is that of its index, and what left an index leaves its gauge."""
    await streams.create_group(lane, keys.uplink(0))
    await lane.execute(
        [
            ("ZADD", keys.STATIONS, 0, "a", 0, "b", 0, "c", 0, "d"),
            ("HSET", keys.ONLINE, "a", "ocpp1.6", "b", "ocpp1.6"),
            ("SADD", keys.NEVER_SEEN, "c"),
            ("HSET", keys.CONNECTORS, "a/1", "Charging", "b/1", "Charging", "b/2", "Odd"),
            ("ZADD", keys.TRANSACTIONS_OPEN, 1, "1"),
            ("ZADD", keys.QUARANTINE, 1, "a/0-1-0", 2, "a/0-2-0"),
            ("SADD", keys.COMMANDS_INFLIGHT, "a/x", "b/y", "b/z"),
            ("SET", keys.STUCK, 4),
            ("ZADD", keys.JOBS, 1, "j1"),
        ]
    )
    fleet = Fleet(lane, 1)
    await fleet.refresh()
    online = value(metrics.STATIONS, "online", "ocpp1.6")
    gone = [value(metrics.STATIONS, state, "none") for state in ("offline", "never_seen")]
    assert (online, gone) == (2, [1, 1])
    assert [value(metrics.CONNECTORS, status) for status in ("Charging", "Available", "other")] == [2, 0, 1]
    assert value(metrics.TRANSACTIONS_ACTIVE, "ocpp1.6") == 1
    single = [metrics.QUARANTINE_MESSAGES, metrics.COMMANDS_INFLIGHT, metrics.TRANSACTIONS_STUCK]
    assert [value(family) for family in single] == [2, 3, 4]
    assert value(metrics.WORKER_QUEUE_JOBS, keys.JOBS) == 1
    await lane.one("DEL", keys.ONLINE, keys.CONNECTORS, keys.STUCK)
    await fleet.refresh()
    assert value(metrics.STATIONS, "online", "ocpp1.6") == 0
    assert value(metrics.CONNECTORS, "Charging") == 0
    assert value(metrics.TRANSACTIONS_STUCK) == 0


async def test_gauges_tell_unread_from_unsettled(lane: Lane) -> None:
    """What nobody read is lag, what was read and not acknowledged is pending, each with the age of its oldest."""
    await streams.create_group(lane, keys.uplink(0))
    for _ in range(3):
        await put_canary(lane)
    await streams.read_new(lane, keys.uplink(0), "w", 1, 10)
    await Fleet(lane, 1).refresh()
    labels = (keys.uplink(0), keys.GROUP)
    assert value(metrics.STREAM_LENGTH, keys.uplink(0)) == 3
    assert (value(metrics.STREAM_LAG, *labels), value(metrics.STREAM_PENDING, *labels)) == (2, 1)
    assert value(metrics.STREAM_PENDING_SECONDS, *labels) >= value(metrics.STREAM_LAG_SECONDS, *labels) >= 0


async def calls(lane: Lane) -> dict[str, int]:
    """How often each command ran on the server so far."""
    lines = (await lane.one("INFO", "commandstats")).decode().splitlines()
    pairs = [line.removeprefix("cmdstat_").split(":calls=") for line in lines if line.startswith("cmdstat_")]
    return {name: int(rest.partition(",")[0]) for name, rest in pairs if name != "info"}


async def refreshed(lane: Lane, fleet: Fleet) -> dict[str, int]:
    """Which commands a refresh of the gauges runs, and how often each."""
    before = await calls(lane)
    await fleet.refresh()
    after = await calls(lane)
    return {name: count - before.get(name, 0) for name, count in after.items() if count != before.get(name, 0)}


async def test_gauges_cost_the_same_commands_whatever_the_key_space(lane: Lane) -> None:
    """With 10 stations and with 3,000, and 20,000 keys beside, a refresh is the same few commands, and none scans."""
    await streams.create_group(lane, keys.uplink(0))
    fleet = Fleet(lane, 1)
    found = []
    for count in (10, 3000):
        names = [f"CP{number}" for number in range(count)]
        await lane.execute([("ZADD", keys.STATIONS, 0, name) for name in names])
        await lane.execute([("HSET", keys.ONLINE, name, "ocpp1.6") for name in names])
        await lane.execute([("HSET", keys.state(name), "v", "1") for name in names])
        await lane.execute([("SET", f"beside:{number}", "x") for number in range(20_000 if count > 10 else 0)])
        found.append(await refreshed(lane, fleet))
        assert value(metrics.STATIONS, "online", "ocpp1.6") == count
    assert found[0] == found[1]
    assert sum(found[1].values()) < 40
    assert not {"keys", "scan", "hscan", "sscan", "zscan", "hgetall", "eval", "evalsha"} & set(found[1])


async def test_a_scrape_asks_redis_nothing(lane: Lane) -> None:
    """Rendering shows what the last refresh found: however many scrape, Redis does not notice."""
    await streams.create_group(lane, keys.uplink(0))
    await Fleet(lane, 1).refresh()
    before = await calls(lane)
    for _ in range(3):
        assert b"ampstream_stations{" in await metrics.exposition()
    assert await calls(lane) == before
