r"""Local authorization lists: what the list of a policy holds, and how far a station has it.

A list is a set of tags with the version at which each changed last, so that whatever a station has seen so far, what it
lacks is one range, and a whole list is the same range from the beginning:

    l:{<policy>}:head    string: `Head`
    l:{<policy>}:items   zset, scores 0, in order: <version, 10 digits>/<tag in lower case>\0<`Item`>
    l:{<policy>}:at      hash: tag in lower case -> its member of `items`

A tag that left the list stays as an `Item` without a status until `Head.floor` rises: who is below that gets all anew.
Items of a version are written before the head that names it. Section `ll` of a station is its `LocalList`.

The number that a station knows its list by (`listVersion`) counts the messages that this station was sent, so a number
that it reports says exactly which of them it has taken (OCPP 1.6 section 5.10; errata 3.52: never 0 or -1).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final, Literal

import msgspec

from shared.records.authorization import MAX_LISTED_TAG, ListRule
from shared.records.configuration import MASK
from shared.records.packing import pack, unpack
from shared.records.tags import IdTag

ListState = Literal["none", "in_line", "pending", "partial", "differs", "refused", "unsupported"]
"""`in_line`: it holds the version that was wanted, by its own word. `pending`: it is being sent, or will be.
`partial`: it holds as much of it as it takes. `differs`: it keeps naming another version. `refused`: it takes no list.
`unsupported`: it has no local list, or that is switched off."""
STATES: Final[tuple[ListState, ...]] = ("in_line", "pending", "partial", "differs", "refused", "unsupported")
SETTLED: Final = frozenset({"in_line", "partial", "differs", "refused", "unsupported"})
"""States in which nothing more is tried until the list, the station or an operator changes something."""
Phase = Literal["ask", "send", "verify"]
MAX_NUMBER: Final = 2**31 - 1
DIGITS: Final = 10
BEGIN: Final = ""
"""The cursor of a station that has nothing."""


class Item(msgspec.Struct, frozen=True, array_like=True):
    """A tag of a list as it is spelt; `status` empty: it left."""

    id_tag: str
    status: str = ""
    expires_at: int = 0
    parent: str = ""
    sites: tuple[str, ...] = ()
    """Where it stands in the list, in lower case; empty: everywhere."""


class Head(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a list is at the moment."""

    list_id: str
    """Another one where a policy's name is used again."""
    version: int
    count: int
    """Tags in it."""
    changed_at: int
    """When this version was made (ms)."""
    floor: int = 0
    """Changes up to this version are no longer told one by one."""
    placed: int = 0
    """Of these, those that stand in the list at some sites only."""
    left_out: int = 0
    """Tags that fit the rule and can't stand in a list: longer than 20 characters."""


class ListRun(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What is under way at a station: one command, whose end decides how it goes on."""

    began_at: int
    phase: Phase = "ask"
    command_id: str = ""
    full: bool = False
    """The next message replaces what the station holds."""
    whole: bool = False
    """It began with such a message."""
    number: int = 0
    """Of the message that is out, or whose fate is unknown."""
    cursor: str = BEGIN
    """How far the station has the list once it has taken that."""
    upto: int = 0
    """The version that is being sent."""
    sent: int = 0
    """Tags that the station has taken in this run."""
    out: int = 0
    """Tags in the message that is out."""
    last: bool = False
    """That message is the last."""
    losses: int = 0
    """Commands in a row of which nobody knows what became."""
    repairs: int = 0
    """How often it began anew."""


class LocalList(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How far a station has the list that is wanted of it: section `ll`."""

    policy: str = ""
    """Whose list is wanted; empty: none."""
    wanted: int = 0
    """Its version at the last look."""
    list_id: str = ""
    """The list that it holds, whole or in part; empty: none of ours."""
    place: str = ""
    """The site for which that was made."""
    cursor: str = BEGIN
    version: int = 0
    """What it held whole last."""
    number: int = 0
    """What it calls that."""
    used: int = 0
    """The greatest number that it was ever sent or named."""
    tags: int = 0
    """Tags in it, as far as known."""
    left_out: int = 0
    """Tags for which it has no room."""
    empty: bool = False
    """It calls its list 0: empty (section 5.10)."""
    state: ListState = "none"
    since: int = 0
    """When this state began (ms)."""
    held_since: int = 0
    """When it was found to hold `version` (ms)."""
    verified_at: int = 0
    """When it said so last."""
    verified_epoch: int = 0
    """In which session: it has not booted since, and still holds it."""
    chunk: int = 0
    """The most tags at a time that it was found to take; 0: as it says."""
    answer: str = ""
    """What it said where it took something not."""
    run: ListRun | None = None
    jobs: tuple[str, ...] = ()
    """Jobs that wait for the end of the run."""


def member(version: int, item: Item) -> bytes:
    """Return an item's member of `l:{<policy>}:items`."""
    return f"{version:0{DIGITS}}/{item.id_tag.lower()}\0".encode() + pack(item)


@lru_cache(maxsize=32_768)
def read(found: bytes) -> tuple[int, Item]:
    """Return the version and the item of a member; remembered, for a list goes to station after station."""
    head, _, packed = found.partition(b"\0")
    return int(head[:DIGITS]), unpack(packed, Item)


def after(version: int, item: Item) -> str:
    """Return the cursor behind an item."""
    return f"{version:0{DIGITS}}/{item.id_tag.lower()}\1"


def end_of(version: int) -> str:
    """Return the cursor behind all of a version."""
    return f"{version + 1:0{DIGITS}}/"


def version_of(cursor: str) -> int:
    """Return the version that a cursor is in; 0 at the beginning."""
    return int(cursor[:DIGITS]) if cursor else 0


def item_of(tag: IdTag, rule: ListRule, now: int) -> Item | None:
    """Return a tag as it stands in a list; None where it does not."""
    if not rule.takes(tag, now) or len(tag.id_tag) > MAX_LISTED_TAG:
        return None
    parent = tag.parent if len(tag.parent) <= MAX_LISTED_TAG else ""
    sites = tuple(sorted({name.lower() for name in tag.sites}))
    return Item(tag.id_tag, tag.status, tag.expires_at, parent, sites)


def without_tags(payload: str) -> str:
    """Return a SendLocalList's payload (JSON) with its tags masked: who they are nobody needs to read there again."""
    found = msgspec.json.decode(payload)
    for entry in found.get("localAuthorizationList") or ():
        entry["idTag"] = MASK
        info = entry.get("idTagInfo")
        if info and "parentIdTag" in info:
            info["parentIdTag"] = MASK
    return msgspec.json.encode(found).decode()


def changes(held: dict[str, Item], wanted: Iterable[Item]) -> dict[str, Item]:
    """Return what differs, by tag in lower case: items that are new or other, and those that left without a status.

    `held` has the items of the last version by tag in lower case, those that had left among them.
    """
    found = {item.id_tag.lower(): item for item in wanted}
    changed = {name: item for name, item in found.items() if held.get(name) != item}
    gone = {name: Item(item.id_tag) for name, item in held.items() if name not in found and item.status}
    return {**changed, **gone}


def index_member(local: LocalList, station_id: str) -> str:
    """Return a station's member of `keys.LOCAL_LISTS`; empty where no list is wanted of it."""
    if not local.policy:
        return ""
    return f"{local.policy}/{local.state}/{local.version:0{DIGITS}}/{station_id}"
