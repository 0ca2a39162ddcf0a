"""Housekeeping: no dead consumers, no place held for nothing, no index that is behind."""

from __future__ import annotations

from typing import Any

from shared.bus import keys
from shared.bus.lane import Lane
from shared.bus.scripts import REMOVE_CONSUMER
from workers.heartbeat import forget_dead

from . import places, rebuild


async def reap_consumers(ctx: dict[Any, Any]) -> int:
    """Remove consumers of worker incarnations that are gone and hold nothing."""
    lane: Lane = ctx["lane"]
    alive = await forget_dead(lane, ctx["settings"].node_ttl_s)
    removed = 0
    for partition in range(ctx["partitions"]):
        stream = keys.uplink(partition)
        for consumer in await lane.one("XINFO", "CONSUMERS", stream, keys.GROUP):
            name = consumer[consumer.index(b"name") + 1].decode()
            if name not in alive:
                removed += int(await lane.one(*REMOVE_CONSUMER.command([stream], [keys.GROUP, name])))
    return removed


async def free_places(ctx: dict[Any, Any]) -> int:
    """Free places under id tags' limits whose holder is no open transaction any more (a worker died in between)."""
    return await places.free_unheld(ctx["lane"])


async def mend_indexes(ctx: dict[Any, Any]) -> int:
    """Put right what the indexes of the present say of stations; returns how many members were wrong."""
    return (await rebuild.mend_present(ctx["lane"])).total
