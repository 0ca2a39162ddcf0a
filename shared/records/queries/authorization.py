"""Authorization policies and their writes, and how stations hold the lists that follow from them.

All policies are one record that is swapped whole, so that two operators who write at once lose nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from shared.bus import keys
from shared.bus.lane import Lane
from shared.bus.scripts import SWAP_RECORD
from shared.records.authorization import MAX_POLICIES, AuthorizationPolicy, Policies, wants_the_same
from shared.records.local_lists import DIGITS, STATES, Head, ListState, LocalList
from shared.records.packing import pack, unpack
from shared.records.stations import StationRecord

from .reading import SCAN_BUDGET, names, replies

CHUNK = 500
Change = Callable[[dict[str, AuthorizationPolicy]], dict[str, AuthorizationPolicy] | None]
"""The policies by name -> what becomes of them; None: nothing is written."""


class TooManyError(Exception):
    """There are `MAX_POLICIES` already."""


class ListNow(msgspec.Struct, frozen=True):
    """A policy's list: its head, None where it is not made yet, and how many stations stand how to it."""

    head: Head | None
    counts: dict[ListState, int]
    behind: int
    """Stations among those in line that hold an older version."""


class StationNow(msgspec.Struct, frozen=True):
    """A station and how it holds its list."""

    station: StationRecord
    listed: LocalList


async def every(lane: Lane) -> dict[str, AuthorizationPolicy]:
    """Return all policies by name."""
    packed = await lane.one("GET", keys.AUTHORIZATION)
    return {} if packed is None else unpack(packed, Policies).by_name


async def create(lane: Lane, policy: AuthorizationPolicy) -> bool:
    """Write a policy that must not exist; False where it does. Raises `TooManyError`."""
    return await _swap(lane, lambda held: None if policy.name in held else _with(held, policy))


async def put(lane: Lane, policy: AuthorizationPolicy) -> tuple[AuthorizationPolicy, bool]:
    """Write a policy, new or not; returns it as stored, and whether it is new. Raises `TooManyError`.

    Where it sets what it set before its time stays: nothing is set anew.
    """
    stored, new = policy, True

    def change(held: dict[str, AuthorizationPolicy]) -> dict[str, AuthorizationPolicy]:
        nonlocal stored, new
        before = held.get(policy.name)
        new = before is None
        same = before is not None and wants_the_same(before, policy)
        stored = msgspec.structs.replace(policy, updated_at=before.updated_at) if before and same else policy
        return _with(held, stored)

    await _swap(lane, change)
    return stored, new


async def delete(lane: Lane, name: str) -> bool:
    """Remove a policy; False where it is not known. The lists of its stations are taken away."""

    def change(held: dict[str, AuthorizationPolicy]) -> dict[str, AuthorizationPolicy] | None:
        return {each: one for each, one in held.items() if each != name} if name in held else None

    return await _swap(lane, change)


async def lists(lane: Lane, policies: Sequence[str]) -> list[ListNow]:
    """Return how each policy's list stands, and its stations to it."""
    heads = await replies(lane, [("GET", keys.list_head(name)) for name in policies])
    found = [unpack(packed, Head) if packed is not None else None for packed in heads]
    begins = [f"{name}/{state}/" for name in policies for state in STATES]
    begins += [
        f"{name}/in_line/{head.version if head else 0:0{DIGITS}}/" for name, head in zip(policies, found, strict=True)
    ]
    counts = [int(one) for one in await replies(lane, [_count(begin) for begin in begins])]
    made = []
    for n, head in enumerate(found):
        by_state = dict(zip(STATES, counts[n * len(STATES) : (n + 1) * len(STATES)], strict=True))
        made.append(ListNow(head, by_state, by_state["in_line"] - counts[len(policies) * len(STATES) + n]))
    return made


async def stations(
    lane: Lane, policy: str, state: ListState | None, after: str, limit: int
) -> tuple[list[StationNow], str]:
    """Return up to `limit` stations of a policy behind the index member `after`; and the next, or empty."""
    prefix = f"{policy}/{state}/" if state is not None else f"{policy}/"
    members = await names(lane, keys.LOCAL_LISTS, prefix, after, min(limit, SCAN_BUDGET))
    found = [one for one in await several(lane, [member.rpartition("/")[2] for member in members]) if one is not None]
    return found, members[-1] if len(members) == min(limit, SCAN_BUDGET) else ""


async def station(lane: Lane, station_id: str) -> StationNow | None:
    """Return how a station holds its list; None where the station is not known."""
    return (await several(lane, [station_id]))[0]


async def several(lane: Lane, station_ids: Sequence[str]) -> list[StationNow | None]:
    """Return how stations hold their lists, None for each that is not known."""
    found = await replies(lane, [("HMGET", keys.state(name), "st", "ll") for name in station_ids])
    return [
        StationNow(unpack(record, StationRecord), unpack(listed, LocalList) if listed is not None else LocalList())
        if record is not None
        else None
        for record, listed in found
    ]


def _count(begin: str) -> tuple[object, ...]:
    low = begin.encode()
    return ("ZLEXCOUNT", keys.LOCAL_LISTS, b"[" + low, b"(" + low + b"\xff")


def _with(held: dict[str, AuthorizationPolicy], policy: AuthorizationPolicy) -> dict[str, AuthorizationPolicy]:
    if policy.name not in held and len(held) >= MAX_POLICIES:
        raise TooManyError
    return {**held, policy.name: policy}


async def _swap(lane: Lane, change: Change) -> bool:
    while True:
        packed = await lane.one("GET", keys.AUTHORIZATION)
        after = change(unpack(packed, Policies).by_name if packed is not None else {})
        if after is None:
            return False
        swap = SWAP_RECORD.command(keys=[keys.AUTHORIZATION], args=[packed or b"", pack(Policies(after))])
        if await lane.one(*swap):
            return True
