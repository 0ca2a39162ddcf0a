"""Events, quarantine and histories stay within their quotas."""

from typing import Any

import msgspec
import pytest

from shared.bus import keys
from shared.bus.lane import Lane
from shared.records.packing import unpack
from shared.records.requests import CreateStation, DeleteStation, DropQuarantined
from shared.records.stations import StationRecord
from shared.settings import Settings
from tests.workers.jobs.stage import System, stage
from workers.jobs import quotas

PARTITIONS = 2


def context(lane: Lane, settings: Settings, **changes: Any) -> dict[Any, Any]:
    """What a job gets of arq, with some settings changed."""
    return {"lane": lane, "settings": msgspec.structs.replace(settings, **changes), "partitions": PARTITIONS}


async def events(lane: Lane, at_ms: int, count: int, size: int) -> None:
    """Put events on the stream."""
    commands = [("XADD", keys.EVENTS, f"{at_ms}-{number + 1}", "v", b"x" * size) for number in range(count)]
    await lane.execute(commands)


async def now_of(lane: Lane) -> int:
    """Redis TIME in ms."""
    seconds, micros = await lane.one("TIME")
    return int(seconds) * 1000 + int(micros) // 1000


async def test_old_events_leave(lane: Lane, settings: Settings) -> None:
    """Events older than the retention go, younger ones stay."""
    now = await now_of(lane)
    await events(lane, now - 11_000, 250, 10)
    await events(lane, now - 1000, 3, 10)
    assert await quotas.trim_events(context(lane, settings, event_retention_s=10)) == 250
    assert await lane.one("XLEN", keys.EVENTS) == 3


async def test_too_many_bytes_of_events_leave(lane: Lane, settings: Settings) -> None:
    """A stream above its size loses its oldest events and keeps the newest."""
    now = await now_of(lane)
    await events(lane, now, 3000, 1000)
    assert await quotas.trim_events(context(lane, settings, event_max_bytes=2_000_000)) > 0
    assert 1_500_000 < await lane.one("MEMORY", "USAGE", keys.EVENTS) <= 2_000_000
    assert (await lane.one("XREVRANGE", keys.EVENTS, "+", "-", "COUNT", 1))[0][0] == f"{now}-3000".encode()
    assert await quotas.trim_events(context(lane, settings, event_max_bytes=2_000_000)) == 0


async def misunderstood(system: System, station: str, count: int) -> None:
    """A station's frames that go to quarantine, about 1.4 kB each."""
    dialled = await system.dial(station)
    for _ in range(count):
        await dialled.call("Launch", {"text": "x" * 1000})


async def test_oldest_frames_leave_a_full_quarantine(lane: Lane, settings: Settings) -> None:
    """Over the total, the oldest frames of whatever station go, also those of a deleted one; each record agrees."""
    async with stage(settings, lane, partitions=PARTITIONS) as system:
        await misunderstood(system, "CP1", 3)
        await misunderstood(system, "CP2", 3)
        await misunderstood(system, "CP3", 3)
        assert await system.request("CP1", DeleteStation(request_id="d")) == 200
        enough = context(lane, settings, quarantine_total_bytes=100_000)
        assert await quotas.trim_quarantine(enough) == 0
        full = context(lane, settings, quarantine_total_bytes=6000)
        assert await quotas.trim_quarantine(full) == 5
        await system.settle()
        assert await quotas.trim_quarantine(full) == 0
    kept = await lane.one("ZRANGE", keys.QUARANTINE, 0, -1)
    assert [member.partition(b"/")[0] for member in kept] == [b"CP2", b"CP3", b"CP3", b"CP3"]
    assert [await lane.one("HLEN", keys.quarantine(name)) for name in ("CP1", "CP2", "CP3")] == [0, 1, 3]
    record = unpack(await lane.one("HGET", keys.state("CP2"), "st"), StationRecord)
    assert len(record.quarantined) == 1
    assert await lane.one("EXISTS", keys.state("CP1")) == 0


async def test_frame_of_a_deleted_station_can_be_dropped(lane: Lane, settings: Settings) -> None:
    """What outlives its station can still be removed by hand, and leaves no trace of it."""
    async with stage(settings, lane, partitions=PARTITIONS) as system:
        await misunderstood(system, "CP1", 1)
        assert await system.request("CP1", DeleteStation(request_id="d")) == 200
        (member,) = await lane.one("ZRANGE", keys.QUARANTINE, 0, -1)
        frame = member.decode().partition("/")[2]
        assert await system.request("CP1", DropQuarantined(request_id="q", quarantine_id=frame)) == 200
        await system.settle()
    assert await lane.one("EXISTS", keys.quarantine("CP1"), keys.QUARANTINE, keys.state("CP1")) == 0


async def history(lane: Lane, station: str, entries: int) -> None:
    """Give a station facts of about 1 kB each."""
    await lane.execute([("XADD", keys.history(station), "*", "h", b"x" * 1000) for _ in range(entries)])


async def test_histories_are_cut(lane: Lane, settings: Settings) -> None:
    """A history above its quota is cut; together they fit into the total, and the largest give."""
    async with stage(settings, lane, partitions=PARTITIONS) as system:
        for name in ("CP1", "CP2", "CP3"):
            assert await system.request(name, CreateStation(request_id=name)) == 201
    for name, entries in (("CP1", 10), ("CP2", 200), ("CP3", 300)):
        await lane.one("DEL", keys.history(name))
        await history(lane, name, entries)

    async def lengths() -> list[int]:
        return [await lane.one("XLEN", keys.history(name)) for name in ("CP1", "CP2", "CP3")]

    assert await quotas.trim_histories(context(lane, settings, history_station_bytes=250_000)) > 0
    one, two, three = await lengths()
    assert (one, two) == (10, 200)
    assert 150 < three < 250
    assert await quotas.trim_histories(context(lane, settings, history_total_bytes=200_000)) > 0
    one, two, three = await lengths()
    assert one == 10
    assert 50 < two < 100 > three > 50


@pytest.mark.parametrize(
    ("sizes", "total", "level"),
    [([1, 2, 3], 6, 6), ([1, 2, 3], 5, 2), ([10, 10], 10, 5), ([1, 50, 50], 41, 20), ([], 7, 7)],
)
def test_water_level(sizes: list[int], total: int, level: int) -> None:
    """The level is as high as the total allows when what is below it stays as it is."""
    found = quotas.water_level(sizes, total)
    assert sum(min(size, found) for size in sizes) <= total
    assert min(found, max(sizes, default=found)) == min(level, max(sizes, default=level))
