"""Housekeeping: bounded streams, no dead consumers, no place held for nothing."""

from __future__ import annotations

from typing import Any, Final

from shared.bus import keys
from shared.bus.lane import Lane
from shared.bus.scripts import REMOVE_CONSUMER
from shared.settings import Settings
from workers.heartbeat import forget_dead

from . import places, rebuild

SHARE: Final = 0.1
"""How much of the event stream goes at once when it is too large."""


async def trim_events(ctx: dict[Any, Any]) -> int:
    """Drop events that are older than the retention, and the oldest tenth while the stream is too large."""
    lane, settings = _lane(ctx), _settings(ctx)
    seconds, _ = await lane.one("TIME")
    oldest = (int(seconds) - settings.event_retention_s) * 1000
    removed = int(await lane.one("XTRIM", keys.EVENTS, "MINID", f"{max(oldest, 0)}-0"))
    size = await lane.one("MEMORY", "USAGE", keys.EVENTS, "SAMPLES", 0)
    if size is not None and int(size) > settings.event_max_bytes:
        length = int(await lane.one("XLEN", keys.EVENTS))
        removed += int(await lane.one("XTRIM", keys.EVENTS, "MAXLEN", "~", int(length * (1 - SHARE))))
    return removed


async def reap_consumers(ctx: dict[Any, Any]) -> int:
    """Remove consumers of worker incarnations that are gone and hold nothing."""
    lane = _lane(ctx)
    alive = await forget_dead(lane, _settings(ctx).node_ttl_s)
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
    return await places.free_unheld(_lane(ctx))


async def mend_indexes(ctx: dict[Any, Any]) -> int:
    """Put right what the indexes of the present say of stations; returns how many members were wrong."""
    return (await rebuild.mend_present(_lane(ctx))).total


def _lane(ctx: dict[Any, Any]) -> Lane:
    lane: Lane = ctx["lane"]
    return lane


def _settings(ctx: dict[Any, Any]) -> Settings:
    settings: Settings = ctx["settings"]
    return settings
