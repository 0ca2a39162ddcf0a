"""What the next message to a station holds: the list's changes behind its cursor, as far as they concern it."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

import msgspec

from shared.records.local_lists import Head, Item, ListRun, LocalList, after, end_of
from shared.records.transactions import TagAnswer
from workers.services import configuration
from workers.services.quirks import quirks_of
from workers.store.draft import Draft
from workers.store.wants import WantListItems, WantSite, WantSnapshot

from .words import Entry, Words

CHUNK: Final = 100
"""Tags in a message to a station that does not say how many it takes."""
MAX_CHUNK: Final = 500
"""More would hold up the other stations of the partition for milliseconds, and make frames of 50 KiB."""
PAGES: Final = 8
"""So many pages of items that are not for this station are passed over in one decision; then a timer goes on."""
_STATUSES: Final = {"accepted": "Accepted", "blocked": "Blocked", "expired": "Expired", "invalid": "Invalid"}


class Room(msgspec.Struct, frozen=True):
    """What a station takes: tags in a message, and in all (0: it does not say). `supported` None: not known."""

    at_once: int
    in_all: int
    supported: bool | None


class Chunk(msgspec.Struct, frozen=True):
    """The next message's entries, how far the station is with them, and whether anything is left behind."""

    entries: tuple[Entry, ...]
    cursor: str
    last: bool


def room_of(draft: Draft, words: Words) -> Room:
    """Return what the station takes, by its configuration and what operators say of its model."""
    snapshot = draft.get(WantSnapshot())
    if snapshot is None:
        return Room(draft.listed.chunk or CHUNK, 0, None)
    can = configuration.capabilities.of_station(draft, snapshot)
    at_once = can.limits.get(words.most_at_once, 0) or CHUNK
    supported = words.profile.lower() in {name.lower() for name in can.profiles} if can.profiles else None
    return Room(min(draft.listed.chunk or MAX_CHUNK, at_once, MAX_CHUNK), can.limits.get(words.most, 0), supported)


def choose(draft: Draft, run: ListRun, head: Head, room: Room) -> Chunk:
    """Return the next message's entries behind what the station has; raises `Missing` for pages not yet loaded."""
    local: LocalList = draft.listed
    cursor = "" if run.full else local.cursor
    most = room.at_once
    if run.whole and room.in_all:
        most = min(most, max(room.in_all - run.sent, 0))
        if not most:
            return Chunk((), end_of(head.version), True)
    size, show = min(most, MAX_CHUNK) + 1, _shower(draft, run)
    entries: list[Entry] = []
    for _ in range(PAGES):
        page: tuple[tuple[int, Item], ...] = draft.get(WantListItems(local.policy, cursor, head.version, size))
        for place, (_, item) in enumerate(page):
            if len(entries) == most:
                # The page begins where the last one ended: with its first item nothing of it was taken.
                return Chunk(tuple(entries), after(*page[place - 1]) if place else cursor, False)
            entry = show(item)
            if entry is not None:
                entries.append(entry)
        if len(page) < size:
            return Chunk(tuple(entries), end_of(head.version), True)
        cursor = after(*page[-1])
    return Chunk(tuple(entries), cursor, False)


def site_of(draft: Draft) -> str:
    """Return the places for which a list is made, one text in lower case: the station's site, and its group."""
    site: str = draft.get(WantSite())
    group = draft.station.group if draft.station is not None else ""
    return f"{site.lower()}\n{group.lower()}"


def _shower(draft: Draft, run: ListRun) -> Callable[[Item], Entry | None]:
    """Return what makes of an item what the station gets; None where it needs no word of it."""
    rules, here = quirks_of(draft.station), set(site_of(draft).split("\n"))
    is_plain = not (rules.tag_reversed or rules.tag_digits or rules.tag_case)
    answer = lru_cache(maxsize=256)(TagAnswer)

    def show(item: Item) -> Entry | None:
        spelt = item.id_tag if is_plain else rules.listed(item.id_tag)
        if item.status and (not item.sites or not here.isdisjoint(item.sites)):
            return spelt, answer(_STATUSES[item.status], item.expires_at, item.parent)
        return None if run.whole else (spelt, None)  # A whole list names no tag that left.

    return show
