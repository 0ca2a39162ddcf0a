"""Authorization policies and their writes, and how stations hold the lists that follow from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from shared.bus import keys
from shared.bus.lane import Lane
from shared.records.authorization import MAX_POLICIES, AuthorizationPolicy, Policies, wants_the_same
from shared.records.local_lists import DIGITS, STATES, Head, ListState, LocalList
from shared.records.packing import unpack
from shared.records.stations import StationRecord

from .reading import SCAN_BUDGET, counting, names, replies
from .registers import Register


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


def _succeeds(before: AuthorizationPolicy, after: AuthorizationPolicy) -> AuthorizationPolicy:
    """Return a policy that takes another one's place: where it sets the same its time stays: nothing is anew."""
    return msgspec.structs.replace(after, updated_at=before.updated_at) if wants_the_same(before, after) else after


REGISTER: Final = Register(
    keys.AUTHORIZATION, Policies, "authorization policy", "authorization policies", MAX_POLICIES, _succeeds
)
"""The lists of a deleted one's stations are taken away."""


async def lists(lane: Lane, policies: Sequence[str]) -> list[ListNow]:
    """Return how each policy's list stands, and its stations to it."""
    heads = await replies(lane, [("GET", keys.list_head(name)) for name in policies])
    found = [unpack(packed, Head) if packed is not None else None for packed in heads]
    begins = [f"{name}/{state}/" for name in policies for state in STATES]
    begins += [
        f"{name}/in_line/{head.version if head else 0:0{DIGITS}}/" for name, head in zip(policies, found, strict=True)
    ]
    counts = [int(one) for one in await replies(lane, [counting(keys.LOCAL_LISTS, begin) for begin in begins])]
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
