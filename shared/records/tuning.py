"""How a station is brought in line with what is wanted of it: section `tu`.

`Tuned.keys` remembers per wanted key how it stands. `Tuned.run` is what is under way: one command at a time, each of
which continues from what is written here, whoever decides it.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

TuningState = Literal["in_line", "differs", "pending", "refused", "reverting"]
"""`in_line`: held as wanted. `differs`: it is to be set. `pending`: it is being set, or a reboot is awaited.
`refused`: the station does not take it, or takes a part. `reverting`: it keeps going back, and is left alone."""
STATES: Final[tuple[TuningState, ...]] = ("reverting", "refused", "pending", "differs", "in_line")
"""The worst first: a template's state on a station is its worst key's."""
SearchStage = Literal["known", "whole", "halve", "swap", "restore", "done"]
RunPhase = Literal["set", "verify"]
ALL: Final = ""
"""Stands for a template's name: a station's state over all of them."""


class Search(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Where the search for the largest list of measurands stands that a station takes (`services.tuning.search`)."""

    wanted: tuple[str, ...]
    """In the order of importance."""
    limit: int = 0
    """How many items the station takes; 0: it did not say."""
    stage: SearchStage = "whole"
    good: tuple[str, ...] = ()
    """Taken, all at once, by the last attempt that was taken."""
    bad: tuple[str, ...] = ()
    """Refused."""
    doubtful: tuple[str, ...] = ()
    """Of `bad`: refused with the present `good` before them, so that the list's length may have been the reason."""
    low: int = 0
    """While halving: so many of the rest are taken."""
    high: int = 0
    """While halving: so many of the rest are refused."""
    calls: int = 0


class KeyMemory(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How one wanted key stands."""

    key: str
    template: str
    basis: str
    """Digest of the template's revision and the firmware: where it changes, all that is remembered begins anew."""
    wanted: str
    state: TuningState = "differs"
    since: int = 0
    """When this state began."""
    held: str | None = None
    """As last read; None: the station told no value."""
    set_at: int = 0
    """When the station took it; 0: it did not, or went back on it."""
    reverts: int = 0
    """How often it was another value again after the station had taken it."""
    answer: str = ""
    """Where it was refused: what the station answered."""
    reboot: bool = False
    """It takes effect after a reboot, which has not happened."""
    may_reboot: bool = True
    measurands: tuple[str, ...] | None = None
    """For a list: the items wanted; the fields below are for lists only."""
    taken: tuple[str, ...] | None = None
    """The largest part that the station takes; None: not known yet."""
    refused: tuple[str, ...] = ()
    no_room: tuple[str, ...] = ()
    """Left out because the station's list is full."""
    undelivered: tuple[str, ...] = ()
    """Held by the station, and missing in the last transaction that was looked at."""
    calls: int = 0
    """ChangeConfiguration calls that the last search took."""


class Run(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What is under way: keys set one after the other, then read back."""

    began_at: int
    phase: RunPhase = "set"
    key: str = ""
    """In lower case: the key that is being set."""
    command_id: str = ""
    """The command that is queued or sent; empty while it waits to go on (a command was lost)."""
    todo: tuple[str, ...] = ()
    done: tuple[str, ...] = ()
    """Keys that the station took, to be read back."""
    search: Search | None = None
    losses: int = 0
    """Commands in a row that nobody knows the fate of."""
    limits: dict[str, int] = {}
    """Key -> how many items its list may have, as the station says."""


class Reboot(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A reboot that is wanted so that what was set takes effect."""

    since: int
    asked: Literal["", "soft", "hard"] = ""
    asked_at: int = 0
    command_id: str = ""
    refused: str = ""
    """What the station answered to the hard reset; nothing more is tried."""


class Applied(msgspec.Struct, frozen=True, omit_defaults=True, array_like=True):
    """How a template stands on the station."""

    revision: int
    state: TuningState
    since: int


class Tuned(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Section `tu`: what was set on a station, what it refused, and what is under way."""

    keys: dict[str, KeyMemory] = {}
    """By the key's name in lower case."""
    templates: dict[str, Applied] = {}
    """By template; `ALL`: the worst of them. What stands here stands in the index `keys.TUNING`."""
    run: Run | None = None
    reboot: Reboot | None = None
    retry: bool = False
    """An operator wants all of it tried again: what is known of the model counts for nothing in the next run."""
    read_at: int = 0
    """The configuration that it was last held against."""


class ModelList(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What is known of one list of measurands of a model: a field of the hash `keys.MODEL_LISTS`."""

    vendor: str
    model: str
    firmware: str
    key: str
    refused: tuple[str, ...] = ()
    limit: int = 0
    """Found by trying; 0: none was found."""
    learned_at: int = 0
    station_id: str = ""
    """The station that it was learned from."""


def index_member(template: str, applied: Applied, station_id: str) -> str:
    """Return a station's member of the index `keys.TUNING` for a template."""
    return f"{template}/{applied.revision}/{applied.state}/{station_id}"
