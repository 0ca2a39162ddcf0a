"""Housekeeping jobs do their work, and no more."""

import msgspec

from shared import envelopes
from shared.bus import keys, streams
from shared.bus.lane import Lane
from shared.bus.scripts import ACQUIRE_SLOT
from shared.envelopes import Canary, Kind, Uplink
from shared.records.queries import tags
from shared.records.tags import IdTag
from shared.settings import Settings
from tests.workers.jobs.stage import stage
from workers.heartbeat import Heartbeat
from workers.jobs import maintenance


async def consumers(lane: Lane) -> set[str]:
    """Return the names in the group of partition 0."""
    found = await lane.one("XINFO", "CONSUMERS", keys.uplink(0), keys.GROUP)
    return {one[one.index(b"name") + 1].decode() for one in found}


async def test_dead_consumers_are_reaped(settings: Settings, lane: Lane) -> None:
    """A dead worker's consumer goes once it holds nothing; one that holds an entry, and a living worker's, stay."""
    await streams.create_group(lane, keys.uplink(0))
    entry = Uplink(envelopes.VERSION, Kind.CANARY, "", "edge", 0, 0, envelopes.encode(Canary(0, 1)))
    await lane.one("XADD", keys.uplink(0), "*", "e", envelopes.encode(entry))
    assert await streams.read_new(lane, keys.uplink(0), "holds", 1, 100)
    for name in ("idle", "alive"):
        assert not await streams.read_new(lane, keys.uplink(0), name, 1, 1)
    await Heartbeat(lane, "alive", settings.node_ttl_s).beat()
    context = {"lane": lane, "settings": settings, "partitions": 1}
    assert await maintenance.reap_consumers(context) == 1
    assert await consumers(lane) == {"holds", "alive"}
    pending = await lane.one("XPENDING", keys.uplink(0), keys.GROUP)
    assert pending[0] == 1
    ((entry_id, _),) = (await streams.claim(lane, keys.uplink(0), "alive", 0, "0-0", 10))[1]
    await lane.one("XACK", keys.uplink(0), keys.GROUP, entry_id)
    assert await maintenance.reap_consumers(context) == 1
    assert await consumers(lane) == {"alive"}


async def test_worker_that_is_silent_for_its_ttl_is_dead(settings: Settings, lane: Lane) -> None:
    """How long a worker may be silent is the setting's to say."""
    await streams.create_group(lane, keys.uplink(0))
    await streams.read_new(lane, keys.uplink(0), "slow", 1, 1)
    now_ms = await Heartbeat(lane, "slow", 60).beat()
    await lane.one("ZADD", keys.WORKERS, now_ms - 30_000, "slow")
    for ttl_s, reaped in ((60.0, 0), (10.0, 1)):
        changed = msgspec.structs.replace(settings, node_ttl_s=ttl_s)
        assert await maintenance.reap_consumers({"lane": lane, "settings": changed, "partitions": 1}) == reaped


async def test_places_without_a_holder_are_freed(settings: Settings, lane: Lane) -> None:
    """A place that no open transaction holds is free again, also under a tag that is gone; a held one is not."""
    await tags.put(lane, [IdTag(id_tag="anna", concurrent_limit=1)])
    async with stage(settings, lane) as system:
        await (await system.dial("CP1")).start("anna")
    held = await lane.one("HKEYS", keys.holders("anna"))
    await lane.one("HSET", keys.holders("anna"), held[0], 1, "CP1/lost", 1)
    await lane.one("HSET", keys.holders("deleted"), "CP9/lost", 1)
    assert await maintenance.free_places({"lane": lane}) == 2
    assert await lane.one("HKEYS", keys.holders("anna")) == held
    assert await maintenance.free_places({"lane": lane}) == 0


async def test_place_that_is_asked_for_again_is_not_freed(lane: Lane) -> None:
    """A start that comes again while its place is looked at keeps it."""
    await lane.one("HSET", keys.holders("anna"), "CP1/again", 1)
    assert await lane.one(*ACQUIRE_SLOT.command([keys.holders("anna")], ["CP1/again", 1])) == 1
    assert await maintenance.free_places({"lane": lane}) == 0
    assert await lane.one("HEXISTS", keys.holders("anna"), "CP1/again") == 1


async def test_indexes_of_the_present_are_mended(settings: Settings, lane: Lane) -> None:
    """The job reports how much it put right."""
    async with stage(settings, lane) as system:
        await system.dial("CP1")
        await system.settle()
    await lane.one("HSET", keys.ONLINE, "ghost", "ocpp1.6")
    assert await maintenance.mend_indexes({"lane": lane}) == 1
    assert await maintenance.mend_indexes({"lane": lane}) == 0
