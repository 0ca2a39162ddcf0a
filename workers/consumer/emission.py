"""Emits what a round of commits owes and settles its entries, in one script call.

Events come first, then effects, timers and places given back, then deliveries (one entry per node), then XACK and XDEL,
then the outbox fields that nothing overwrites. A crash anywhere repeats all of it with the same ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from shared.bus import keys
from shared.bus.lane import Lane
from shared.bus.scripts import APPLY_COMMANDS
from shared.logs import get_logger
from shared.records.packing import pack
from workers.store.commit import Outcome, flatten

log = get_logger("worker.consumer")
Operation = tuple[Any, ...]


class Settled(msgspec.Struct, frozen=True):
    """An entry and what its commit came to."""

    entry_id: str
    station: str
    outcome: Outcome


async def emit_and_settle(lane: Lane, partition: int, settled: Sequence[Settled], lone: bool = False) -> list[str]:
    """Run everything that the outcomes owe, then acknowledge and delete the entries.

    Returns what Redis refused of it (a defect: logged, and settled all the same, for it would be refused again).
    Raises `LaneLost` where the outcome is unknown: the entries come again, as duplicates.
    """
    operations = [*_emissions(partition, settled), *_settling(partition, settled, lone)]
    touched, arguments = flatten(operations)
    refused: list[bytes] = await lane.one(*APPLY_COMMANDS.command(touched, arguments))
    problems = [error.decode(errors="replace") for error in refused]
    for problem in problems:
        log.error("emission refused", error=problem, partition=partition)
    return problems


def _emissions(partition: int, settled: Iterable[Settled]) -> Iterable[Operation]:
    events: list[msgspec.Raw] = []
    effects: list[Operation] = []
    timers: list[Operation] = []
    deliveries: dict[str, list[msgspec.Raw]] = {}
    for one in settled:
        box = one.outcome.outbox
        if box is None:
            continue
        events += box.events
        effects += map(tuple, box.effects)
        for timer in box.timers:
            member = pack((one.station, timer.name, timer.subject))
            timers.append(("ZADD", keys.wakeups(partition), timer.due_ms, member))
        for tag, holder in box.releases:
            effects.append(("HDEL", keys.holders(tag), holder))
        for delivery in box.deliveries:
            deliveries.setdefault(delivery.node, []).append(delivery.item)
    if events:
        yield ("XADD", keys.EVENTS, "*", "v", pack(events))
    yield from effects
    yield from timers
    for node, items in deliveries.items():
        yield ("XADD", keys.downlink(node), "NOMKSTREAM", "*", "e", pack(items))


def _settling(partition: int, settled: Sequence[Settled], lone: bool) -> Iterable[Operation]:
    ids = [one.entry_id for one in settled]
    stream = keys.uplink(partition)
    yield ("XACK", stream, keys.GROUP, *ids)
    yield ("XDEL", stream, *ids)
    for one in settled:
        if one.outcome.outbox_field:
            yield ("HDEL", keys.state(one.station), one.outcome.outbox_field)
    if lone:
        yield ("HDEL", keys.attempts(partition), *ids)
